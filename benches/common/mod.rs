//! What all benches have in common.

use std::time::Duration;

use criterion::Criterion;

/// Short enough that all benches together end within five minutes.
pub(crate) fn config() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500))
}
