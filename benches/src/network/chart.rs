//! Throughput and finality, against offered load and against the number of validators, as pictures.

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use avalanche_examples::simulate::svg::{Axis, Chart, Series};
use avalanche_gateway::client::Client;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::devnet::Devnet;
use super::load::{Drive, Payer, Payments, drive};
use crate::measure::as_f64;
use crate::store::told;

/// Payments a second that are offered to five validators.
const RATES: [u64; 7] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000];
/// Networks that are given as much as they take.
const VALIDATORS: [u16; 5] = [1, 3, 5, 7, 10];
/// How long each rate is kept.
const SECONDS: u64 = 10;
/// Payments for each network that is given as much as it takes.
const PAYMENTS: usize = 60_000;
/// Payments under way at most.
const WINDOW: u64 = 10_000;
/// From one payment whose finality is measured to the next.
const REST: Duration = Duration::from_millis(50);

/// What was seen under one load.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Payments a second that became final.
    rate: f64,
    /// The median time from submitting a payment to its being final, and the ninth tenth, in
    /// milliseconds.
    finality: [f64; 2],
}

/// Measures, prints, and writes two pictures into a folder.
///
/// # Errors
///
/// If a network does not work, or the folder cannot be written.
pub fn run(out: &mut impl Write, folder: &Path) -> io::Result<()> {
    let mut by_load = Vec::new();
    for rate in RATES {
        let count = usize::try_from(rate * SECONDS).map_err(told)?;
        let seen = measure(5, count, Some(rate))?;
        let [p50, p90] = seen.finality;
        writeln!(out, "5 validators, {rate} offered: {seen:.0?}", seen = seen.rate)?;
        writeln!(out, "  finality p50 {p50:.1} ms, p90 {p90:.1} ms")?;
        by_load.push((as_f64(rate), seen));
    }
    let mut by_size = Vec::new();
    for validators in VALIDATORS {
        let seen = measure(validators, PAYMENTS, None)?;
        let [p50, p90] = seen.finality;
        writeln!(out, "{validators} validators, all they take: {:.0} a second", seen.rate)?;
        writeln!(out, "  finality p50 {p50:.1} ms, p90 {p90:.1} ms")?;
        by_size.push((f64::from(validators), seen));
    }
    let load = |label: &str| Axis { label: label.to_owned(), log: true };
    let names = ["network-load.svg", "network-validators.svg"];
    let titles = ["Five validators under load", "Networks that are given all they take"];
    let axes = [load("payments offered a second"), Axis { label: "validators".into(), log: false }];
    for (((name, title), x), all) in names.into_iter().zip(titles).zip(axes).zip([by_load, by_size])
    {
        let picture = chart(title, x, &all);
        fs::write(folder.join(name), picture.svg())?;
    }
    Ok(())
}

fn chart(title: &str, x: Axis, all: &[(f64, Seen)]) -> Chart {
    let series = |name: &str, of: &dyn Fn(&Seen) -> f64| Series {
        name: name.to_owned(),
        points: all.iter().map(|(x, seen)| (*x, of(seen))).collect(),
    };
    Chart {
        title: title.to_owned(),
        x,
        y: Axis { label: "payments a second; milliseconds".to_owned(), log: true },
        groups: Vec::new(),
        series: vec![
            series("final a second", &|seen| seen.rate),
            series("finality p50, ms", &|seen| seen.finality[0]),
            series("finality p90, ms", &|seen| seen.finality[1]),
        ],
    }
}

/// A network of its own under one load.
fn measure(validators: u16, count: usize, rate: Option<u64>) -> io::Result<Seen> {
    let devnet = Devnet::start(validators, &["--no-payment"])?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let clients = devnet.validators().iter().map(|one| Client::new(&one.api).map_err(told));
    let clients = clients.collect::<io::Result<Vec<_>>>()?;
    let first = clients.first().ok_or_else(|| told("no validators"))?;
    let chain = runtime.block_on(first.chain()).map_err(told)?.id;
    let payments = Payments::sign(chain, clients.len(), count);
    let over = Cell::new(false);
    let (marks, took) = runtime.block_on(async {
        let load = async {
            let marks = drive(payments, &clients, Drive { window: WINDOW, rate }, || Ok(())).await;
            over.set(true);
            marks
        };
        tokio::join!(load, finality(first, Payer::new(chain), &over))
    });
    let [begin, end] = marks?;
    let rate = as_f64(end.done - begin.done) / (end.at - begin.at).as_secs_f64();
    let mut took = took?;
    took.sort_unstable();
    let at = |tenths: usize| took.get(took.len() * tenths / 10).copied().unwrap_or_default();
    let finality = [5, 9].map(|tenths| at(tenths).as_secs_f64() * 1e3);
    Ok(Seen { rate, finality })
}

/// How long single payments take, from one to the next, until the load is over.
async fn finality(
    client: &Client,
    mut payer: Payer,
    over: &Cell<bool>,
) -> io::Result<Vec<Duration>> {
    let mut took = Vec::new();
    while !over.get() {
        let payment = payer.pay();
        let begun = Instant::now();
        client.submit(payment.as_bytes().to_vec()).await.map_err(told)?;
        took.push(begun.elapsed());
        sleep(REST).await;
    }
    Ok(took)
}
