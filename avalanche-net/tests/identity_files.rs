//! Where an identity is stored, and what is said if it cannot be used.
#![cfg(unix)]
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use avalanche_net::identity::{BlsError, FileError, Identity, KeyError};
use support::{Folder, hex};

const FILES: [&str; 3] = ["staker.crt", "staker.key", "signer.key"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
}

fn secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
    set_mode(path, 0o600);
}

#[test]
fn a_new_identity_is_the_same_after_a_restart() {
    let folder = Folder::new();
    let dir = folder.path().join("data/staking");
    let created = Identity::load_or_create(&dir).expect("created");
    let loaded = Identity::load_or_create(&dir).expect("loaded");
    assert_eq!(created.node_id(), loaded.node_id());
    assert_eq!(created.bls().public_key(), loaded.bls().public_key());
    assert_ne!(created.node_id(), Identity::generate().expect("another").node_id());

    assert_eq!(mode(&dir), 0o700);
    let mut names: Vec<_> = fs::read_dir(&dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["signer.key", "staker.crt", "staker.key"]);
    names.iter().for_each(|name| assert_eq!(mode(&dir.join(name)), 0o600, "{name}"));
}

#[test]
fn files_of_avalanchego_are_loaded() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/avalanchego");
    let folder = Folder::new();
    for name in FILES {
        fs::copy(data.join(name), folder.path().join(name)).expect("copied");
        // As AvalancheGo leaves them.
        set_mode(&folder.path().join(name), 0o400);
    }
    // What AvalancheGo said of them.
    let identity = Identity::load(folder.path()).expect("an identity");
    assert_eq!(identity.node_id().to_string(), "NodeID-PHM1JC6ZDg1BmKAVYYVUUPRSwWzAb4hrR");
    assert_eq!(
        hex(&identity.bls().public_key().to_bytes()),
        "8e20f50ee53ff56a0c5de3fb2e2f487ee1f8ae853235189503b99c45a79ec93cbfe5d15854506f87e56db374805d18fb"
    );
}

#[test]
fn a_new_certificate_is_as_avalanchego_writes_it() {
    let pem = include_bytes!("data/avalanchego/staker.crt");
    let theirs = support::staker(pem);
    let ours = Identity::generate().expect("an identity");
    let (theirs, ours) = (theirs.der(), ours.certificate().der());
    // Between them are lengths, which a signature changes, the end of the validity, the point, and
    // the signature.
    let alike = [7..46, 63..92, 156..202];
    for range in alike {
        assert_eq!(hex(&ours[range.clone()]), hex(&theirs[range]));
    }
}

#[test]
fn a_missing_file_is_named_and_nothing_is_created_beside_the_others() {
    for missing in FILES {
        let folder = Folder::new();
        Identity::load_or_create(folder.path()).expect("created");
        let path = folder.path().join(missing);
        fs::remove_file(&path).expect("removed");
        let error = Identity::load_or_create(folder.path()).expect_err("refused");
        assert!(
            matches!(&error, FileError::Missing { path: named, present: Some(_) } if *named == path),
            "{error:?}"
        );
        let words = error.to_string();
        assert!(words.contains(missing) && words.contains("restore it"), "{words}");
        assert!(!path.exists());
    }
    let folder = Folder::new();
    let error = Identity::load(folder.path()).expect_err("refused");
    assert!(matches!(&error, FileError::Missing { present: None, .. }), "{error:?}");
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    for (name, secret) in [("staker.crt", false), ("staker.key", true), ("signer.key", true)] {
        for bits in [0o640, 0o604, 0o660, 0o601] {
            let folder = Folder::new();
            Identity::load_or_create(folder.path()).expect("created");
            let path = folder.path().join(name);
            set_mode(&path, bits);
            let found = Identity::load(folder.path());
            assert_eq!(found.is_err(), secret, "{name} {bits:o}");
            if let Err(error) = found {
                let words = error.to_string();
                assert!(words.contains(&format!("chmod 600 {}", path.display())), "{words}");
                assert!(words.contains(&format!("{bits:03o}")), "{words}");
            }
        }
    }
}

#[test]
fn a_file_that_does_not_hold_what_it_should_is_named_with_what_is_wrong() {
    let other = Folder::new();
    Identity::load_or_create(other.path()).expect("created");
    let others_key = fs::read(other.path().join("staker.key")).expect("a key");
    let signer = |len| KeyError::Signer(BlsError::Length { len, expected: 32 });
    let out_of_range = KeyError::Signer(BlsError::SecretKeyOutOfRange);
    let cases: [(&str, &[u8], KeyError); 8] = [
        ("staker.crt", b"nonsense", KeyError::NotPem { expected: "CERTIFICATE" }),
        ("staker.key", b"nonsense", KeyError::NotPem { expected: "PRIVATE KEY" }),
        ("staker.key", &others_key, KeyError::Mismatch),
        ("signer.key", b"", signer(0)),
        ("signer.key", &[1; 31], signer(31)),
        ("signer.key", &[1; 33], signer(33)),
        ("signer.key", &[0; 32], out_of_range.clone()),
        ("signer.key", &[0xff; 32], out_of_range),
    ];
    for (name, bytes, expected) in cases {
        let folder = Folder::new();
        Identity::load_or_create(folder.path()).expect("created");
        secret(&folder.path().join(name), bytes);
        match Identity::load_or_create(folder.path()) {
            Err(FileError::Invalid { path, source }) => {
                assert_eq!((path, source), (folder.path().join(name), expected));
            }
            found => panic!("{name}: {found:?}"),
        }
    }

    let folder = Folder::new();
    Identity::load_or_create(folder.path()).expect("created");
    secret(&folder.path().join("staker.key"), &vec![b'x'; 70_000]);
    let error = Identity::load(folder.path()).expect_err("refused");
    assert!(matches!(error, FileError::TooLarge { max: 65_536, .. }), "{error:?}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("written");
    let error = Identity::load_or_create(&file.join("staking")).expect_err("refused");
    let words = error.to_string();
    assert!(words.starts_with("cannot create ") && words.contains("file/staking"), "{words}");
}
