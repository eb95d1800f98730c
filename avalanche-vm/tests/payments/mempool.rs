//! The mempool against the plainest one there can be: a list that is searched from end to end.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use avalanche_consensus::{HashKey, Height, Id, Timestamp};
use avalanche_vm::payments::{
    Account, Address, BlockRef, Header, Mempool, MempoolConfig, Refusal, Rules, SignedTransfer,
    Transfer,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::model::{State, address, signed, stateless};

const CHAIN: Id = Id::new([7; 32]);
const RULES: Rules = Rules { chain: CHAIN, fee_min: 3 };
const CONFIG: MempoolConfig = MempoolConfig {
    count_max: 12,
    bytes_max: 193 * 10,
    sender_max: 5,
    replacement_percent: 10,
    drops_max: 20,
};

/// A mempool without an index.
#[derive(Default)]
struct Model {
    state: State,
    /// With the number of its admission.
    waiting: Vec<(u64, SignedTransfer)>,
    arrivals: u64,
    dropped: Vec<(Id, Refusal)>,
}

fn cost(transfer: &Transfer) -> u128 {
    u128::from(transfer.amount) + u128::from(transfer.fee)
}

impl Model {
    fn at(&self, sender: Address, nonce: u64) -> Option<&(u64, SignedTransfer)> {
        self.waiting.iter().find(|(_, t)| t.view().sender() == sender && t.view().nonce() == nonce)
    }

    /// The least fee from the account's nonce to this one, 0 if one before is missing.
    fn fee_to(&self, sender: Address, nonce: u64, own: u64) -> u64 {
        let before = self.state.get(&sender).nonce..nonce;
        let fees = before.map(|n| self.at(sender, n).map_or(0, |(_, t)| t.view().fee()));
        fees.min().unwrap_or(u64::MAX).min(own)
    }

    /// The last of each sender, what goes first in front.
    fn victims(&self) -> Vec<(u64, Reverse<u64>, SignedTransfer)> {
        let is_last = |(_, t): &&(u64, SignedTransfer)| {
            let (sender, nonce) = (t.view().sender(), t.view().nonce());
            let later =
                |o: &SignedTransfer| o.view().sender() == sender && o.view().nonce() > nonce;
            !self.waiting.iter().any(|(_, other)| later(other))
        };
        let last = self.waiting.iter().filter(is_last).map(|(arrival, t)| {
            let view = t.view();
            (self.fee_to(view.sender(), view.nonce(), view.fee()), Reverse(*arrival), *t)
        });
        let mut last: Vec<_> = last.collect();
        last.sort_by_key(|(fee, arrival, _)| (*fee, *arrival));
        last
    }

    fn remove(&mut self, id: Id) {
        self.waiting.retain(|(_, t)| t.id() != id);
    }

    fn drop(&mut self, id: Id, reason: Refusal) {
        self.remove(id);
        self.dropped.retain(|(other, _)| *other != id);
        self.dropped.push((id, reason));
    }

    fn insert(&mut self, transfer: SignedTransfer, second: u64) -> Result<Id, Refusal> {
        let fields = transfer.transfer();
        stateless(&RULES, second, &fields)?;
        let Transfer { sender, fee, nonce, .. } = fields;
        let id = transfer.id();
        if self.waiting.iter().any(|(_, t)| t.id() == id) {
            return Err(Refusal::AlreadyPending { id });
        }
        let account = self.state.get(&sender);
        let (expected, balance) = (account.nonce, account.balance);
        if account == Account::ABSENT {
            return Err(Refusal::UnknownAccount { sender, nonce });
        }
        if nonce < expected {
            return Err(Refusal::NonceTooLow { sender, nonce, expected });
        }
        let max = expected + CONFIG.sender_max - 1;
        if nonce > max {
            return Err(Refusal::NonceTooHigh { sender, nonce, max });
        }
        let old = self.at(sender, nonce).map(|(_, t)| *t);
        if let Some(old) = old {
            let min = (old.view().fee() * 11).div_ceil(10).max(old.view().fee() + 1);
            if fee < min {
                return Err(Refusal::ReplacementFeeTooLow { sender, nonce, fee, min });
            }
        }
        let mine = self.waiting.iter().map(|(_, t)| t.transfer()).filter(|t| t.sender == sender);
        let needed = mine.map(|t| cost(&t)).sum::<u128>() + cost(&fields)
            - old.map_or(0, |old| cost(&old.transfer()));
        if needed > u128::from(balance) {
            return Err(Refusal::InsufficientFunds { sender, nonce, needed, balance });
        }
        let count = self.waiting.len();
        if let Some(old) = old {
            let (by, higher, fee) = (id, fee, old.view().fee());
            self.drop(old.id(), Refusal::Replaced { by, fee, higher });
        } else if count == 10 {
            let fee = self.fee_to(sender, nonce, fee);
            let (lowest, _, victim) = self.victims()[0];
            if fee <= lowest {
                return Err(Refusal::MempoolFull { fee, lowest, count });
            }
            self.drop(victim.id(), Refusal::Evicted { fee: lowest, count });
        }
        self.waiting.push((self.arrivals, transfer));
        self.arrivals += 1;
        self.dropped.retain(|(other, _)| *other != id);
        Ok(id)
    }

    fn expire(&mut self, now: u64) -> usize {
        let over: Vec<_> = self.waiting.iter().filter(|(_, t)| t.view().expiry() < now).collect();
        let mut over: Vec<_> = over.into_iter().map(|(_, t)| *t).collect();
        over.sort_by_key(|t| (t.view().expiry(), t.view().sender(), t.view().nonce()));
        for t in &over {
            let Transfer { sender, nonce, expiry, .. } = t.transfer();
            self.drop(t.id(), Refusal::Expired { sender, nonce, expiry, now });
        }
        over.len()
    }

    fn accept(&mut self, state: State, block: &[SignedTransfer]) {
        self.state = state;
        let senders: BTreeSet<_> = block.iter().map(|t| t.view().sender()).collect();
        for sender in senders {
            let account = self.state.get(&sender);
            let (expected, balance) = (account.nonce, account.balance);
            let mut mine: Vec<_> = self.waiting.iter().map(|(_, t)| *t).collect();
            mine.retain(|t| t.view().sender() == sender);
            mine.sort_by_key(|t| t.view().nonce());
            for t in mine.iter().filter(|t| t.view().nonce() < expected) {
                let nonce = t.view().nonce();
                if block.contains(t) {
                    self.remove(t.id());
                } else {
                    self.drop(t.id(), Refusal::NonceTooLow { sender, nonce, expected });
                }
            }
            mine.retain(|t| t.view().nonce() >= expected);
            while let Some(last) = mine.last() {
                let needed = mine.iter().map(|t| cost(&t.transfer())).sum::<u128>();
                if needed <= u128::from(balance) {
                    break;
                }
                let nonce = last.view().nonce();
                self.drop(last.id(), Refusal::InsufficientFunds { sender, nonce, needed, balance });
                mine.pop();
            }
        }
    }

    fn reject(&mut self, block: &[SignedTransfer], second: u64) -> usize {
        let mut back = 0;
        for transfer in block {
            match self.insert(*transfer, second) {
                Ok(_) => back += 1,
                Err(Refusal::AlreadyPending { .. } | Refusal::NonceTooLow { .. }) => {}
                Err(reason) => self.drop(transfer.id(), reason),
            }
        }
        back
    }

    fn next_block(&self, room: usize, second: u64) -> Vec<SignedTransfer> {
        let mut accounts = self.state.accounts.clone();
        let mut chosen = Vec::new();
        while chosen.len() < room {
            let next = self.waiting.iter().filter(|(_, t)| {
                accounts.get(&t.view().sender()).is_some_and(|a| a.nonce == t.view().nonce())
            });
            let Some((_, best)) = next.min_by_key(|(n, t)| (Reverse(t.view().fee()), *n)) else {
                break;
            };
            let fields = best.transfer();
            let account = accounts.get_mut(&fields.sender).unwrap();
            if cost(&fields) > u128::from(account.balance) || fields.expiry < second {
                accounts.remove(&fields.sender);
                continue;
            }
            account.balance -= fields.amount + fields.fee;
            account.nonce += 1;
            chosen.push(*best);
        }
        chosen
    }
}

#[derive(Clone, Debug)]
struct Draft {
    sender: u64,
    ahead: u64,
    amount: u64,
    fee: u64,
    expiry: u64,
    mark: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Draft),
    /// One that waits already comes again.
    Again(usize),
    Wait(u64),
    /// A block of what the mempool offers, and of one transfer that it may not have.
    Accept(usize, Option<Draft>),
    Reject(Vec<Draft>),
    Build(usize, u64),
}

fn draft() -> impl Strategy<Value = Draft> {
    let expiry = prop_oneof![1 => 0..15_u64, 3 => 50..60_u64];
    let amount = prop_oneof![20 => 1..30_u64, 1 => 0..600_u64, 1 => Just(0)];
    let fee = prop_oneof![20 => 3..40_u64, 1 => 0..4_u64];
    (0..6_u64, 0..7_u64, amount, fee, expiry, 0..2_u8).prop_map(
        |(sender, ahead, amount, fee, expiry, mark)| Draft {
            sender,
            ahead,
            amount,
            fee,
            expiry,
            mark,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => draft().prop_map(Step::Insert),
        2 => (0..12_usize).prop_map(Step::Again),
        1 => (0..4_u64).prop_map(Step::Wait),
        1 => (0..6_usize, prop::option::of(draft())).prop_map(|(n, other)| Step::Accept(n, other)),
        1 => prop::collection::vec(draft(), 1..4).prop_map(Step::Reject),
        2 => (0..12_usize, 0..20_u64).prop_map(|(room, later)| Step::Build(room, later)),
    ]
}

fn make(state: &State, draft: &Draft) -> SignedTransfer {
    let sender = address(draft.sender);
    let transfer = Transfer {
        chain: CHAIN,
        sender,
        recipient: address(50),
        amount: draft.amount,
        fee: draft.fee,
        nonce: (state.get(&sender).nonce + draft.ahead).saturating_sub(1),
        expiry: draft.expiry,
    };
    signed(transfer, draft.mark)
}

fn block_bytes(transfers: &[SignedTransfer]) -> Vec<u8> {
    let (parent, height) = (Id::EMPTY, Height::new(1));
    let header = Header { parent, height, timestamp_ms: 0, parent_state_root: [0; 32] };
    header.encode(transfers).unwrap()
}

struct World {
    pool: Mempool,
    model: Model,
    now: u64,
}

type Counts = BTreeMap<&'static str, usize>;

impl World {
    fn new(balances: &[u64]) -> Self {
        let mut model = Model::default();
        for (n, balance) in (0..).zip(balances) {
            model.state.accounts.insert(address(n), Account { balance: *balance, nonce: 0 });
        }
        let pool = Mempool::new(HashKey::from_seed([5; 32]), CONFIG, RULES).unwrap();
        Self { pool, model, now: 1 }
    }

    fn run(&mut self, step: &Step, counts: &mut Counts) {
        let time = Timestamp::from_millis(self.now * 1_000 + 999);
        let mut count = |what| *counts.entry(what).or_default() += 1;
        match step {
            Step::Insert(_) | Step::Again(_) => {
                let transfer = match step {
                    Step::Insert(draft) => make(&self.model.state, draft),
                    Step::Again(at) if *at < self.model.waiting.len() => self.model.waiting[*at].1,
                    _ => return,
                };
                let account = self.model.state.get(&transfer.view().sender());
                let found = self.pool.insert(transfer, account, time);
                assert_eq!(found, self.model.insert(transfer, self.now));
                count(found.as_ref().map_or_else(Refusal::code, |_| "admitted"));
            }
            Step::Wait(seconds) => {
                self.now += seconds;
                let found = self.pool.expire(Timestamp::from_millis(self.now * 1_000));
                assert_eq!(found, self.model.expire(self.now));
            }
            Step::Accept(room, other) => {
                let mut block = self.model.next_block(*room, self.now);
                if let Some(draft) = other {
                    let other = make(&self.model.state, draft);
                    // Two of one sender and nonce would be no block.
                    block.retain(|t| t.view().sender() != other.view().sender());
                    block.insert(0, other);
                }
                let Ok(state) = self.model.state.block(&RULES, self.now, &block) else { return };
                self.model.accept(state, &block);
                let bytes = block_bytes(&block);
                let transfers = BlockRef::decode(&bytes).unwrap().transfers;
                self.pool.accept(transfers, |address| self.model.state.get(address));
                count("accepted");
            }
            Step::Reject(drafts) => {
                let block: Vec<_> = drafts.iter().map(|d| make(&self.model.state, d)).collect();
                let bytes = block_bytes(&block);
                let transfers = BlockRef::decode(&bytes).unwrap().transfers;
                let state = &self.model.state;
                let back = self.pool.reject(transfers, time, |address| state.get(address));
                assert_eq!(back, self.model.reject(&block, self.now));
                count(if back > 0 { "back" } else { "not back" });
            }
            Step::Build(room, later) => {
                let second = self.now + later;
                let bytes = 85 + 193 * room + 192;
                let state = &self.model.state;
                let chosen = self.pool.next_block(bytes, second, |address| state.get(address));
                assert_eq!(chosen, self.model.next_block(*room, second));
                assert!(state.block(&RULES, second, &chosen).is_ok(), "not a valid block");
                count(if chosen.is_empty() { "nothing" } else { "built" });
            }
        }
        self.check();
    }

    fn check(&self) {
        let ids = |transfers: &mut dyn Iterator<Item = SignedTransfer>| {
            transfers.map(|t| t.id()).collect::<BTreeSet<_>>()
        };
        let expected = ids(&mut self.model.waiting.iter().map(|(_, t)| *t));
        assert_eq!(ids(&mut self.pool.iter().map(|(_, t)| *t)), expected);
        assert_eq!(self.pool.len(), expected.len());
        assert!(expected.iter().all(|id| self.pool.get(id).is_some_and(|t| t.id() == *id)));
        let by_sender = (0..6).flat_map(|n| self.pool.of_sender(&address(n)));
        assert_eq!(by_sender.count(), expected.len());
        // The last are certainly remembered; which of the older ones are is for the next test.
        for (id, reason) in self.model.dropped.iter().rev().take(10) {
            assert_eq!(self.pool.dropped(id), Some(reason));
        }
    }
}

#[test]
fn calls_have_the_results_of_the_model() {
    let counts = RefCell::new(Counts::new());
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    let scripts = (prop::collection::vec(50..500_u64, 5), prop::collection::vec(step(), 1..120));
    TestRunner::new(config)
        .run(&scripts, |(balances, steps)| {
            let mut world = World::new(&balances);
            let counts = &mut *counts.borrow_mut();
            for step in &steps {
                world.run(step, counts);
            }
            for (_, reason) in &world.model.dropped {
                let what = match reason {
                    Refusal::Expired { .. } => "drop: expired",
                    Refusal::Replaced { .. } => "drop: replaced",
                    Refusal::Evicted { .. } => "drop: evicted",
                    Refusal::NonceTooLow { .. } => "drop: nonce",
                    Refusal::InsufficientFunds { .. } => "drop: funds",
                    _ => "drop: refused",
                };
                *counts.entry(what).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    let counts = counts.into_inner();
    println!("{counts:?}");
    for what in [
        "admitted",
        "accepted",
        "back",
        "not back",
        "built",
        "nothing",
        "zero_amount",
        "fee_too_low",
        "expired",
        "already_pending",
        "unknown_account",
        "nonce_too_low",
        "nonce_too_high",
        "replacement_fee_too_low",
        "insufficient_funds",
        "mempool_full",
        "drop: expired",
        "drop: replaced",
        "drop: evicted",
        "drop: nonce",
        "drop: funds",
    ] {
        assert!(counts.get(what).is_some_and(|count| *count > 50), "{what}: {counts:?}");
    }
}

fn pool(config: MempoolConfig) -> Mempool {
    Mempool::new(HashKey::from_seed([6; 32]), config, RULES).unwrap()
}

const RICH: Account = Account { balance: 1_000_000, nonce: 0 };

fn offer(sender: u64, nonce: u64, fee: u64) -> SignedTransfer {
    let (sender, recipient) = (address(sender), address(50));
    signed(Transfer { chain: CHAIN, sender, recipient, amount: 1, fee, nonce, expiry: 9 }, 0)
}

#[test]
fn drops_are_remembered_up_to_the_bound() {
    let mut pool = pool(MempoolConfig { drops_max: 3, ..MempoolConfig::default() });
    let offers: Vec<_> = (0..6).map(|n| offer(0, 0, 10 << n)).collect();
    for offer in &offers {
        pool.insert(*offer, RICH, Timestamp::ZERO).unwrap();
    }
    let known: Vec<_> = offers.iter().map(|o| pool.dropped(&o.id()).is_some()).collect();
    assert_eq!(known, [false, false, true, true, true, false]);
    assert_eq!((pool.drops(), pool.len()), (5, 1));
}

/// The accepted state has used no nonce; a block that is not accepted has used the first.
#[test]
fn what_waits_behind_an_undecided_block_is_built_on_it() {
    let mut pool = pool(MempoolConfig::default());
    let [first, second, parked] = [offer(0, 0, 9), offer(0, 1, 5), offer(1, 1, 50)];
    for transfer in [first, second, parked] {
        pool.insert(transfer, RICH, Timestamp::ZERO).unwrap();
    }
    let ahead = Account { nonce: 1, ..RICH };
    let none = pool.next_block(usize::MAX, 0, |_| RICH);
    assert_eq!(none, [first, second], "the nonce before is missing");
    assert_eq!(pool.next_block(usize::MAX, 0, |_| ahead), [second, parked]);
    let poor = Account { balance: 5, nonce: 1 };
    assert_eq!(pool.next_block(usize::MAX, 0, |_| poor), []);
    assert_eq!(pool.len(), 3, "building removes nothing");
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let good = MempoolConfig::default();
    assert_eq!(good.check(), Ok(()));
    let wrong = [
        (MempoolConfig { count_max: 0, ..good }, "count_max"),
        (MempoolConfig { bytes_max: 192, ..good }, "bytes_max"),
        (MempoolConfig { sender_max: 0, ..good }, "sender_max"),
        (MempoolConfig { sender_max: 4_097, ..good }, "sender_max"),
        (MempoolConfig { replacement_percent: 1_001, ..good }, "replacement_percent"),
    ];
    for (config, field) in wrong {
        let error = Mempool::new(HashKey::from_seed([0; 32]), config, RULES).unwrap_err();
        assert_eq!(error.field, field);
        assert!(error.to_string().contains(&error.found.to_string()), "{error}");
    }
}

#[test]
fn a_fee_that_cannot_be_topped_is_not_replaced() {
    let mut pool = pool(MempoolConfig::default());
    let account = Account { balance: u64::MAX, nonce: 0 };
    pool.insert(offer(0, 0, u64::MAX - 1), account, Timestamp::ZERO).unwrap();
    let refusal = pool.insert(offer(0, 0, u64::MAX - 2), account, Timestamp::ZERO).unwrap_err();
    assert_eq!(refusal.code(), "replacement_fee_too_low");
}

/// The order of evictions is made when it is full, dropped when it is half empty, and made again:
/// who goes is the same as if it had been kept all the time.
#[test]
fn who_makes_room_is_right_each_time_that_it_is_full() {
    let config = MempoolConfig { count_max: 40, ..MempoolConfig::default() };
    let mut pool = pool(config);
    let mut model: BTreeMap<(u64, Reverse<u64>), Id> = BTreeMap::new();
    let (mut sender, mut arrival, mut evicted, mut refused) = (0, 0, 0, 0);
    for round in 0..6 {
        for step in 0..120 {
            let fee = 3 + (sender * 7 + step * 5) % 31;
            let one = offer(sender, 0, fee);
            let first = model.first_key_value().map(|(key, id)| (*key, *id));
            match pool.insert(one, RICH, Timestamp::ZERO) {
                Ok(id) => {
                    if model.len() == 40 {
                        let (key, gone) = first.unwrap();
                        assert!(matches!(pool.dropped(&gone), Some(Refusal::Evicted { .. })));
                        assert!(fee > key.0 && !pool.contains(&gone), "round {round}");
                        model.remove(&key);
                        evicted += 1;
                    }
                    model.insert((fee, Reverse(arrival)), id);
                    arrival += 1;
                }
                Err(Refusal::MempoolFull { lowest, .. }) => {
                    assert_eq!((model.len(), first.map(|(key, _)| key.0)), (40, Some(lowest)));
                    assert!(fee <= lowest);
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(pool.len(), model.len());
            sender += 1;
        }
        // A block takes all but a few.
        let chosen = pool.next_block(85 + 193 * 33, 0, |_| RICH);
        assert_eq!(chosen.len(), 33);
        let bytes = block_bytes(&chosen);
        let transfers = BlockRef::decode(&bytes).unwrap().transfers;
        pool.accept(transfers, |_| Account { nonce: 1, ..RICH });
        model.retain(|_, id| !chosen.iter().any(|one| one.id() == *id));
        assert_eq!(pool.len(), 7);
    }
    assert!(evicted > 100 && refused > 100, "{evicted} {refused}");
}
