//! What the VM around a machine decides: admission, order, drops, bounds, routes.

use std::sync::Arc;

use avalanche_consensus::{Height, Id};
use avalanche_vm::machine::{
    MachineFactory, TRANSACTION_BYTES_MAX, TRANSACTIONS_MAX, WAITING_BYTES_MAX, WAITING_MAX,
};
use avalanche_vm::testing::{run, suite};
use avalanche_vm::{BuildRequest, HttpRequest, TransactionStatus, VmFactory};

use super::support::{Folder, chain, codes, folded, number, step, submit};

#[test]
fn a_machine_keeps_the_contract() {
    let report = run(suite(Folder));
    assert!(report.returned > 0 && report.lost_batches > 0, "{report:?}");
    assert_eq!(report.summaries, 5, "heights 4 to 8 of two nodes: {report:?}");
}

#[test]
fn admission_tries_a_transaction_after_all_that_wait() {
    run(async {
        let mut chain = chain().await;
        let all = [number(1), number(1), number(0), number(950), number(951), vec![1], number(2)];
        let answers = submit(&mut chain, &all).await;
        assert_eq!(codes(&answers), ["ok", "waits", "range", "ok", "one_large", "length", "ok"]);
        assert_eq!(chain.pending_signals(), 1);
        step(&mut chain).await.expect("a block");
        let state = folded(&mut chain);
        assert_eq!((state.count, state.large, state.height), (3, 1, 1));
        // What was accepted may come again: whether that is good is the machine's decision.
        assert_eq!(
            codes(&submit(&mut chain, &[number(1), number(950)]).await),
            ["ok", "one_large"]
        );
    });
}

#[test]
fn what_applies_no_more_is_dropped_with_its_reason() {
    run(async {
        let (mut ours, mut theirs) = (chain().await, chain().await);
        let waiting = submit(&mut ours, &[number(950), number(3)]).await;
        let [dropped, kept] = [0, 1].map(|at| *waiting[at].as_ref().expect("admitted"));
        submit(&mut theirs, &[number(960)]).await;
        let block = step(&mut theirs).await.expect("a block");
        let block = ours.parse(block.bytes()).unwrap();
        ours.advance(block.timestamp().since(ours.now()));
        ours.verify(&block).await.unwrap();

        // On a block that is not decided, it is left out and waits on.
        ours.prefer(block.id()).unwrap();
        let next = ours.build().await.unwrap().expect("a block");
        let pool = ours.vm().transactions().unwrap();
        assert_eq!((pool.in_block(&next).unwrap(), pool.pending()), (vec![kept], 2));
        assert_eq!(pool.status(&dropped), TransactionStatus::Pending);

        ours.accept(&block).await.unwrap();
        let next = ours.build().await.unwrap().expect("a block");
        ours.verify(&next).await.unwrap();
        let pool = ours.vm().transactions().unwrap();
        assert_eq!(pool.pending(), 1);
        assert_eq!(pool.status(&kept), TransactionStatus::Processing { block: next.id() });
        let reason = "the rule one_large of the folder".to_owned();
        let wanted = TransactionStatus::Dropped { code: "one_large", reason };
        assert_eq!(pool.status(&dropped), wanted);
        ours.accept(&next).await.unwrap();
        let pool = ours.vm().transactions().unwrap();
        let accepted = TransactionStatus::Accepted { height: Height::new(2), index: 0 };
        assert_eq!((pool.status(&kept), pool.pending()), (accepted, 0));
    });
}

#[test]
fn an_index_needs_a_blocks_bytes_alone() {
    run(async {
        let mut chain = chain().await;
        let sent = submit(&mut chain, &[number(5), number(6)]).await;
        let sent: Vec<Id> = sent.into_iter().map(Result::unwrap).collect();
        assert_eq!(chain.vm().transactions().unwrap().waiting(1), sent[..1]);
        let block = step(&mut chain).await.expect("a block");
        let contents = MachineFactory::new(Folder).contents().unwrap();
        let mut seen = Vec::new();
        contents
            .transactions(block.bytes(), &mut |id, addresses| {
                assert!(addresses.is_empty());
                seen.push(id);
            })
            .unwrap();
        assert_eq!(seen, sent);
        assert_eq!(contents.count(block.bytes()).unwrap(), 2);
        let (name, height) = (Id::new([8; 32]), block.height());
        let json = contents.receipt(block.bytes(), name, height, 1).unwrap();
        let id = sent[1];
        let wanted =
            format!("{{\"id\":\"{id}\",\"height\":\"1\",\"index\":1,\"block\":\"{name}\"}}");
        assert_eq!(json, Some(wanted));
        assert_eq!(contents.receipt(block.bytes(), name, height, 2).unwrap(), None);
        let names = [0, 1, 2].map(|at| contents.name(block.bytes(), at).unwrap());
        assert_eq!(names, [Some(sent[0]), Some(sent[1]), None]);
        assert!(contents.count(b"no block").unwrap_err().as_invalid().is_some());
    });
}

#[test]
fn the_queue_has_bounds() {
    run(async {
        let mut chain = chain().await;
        let long = |salt: u64| {
            let mut bytes = [1, salt].map(u64::to_be_bytes).concat();
            bytes.resize(TRANSACTION_BYTES_MAX, 0);
            bytes
        };
        let too_long = [long(0), vec![0]].concat();
        assert_eq!(codes(&submit(&mut chain, &[too_long]).await), ["transaction_length"]);
        let fit = u64::try_from(WAITING_BYTES_MAX / TRANSACTION_BYTES_MAX).unwrap();
        for salt in 0..fit {
            assert_eq!(codes(&submit(&mut chain, &[long(salt)]).await), ["ok"]);
        }
        assert_eq!(codes(&submit(&mut chain, &[long(fit)]).await), ["queue_full"]);
        // A block takes what fits, and makes room.
        let block = step(&mut chain).await.expect("a block");
        assert_eq!(chain.vm().transactions().unwrap().in_block(&block).unwrap().len(), 15);
        assert_eq!(codes(&submit(&mut chain, &[long(fit)]).await), ["ok"]);
    });
    run(async {
        let mut chain = chain().await;
        let salted = |salt: usize| [number(1), salt.to_be_bytes().to_vec()].concat();
        let many: Vec<_> = (0..=WAITING_MAX).map(salted).collect();
        let answers = submit(&mut chain, &many).await;
        assert_eq!(codes(&answers[WAITING_MAX - 1..]), ["ok", "queue_full"]);
        let block = step(&mut chain).await.expect("a block");
        let pool = chain.vm().transactions().unwrap();
        assert_eq!(pool.in_block(&block).unwrap().len(), TRANSACTIONS_MAX);
        assert_eq!(pool.pending(), WAITING_MAX - TRANSACTIONS_MAX);
    });
}

#[test]
fn an_empty_block_is_built_where_it_may_be() {
    run(async {
        let mut chain = chain().await;
        let (now, bytes_max) = (chain.now(), 85);
        let request = BuildRequest { now, bytes_max, allow_empty: true };
        let block = chain.build_with(request).await.unwrap().expect("a block");
        assert_eq!(block.bytes().len(), 85);
        let short = BuildRequest { bytes_max: 84, ..request };
        assert_eq!(chain.build_with(short).await.unwrap(), None);
        let full = BuildRequest { allow_empty: false, ..request };
        assert_eq!(chain.build_with(full).await.unwrap(), None);
    });
}

#[test]
fn clients_read_the_accepted_state() {
    run(async {
        let mut chain = chain().await;
        let [(path, handler)] = chain.vm().handlers().try_into().ok().expect("one route");
        assert_eq!(path, "/state");
        let get = HttpRequest { method: "GET".to_owned(), ..HttpRequest::default() };
        assert_eq!(handler.handle(get.clone()).await.body, super::support::genesis(7));
        submit(&mut chain, &[number(5)]).await;
        step(&mut chain).await.expect("a block");
        let answer = handler.handle(get.clone()).await;
        assert_eq!((answer.status, answer.body[..8].to_vec()), (200, number(7 * 31 + 5)));
        let put = HttpRequest { method: "PUT".to_owned(), ..get.clone() };
        assert_eq!(handler.handle(put).await.status, 405);
        drop(chain);
        assert_eq!(handler.handle(get).await.status, 503);
        assert_eq!(Arc::strong_count(&handler), 1);
    });
}
