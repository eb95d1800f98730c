//! Key files: the golden one, every damage, wrong passphrases.

use super::*;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// What version 1 looks like. Keys are kept for years: this text has to be read for ever.
const GOLDEN: &str = include_str!("golden_v1.json");

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn golden_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

#[test]
fn the_golden_file_is_written_and_read() {
    let cost = Cost { memory_kib: 64, passes: 2, lanes: 2 };
    let pass = secret("correct horse");
    let file = KeyFile::seal_with(&golden_key(), &pass, cost, [1; 16], [2; 12]).unwrap();
    assert_eq!(file.to_text().unwrap(), GOLDEN);
    let read = KeyFile::parse(GOLDEN).unwrap();
    assert_eq!(read.open(&secret("correct horse")).unwrap(), golden_key());
    assert_eq!(read.address().unwrap().as_bytes(), golden_key().verifying_key().as_bytes());
}

#[test]
fn the_seed_is_not_in_the_file_and_salts_differ() {
    let (key, pass) = (golden_key(), secret("p"));
    let one = KeyFile::seal(&key, &pass, CHEAP).unwrap();
    let two = KeyFile::seal(&key, &pass, CHEAP).unwrap();
    assert!(!one.to_text().unwrap().contains(&hex(&key.to_bytes())));
    assert_ne!(one.salt, two.salt);
    assert_ne!(one.sealed, two.sealed);
}

#[test]
fn a_wrong_passphrase_is_told_from_a_damaged_file() {
    let file = KeyFile::parse(GOLDEN).unwrap();
    for wrong in ["correct hors", "correct horse ", "Correct horse"] {
        assert_eq!(file.open(&secret(wrong)).unwrap_err().code(), "wrong_passphrase");
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let mut noticed = 0;
    for at in 0..GOLDEN.len() {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        // White space may change its kind.
        if bytes[at].is_ascii_whitespace() {
            continue;
        }
        bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        let error = KeyFile::parse(std::str::from_utf8(&bytes).unwrap()).unwrap_err();
        assert!(["damaged_key", "key_version"].contains(&error.code()), "{at}: {error}");
        noticed += 1;
    }
    assert!(noticed > 400, "{noticed}");
    for end in 0..GOLDEN.len() - 2 {
        assert!(KeyFile::parse(&GOLDEN[..end]).is_err(), "{end}");
    }
}

/// Somebody who can write the file fits the checksum to it: the cipher notices.
#[test]
fn another_address_under_the_same_secret_is_refused() {
    let mut file = KeyFile::parse(GOLDEN).unwrap();
    file.address = crate::demo::address(0).to_string();
    assert_eq!(file.open(&secret("correct horse")).unwrap_err().code(), "damaged_key");
    let mut parts = KeyFile::parse(GOLDEN).unwrap().parts().unwrap();
    parts.address = crate::demo::address(0);
    file.checksum = format!("{:x}", parts.checksum());
    assert_eq!(file.open(&secret("correct horse")).unwrap_err().code(), "wrong_passphrase");
}

#[test]
fn a_file_cannot_ask_for_all_memory() {
    for (field, value) in [
        ("\"memory_kib\": 64", "\"memory_kib\": 4294967295"),
        ("\"passes\": 2", "\"passes\": 17"),
        ("\"lanes\": 2", "\"lanes\": 0"),
    ] {
        let text = GOLDEN.replace(field, value);
        assert_ne!(text, GOLDEN, "{field}");
        let error = KeyFile::parse(&text).unwrap_err().to_string();
        assert!(error.contains("at most 1048576 KiB, 16 passes and 16 lanes"), "{error}");
    }
}

#[test]
fn other_versions_and_methods_say_what_is_read() {
    let error = KeyFile::parse(&GOLDEN.replace("\"version\": 1", "\"version\": 9")).unwrap_err();
    assert_eq!(error.code(), "key_version");
    assert!(error.to_string().contains("version is 9; this program reads version 1"), "{error}");
    let error = KeyFile::parse(&GOLDEN.replace("argon2id", "scrypt")).unwrap_err().to_string();
    assert!(error.contains("\"scrypt\"") && error.contains("\"argon2id\""), "{error}");
}

#[test]
fn hexadecimal_has_exactly_its_length() {
    assert_eq!(unhex_bytes::<2>("0xAb01"), Some([0xab, 1]));
    for wrong in ["ab0", "ab011", "ab", "ab0101", "ab0g", "", "0x"] {
        assert_eq!(unhex_bytes::<2>(wrong), None, "{wrong}");
    }
}
