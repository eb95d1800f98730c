//! The payments VM as a chain sees it: the suite of all VMs, and what is its own.
#![cfg(test)]

mod payments_support;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_vm::payments::{
    Account, BlockRef, Genesis, Header, PaymentsFactory, PaymentsReader, PaymentsVm, SignedTransfer,
};
use avalanche_vm::testing::suite::WORKS;
use avalanche_vm::testing::{Chain, ChainOptions, Fixture, Stop, run, suite};
use avalanche_vm::{
    Block, BuildRequest, Error, HttpRequest, InvalidKind, TransactionStatus, Transactions, Vm,
    VmFactory,
};
use payments_support::{
    BALANCE, FEE_MIN, START_MS, address, genesis, key, options, sign, signed, transfer,
};

fn factory() -> Arc<dyn VmFactory> {
    Arc::new(PaymentsFactory::new())
}

fn payments(vm: &mut dyn Vm) -> &mut PaymentsVm {
    let vm: &mut dyn Any = vm;
    vm.downcast_mut().unwrap()
}

fn reader(chain: &mut Chain) -> PaymentsReader {
    payments(chain.vm()).reader()
}

struct Payments;

#[async_trait]
impl Fixture for Payments {
    fn factory(&self) -> Arc<dyn VmFactory> {
        factory()
    }

    fn genesis(&self) -> Vec<u8> {
        genesis(u32::try_from(WORKS).unwrap()).encode()
    }

    fn other_genesis(&self) -> Option<Vec<u8>> {
        let accounts = genesis(u32::try_from(WORKS).unwrap());
        let accounts = accounts.accounts().map(|(address, account)| (address, account.balance));
        Some(Genesis::new(START_MS - 2_000, FEE_MIN, accounts.collect()).unwrap().encode())
    }

    fn options(&self) -> ChainOptions {
        ChainOptions {
            config: b"flush_every = 5".to_vec(),
            ..options(u32::try_from(WORKS).unwrap())
        }
    }

    fn transactions(&self, number: u64) -> Vec<Vec<u8>> {
        // A sender for each number, so that none depends on another.
        let from = u32::try_from(number).unwrap();
        let to = (from + 1) % u32::try_from(WORKS).unwrap();
        [0, 1].map(|nonce| signed(from, to, 100 + number, nonce).as_bytes().to_vec()).to_vec()
    }

    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error> {
        let tip = vm.last_accepted();
        let vm = payments(vm);
        let mut bytes = vm.state_root(&tip.id)?.to_vec();
        let reader = vm.reader();
        let (supply, burned) = reader.supply();
        let mut sum = burned;
        for number in 0..u32::try_from(WORKS).unwrap() {
            let (account, height) = reader.account(&address(number))?;
            assert_eq!(height, tip.height);
            sum += account.balance;
            bytes.extend(account.encode());
        }
        assert_eq!(sum, supply, "money was made or lost");
        Ok(bytes)
    }

    fn too_new(&self) -> Option<Duration> {
        Some(Duration::from_secs(11))
    }

    fn forged(&self, block: &Block) -> Vec<(&'static str, Vec<u8>)> {
        let decoded = BlockRef::decode(block.bytes()).unwrap();
        let header = decoded.header;
        let own: Vec<SignedTransfer> = decoded.transfers.iter().map(|one| one.to_owned()).collect();
        let mut forged = Vec::new();
        let mut with = |name, header: Header, transfers: &[SignedTransfer]| {
            forged.push((name, header.encode(transfers).unwrap()));
        };
        let more = |one: SignedTransfer| [own.clone(), vec![one]].concat();
        let last = u32::try_from(WORKS).unwrap() - 1;
        with("a root of another state", Header { parent_state_root: [1; 32], ..header }, &own);
        with("before its parent", Header { timestamp_ms: 1, ..header }, &own);
        let mut stranger = signed(last, 0, 5, 0).transfer();
        stranger.amount += 1;
        let bad = stranger.with_signature(signed(last, 0, 5, 0).view().signature());
        with("a bad signature", header, &more(bad));
        with("a gap", header, &more(signed(last, 0, 5, 1)));
        with("too much", header, &more(signed(last, 0, BALANCE, 0)));
        with("an unknown sender", header, &more(signed(5_000, 0, 5, 0)));
        with("nothing", header, &more(signed(last, 0, 0, 0)));
        let mut cheap = transfer(last, 0, 5, 0);
        cheap.fee = FEE_MIN - 1;
        with("a low fee", header, &more(sign(last, &cheap)));
        let mut old = transfer(last, 0, 5, 0);
        old.expiry = START_MS / 1_000 - 1;
        with("an expired one", header, &more(sign(last, &old)));
        let mut other = transfer(last, 0, 5, 0);
        other.chain = Id::EMPTY;
        with("one of another chain", header, &more(sign(last, &other)));
        if let Some(first) = own.first() {
            with("one twice", header, &more(*first));
        }
        forged
    }
}

#[test]
fn it_keeps_the_contract_of_all_vms() {
    let report = run(suite(Payments));
    println!("{report:?}");
    assert!(report.accepted > 50 && report.rejected > 0 && report.replayed > 0, "{report:?}");
}

async fn submit(chain: &mut Chain, transfers: &[SignedTransfer]) -> Vec<Result<Id, Error>> {
    let now = chain.now();
    let bytes: Vec<&[u8]> = transfers.iter().map(|one| &one.as_bytes()[..]).collect();
    chain.vm().transactions().unwrap().submit(&bytes, now).await
}

async fn step(chain: &mut Chain) -> Block {
    let block = chain.build().await.unwrap().expect("something to build");
    chain.verify(&block).await.unwrap();
    chain.accept(&block).await.unwrap();
    block
}

#[test]
fn a_payment_is_pending_then_processing_then_accepted_with_a_receipt() {
    run(async {
        let mut chain = Chain::new(factory(), options(3)).await.unwrap();
        let payment = signed(0, 7, 500, 0);
        let id = payment.id();
        let status = |chain: &mut Chain| chain.vm().transactions().unwrap().status(&id);
        assert_eq!(status(&mut chain), TransactionStatus::Unknown);
        let signals = chain.pending_signals();
        assert_eq!(submit(&mut chain, &[payment]).await.remove(0).unwrap(), id);
        assert!(chain.pending_signals() > signals);
        assert_eq!(status(&mut chain), TransactionStatus::Pending);
        let again = submit(&mut chain, &[payment]).await.remove(0).unwrap_err();
        assert_eq!((again.code(), again.status()), ("already_pending", 409));
        let block = chain.build().await.unwrap().unwrap();
        chain.verify(&block).await.unwrap();
        assert_eq!(status(&mut chain), TransactionStatus::Processing { block: block.id() });
        chain.accept(&block).await.unwrap();
        let height = Height::new(1);
        assert_eq!(status(&mut chain), TransactionStatus::Accepted { height, index: 0 });
        assert_eq!(chain.vm().transactions().unwrap().in_block(&block).unwrap(), [id]);
        let reader = reader(&mut chain);
        let receipt = reader.receipt(&id).unwrap();
        assert_eq!((receipt.block, receipt.amount, receipt.fee), (block.id(), 500, FEE_MIN));
        let account = |number| reader.account(&address(number)).unwrap();
        assert_eq!(account(0), (Account { balance: BALANCE - 510, nonce: 1 }, height));
        assert_eq!(account(7), (Account { balance: 500, nonce: 0 }, height));
        assert_eq!(account(8), (Account::ABSENT, height));
        assert_eq!(reader.supply(), (3 * BALANCE, FEE_MIN));
        let late = submit(&mut chain, &[payment]).await.remove(0).unwrap_err();
        assert_eq!(late.code(), "nonce_too_low");
    });
}

#[test]
fn each_bad_transfer_of_many_is_named_and_the_others_get_in() {
    run(async {
        let mut chain = Chain::new(factory(), options(40)).await.unwrap();
        let mut transfers: Vec<_> = (0..40).map(|from| signed(from, 0, 5, 0)).collect();
        let forge = |from: u32| {
            let mut other = transfer(from, 0, 5, 0);
            other.amount = 6;
            other.with_signature(signed(from, 0, 5, 0).view().signature())
        };
        for from in [3, 17, 39] {
            transfers[from] = forge(u32::try_from(from).unwrap());
        }
        let mut expired = transfer(20, 0, 5, 0);
        expired.expiry = START_MS / 1_000 - 1;
        transfers[20] = sign(20, &expired);
        let mut codes: Vec<_> = submit(&mut chain, &transfers)
            .await
            .into_iter()
            .map(|answer| answer.map_or_else(|error| error.code(), |_| "in"))
            .collect();
        for (place, code) in
            [(39, "bad_signature"), (20, "expired"), (17, "bad_signature"), (3, "bad_signature")]
        {
            assert_eq!(codes.remove(place), code);
        }
        assert!(codes.iter().all(|code| *code == "in") && codes.len() == 36, "{codes:?}");
        for bad in [3, 17, 39] {
            // What was found bad once is not taken for checked.
            let again = submit(&mut chain, &[transfers[bad]]).await.remove(0).unwrap_err();
            assert_eq!(again.code(), "bad_signature");
        }
        let garbage: [&[u8]; 3] = [b"", b"pay me", &[1; 194]];
        let now = chain.now();
        for answer in chain.vm().transactions().unwrap().submit(&garbage, now).await {
            let error = answer.unwrap_err();
            let kind = error.as_invalid().unwrap().kind;
            assert!(matches!(kind, InvalidKind::Malformed | InvalidKind::TooLarge), "{error}");
        }
        let block = step(&mut chain).await;
        assert_eq!(BlockRef::decode(block.bytes()).unwrap().transfers.len(), 36);
    });
}

#[test]
fn a_proof_of_an_account_is_checked_with_the_root_in_the_next_block() {
    run(async {
        let mut chain = Chain::new(factory(), options(50)).await.unwrap();
        submit(&mut chain, &[signed(0, 70, 500, 0)]).await.remove(0).unwrap();
        step(&mut chain).await;
        let reader = reader(&mut chain);
        let shown = [0, 1, 70, 71].map(|number| reader.prove(&address(number)).unwrap());
        submit(&mut chain, &[signed(1, 0, 5, 0)]).await.remove(0).unwrap();
        let next = step(&mut chain).await;
        let root = BlockRef::decode(next.bytes()).unwrap().header.parent_state_root;
        for proof in &shown {
            assert_eq!(proof.height, Height::new(1));
            proof.verify(&root).unwrap();
            let mut lie = proof.clone();
            lie.account.balance += 1;
            lie.verify(&root).unwrap_err();
            proof.verify(&[0; 32]).unwrap_err();
        }
        assert!(shown[3].account.is_absent() && !shown[3].proof.is_inclusion());
    });
}

/// The signatures of what waits were checked. Of something else from the same sender, with the same
/// nonce, they were not.
#[test]
fn a_block_is_checked_for_all_that_does_not_wait_byte_for_byte() {
    run(async {
        let mut chain = Chain::new(factory(), options(4)).await.unwrap();
        let waits = signed(0, 1, 5, 0);
        submit(&mut chain, &[waits, signed(2, 1, 5, 0)]).await.remove(0).unwrap();
        let good = chain.build().await.unwrap().unwrap();
        let header = BlockRef::decode(good.bytes()).unwrap().header;
        let flipped = (0..64).map(|byte| {
            let mut signature = *waits.view().signature();
            signature[byte] ^= 1;
            transfer(0, 1, 5, 0).with_signature(&signature)
        });
        let others = transfer(0, 1, 6, 0).with_signature(waits.view().signature());
        for bad in flipped.chain([others]) {
            let block = chain.parse(&header.encode(&[bad]).unwrap()).unwrap();
            let error = chain.verify(&block).await.unwrap_err();
            assert_eq!(error.code(), "bad_signature", "{bad:?}");
        }
        chain.verify(&good).await.unwrap();
        chain.accept(&good).await.unwrap();
    });
}

#[test]
fn those_who_bring_names_are_answered_as_those_who_do_not() {
    run(async {
        let mut answers = Vec::new();
        for named in [false, true] {
            let mut chain = Chain::new(factory(), options(4)).await.unwrap();
            let forged = transfer(1, 2, 6, 0).with_signature(signed(1, 2, 5, 0).view().signature());
            let all = [signed(0, 1, 5, 0), forged, signed(0, 1, 5, 9_999), signed(2, 1, 5, 0)];
            let (now, pool) = (chain.now(), chain.vm().transactions().unwrap());
            let bytes: Vec<&[u8]> = all.iter().map(|one| &one.as_bytes()[..]).collect();
            let found = if named {
                let all: Vec<_> = all.iter().map(SignedTransfer::id).zip(bytes).collect();
                pool.submit_named(&all, now).await
            } else {
                pool.submit(&bytes, now).await
            };
            let found = found.into_iter().map(|answer| answer.map_err(|error| error.code()));
            answers.push(found.collect::<Vec<_>>());
            assert_eq!(chain.vm().transactions().unwrap().pending(), 2);
        }
        assert_eq!(answers[0], answers[1]);
        let codes: Vec<_> = answers[0].iter().filter_map(|one| one.as_ref().err()).collect();
        assert_eq!(codes, [&"bad_signature", &"nonce_too_high"]);
    });
}

#[test]
fn payments_of_a_rejected_block_come_back() {
    run(async {
        let mut chain = Chain::new(factory(), options(4)).await.unwrap();
        submit(&mut chain, &[signed(0, 1, 5, 0)]).await.remove(0).unwrap();
        let first = chain.build().await.unwrap().unwrap();
        chain.verify(&first).await.unwrap();
        submit(&mut chain, &[signed(1, 2, 5, 0)]).await.remove(0).unwrap();
        chain.advance(Duration::from_secs(1));
        let header = BlockRef::decode(first.bytes()).unwrap().header;
        let rival = Header { timestamp_ms: header.timestamp_ms + 1, ..header };
        let rival = chain.parse(&rival.encode(&[signed(2, 3, 5, 0)]).unwrap()).unwrap();
        chain.verify(&rival).await.unwrap();
        // Nobody but the rival brought its transfer here.
        chain.accept(&first).await.unwrap();
        let block = step(&mut chain).await;
        let held = BlockRef::decode(block.bytes()).unwrap().transfers;
        assert_eq!(held.len(), 2, "both that were not in the accepted block");
    });
}

/// After so many blocks of one payment each, and the end of the VM as a crash ends it: where the
/// state stands in its store.
async fn stands_after(blocks: u64, settings: &str, shutdown: bool) -> Height {
    let options = ChainOptions { config: settings.into(), ..options(3) };
    let context = options.context(&Arc::default());
    let store = Arc::clone(&context.store);
    let mut vm = PaymentsFactory::new().open(context).unwrap();
    for nonce in 0..blocks {
        let now = Timestamp::from_millis(START_MS + 1_000);
        let payment = signed(0, 1, 1, nonce);
        let admitted = vm.submit(&[payment.as_bytes()], now).await;
        assert!(admitted.iter().all(Result::is_ok), "{admitted:?}");
        let request = BuildRequest { now, bytes_max: 10_000, allow_empty: false };
        let block = vm.build(request).await.unwrap().unwrap();
        vm.verify(&block, now).await.unwrap();
        vm.accept(&block).await.unwrap();
        vm.set_preference(block.id());
    }
    if shutdown {
        vm.shutdown().await.unwrap();
    }
    // A thread that writes ends first.
    drop(vm);
    PaymentsFactory::new().stands_at(&store).unwrap().unwrap().height
}

#[test]
fn the_state_is_written_after_so_many_blocks_or_accounts_and_at_the_end() {
    run(async {
        let many = "flush_every = 1000\nflush_accounts = 1000";
        assert_eq!(stands_after(12, many, false).await, Height::GENESIS);
        assert_eq!(stands_after(12, many, true).await, Height::new(12));
        // At most twice what is said is not written.
        let blocks = stands_after(12, "flush_every = 3", false).await;
        assert!((6..=12).contains(&blocks.get()), "{blocks}");
        // Two accounts a block.
        let accounts = stands_after(12, "flush_accounts = 5", false).await;
        assert!((6..=12).contains(&accounts.get()), "{accounts}");
        let each = stands_after(12, "flush_every = 1", false).await;
        assert!((10..=12).contains(&each.get()), "{each}");
    });
}

#[test]
fn a_store_of_another_genesis_is_refused() {
    run(async {
        let log = Arc::new(payments_support::NoBlocks);
        let context = payments_support::context(genesis(3).encode(), log);
        PaymentsFactory::new().open(context.clone()).unwrap();
        PaymentsFactory::new().open(context.clone()).unwrap();
        let mut other = context;
        other.genesis = genesis(4).encode().into();
        let error = PaymentsFactory::new().open(other.clone()).unwrap_err();
        assert!(error.is_fatal() && error.to_string().contains("another genesis"), "{error}");
        other.genesis = Arc::from(*b"money");
        let error = PaymentsFactory::new().open(other.clone()).unwrap_err();
        assert!(error.as_invalid().is_some(), "{error}");
        other.config = Arc::from(*b"speed = 9");
        let error = PaymentsFactory::new().open(other).unwrap_err();
        assert_eq!(error.code(), "settings");
    });
}

#[test]
fn clients_read_accounts_receipts_and_the_supply() {
    run(async {
        let mut chain = Chain::new(factory(), options(3)).await.unwrap();
        let payment = signed(0, 7, 500, 0);
        submit(&mut chain, &[payment]).await.remove(0).unwrap();
        step(&mut chain).await;
        let handlers = chain.vm().handlers();
        let ask = async |route: &str, path: &str, query: &str, method: &str| {
            let (_, handler) = handlers.iter().find(|(name, _)| name == route).unwrap();
            let [method, path, query] = [method, path, query].map(str::to_owned);
            let answer =
                handler.handle(HttpRequest { method, path, query, body: Vec::new() }).await;
            (answer.status, String::from_utf8(answer.body).unwrap())
        };
        let path = format!("/{}", address(7));
        let (status, body) = ask("/accounts", &path, "", "GET").await;
        assert_eq!(status, 200);
        assert!(
            body.contains("\"balance\":\"500\"") && body.contains("\"height\":\"1\""),
            "{body}"
        );
        let (_, body) = ask("/accounts", &path, "proof=true", "GET").await;
        assert!(body.contains("\"proof\":\"0x01") && body.contains("\"root\":\"0x"), "{body}");
        let (status, body) = ask("/receipts", &format!("/{}", payment.id()), "", "GET").await;
        assert!(status == 200 && body.contains("\"amount\":\"500\""), "{body}");
        let (status, body) = ask("/supply", "", "", "GET").await;
        assert!(status == 200 && body.contains("\"burned\":\"10\""), "{body}");
        let root = Id::new(reader(&mut chain).totals().root);
        let tip = chain.vm().last_accepted().id;
        assert_eq!(Id::new(payments(chain.vm()).state_root(&tip).unwrap()), root);
        let hex: String = root.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(body.ends_with(&format!(",\"root\":\"0x{hex}\"}}")), "{body}");
        for (route, path, method, expected) in [
            ("/accounts", "/nobody", "GET", 400),
            ("/accounts", "", "GET", 404),
            ("/receipts", &format!("/{}", Id::EMPTY), "GET", 404),
            ("/supply", "", "POST", 405),
        ] {
            let (status, body) = ask(route, path, "", method).await;
            assert_eq!(status, expected, "{body}");
            assert!(body.starts_with('{') && body.contains("message"), "{body}");
        }
    });
}

#[test]
fn an_index_needs_a_blocks_bytes_alone() {
    run(async {
        let mut chain = Chain::new(factory(), options(4)).await.unwrap();
        let sent = [signed(0, 1, 500, 0), signed(2, 2, 7, 0), signed(3, 0, 9, 0)];
        submit(&mut chain, &sent).await;
        let pool = chain.vm().transactions().unwrap();
        let mut waiting = pool.waiting(10);
        assert_eq!(pool.waiting(2), waiting[..2]);
        let block = step(&mut chain).await;
        let names = chain.vm().transactions().unwrap().in_block(&block).unwrap();
        waiting.sort();
        assert_eq!(
            waiting,
            std::collections::BTreeSet::from_iter(names.clone()).into_iter().collect::<Vec<_>>()
        );
        let contents = factory().contents().unwrap();
        let mut seen = Vec::new();
        let mut visit = |id: Id, addresses: &[[u8; 32]]| seen.push((id, addresses.to_vec()));
        contents.transactions(block.bytes(), &mut visit).unwrap();
        let wanted = names.iter().map(|name| {
            let one = sent.iter().find(|one| one.id() == *name).unwrap().view();
            let mut addresses = vec![*one.sender().as_bytes(), *one.recipient().as_bytes()];
            addresses.dedup();
            (*name, addresses)
        });
        assert_eq!(seen, wanted.collect::<Vec<_>>());
        assert!(seen.iter().any(|(_, addresses)| addresses.len() == 1), "a payment to oneself");
        assert_eq!(contents.count(block.bytes()).unwrap(), 3);

        // The same words as the VM's own, for another name of the block.
        let (other, height) = (Id::new([8; 32]), Height::new(1));
        for (index, name) in (0..).zip(&names) {
            let own = reader(&mut chain).receipt(name).unwrap();
            assert_eq!(own.index, index);
            assert_eq!(contents.name(block.bytes(), index).unwrap(), Some(*name));
            let json = contents.receipt(block.bytes(), block.id(), height, index).unwrap();
            assert_eq!(json, Some(own.to_json()));
            let json = contents.receipt(block.bytes(), other, height, index).unwrap().unwrap();
            assert!(json.contains(&format!("\"block\":\"{other}\"")), "{json}");
        }
        assert_eq!(contents.receipt(block.bytes(), other, height, 3).unwrap(), None);
        assert_eq!(contents.name(block.bytes(), 3).unwrap(), None);
        assert!(contents.count(b"no block").unwrap_err().as_invalid().is_some());
        let genesis = factory().genesis(&genesis(4).encode()).unwrap();
        assert_eq!(contents.count(genesis.bytes()).unwrap(), 0);
    });
}

#[test]
fn a_million_payments_are_not_needed_to_see_that_blocks_are_full() {
    run(async {
        let mut chain = Chain::new(factory(), options(30)).await.unwrap();
        let many: Vec<_> = (0..30)
            .flat_map(|from| (0..20).map(move |nonce| signed(from, from + 1, 5, nonce)))
            .collect();
        assert!(submit(&mut chain, &many).await.iter().all(Result::is_ok));
        let mut blocks = 0;
        let mut accepted = 0;
        while let Some(block) = {
            let now = chain.now();
            let request = BuildRequest { now, bytes_max: 20_000, allow_empty: false };
            chain.build_with(request).await.unwrap()
        } {
            assert!(block.bytes().len() <= 20_000);
            accepted += BlockRef::decode(block.bytes()).unwrap().transfers.len();
            chain.verify(&block).await.unwrap();
            chain.accept(&block).await.unwrap();
            blocks += 1;
        }
        assert_eq!((accepted, blocks), (600, 6));
        let mut chain = chain.restart(Stop::PowerLoss).await.unwrap();
        assert_eq!(reader(&mut chain).supply().1, 600 * FEE_MIN);
        let mut nonces = 0;
        for number in 0..30 {
            nonces += reader(&mut chain).account(&address(number)).unwrap().0.nonce;
        }
        assert_eq!(nonces, 600);
    });
}

#[test]
fn roots_are_what_they_were() {
    run(async {
        let genesis = Genesis::new(START_MS, 1, vec![(address(0), 1_000)]).unwrap();
        let options =
            ChainOptions { now: payments_support::START, ..ChainOptions::new(genesis.encode()) };
        let mut chain = Chain::new(factory(), options).await.unwrap();
        let tip = chain.vm().last_accepted();
        let first = payments(chain.vm()).state_root(&tip.id).unwrap();
        submit(&mut chain, &[signed(0, 1, 7, 0)]).await.remove(0).unwrap();
        let block = step(&mut chain).await;
        let second = payments(chain.vm()).state_root(&block.id()).unwrap();
        let found = [
            tip.id.to_string(),
            Id::new(first).to_string(),
            block.id().to_string(),
            Id::new(second).to_string(),
        ];
        let golden = include_str!("golden/payments-roots.txt");
        assert_eq!(found.join("\n"), golden.trim_end());
        assert_eq!(key(0).public_key().to_bytes(), *address(0).as_bytes());
    });
}
