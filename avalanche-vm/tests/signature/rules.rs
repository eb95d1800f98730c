//! All verifiers, one at a time and in batches, give the verdict of ZIP-215; other rules do not.

use std::collections::BTreeMap;

use avalanche_vm::signature::{SigningKey, Verifier, framed};

use crate::cases::{self, Case, Kind};
use crate::support::{Signed, Zebra, bad, items, verifiers};

/// The verifiers of this build and an independent one.
fn all_verifiers() -> Vec<&'static dyn Verifier> {
    let mut all = verifiers();
    all.push(&Zebra);
    all
}

/// The indices of the cases that are not valid.
fn expected(cases: &[Case]) -> Vec<usize> {
    let cases = cases.iter().enumerate();
    cases.filter(|(_, case)| !case.valid).map(|(at, _)| at).collect()
}

fn signed(cases: &[Case]) -> Vec<Signed> {
    cases.iter().map(|case| case.signed.clone()).collect()
}

#[test]
fn the_cases_are_as_many_as_they_should_be() {
    let mut counts = BTreeMap::new();
    for case in cases::all() {
        *counts.entry((case.kind, case.valid)).or_insert(0) += 1;
    }
    assert_eq!(counts[&(Kind::SmallOrder, true)], 196);
    assert_eq!(counts[&(Kind::SmallOrder, false)], 196);
    assert_eq!(counts[&(Kind::MixedOrder, true)], 63);
    assert_eq!(counts[&(Kind::MixedOrder, false)], 63);
    assert_eq!(counts[&(Kind::LargeS, false)], 17);
    assert_eq!(counts[&(Kind::Flipped, false)], 512 + 256 + 64);
    assert!(counts[&(Kind::Honest, true)] > 30 && counts[&(Kind::NoPoint, false)] > 100);
}

#[test]
fn each_case_alone_has_its_verdict() {
    for Case { kind, signed, valid } in cases::all() {
        for verifier in all_verifiers() {
            let name = verifier.name();
            let item = signed.item();
            assert_eq!(verifier.verify(&item), valid, "{name}, single: {kind:?}, {signed:?}");
            let batch = verifier.verify_batch(&[item]).is_ok();
            assert_eq!(batch, valid, "{name}, batch of one: {kind:?}, {signed:?}");
        }
    }
}

#[test]
fn each_case_among_honest_signatures_has_its_verdict() {
    // More than a verifier would check one by one anyway, and few enough for that.
    for honest in [3, 20] {
        let honest: Vec<_> = (0..honest).map(Signed::new).collect();
        for Case { kind, signed, valid } in cases::all() {
            let batch = [&honest[..], &[signed]].concat();
            for verifier in all_verifiers() {
                let bad = bad(verifier, &items(&batch));
                let expected: &[usize] = if valid { &[] } else { &[honest.len()] };
                assert_eq!(bad, expected, "{}: {kind:?}, {:?}", verifier.name(), batch.last());
            }
        }
    }
}

#[test]
fn all_valid_cases_are_one_valid_batch() {
    let valid: Vec<_> = cases::all().into_iter().filter(|case| case.valid).collect();
    assert!(valid.len() > 250);
    for verifier in all_verifiers() {
        assert_eq!(bad(verifier, &items(&signed(&valid))), [], "{}", verifier.name());
    }
}

#[test]
fn in_a_batch_of_all_cases_those_that_are_not_valid_are_named() {
    let mut cases = cases::all();
    for turn in 0..3 {
        let (signed, expected) = (signed(&cases), expected(&cases));
        assert!(expected.len() > 1_000 && expected.len() < cases.len());
        for verifier in all_verifiers() {
            assert_eq!(bad(verifier, &items(&signed)), expected, "{turn}, {}", verifier.name());
        }
        // The next batch has other neighbours.
        cases.sort_by_key(|case| case.signed.signature.as_bytes()[turn * 7]);
    }
}

#[test]
fn rules_without_cofactor_would_disagree() {
    let (mut plain, mut strict, mut agreed) = (0, 0, 0);
    for Case { signed, valid, .. } in cases::all() {
        let mut octets = Vec::new();
        framed(&signed.domain, &signed.message, &mut octets);
        let signature = ed25519_dalek::Signature::from_bytes(signed.signature.as_bytes());
        let key = ed25519_dalek::VerifyingKey::from_bytes(signed.key.as_bytes()).ok();
        let by =
            |rule: &dyn Fn(&ed25519_dalek::VerifyingKey) -> bool| key.as_ref().is_some_and(rule);
        let without = by(&|key| ed25519_dalek::Verifier::verify(key, &octets, &signature).is_ok());
        let strictly = by(&|key| key.verify_strict(&octets, &signature).is_ok());
        plain += usize::from(without != valid);
        strict += usize::from(strictly != valid);
        agreed += usize::from(strictly == valid);
    }
    assert!(plain > 100 && strict > 196 && agreed > 500, "{plain}, {strict}, {agreed}");
}

#[test]
fn a_signature_is_these_bytes() {
    let key = SigningKey::from_seed(&[7; 32]);
    let expected = concat!(
        "ee0a4d00c3df00899641ac36de32082cdf7c0cc45c85d358cc7ee725eaac85c7",
        "81653329ff5d32043c81abf421d0d202eadf2d75d42f79cfb57d4b26e93ef30d",
    );
    assert_eq!(format!("{:?}", key.sign(b"transfer", b"ten to Ann")), expected);
}
