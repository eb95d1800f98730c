//! Measures whole networks.

use avalanche_benches::network::saturation;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let validators: u16 = args.next().and_then(|one| one.parse().ok()).unwrap_or(1);
    let count: usize = args.next().and_then(|one| one.parse().ok()).unwrap_or(100_000);
    let mut out = std::io::stdout().lock();
    saturation::report(&mut out, validators, count, 0.7)
}
