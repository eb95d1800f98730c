//! A summary as one line of JSON.

use avalanche_consensus::testing::simulation::Summary;

use super::Choice;

/// The line. Numbers are far below 2^53; the hash is hexadecimal.
pub(super) fn line(choice: &Choice, summary: &Summary, seconds: f64) -> String {
    let Summary {
        seeds,
        pass,
        no_progress,
        diverged,
        accepted,
        rejected,
        conflicts,
        crashes,
        partitions,
        events,
        messages,
        polls,
        ..
    } = summary;
    format!(
        "{{\"scenario\":\"{}\",\"seeds\":{seeds},\"pass\":{pass},\"no_progress\":{no_progress},\
         \"diverged\":{diverged},\"accepted\":{accepted},\"rejected\":{rejected},\
         \"conflicts\":{conflicts},\"crashes\":{crashes},\"partitions\":{partitions},\
         \"events\":{events},\"messages\":{messages},\"polls\":{polls},\
         \"virtual_seconds\":{:.3},\"seconds\":{seconds:.3},\"event_hash\":\"{}\"}}",
        choice.named.name,
        summary.took.as_secs_f64(),
        hex(&summary.event_hash()),
    )
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
