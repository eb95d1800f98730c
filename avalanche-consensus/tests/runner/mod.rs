//! How the property tests here run: as many cases as they say, the same ones every time.

use std::fmt;

use proptest::strategy::Strategy;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner,
};

/// Runs `test` on `cases` generated values and panics with the smallest one that fails.
///
/// The seed is fixed, so that a failing build fails again; `PROPTEST_RNG_SEED` sets another, to
/// search for more. Failures are written beside `file`, and are tried first from then on.
pub(crate) fn run_cases<S: Strategy, T, E: fmt::Display>(
    cases: u32,
    file: &'static str,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<T, E>,
) where
    S::Value: fmt::Debug,
{
    let mut config = Config {
        cases,
        source_file: Some(file),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(3);
    }
    let result = TestRunner::new(config).run(strategy, |value| {
        test(value).map(|_| ()).map_err(|difference| TestCaseError::fail(difference.to_string()))
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("{reason}\n\nsmallest case: {value:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
