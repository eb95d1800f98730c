//! The lines of virtual machines.

use std::io::{self, Write};

use avalanche_vm::signature;

use super::Report;
use crate::measure::repeat;
use crate::vm::signature::{BATCH, Batch};

/// 0.9 of the rate of the best crate's own batch call.
const BATCH_GOAL: f64 = 1.11;
/// Against strict single checks: 8 times their rate where the processor has AVX-512-IFMA, else 2.5.
pub(super) fn singles_goal() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512ifma") {
        return 0.125;
    }
    0.4
}

/// One bad signature, against none.
const CULPRIT_GOAL: f64 = 2.0;

impl Report {
    pub(super) fn vm(&self, out: &mut impl Write) -> io::Result<()> {
        let name = |what: &str| format!("vm::signature/{what}/batch={BATCH}");
        let names = ["against_zebra_batch", "against_strict_singles", "first_bad", "last_bad"];
        let [zebra, strict, first, last] = names.map(name);
        if ![&zebra, &strict, &first, &last].into_iter().any(|name| self.wanted(name)) {
            return Ok(());
        }
        writeln!(out, "best verifier: {}", signature::reason())?;
        let good = Batch::new(BATCH);
        let mut ours = repeat(|| assert_eq!(good.verify(), 0));
        let mut floor = repeat(|| assert!(good.verify_by_crate()));
        self.line(out, &zebra, Some(BATCH_GOAL), &mut ours, &mut floor)?;
        let mut floor = repeat(|| assert!(good.verify_strictly()));
        self.line(out, &strict, Some(singles_goal()), &mut ours, &mut floor)?;
        for (name, place) in [(first, 0), (last, BATCH - 1)] {
            let bad = Batch::new(BATCH).with_bad_at(place);
            let mut bad = repeat(|| assert_eq!(bad.verify(), 1));
            self.line(out, &name, Some(CULPRIT_GOAL), &mut bad, &mut ours)?;
        }
        Ok(())
    }
}
