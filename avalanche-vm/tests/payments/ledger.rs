//! The ledger against the plain model: verdicts, accounts and burned fees of random blocks, over
//! random trees of undecided blocks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{State, address, signed};
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Height, Id, Timestamp};
use avalanche_vm::payments::{
    Account, Address, BlockRef, Genesis, Header, Ledger, Parent, Refusal, Rules, SignedTransfer,
    TRANSFERS_MAX, Transfer,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const CHAIN: Id = Id::new([7; 32]);
const RULES: Rules = Rules { chain: CHAIN, fee_min: 3 };
const SECOND: u64 = 1_700_000_000;

/// A transfer to be, relative to the state that it will meet.
#[derive(Clone, Debug)]
struct Plan {
    from: u64,
    to: u64,
    amount: u64,
    fee: u64,
    fault: u8,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Block { parent: usize, plans: Vec<Plan>, fault: u8 },
    Accept { child: usize },
    Reject { leaf: usize },
}

fn plan() -> impl Strategy<Value = Plan> {
    let fault = prop_oneof![30 => Just(0_u8), 1 => 1..=12_u8];
    (0..7_u64, 0..12_u64, 1..60_u64, 3..9_u64, fault)
        .prop_map(|(from, to, amount, fee, fault)| Plan { from, to, amount, fee, fault })
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![20 => Just(0_u8), 1 => 1..=2_u8];
    let block = (0..64_usize, prop::collection::vec(plan(), 0..12), fault);
    prop_oneof![
        6 => block.prop_map(|(parent, plans, fault)| Step::Block { parent, plans, fault }),
        2 => (0..64_usize).prop_map(|child| Step::Accept { child }),
        1 => (0..64_usize).prop_map(|leaf| Step::Reject { leaf }),
    ]
}

/// A block of the model.
#[derive(Clone, Debug)]
struct Node {
    parent: Id,
    height: u64,
    state: State,
}

#[derive(Default)]
struct Counts {
    verdicts: BTreeMap<&'static str, u32>,
    siblings: u32,
    deep: u32,
    accepted: u32,
    rejected: u32,
    new_accounts: u32,
    to_oneself: u32,
}

struct World {
    ledger: Ledger,
    tip: Id,
    nodes: BTreeMap<Id, Node>,
    supply: u128,
    made: u64,
}

impl World {
    /// Six accounts; in a rich world they have, and have burned, as much as 64 bits hold.
    fn new(balances: &[u64], rich: bool) -> Self {
        let mut state = State::default();
        for (n, balance) in (0..).zip(balances) {
            state.accounts.insert(address(n), Account { balance: *balance, nonce: 0 });
        }
        if rich {
            state.accounts.insert(address(8), Account { balance: u64::MAX - 40, nonce: 0 });
            state.burned = u64::MAX - 100;
        }
        let tip = Tip { id: Id::hash(b"genesis"), height: Height::GENESIS };
        let key = HashKey::from_seed([1; 32]);
        let mut ledger = Ledger::restore(key, RULES, tip, state.burned, 0);
        for (address, account) in &state.accounts {
            ledger.load(*address, *account).unwrap();
        }
        let supply = state.sum();
        let node = Node { parent: Id::EMPTY, height: 0, state };
        Self { ledger, tip: tip.id, nodes: BTreeMap::from([(tip.id, node)]), supply, made: 0 }
    }

    fn run(&mut self, step: &Step, counts: &mut Counts) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        match step {
            Step::Block { parent, plans, fault } => {
                let parent = ids[parent % ids.len()];
                self.block(parent, plans, *fault, counts);
            }
            Step::Accept { child } => {
                let children: Vec<_> = self.children(self.tip).collect();
                if !children.is_empty() {
                    self.accept(children[child % children.len()], counts);
                }
            }
            Step::Reject { leaf } => {
                let is_leaf = |id: &Id| *id != self.tip && self.children(*id).next().is_none();
                let leaves: Vec<_> = ids.into_iter().filter(is_leaf).collect();
                if !leaves.is_empty() {
                    let leaf = leaves[leaf % leaves.len()];
                    assert!(self.ledger.reject(&leaf));
                    self.nodes.remove(&leaf);
                    counts.rejected += 1;
                }
            }
        }
        self.check();
    }

    fn children(&self, id: Id) -> impl Iterator<Item = Id> {
        self.nodes.iter().filter(move |(_, node)| node.parent == id).map(|(id, _)| *id)
    }

    fn block(&mut self, parent: Id, plans: &[Plan], fault: u8, counts: &mut Counts) {
        let node = self.nodes[&parent].clone();
        let mut at = node.state.clone();
        let mut transfers = Vec::new();
        for plan in plans {
            self.made += 1;
            let transfer = transfer(&at, plan);
            transfers.push(signed(transfer, self.made.to_le_bytes()[0]));
            if let Ok(after) = at.block(&RULES, SECOND, &transfers[transfers.len() - 1..]) {
                at = after;
            }
        }
        let header = Header {
            parent: if fault == 1 { Id::hash(b"unknown") } else { parent },
            height: Height::new(node.height + if fault == 2 { 2 } else { 1 }),
            timestamp_ms: SECOND * 1_000 + self.made,
            parent_state_root: [0; 32],
        };
        let bytes = header.encode(&transfers).unwrap();
        let id = Id::hash(&bytes);
        let block = BlockRef::decode(&bytes).unwrap();
        let expected = match fault {
            1 => Err(Refusal::UnknownParent { found: header.parent, expected: self.tip }),
            2 => {
                let (found, parent) = (header.height, Height::new(node.height));
                Err(Refusal::WrongHeight { found, parent })
            }
            _ => node.state.block(&RULES, SECOND, &transfers),
        };
        let found = self.ledger.execute(id, &block);
        let code = expected.as_ref().map_or_else(Refusal::code, |_| "ok");
        *counts.verdicts.entry(code).or_default() += 1;
        let (layer, state) = match (found, expected) {
            (Ok(layer), Ok(state)) => (layer, state),
            (found, expected) => {
                assert_eq!(found.map(|layer| layer.id()), expected.map(|_| id));
                return;
            }
        };
        let named: BTreeSet<_> =
            transfers.iter().flat_map(|t| [t.view().sender(), t.view().recipient()]).collect();
        let touched: BTreeMap<_, _> = layer.accounts().collect();
        assert_eq!(touched.len(), layer.accounts().len(), "an account twice");
        assert_eq!(touched.keys().copied().collect::<BTreeSet<_>>(), named);
        assert!(touched.iter().all(|(address, account)| state.get(address) == *account));
        assert_eq!((layer.id(), layer.parent(), layer.burned()), (id, parent, state.burned));
        assert_eq!(layer.burned_here(), state.burned - node.state.burned);
        let fresh = touched.keys().filter(|a| node.state.get(a) == Account::ABSENT).count();
        counts.new_accounts += u32::try_from(fresh).unwrap();
        let to_oneself = transfers.iter().filter(|t| t.view().sender() == t.view().recipient());
        counts.to_oneself += u32::try_from(to_oneself.count()).unwrap();
        counts.siblings += u32::from(self.children(parent).next().is_some());
        counts.deep += u32::from(node.height + 1 >= self.nodes[&self.tip].height + 3);
        self.ledger.hold(layer);
        self.nodes.insert(id, Node { parent, height: node.height + 1, state });
    }

    fn accept(&mut self, id: Id, counts: &mut Counts) {
        let layer = self.ledger.accept(&id).unwrap();
        assert_eq!(layer.id(), id);
        self.tip = id;
        counts.accepted += 1;
        // Parents before children: whoever's parent is neither here nor the tip goes.
        self.nodes.retain(|_, node| node.height > 0);
        let height = self.nodes[&id].height;
        let mut left: Vec<_> = self.nodes.iter().map(|(id, n)| (n.height, *id)).collect();
        left.sort_unstable();
        for (at, other) in left {
            let parent = self.nodes[&other].parent;
            if other != id && (at <= height || !self.nodes.contains_key(&parent)) {
                counts.rejected += u32::from(self.ledger.reject(&other));
                self.nodes.remove(&other);
            }
        }
    }

    /// Everything that both know is the same.
    fn check(&self) {
        let accepted = &self.nodes[&self.tip].state;
        let found: BTreeMap<_, _> = self.ledger.accounts().collect();
        assert_eq!(found, accepted.accounts);
        assert_eq!(self.ledger.len(), found.len());
        assert_eq!(self.ledger.burned(), accepted.burned);
        assert_eq!(self.ledger.processing(), self.nodes.len() - 1);
        assert_eq!(self.ledger.supply(), self.supply);
        for (id, node) in &self.nodes {
            assert_eq!(node.state.sum(), self.supply, "money came or went");
            for n in 0..12 {
                let account = self.ledger.account_at(id, &address(n));
                assert_eq!(account, Ok(node.state.get(&address(n))));
            }
        }
    }
}

/// The transfer that a plan asks for in a state.
fn transfer(at: &State, plan: &Plan) -> Transfer {
    let sender = address(plan.from);
    let account = at.get(&sender);
    let mut transfer = Transfer {
        chain: CHAIN,
        sender,
        recipient: address(plan.to),
        // Mostly within reach.
        amount: plan.amount.min(account.balance.saturating_sub(plan.fee)).max(1),
        fee: plan.fee,
        nonce: account.nonce,
        expiry: SECOND,
    };
    match plan.fault {
        1 => transfer.chain = Id::new([8; 32]),
        2 => transfer.amount = 0,
        3 => transfer.fee = RULES.fee_min - 1,
        4 => transfer.nonce = transfer.nonce.saturating_sub(1),
        5 => transfer.nonce += 1,
        6 => transfer.amount = u64::MAX - transfer.fee + 1,
        7 => transfer.amount = account.balance.saturating_sub(transfer.fee).saturating_add(1),
        8 => transfer.sender = address(100),
        9 => transfer.expiry = SECOND - 1,
        10 => transfer.nonce = 0,
        11 => transfer.recipient = sender,
        12 => transfer.recipient = address(8),
        _ => {}
    }
    transfer
}

#[test]
fn verdicts_and_accounts_are_those_of_the_model() {
    let counts = RefCell::new(Counts::default());
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let balances = prop::collection::vec(1..400_u64, 6);
    let worlds = (balances, prop::bool::weighted(0.2), prop::collection::vec(step(), 1..40));
    TestRunner::new(config)
        .run(&worlds, |(balances, rich, steps)| {
            let mut world = World::new(&balances, rich);
            for step in &steps {
                world.run(step, &mut counts.borrow_mut());
            }
            Ok(())
        })
        .unwrap();
    let counts = counts.into_inner();
    println!("{:?}", counts.verdicts);
    for code in [
        "ok",
        "unknown_parent",
        "wrong_height",
        "wrong_chain",
        "zero_amount",
        "fee_too_low",
        "amount_overflow",
        "expired",
        "unknown_account",
        "nonce_too_low",
        "duplicate_in_block",
        "nonce_too_high",
        "insufficient_funds",
        "balance_overflow",
        "burned_overflow",
    ] {
        let count = counts.verdicts.get(code).copied().unwrap_or(0);
        assert!(count >= 5, "{code}: {count}");
    }
    let total: u32 = counts.verdicts.values().sum();
    assert!(total > 5_000, "{total} blocks");
    for (what, count) in [
        ("siblings", counts.siblings),
        ("three deep", counts.deep),
        ("accepted", counts.accepted),
        ("rejected", counts.rejected),
        ("new accounts", counts.new_accounts),
        ("to oneself", counts.to_oneself),
    ] {
        println!("{what}: {count}");
        assert!(count > 100, "{what}: {count}");
    }
}

#[test]
fn a_full_block_gives_what_the_model_gives() {
    let accounts: Vec<_> = (0..3_000).map(|n| (address(n), 1_000_000 + n)).collect();
    let genesis = Genesis::new(5, 3, accounts).unwrap();
    let bytes = genesis.block().unwrap();
    let first = Id::hash(&bytes);
    let key = HashKey::from_seed([2; 32]);
    let mut ledger = Ledger::from_genesis(key, CHAIN, &genesis, first).unwrap();
    let mut state = State { accounts: genesis.accounts().collect(), burned: 0 };
    let mut parent = first;
    for round in 1..4_u64 {
        let mut nonces = BTreeMap::<_, u64>::new();
        let transfers: Vec<_> = (0..TRANSFERS_MAX as u64)
            .map(|n| {
                let sender = address((n * 7 + round) % 2_900);
                let next = nonces.entry(sender).or_insert_with(|| state.get(&sender).nonce);
                let nonce = *next;
                *next += 1;
                let recipient = address((n * 31 + round) % 9_000);
                let (amount, fee, expiry) = (1 + n % 5, 3, SECOND);
                signed(Transfer { chain: CHAIN, sender, recipient, amount, fee, nonce, expiry }, 0)
            })
            .collect();
        let header = Header {
            parent,
            height: Height::new(round),
            timestamp_ms: 5,
            parent_state_root: [0; 32],
        };
        let bytes = header.encode(&transfers).unwrap();
        let id = Id::hash(&bytes);
        let layer = ledger.execute(id, &BlockRef::decode(&bytes).unwrap()).unwrap();
        assert!(layer.memory_bytes() > layer.accounts().len() * 56);
        state = state.block(&RULES, 0, &transfers).unwrap();
        ledger.hold(layer);
        // Accepted two late, so that they are executed on layers.
        if round == 3 {
            for block in [ledger.layer(&parent).unwrap().parent(), parent, id] {
                ledger.accept(&block).unwrap();
            }
        }
        parent = id;
    }
    assert_eq!(ledger.accounts().collect::<BTreeMap<_, _>>(), state.accounts);
    assert_eq!(u128::from(genesis.supply()), state.sum());
    assert_eq!((ledger.supply(), ledger.burned()), (state.sum(), state.burned));
}

#[test]
fn headers_keep_each_rule_and_say_which_they_break() {
    let parent = Parent {
        id: Id::hash(b"p"),
        height: Height::new(4),
        timestamp_ms: 9_000,
        state_root: [1; 32],
    };
    let good = Header {
        parent: parent.id,
        height: Height::new(5),
        timestamp_ms: 9_000,
        parent_state_root: [1; 32],
    };
    let now = Timestamp::from_millis(20_000);
    assert_eq!(good.check(&parent, Some(now)), Ok(()));
    let latest = Header { timestamp_ms: 30_000, ..good };
    assert_eq!(latest.check(&parent, Some(now)), Ok(()));
    let code = |header: Header| header.check(&parent, Some(now)).unwrap_err().code();
    assert_eq!(code(Header { parent: Id::EMPTY, ..good }), "unknown_parent");
    assert_eq!(code(Header { height: Height::new(4), ..good }), "wrong_height");
    assert_eq!(code(Header { height: Height::new(6), ..good }), "wrong_height");
    assert_eq!(code(Header { timestamp_ms: 8_999, ..good }), "before_parent");
    assert_eq!(code(Header { timestamp_ms: 30_001, ..good }), "too_new");
    assert_eq!(code(Header { parent_state_root: [2; 32], ..good }), "wrong_state_root");
    let new = Header { timestamp_ms: u64::MAX, ..good };
    assert_eq!(new.check(&parent, None), Ok(()));
    let last = Parent { height: Height::MAX, ..parent };
    assert_eq!(good.check(&last, None).unwrap_err().code(), "wrong_height");
}

#[test]
fn the_greatest_nonce_is_never_used() {
    let tip = Tip { id: Id::EMPTY, height: Height::GENESIS };
    let mut ledger = Ledger::restore(HashKey::from_seed([3; 32]), RULES, tip, 0, 1);
    ledger.load(address(0), Account { balance: 100, nonce: u64::MAX }).unwrap();
    let (sender, recipient) = (address(0), address(1));
    let transfer =
        Transfer { chain: CHAIN, sender, recipient, amount: 1, fee: 3, nonce: u64::MAX, expiry: 9 };
    let header = Header {
        parent: Id::EMPTY,
        height: Height::new(1),
        timestamp_ms: 0,
        parent_state_root: [0; 32],
    };
    let bytes = header.encode(&[signed(transfer, 0)]).unwrap();
    let refusal = ledger.execute(Id::EMPTY, &BlockRef::decode(&bytes).unwrap()).unwrap_err();
    assert_eq!(refusal, Refusal::NonceTooHigh { sender, nonce: u64::MAX, max: u64::MAX - 1 });
}

#[test]
fn only_a_held_child_of_the_tip_is_accepted() {
    let genesis = Genesis::new(0, 3, vec![(address(0), 100)]).unwrap();
    let first = Id::hash(&genesis.block().unwrap());
    let key = HashKey::from_seed([4; 32]);
    let mut ledger = Ledger::from_genesis(key, CHAIN, &genesis, first).unwrap();
    let none: &[SignedTransfer] = &[];
    let block = |parent, height| {
        let timestamp_ms = 0;
        let parent_state_root = [0; 32];
        let height = Height::new(height);
        Header { parent, height, timestamp_ms, parent_state_root }.encode(none).unwrap()
    };
    let [a, b] = [Id::new([1; 32]), Id::new([2; 32])];
    let one = block(first, 1);
    let layer = ledger.execute(a, &BlockRef::decode(&one).unwrap()).unwrap();
    assert!(ledger.accept(&a).unwrap_err().is_fatal(), "not held");
    ledger.hold(layer);
    let two = block(a, 2);
    let layer = ledger.execute(b, &BlockRef::decode(&two).unwrap()).unwrap();
    ledger.hold(layer);
    assert!(ledger.accept(&b).unwrap_err().is_fatal(), "no child of the tip");
    assert_eq!(ledger.tip().id, first);
    ledger.accept(&a).unwrap();
    ledger.accept(&b).unwrap();
    assert_eq!((ledger.tip().id, ledger.processing()), (b, 0));
    assert!(!ledger.reject(&a));
    let unknown = ledger.account_at(&a, &Address::default()).unwrap_err();
    assert_eq!(unknown.code(), "unknown_parent");
}
