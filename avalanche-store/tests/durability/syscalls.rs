//! System calls that fail: the n-th sync, the n-th write.

use std::process::Command;

use crate::child::{Folder, Start, check};
use crate::{say, skip, targets};

/// Whether strace can follow a process here.
fn strace() -> bool {
    let probe = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    probe.is_ok_and(|output| output.status.success())
}

/// Runs a writer until the n-th call of a kind fails. What it said about it.
fn inject(store: &str, folder: &Folder, fault: &str) -> Option<String> {
    let (calls, _) = fault.split_once(':').expect("CALLS:FAULT");
    let under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned);
    let under = under.into_iter().chain([
        format!("trace={calls}"),
        String::from("-e"),
        format!("inject={fault}"),
    ]);
    let writer =
        Start { under: under.collect(), ..Start::default() }.writer(store, &folder.0).end();
    assert!(
        writer.poisoned || writer.durable == 0,
        "{store}: went on after {fault}: {:?}",
        writer.error
    );
    check(store, &folder.0, 1, writer.durable);
    writer.error.clone()
}

#[test]
fn a_failed_sync_ends_the_store_and_loses_nothing() {
    if !strace() {
        return skip(
            "a_failed_sync_ends_the_store_and_loses_nothing",
            "strace is missing or may not trace",
        );
    }
    for store in targets::ALL {
        let folder = Folder::new(&format!("sync-{store}"));
        let mut after_batches = 0;
        for nth in [1, 2, 3, 4, 5, 7, 11, 20] {
            let fault = format!("fsync,fdatasync,sync_file_range:error=EIO:when={nth}");
            let error = inject(store, &folder, &fault);
            let error =
                error.unwrap_or_else(|| panic!("{store}: sync {nth} failed, and nobody noticed"));
            let names = error.contains(&*folder.0.to_string_lossy());
            assert!(names, "{store}: {error} does not name the folder");
            after_batches += u32::from(nth > 5);
        }
        assert!(after_batches > 0);
        say(&format!("failed syncs {store}: 8 injected, 8 noticed, nothing lost"));
    }
}

#[test]
fn a_full_disk_at_the_nth_write_ends_the_store_and_loses_nothing() {
    if !strace() {
        return skip(
            "a_full_disk_at_the_nth_write_ends_the_store_and_loses_nothing",
            "strace is missing or may not trace",
        );
    }
    for store in targets::ALL {
        let folder = Folder::new(&format!("full-{store}"));
        for nth in [1, 2, 3, 5, 8, 13] {
            let error = inject(store, &folder, &format!("pwrite64:error=ENOSPC:when={nth}+"));
            let error =
                error.unwrap_or_else(|| panic!("{store}: write {nth} failed, and nobody noticed"));
            assert!(error.contains(&*folder.0.to_string_lossy()), "{store}: {error}");
            assert!(error.contains("space"), "{store}: {error}");
        }
    }
}
