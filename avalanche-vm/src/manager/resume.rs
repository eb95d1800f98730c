//! Catching up with the chain's own log after a start.

use crate::{BlockReader, Error, Vm};

/// Hands a VM each logged block above the one that it stands at, and says how many that were: the
/// start rule in the contract of [`Vm`].
///
/// # Errors
///
/// [`Error::Fatal`] if the log and the VM do not fit: the VM stands above the log's end, a block
/// that it needs was pruned, is unreadable, or cannot be accepted.
pub async fn resume(vm: &mut dyn Vm, blocks: &dyn BlockReader) -> Result<u64, Error> {
    let Some(last) = blocks.last_height() else { return Ok(0) };
    let stands = vm.last_accepted().height;
    if stands > last {
        return Err(Error::fatal(format!(
            "its state is of height {stands}, and the block log ends at {last}: the log lost \
             blocks, or the store is another chain's; remove the VM's store to build it again"
        )));
    }
    let mut replayed = 0;
    let mut above = stands.next();
    while let Some(height) = above.filter(|height| *height <= last) {
        let bytes = blocks.at(height)?.ok_or_else(|| {
            Error::fatal(format!(
                "its state is of height {stands}, and block {height} is not in the log any more; \
                 restore a checkpoint"
            ))
        })?;
        let block = vm.parse(&bytes).map_err(|error| in_log(height, error))?;
        vm.accept(&block).await.map_err(|error| in_log(height, error))?;
        replayed += 1;
        above = height.next();
    }
    Ok(replayed)
}

/// What a logged block did wrong ends the chain: it was accepted.
fn in_log(height: avalanche_consensus::Height, error: Error) -> Error {
    Error::Fatal {
        reason: format!("the logged block {height} cannot be executed"),
        source: Some(Box::new(error)),
    }
}
