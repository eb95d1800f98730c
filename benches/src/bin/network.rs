//! Measures whole networks.

use std::io::Write;

use avalanche_benches::network::devnet::Devnet;
use avalanche_benches::network::{floor, lone, restart, saturation};

fn main() -> std::io::Result<()> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    match all.split_first() {
        Some((first, rest)) if first == floor::COMMAND => return floor::node(rest),
        Some((first, _)) if first == "lone" => return lone::run(&mut std::io::stdout().lock()),
        Some((first, _)) if first == "restart" => {
            return restart::run(&mut std::io::stdout().lock());
        }
        _ => {}
    }
    let mut args = all.into_iter();
    let validators: u16 = args.next().and_then(|one| one.parse().ok()).unwrap_or(1);
    let count: usize = args.next().and_then(|one| one.parse().ok()).unwrap_or(100_000);
    let devnet = Devnet::start(validators, &[])?;
    let m = saturation::measure(&devnet, count)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{m:?} {:.1} us a payment, {:.0} tps, {:.0} a block",
        m.cpu_us(),
        m.payments as f64 / m.took.as_secs_f64(),
        m.payments as f64 * 1.25 / m.blocks as f64
    )
}
