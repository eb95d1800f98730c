//! Random histories of a payments chain: rivals, restarts, bad transfers; accounts, supply and root
//! against a map and a state that is built anew.
#![cfg(test)]

#[expect(dead_code, reason = "the other test uses the rest of it")]
mod payments_support;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id};
use avalanche_store::{Hash, MemoryStore, State, StateOptions};
use avalanche_vm::Block;
use avalanche_vm::payments::{
    Account, Address, BURNED_KEY, BlockRef, Burned, HEAD_KEY, Head, Header, PaymentsFactory,
    PaymentsReader, PaymentsVm,
};
use avalanche_vm::testing::{Chain, Stop, run};
use payments_support::{BALANCE, FEE_MIN, address, genesis, options, sign, transfer};

const ACCOUNTS: u32 = 12;
const STRANGERS: u32 = 4;
const HISTORIES: u64 = 60;
const STEPS: u32 = 25;

#[derive(Debug, Default)]
struct Seen {
    accepted: u64,
    refused: BTreeMap<&'static str, u64>,
    blocks: u64,
    rivals: u64,
    rejected: u64,
    restarts: u64,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn account(&mut self, below: u32) -> u32 {
        u32::try_from(self.below(below.into())).unwrap()
    }
}

struct Model {
    accounts: BTreeMap<Address, Account>,
    burned: u64,
    head: Head,
}

impl Model {
    fn apply(&mut self, block: &Block) {
        let decoded = BlockRef::decode(block.bytes()).unwrap();
        for one in decoded.transfers.iter() {
            let sender = self.accounts.get_mut(&one.sender()).unwrap();
            assert_eq!(sender.nonce, one.nonce());
            sender.balance = sender.balance.checked_sub(one.amount() + one.fee()).unwrap();
            sender.nonce += 1;
            self.accounts.entry(one.recipient()).or_default().balance += one.amount();
            self.burned += one.fee();
        }
        self.head.block = Tip { id: block.id(), height: block.height() };
        self.head.timestamp_ms = decoded.header.timestamp_ms;
    }

    /// The root of a state that never had another height.
    fn root(&self) -> Hash {
        let state = State::open(MemoryStore::new(), StateOptions::new("model")).unwrap();
        let mut draft = state.begin();
        for (address, account) in &self.accounts {
            draft.put(*address.as_bytes(), account.encode()).unwrap();
        }
        if self.burned > 0 {
            draft.put(BURNED_KEY, Burned(self.burned).encode()).unwrap();
        }
        draft.put(HEAD_KEY, self.head.encode()).unwrap();
        draft.seal().unwrap().root()
    }
}

fn payments(chain: &mut Chain) -> &mut PaymentsVm {
    let vm: &mut dyn Any = chain.vm();
    vm.downcast_mut().unwrap()
}

fn compare(chain: &mut Chain, model: &Model) {
    let reader: PaymentsReader = payments(chain).reader();
    let tip = chain.tip();
    assert_eq!(tip, model.head.block);
    assert_eq!(payments(chain).ledger().processing(), 0, "layers of decided blocks stay");
    for number in 0..ACCOUNTS + STRANGERS {
        let expected = model.accounts.get(&address(number)).copied().unwrap_or_default();
        assert_eq!(reader.account(&address(number)).unwrap(), (expected, tip.height));
    }
    let balances: u64 = model.accounts.values().map(|account| account.balance).sum();
    assert_eq!(reader.supply(), (u64::from(ACCOUNTS) * BALANCE, model.burned));
    assert_eq!(balances + model.burned, u64::from(ACCOUNTS) * BALANCE, "the supply");
    assert_eq!(payments(chain).state_root(&tip.id).unwrap(), model.root());
}

/// Submits some transfers, of which many are wrong in some way.
async fn submit(chain: &mut Chain, model: &Model, dice: &mut Dice, seen: &mut Seen) {
    let mut batch = Vec::new();
    for _ in 0..dice.below(12) {
        let from = dice.account(ACCOUNTS + 1);
        let account = model.accounts.get(&address(from)).copied().unwrap_or_default();
        let to = dice.account(ACCOUNTS + STRANGERS);
        let amount = dice.below(BALANCE / 4) * dice.below(8).min(1);
        let nonce = (account.nonce + dice.below(4)).saturating_sub(dice.below(8) / 7);
        let mut one = transfer(from, to, amount, nonce);
        one.fee = FEE_MIN - u64::from(dice.below(20) == 0) + dice.below(3);
        one.expiry = chain.now().as_nanos() / 1_000_000_000 + dice.below(60)
            - u64::from(dice.below(12) == 0);
        let mut signed = sign(from, &one);
        if dice.below(12) == 0 {
            one.fee += 1;
            signed = one.with_signature(signed.view().signature());
        }
        batch.push(signed);
    }
    let bytes: Vec<&[u8]> = batch.iter().map(|one| &one.as_bytes()[..]).collect();
    let now = chain.now();
    for answer in chain.vm().transactions().unwrap().submit(&bytes, now).await {
        if let Err(error) = answer {
            *seen.refused.entry(error.code()).or_default() += 1;
        }
    }
}

/// Builds on the last accepted block, a rival or two beside it, children of either; accepts one.
async fn decide(chain: &mut Chain, model: &mut Model, dice: &mut Dice, seen: &mut Seen) {
    let Some(first) = chain.build().await.unwrap() else { return };
    chain.verify(&first).await.unwrap();
    let mut candidates = vec![first.clone()];
    for rival in 0..dice.below(3) {
        let decoded = BlockRef::decode(first.bytes()).unwrap();
        let header =
            Header { timestamp_ms: decoded.header.timestamp_ms + 1 + rival, ..decoded.header };
        // Without the last transfers: what remains is valid.
        let keep = usize::try_from(dice.below(decoded.transfers.len() as u64 + 1)).unwrap();
        let kept: Vec<_> = decoded.transfers.iter().take(keep).map(|one| one.to_owned()).collect();
        let rival = chain.parse(&header.encode(&kept).unwrap()).unwrap();
        chain.verify(&rival).await.unwrap();
        candidates.push(rival);
        seen.rivals += 1;
    }
    let chosen = usize::try_from(dice.below(candidates.len() as u64)).unwrap();
    let chosen = candidates[chosen].clone();
    chain.prefer(chosen.id()).unwrap();
    let child = chain.build().await.unwrap();
    if let Some(child) = &child {
        chain.verify(child).await.unwrap();
    }
    let rejected = chain.accept(&chosen).await.unwrap();
    seen.rejected += rejected.len() as u64;
    seen.blocks += 1;
    seen.accepted += BlockRef::decode(chosen.bytes()).unwrap().transfers.len() as u64;
    model.apply(&chosen);
    if let Some(child) = child {
        chain.accept(&child).await.unwrap();
        seen.accepted += BlockRef::decode(child.bytes()).unwrap().transfers.len() as u64;
        seen.blocks += 1;
        model.apply(&child);
    }
}

#[test]
fn any_history_leads_to_the_state_of_the_model() {
    let mut seen = Seen::default();
    for history in 0..HISTORIES {
        run(async {
            let mut dice = Dice(history.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let start = genesis(ACCOUNTS);
            let mut options = options(ACCOUNTS);
            options.seed = history;
            let flush = ["flush_every = 4", "flush_accounts = 9", "flush_every = 1"];
            let flush = flush[usize::try_from(dice.below(3)).unwrap()];
            options.config = format!("{flush}\nstate_heights = 3").into_bytes();
            let mut chain = Chain::new(Arc::new(PaymentsFactory::new()), options).await.unwrap();
            let head = Head {
                block: Tip { id: chain.tip().id, height: Height::GENESIS },
                timestamp_ms: start.timestamp_ms(),
                genesis: Id::hash(&start.encode()),
            };
            let mut model = Model { accounts: start.accounts().collect(), burned: 0, head };
            compare(&mut chain, &model);
            for _ in 0..STEPS {
                chain.advance(Duration::from_secs(1 + dice.below(20)));
                submit(&mut chain, &model, &mut dice, &mut seen).await;
                decide(&mut chain, &mut model, &mut dice, &mut seen).await;
                if dice.below(6) == 0 {
                    let stops = [Stop::Shutdown, Stop::Kill, Stop::PowerLoss];
                    let stop = stops[usize::try_from(dice.below(3)).unwrap()];
                    chain = chain.restart(stop).await.unwrap();
                    seen.restarts += 1;
                }
                compare(&mut chain, &model);
            }
        });
    }
    println!("{seen:?}");
    assert!(seen.accepted > 1_000 && seen.blocks > 300, "{seen:?}");
    assert!(seen.rivals > 100 && seen.rejected > 100 && seen.restarts > 50, "{seen:?}");
    for code in [
        "bad_signature",
        "zero_amount",
        "fee_too_low",
        "nonce_too_low",
        "unknown_account",
        "insufficient_funds",
        "replacement_fee_too_low",
        "expired",
    ] {
        assert!(seen.refused.get(code).is_some_and(|count| *count > 0), "{code}: {seen:?}");
    }
}
