//! Scratch.
use avalanche_consensus::testing::simulation::*;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let name = &a[1];
    let (from, to): (u64, u64) = (a[2].parse().unwrap(), a[3].parse().unwrap());
    let named = Named::find(name).unwrap();
    let nodes = a.get(4).map_or(named.nodes, |n| n.parse().unwrap());
    let start = Instant::now();
    let mut sum = Summary::default();
    for seed in from..to {
        let t = Instant::now();
        let mut sim = Simulation::new(named.draw(seed, nodes)).unwrap();
        let r = sim.run();
        sum.add(&r);
        let ms = t.elapsed().as_millis();
        if !r.verdict.passed() || to - from < 20 || ms > 500 {
            println!(
                "{seed}: {} | events {} polls {} took {:.1?} conflicts {} {ms} ms | {}",
                r.verdict,
                r.counts.events,
                r.polls,
                r.took,
                r.counts.conflicts,
                sim.scenario().config.parameters.k()
            );
            for f in &sim.scenario().plan.faults {
                println!("      {f}");
            }
        }
    }
    let e = start.elapsed();
    println!(
        "{sum:?}\n{:.1?}, {:.1} ms/seed, {:.2} us/event",
        e,
        e.as_secs_f64() * 1e3 / (to - from) as f64,
        e.as_secs_f64() * 1e6 / sum.events as f64
    );
}
