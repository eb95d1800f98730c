//! Certificates, keys and signatures, against what AvalancheGo v1.14.2 makes of them.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::collections::BTreeMap;

use avalanche_net::identity::{
    BlsError, BlsPublicKey, BlsSecretKey, BlsSignature, Certificate, CertificateError, Identity,
    KeyError, SignedIp, UnsignedIp,
};
use proptest::prelude::*;
use support::{hex, staker, unhex};

const STAKER_KEY: &[u8] = include_bytes!("data/staker1.key");
const STAKER_KEY_PKCS8: &[u8] = include_bytes!("data/staker1.pkcs8.key");
const STAKER_SIGNER: &[u8] = b"AvalancheLocalNetworkValidator01";

// What AvalancheGo v1.14.2 makes of the keys above (`peer.UnsignedIP.Sign`, `utils/crypto/bls`).
const PUBLIC_KEY: &str = "900c9b119b5c82d781d4b49be78c3fc7ae65f2b435b7ed9e3a8b9a03e475edff86d8a64827fec8db23a6f236afbf127d";
const PROOF_OF_POSSESSION: &str = "8bfd6d4d2086b2b8115d8f72f94095fefe5a6c07876b2accf51a811adf520f389e74a3d2152a6d90b521e2be58ffe468043dc5ea68b4c44410eb67f8dc24f13ed4f194000764c0e922cd254a3588a4962b1cb4db7de4bb9cda9d9d4d6b03f3d2";
const MESSAGE_SIGNATURE: &str = "b153985311f0e655a80ac344e8aac3840141bddd8c9c372bbdd65eee79c23c1e552d0ce4add4392d8244ca3ffd207b720457acbade66c8c68e0f8cb4c83a149460ac1cd6bd28970fba23cfa2f39fe213211a6135845e519c81e219a8b1ab95fd";
const IP_TLS_SIGNATURE: &str = "ac2c6bece664e257c56db471a1c76488466d3d9c4170e8fac942fd05783c0cbf0b8253630292640f07fe56e2dc364fb9ac12bfc7a3d74aac21078860fafe2b4d06a6ae4d4c8b8912c8ac99d0d4e3f45c1793d60bf48a78ea4ece9909b0c33ecd8002da58191e92aff855e2fc1e421879d53e36cc4abdcc575f143c5af65e20f6988ce5fb72f262a2b8b588b0bfac368ba8fc43d9934e97c24b04276eac3dd89439eb93188e72841b9214fc7af1bad533fa29c6cf1f3c116c74635f8d1b1fbf8b79dd852cb337a2e538a98ff47ac106fe0e1f57f16b92cf9167e6d239822d8139f6bb617192813238495101822877d5b6cfe663434dd39b03e6b25787aa2eb27be47fa24c609095ff1136837005fd97621945588dd5a08f00cac7b503a7ecb685ad2ba07e942233b4770d0fb24e7231ad86fef352320a9db27e3d4bf70a98009e82a670885b18565b930b3463008f15356cb17caf81f1f008e0ec4a59d0107274459f4fa511d7f0b1f7b5ea2821057b6b81f756e1683bf508f381b96ef4c481b4d6fb92e0eb3936831dbedea256108ae192b7e95c2ef54bd19e2635631583b1bd611f66b0474bce09bde01f456849cce32bd583789c99b9dd13bb4ee91419a6d8a5a13131ced6b6c4f483647829957e930fd7fc298010cf3267d215005ce6409d6dca6d98f1cc9b192878824c4a651e947fb9d19904c74e5e7e40f9f546b6cb66";
const IP_BLS_SIGNATURE: &str = "8b6b0fb46c8958c90be45e456a4cf5c0be6367e96ec394c709cd1e035eb4c8dcd14edd4a11a6776356dd039f74e450ad0792d72f1e59ed5db37da1d3fee970b10d366ce5cbd83ef1b91f91e43c1860f2ce275438e21e3ad4601fbebcd72639bb";

fn ip() -> UnsignedIp {
    UnsignedIp { addr: "1.2.3.4:9651".parse().expect("an address"), timestamp: 1_600_000_000 }
}

fn staker1(key: &[u8]) -> Identity {
    Identity::from_pem(support::STAKERS[0].0, key, STAKER_SIGNER).expect("an identity")
}

#[test]
fn local_stakers_have_their_published_node_ids() {
    for (pem, node_id) in support::STAKERS {
        let certificate = staker(pem);
        assert_eq!(certificate.node_id().to_string(), node_id);
        assert_eq!(certificate.der().len(), 1339);
    }
}

#[test]
fn each_certificate_gets_the_verdict_of_avalanchego() {
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for line in include_str!("data/certificates.txt").lines() {
        let (expected, der) = line.split_once(' ').unwrap_or((line, ""));
        let found = match Certificate::parse(&unhex(der)) {
            Ok(certificate) => certificate.node_id().to_string(),
            // AvalancheGo has one name for both.
            Err(CertificateError::MalformedSubject) => "MalformedIssuer".to_owned(),
            Err(error) => {
                let name = format!("{error:?}");
                name.split(' ').next().expect("a name").to_owned()
            }
        };
        assert_eq!(found, expected, "{der}");
        let kind = if found.starts_with("NodeID") { "ok".to_owned() } else { found };
        *verdicts.entry(kind).or_default() += 1;
    }
    // Each rule but that of the size.
    assert_eq!(verdicts.len(), 21, "{verdicts:?}");
}

#[test]
fn a_certificate_has_at_most_2_kib() {
    // What follows the certificate is not looked at, but counts.
    let mut der = staker(support::STAKERS[0].0).der().to_vec();
    der.resize(2048, 0);
    assert!(Certificate::parse(&der).is_ok());
    der.push(0);
    assert_eq!(Certificate::parse(&der).err(), Some(CertificateError::TooLarge { len: 2049 }));
}

#[test]
fn rules_are_named_in_words() {
    let names = [
        (CertificateError::TooLarge { len: 4096 }, "a certificate of 4096 bytes, over 2048"),
        (
            CertificateError::MalformedOid,
            "a certificate with a malformed identifier of the public key algorithm",
        ),
        (CertificateError::InvalidPoint, "a key that is no point of P-256"),
        (
            CertificateError::UnsupportedRsaModulusLen { bits: 1024 },
            "an RSA key of 1024 bits, neither 2048 nor 4096",
        ),
    ];
    for (error, words) in names {
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn an_address_is_signed_as_avalanchego_signs_it() {
    assert_eq!(hex(&ip().to_bytes()), "00000000000000000000ffff0102030425b3000000005f5e1000");
    // RSA and BLS signatures are functions of key and message: PKCS#1 and PKCS#8 are one key.
    for key in [STAKER_KEY, STAKER_KEY_PKCS8] {
        let signed = ip().sign(&staker1(key)).expect("a signature");
        assert_eq!(hex(&signed.tls_signature), IP_TLS_SIGNATURE);
        assert_eq!(hex(&signed.bls_signature), IP_BLS_SIGNATURE);
    }
}

#[test]
fn a_signed_address_is_refused_if_anything_in_it_differs() {
    let identity = Identity::generate().expect("an identity");
    let other = Identity::generate().expect("an identity");
    let signed = ip().sign(&identity).expect("a signature");
    let check = |signed: &SignedIp, identity: &Identity| {
        let tls = signed.verify_tls(identity.certificate());
        (tls, signed.verify_bls(identity.bls().public_key()))
    };
    assert_eq!(check(&signed, &identity), (true, true));
    assert_eq!(check(&signed, &other), (false, false));

    let mut later = signed.clone();
    later.ip.timestamp += 1;
    let mut port = signed.clone();
    port.ip.addr.set_port(9652);
    let mut addr = signed.clone();
    addr.ip.addr = "[::ffff:1.2.3.5]:9651".parse().expect("an address");
    for changed in [later, port, addr] {
        assert_eq!(check(&changed, &identity), (false, false));
    }
    // An IPv4 address and its form in IPv6 are the same claim.
    let mut mapped = signed.clone();
    mapped.ip.addr = "[::ffff:1.2.3.4]:9651".parse().expect("an address");
    assert_eq!(check(&mapped, &identity), (true, true));

    let mut message = signed;
    message.bls_signature = identity.bls().sign(&ip().to_bytes()).to_bytes();
    assert_eq!(check(&message, &identity), (true, false));
}

#[test]
fn bls_signatures_are_those_of_avalanchego() {
    let key = BlsSecretKey::from_bytes(STAKER_SIGNER).expect("a key");
    assert_eq!(hex(&key.public_key().to_bytes()), PUBLIC_KEY);
    assert_eq!(hex(&key.proof_of_possession().to_bytes()), PROOF_OF_POSSESSION);
    assert_eq!(hex(&key.sign(b"message").to_bytes()), MESSAGE_SIGNATURE);

    let public_key = BlsPublicKey::from_bytes(&unhex(PUBLIC_KEY)).expect("a key");
    let signature = BlsSignature::from_bytes(&unhex(MESSAGE_SIGNATURE)).expect("a signature");
    let proof = BlsSignature::from_bytes(&unhex(PROOF_OF_POSSESSION)).expect("a signature");
    assert!(public_key.verify(b"message", &signature));
    assert!(!public_key.verify(b"massage", &signature));
    assert!(!public_key.verify_proof_of_possession(b"message", &signature));
    assert!(public_key.verify_proof_of_possession(&unhex(PUBLIC_KEY), &proof));
    assert!(!public_key.verify(&unhex(PUBLIC_KEY), &proof));
    assert_eq!(key.to_bytes(), STAKER_SIGNER);
}

#[test]
fn bls_bytes_that_are_no_key_or_signature_are_refused() {
    let order = unhex("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    let mut below = order.clone();
    below[31] = 0;
    assert!(BlsSecretKey::from_bytes(&below).is_ok());
    let secret = |bytes: &[u8]| BlsSecretKey::from_bytes(bytes).err();
    assert_eq!(secret(&order), Some(BlsError::SecretKeyOutOfRange));
    assert_eq!(secret(&[0; 32]), Some(BlsError::SecretKeyOutOfRange));
    assert_eq!(secret(&[0xff; 32]), Some(BlsError::SecretKeyOutOfRange));
    for len in [0, 31, 33, 64] {
        assert_eq!(secret(&vec![1; len]), Some(BlsError::Length { len, expected: 32 }));
    }

    let public = |bytes: &[u8]| BlsPublicKey::from_bytes(bytes).err();
    let infinity = |len: usize| [vec![0xc0], vec![0; len - 1]].concat();
    assert_eq!(public(&infinity(48)), Some(BlsError::Infinity));
    for len in [0, 47, 49, 96] {
        assert_eq!(public(&vec![0; len]), Some(BlsError::Length { len, expected: 48 }));
    }
    let signature = |bytes: &[u8]| BlsSignature::from_bytes(bytes).err();
    assert_eq!(signature(&infinity(96)), None);
    for len in [0, 48, 95, 97, 192] {
        assert_eq!(signature(&vec![0; len]), Some(BlsError::Length { len, expected: 96 }));
    }
    // Nearly all points of both curves are outside of the subgroups: some small x is one.
    let small = |len: usize, x: u8| [vec![0x80], vec![0; len - 2], vec![x]].concat();
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    for x in 0..32 {
        let found = [public(&small(48, x)), signature(&small(96, x))];
        found.iter().for_each(|found| *refusals.entry(format!("{found:?}")).or_default() += 1);
    }
    assert_eq!(refusals.keys().collect::<Vec<_>>(), ["Some(NotAPoint)", "Some(NotInSubgroup)"]);

    // Infinity is a signature of nothing.
    let nothing = BlsSignature::from_bytes(&infinity(96)).expect("a signature");
    let key = BlsSecretKey::from_bytes(STAKER_SIGNER).expect("a key");
    assert!(!key.public_key().verify(b"message", &nothing));
}

#[test]
fn keys_of_others_and_of_other_kinds_are_refused() {
    let error = |certificate: &[u8], key: &[u8], signer: &[u8]| {
        Identity::from_pem(certificate, key, signer).expect_err("refused")
    };
    let (staker1, staker2) = (support::STAKERS[0].0, support::STAKERS[1].0);
    let signer = STAKER_SIGNER;
    assert_eq!(error(staker2, STAKER_KEY, signer), KeyError::Mismatch);
    assert_eq!(error(b"", STAKER_KEY, signer), KeyError::NotPem { expected: "CERTIFICATE" });
    assert_eq!(error(STAKER_KEY, STAKER_KEY, signer), KeyError::NotPem { expected: "CERTIFICATE" });
    assert_eq!(error(staker1, staker1, signer), KeyError::NotPem { expected: "PRIVATE KEY" });
    let two = [staker1, staker2].concat();
    assert_eq!(error(&two, STAKER_KEY, signer), KeyError::SeveralCertificates);
    assert_eq!(
        error(staker1, STAKER_KEY, b"short"),
        KeyError::Signer(BlsError::Length { len: 5, expected: 32 })
    );
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let key = key.serialize_pem();
        assert_eq!(error(staker1, key.as_bytes(), signer), KeyError::UnsupportedKey);
    }
}

#[test]
fn no_secret_is_shown() {
    let identity = staker1(STAKER_KEY);
    let shown = format!("{identity:?} {:?}", identity.bls());
    assert!(shown.contains("NodeID-7Xhw2mDxuDS44j42TCB6U5579esbSt3Lg"), "{shown}");
    assert!(shown.contains(PUBLIC_KEY), "{shown}");
    assert!(!shown.contains(&hex(STAKER_SIGNER)), "{shown}");
    assert!(!shown.contains("AvalancheLocal"), "{shown}");
}

#[test]
fn ecdsa_signatures_are_read_in_their_one_form() {
    let identity = Identity::generate().expect("an identity");
    let signature = identity.sign_tls(b"message").expect("a signature");
    let verify = |signature: &[u8]| identity.certificate().verify(b"message", signature);
    assert!(verify(&signature));
    assert!(!identity.certificate().verify(b"massage", &signature));
    assert!(!verify(&[]));
    assert!(!verify(&signature[..signature.len() - 1]));
    assert!(!verify(&[signature.clone(), vec![0]].concat()));
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert!(!verify(&changed), "byte {at}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Certificate::parse(&bytes);
        let _ = BlsPublicKey::from_bytes(&bytes);
        let _ = BlsSignature::from_bytes(&bytes);
    }
}
