//! `avalanche load`: a generator of payments that accounts for every one of them.
//!
//! ```text
//!   sign (thread) --> stock --> book --batches--> APIs
//!                                ^ ^                 |
//!                  blocks --names' '-----answers-----'
//! ```
//!
//! A payment counts as accepted when its name, computed from the bytes of a final block, is seen;
//! its latency goes from its first sending to the moment that this block was told. What does not
//! become final is sent again, the same bytes, so nothing is paid twice. At the end every payment
//! that was in no block is asked for by name; what nobody has a receipt of is lost.

mod apis;
mod args;
mod book;
mod check;
mod draw;
mod drive;
mod follow;
mod histogram;
mod pace;
mod prepare;
mod report;
mod show;
mod sign;
mod verdict;

use avalanche_gateway::client::Client;

pub use self::args::LoadArgs;
use self::drive::Run;
use self::report::Report;
use self::show::Show;
use super::CliError;
use super::output::Output;

/// Carries out `avalanche load`.
pub(super) async fn run(
    args: &LoadArgs,
    clients: &[Client],
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let quiet = output.is_json();
    let ready = prepare::prepare(args, clients, quiet).await?;
    let mut run = Run::new(args, clients, ready.stock);
    run.drive(ready.next, &mut Show::new(output, args.total())).await?;
    run.stop().await;
    let open = run.book.undecided();
    let found = check::receipts(clients, open, quiet).await;
    run.found(&found);
    run.book.close();
    let report = Report {
        book: &run.book,
        disconnects: run.disconnects,
        seed: args.seed,
        interrupted: run.interrupted,
    };
    output.result(&report.json(), report.text())?;
    let counts = run.book.counts();
    if counts.rejected == 0 && counts.lost == 0 {
        return Ok(());
    }
    let (rejected, lost) = (counts.rejected, counts.lost);
    let reason = format!("{rejected} payments were rejected and {lost} were lost");
    Err(CliError::failed("not_all_accepted", reason))
}
