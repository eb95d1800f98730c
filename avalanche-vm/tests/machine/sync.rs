//! Starting from a summary.

use avalanche_consensus::Height;
use avalanche_consensus::engine::SyncMode;
use avalanche_vm::StateSummary;
use avalanche_vm::testing::run;

use super::support::{chain, folded, number, step, submit};

#[test]
fn a_node_starts_from_the_summary_of_another() {
    run(async {
        let (mut old, mut new) = (chain().await, chain().await);
        let mut at_four = None;
        for height in 1..=10_u64 {
            submit(&mut old, &[number(height)]).await;
            step(&mut old).await.expect("a block");
            if height == 4 {
                at_four = Some(folded(&mut old));
            }
        }
        let sync = old.vm().state_sync().unwrap();
        assert_eq!(sync.last().await.unwrap().unwrap().height, Height::new(8));
        assert_eq!(sync.at(Height::new(9)).await.unwrap(), None);
        let four = sync.at(Height::new(4)).await.unwrap().expect("a summary");

        let sync = new.vm().state_sync().unwrap();
        let four = sync.parse_summary(&four.bytes).unwrap();
        assert_eq!(sync.ongoing().await.unwrap(), None);
        assert_eq!(sync.accept_summary(&four).await.unwrap(), SyncMode::Static);
        assert_eq!(sync.last().await.unwrap().as_ref(), Some(&four));
        assert_eq!(sync.accept_summary(&four).await.unwrap(), SyncMode::Skipped);
        assert_eq!(new.sync_signals(), 1);
        assert_eq!(new.vm().last_accepted().height, Height::new(4));
        assert_eq!(Some(folded(&mut new)), at_four);
        for height in 5..=10 {
            let bytes = old.blocks().at(Height::new(height)).unwrap().expect("a block");
            let block = new.parse(&bytes).unwrap();
            let now = block.timestamp();
            new.vm().verify(&block, now).await.unwrap();
            new.vm().accept(&block).await.unwrap();
        }
        assert_eq!(folded(&mut new), folded(&mut old));

        // One that is behind is of no use to a node that is ahead.
        let sync = old.vm().state_sync().unwrap();
        assert_eq!(sync.accept_summary(&four).await.unwrap(), SyncMode::Skipped);
        assert_eq!((old.sync_signals(), old.vm().last_accepted()), (0, old.tip()));
    });
}

#[test]
fn a_changed_summary_is_none() {
    run(async {
        let mut chain = chain().await;
        for height in 1..=4_u64 {
            submit(&mut chain, &[number(height)]).await;
            step(&mut chain).await.expect("a block");
        }
        let sync = chain.vm().state_sync().unwrap();
        let summary = sync.last().await.unwrap().expect("a summary");
        let len = summary.bytes.len();
        let mut refused = 0;
        // The block's name, height and time are what validators vote for.
        for at in std::iter::once(0).chain(49..len) {
            let mut bytes = summary.bytes.clone();
            bytes[at] ^= 0x40;
            refused += u32::from(sync.parse_summary(&bytes).is_err());
            refused += u32::from(sync.parse_summary(&summary.bytes[..at]).is_err());
        }
        assert_eq!(refused as usize, 2 * (len - 48));
        let bytes = [&summary.bytes[..], &[0]].concat();
        let wrong = StateSummary { bytes, ..summary };
        assert!(sync.accept_summary(&wrong).await.unwrap_err().is_fatal());
    });
}
