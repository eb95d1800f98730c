//! Scratch.
use avalanche_consensus::testing::simulation::*;
use std::time::Duration;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let named = Named::find(&a[1]).unwrap();
    let mut sim = Simulation::new(named.draw(a[2].parse().unwrap(), named.nodes)).unwrap();
    sim.advance(Duration::from_millis(a[3].parse().unwrap()));
    print!("{sim:#?}");
}
