//! Random messages of every kind, and runs of a property that count what they covered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use avalanche_consensus::Id;
use avalanche_net::wire::{Body, build, p2p};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// How often each case was seen.
#[derive(Debug, Default)]
pub(crate) struct Counts(RefCell<BTreeMap<&'static str, u64>>);

impl Counts {
    pub(crate) fn add(&self, case: &'static str, times: u64) {
        *self.0.borrow_mut().entry(case).or_default() += times;
    }

    pub(crate) fn see(&self, case: &'static str) {
        self.add(case, 1);
    }

    /// Fails when one of the cases was never seen.
    pub(crate) fn assert_seen(&self, cases: impl IntoIterator<Item = &'static str>) {
        let counts = self.0.borrow();
        for case in cases {
            assert!(counts.get(case).is_some_and(|count| *count > 0), "no {case}: {counts:?}");
        }
    }
}

/// Runs a property on `cases` values, the same ones each time.
pub(crate) fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

fn id() -> impl Strategy<Value = Id> {
    any::<[u8; 32]>().prop_map(Id::new)
}

fn ids() -> impl Strategy<Value = Vec<Id>> {
    vec(id(), 0..4)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        1 => (any::<u8>(), 0..3000_usize).prop_map(|(byte, len)| Bytes::from(vec![byte; len])),
    ]
}

/// Numbers of every length as a varint.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..=64_u32).prop_map(|(n, shift)| n.checked_shr(shift).unwrap_or(0))
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..=32_u32).prop_map(|(n, shift)| n.checked_shr(shift).unwrap_or(0))
}

fn deadline() -> impl Strategy<Value = Duration> {
    number().prop_map(Duration::from_nanos)
}

/// Any message, with ids of the right length.
pub(crate) fn body() -> BoxedStrategy<Body> {
    prop_oneof![
        1 => small().prop_map(build::ping),
        1 => Just(build::pong()),
        2 => handshake(),
        1 => (proptest::option::of(filter()), any::<bool>()).prop_map(|(known_peers, all_subnets)| {
            Body::GetPeerList(p2p::GetPeerList { known_peers, all_subnets })
        }),
        1 => vec(claimed_ip_port(), 0..3).prop_map(build::peer_list),
        7 => sync(),
        6 => consensus(),
        5 => app(),
    ]
    .boxed()
}

fn sync() -> BoxedStrategy<Body> {
    let asked = || (id(), small(), deadline());
    let answered = || (id(), small());
    prop_oneof![
        asked().prop_map(|(c, r, d)| build::get_state_summary_frontier(c, r, d)),
        (answered(), bytes()).prop_map(|((c, r), b)| build::state_summary_frontier(c, r, b)),
        (asked(), vec(number(), 0..4))
            .prop_map(|((c, r, d), list)| build::get_accepted_state_summary(c, r, d, list)),
        (answered(), ids()).prop_map(|((c, r), list)| build::accepted_state_summary(c, r, list)),
        asked().prop_map(|(c, r, d)| build::get_accepted_frontier(c, r, d)),
        (answered(), id()).prop_map(|((c, r), id)| build::accepted_frontier(c, r, id)),
        (asked(), ids()).prop_map(|((c, r, d), list)| build::get_accepted(c, r, d, list)),
        (answered(), ids()).prop_map(|((c, r), list)| build::accepted(c, r, list)),
        (asked(), id(), prop_oneof![Just(2), any::<i32>()]).prop_map(|((c, r, d), id, engine)| {
            let Body::GetAncestors(mut message) = build::get_ancestors(c, r, d, id) else {
                panic!("another kind")
            };
            message.engine_type = engine;
            Body::GetAncestors(message)
        }),
        (answered(), vec(bytes(), 0..4)).prop_map(|((c, r), list)| build::ancestors(c, r, list)),
    ]
    .boxed()
}

fn consensus() -> BoxedStrategy<Body> {
    let asked = || (id(), small(), deadline());
    prop_oneof![
        (asked(), id()).prop_map(|((c, r, d), id)| build::get(c, r, d, id)),
        (id(), small(), bytes()).prop_map(|(c, r, b)| build::put(c, r, b)),
        (asked(), bytes(), number())
            .prop_map(|((c, r, d), b, height)| build::push_query(c, r, d, b, height)),
        (asked(), id(), number())
            .prop_map(|((c, r, d), id, height)| build::pull_query(c, r, d, id, height)),
        (id(), small(), id(), id(), id(), number()).prop_map(
            |(c, r, preferred, preferred_at_height, accepted, accepted_height)| {
                let chits =
                    build::Chits { preferred, preferred_at_height, accepted, accepted_height };
                build::chits(c, r, chits)
            }
        ),
        id().prop_map(|chain| {
            let chain_id = Bytes::copy_from_slice(chain.as_bytes());
            Body::Simplex(p2p::Simplex { chain_id })
        }),
    ]
    .boxed()
}

fn app() -> BoxedStrategy<Body> {
    prop_oneof![
        (id(), small(), deadline(), bytes())
            .prop_map(|(c, r, d, b)| build::app_request(c, r, d, b)),
        (id(), small(), bytes()).prop_map(|(c, r, b)| build::app_response(c, r, b)),
        (id(), small(), any::<i32>(), ".{0,20}")
            .prop_map(|(c, r, code, text)| build::app_error(c, r, code, text)),
        (id(), bytes()).prop_map(|(c, b)| build::app_gossip(c, b)),
    ]
    .boxed()
}

fn filter() -> impl Strategy<Value = p2p::BloomFilter> {
    (bytes(), bytes()).prop_map(|(filter, salt)| p2p::BloomFilter { filter, salt })
}

fn claimed_ip_port() -> impl Strategy<Value = p2p::ClaimedIpPort> {
    (bytes(), bytes(), small(), number(), bytes(), bytes()).prop_map(
        |(x509_certificate, ip_addr, ip_port, timestamp, signature, tx_id)| p2p::ClaimedIpPort {
            x509_certificate,
            ip_addr,
            ip_port,
            timestamp,
            signature,
            tx_id,
        },
    )
}

fn handshake() -> impl Strategy<Value = Body> {
    let client = (".{0,12}", small(), small(), small())
        .prop_map(|(name, major, minor, patch)| p2p::Client { name, major, minor, patch });
    let numbers = (small(), number(), small(), number(), number());
    let signed = (bytes(), bytes(), bytes());
    let acps = || vec(small(), 0..4);
    let lists = (vec(bytes(), 0..3), acps(), acps());
    let nested = (proptest::option::of(client), proptest::option::of(filter()), any::<bool>());
    (numbers, signed, lists, nested).prop_map(
        |(
            (network_id, my_time, ip_port, upgrade_time, ip_signing_time),
            (ip_addr, ip_node_id_sig, ip_bls_sig),
            (tracked_subnets, supported_acps, objected_acps),
            (client, known_peers, all_subnets),
        )| {
            Body::Handshake(Box::new(p2p::Handshake {
                network_id,
                my_time,
                ip_addr,
                ip_port,
                upgrade_time,
                ip_signing_time,
                ip_node_id_sig,
                tracked_subnets,
                client,
                supported_acps,
                objected_acps,
                known_peers,
                ip_bls_sig,
                all_subnets,
            }))
        },
    )
}
