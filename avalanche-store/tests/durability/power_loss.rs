//! Power loss on a real file system: what was not synced is gone.

use std::time::Duration;

use crate::child::{Start, check};
use crate::mount::{Image, is_root};
use crate::{say, skip, targets, times};

/// One loss of power. The last durable batch, and the last that was there afterwards.
fn lose(store: &str, run: u32, careless: bool) -> Result<(u64, Result<u64, String>), String> {
    let mut image = Image::new(&format!("power-{store}-{run}"), 256)?;
    let folder = image.path().join("store");
    // The name of the folder itself is the caller's.
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    std::fs::File::open(image.path())
        .and_then(|dir| dir.sync_all())
        .map_err(|error| error.to_string())?;
    let mut writer = Start { careless, ..Start::default() }.writer(store, &folder);
    assert!(writer.wait_for(2), "{store}: {:?}", writer.error);
    assert!(
        writer.wait_while(Duration::from_millis(u64::from(run) * 97 % 700)),
        "{:?}",
        writer.error
    );
    let lost = image.lose_power()?;
    let writer = writer.kill();
    image.unmount()?;
    image.mount("rw")?;
    let durable = writer.durable_at(lost);
    let found = std::panic::catch_unwind(|| check(store, &folder, 1, durable));
    let found = found.map_err(|panic| {
        panic.downcast_ref::<String>().cloned().unwrap_or_else(|| String::from("a panic"))
    });
    image.unmount()?;
    Ok((durable, found))
}

#[test]
fn power_loss_takes_nothing_that_was_acknowledged() {
    const NAME: &str = "power_loss_takes_nothing_that_was_acknowledged";
    if !is_root() {
        return skip(NAME, "mounting a file system needs root");
    }
    if let Err(missing) = Image::new("power-probe", 16).and_then(|image| image.lose_power()) {
        return skip(NAME, &missing);
    }
    for store in targets::ALL {
        let runs = times(4, 20);
        let (mut batches, mut dropped) = (0, 0);
        for run in 0..runs {
            let (durable, found) = lose(store, run, false).expect("a file system");
            let last = found.unwrap_or_else(|lost| panic!("{store}, run {run}: {lost}"));
            batches += durable;
            dropped += u32::from(last == durable);
        }
        assert!(batches > u64::from(runs) * 3, "{store}: only {batches} batches");
        say(&format!(
            "power loss {store}: {runs} of {runs} runs kept all {batches} acknowledged batches; in {dropped} \
             nothing beyond was left"
        ));
    }
}

/// The control: whoever acknowledges before the sync has to be caught, or the test above proves
/// nothing.
#[test]
fn power_loss_takes_what_was_acknowledged_too_early() {
    const NAME: &str = "power_loss_takes_what_was_acknowledged_too_early";
    if !is_root() {
        return skip(NAME, "mounting a file system needs root");
    }
    if let Err(missing) = Image::new("power-probe-control", 16).and_then(|image| image.lose_power())
    {
        return skip(NAME, &missing);
    }
    for store in ["log in one segment", "sled", "redb"] {
        let caught =
            (100..103).filter(|run| lose(store, *run, true).expect("a file system").1.is_err());
        assert!(caught.count() > 0, "{store}: nothing was lost without a sync");
    }
}
