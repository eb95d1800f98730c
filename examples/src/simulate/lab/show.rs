//! What was measured, as a table, as JSON and as pictures.

use std::time::Duration;

use super::{Args, Curve, Point, Sweep};
use crate::simulate::svg::{Axis, Chart, Series};

/// The percentiles of finality that are shown.
const PERCENTILES: [usize; 3] = [50, 95, 99];

/// A picture whose values spread further than this has a logarithmic axis.
const LINEAR_MAX: f64 = 30.0;

/// What stands above the table.
#[must_use]
pub fn header(args: &Args) -> String {
    let (bench, setting) = (&args.bench, &args.setting);
    format!(
        "{} nodes, {} blocks, {} runs a setting from seed {}. Unless varied: k {}, alpha {}, beta {}, \
         {} % {} stake, {} ms.\n\n\
         {:>9} {:>6}  {:>8} {:>8} {:>8}  {:>7} {:>8}  {:>8}  {:>9} {:>8}\n\
         {:>9} {:>6}  {:>8} {:>8} {:>8}  {:>7} {:>8}  {:>8}  {:>9} {:>8}\n",
        bench.nodes,
        bench.heights,
        bench.seeds,
        bench.seed,
        setting.k,
        setting.alpha(),
        setting.beta,
        setting.adversary,
        bench.behaviour,
        setting.latency,
        "",
        "",
        "p50",
        "p95",
        "p99",
        "polls",
        "polls in",
        "bytes",
        "disagree-",
        "runs",
        "varied",
        "value",
        "ms",
        "ms",
        "ms",
        "a block",
        "theory",
        "a block",
        "ments",
        "stalled",
    )
}

/// One line of the table.
#[must_use]
pub fn row(sweep: Sweep, value: u32, point: &Point) -> String {
    let [p50, p95, p99] = PERCENTILES.map(|percent| match point.percentile(percent) {
        Some(time) => format!("{:.0}", millis(time)),
        None => "-".to_owned(),
    });
    let number = |number: Option<f64>, places: usize| match number {
        Some(number) => format!("{number:.places$}"),
        None => "-".to_owned(),
    };
    let polls = number(point.polls_per_block(), 1);
    let bytes = number(point.bytes_per_block(), 0);
    let stalled = format!("{}/{}", point.stalled, point.runs);
    format!(
        "{:>9} {value:>6}  {p50:>8} {p95:>8} {p99:>8}  {polls:>7} {:>8}  {bytes:>8}  {:>9} {stalled:>8}",
        sweep.name(),
        point.expected_polls.to_string(),
        point.disagreements,
    )
}

/// Everything as one line of JSON.
#[must_use]
pub fn json(args: &Args, curves: &[Curve]) -> String {
    let bench = &args.bench;
    let points =
        curves.iter().flat_map(|curve| curve.points.iter().map(|(_, point)| (curve.sweep, point)));
    let points: Vec<_> = points.map(|(sweep, point)| point_json(sweep, point)).collect();
    format!(
        "{{\"nodes\":{},\"heights\":{},\"seed\":\"{}\",\"seeds\":{},\"behaviour\":\"{}\",\"points\":[{}]}}",
        bench.nodes,
        bench.heights,
        bench.seed,
        bench.seeds,
        bench.behaviour,
        points.join(","),
    )
}

fn point_json(sweep: Sweep, point: &Point) -> String {
    let number = |number: Option<f64>| match number {
        Some(number) if number.is_finite() => format!("{number:.2}"),
        _ => "null".to_owned(),
    };
    let [p50, p95, p99] = PERCENTILES.map(|percent| number(point.percentile(percent).map(millis)));
    let setting = &point.setting;
    format!(
        "{{\"varied\":\"{}\",\"k\":{},\"alpha\":{},\"beta\":{},\"adversary_percent\":{},\
         \"latency_ms\":{},\"finality_ms\":{{\"p50\":{p50},\"p95\":{p95},\"p99\":{p99}}},\
         \"polls_per_block\":{},\"expected_polls\":{},\"bytes_per_block\":{},\"disagreements\":{},\
         \"accepts\":{},\"runs\":{},\"stalled\":{}}}",
        sweep.name(),
        setting.k,
        setting.alpha(),
        setting.beta,
        setting.adversary,
        setting.latency,
        number(point.polls_per_block()),
        number(Some(point.expected_polls.value())),
        number(point.bytes_per_block()),
        point.disagreements,
        point.finality.len(),
        point.runs,
        point.stalled,
    )
}

/// The pictures of a curve with the names of their files: time to finality, polls, bytes, and
/// disagreements.
#[must_use]
pub fn charts(curve: &Curve) -> Vec<(String, Chart)> {
    let sweep = curve.sweep;
    let chart = |what: &str, title: &str, y: &str, series: Vec<Series>| {
        let log = spread(&series) > LINEAR_MAX;
        let x = Axis { label: sweep.label().to_owned(), log: false };
        let y = Axis { label: y.to_owned(), log };
        let title = format!("{title}, by {}", sweep.noun());
        let name = format!("lab-{}-{what}.svg", sweep.name());
        (name, Chart { title, x, y, groups: Vec::new(), series })
    };
    let line = |name: &str, value: &dyn Fn(&Point) -> Option<f64>| Series {
        name: name.to_owned(),
        points: curve
            .points
            .iter()
            .map(|(place, point)| (f64::from(*place), value(point).unwrap_or(f64::NAN)))
            .collect(),
    };
    let finality = PERCENTILES.map(|percent| {
        line(&format!("p{percent}"), &|point: &Point| point.percentile(percent).map(millis))
    });
    let polls = vec![
        line("measured", &Point::polls_per_block),
        line("theory, honest votes", &|point: &Point| {
            Some(point.expected_polls.value()).filter(|polls| *polls < 1e4)
        }),
    ];
    let bytes = vec![line("sent by a node", &|point: &Point| {
        point.bytes_per_block().map(|bytes| bytes / 1024.0)
    })];
    let mut charts = vec![
        chart("finality", "Time to finality", "ms", finality.to_vec()),
        chart("polls", "Polls of a node for a block", "polls", polls),
        chart("bytes", "KiB for a block", "KiB", bytes),
    ];
    let (title, y) = ("Disagreements", "accepts that differ");
    let mut counts = line("disagreements", &|point: &Point| Some(point.disagreements as f64));
    for (number, (place, _)) in (0..).zip(&mut counts.points) {
        *place = f64::from(number);
    }
    let (name, mut bars) = chart("disagreements", title, y, vec![counts]);
    bars.y.log = false;
    bars.groups = curve.points.iter().map(|(value, _)| value.to_string()).collect();
    charts.push((name, bars));
    charts
}

/// How many times the smallest value that is above zero fits into the greatest.
fn spread(series: &[Series]) -> f64 {
    let values = series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    let values = values.filter(|value| *value > 0.0 && value.is_finite());
    let (least, greatest) = values.fold((f64::INFINITY, 0.0_f64), |(least, greatest), value| {
        (least.min(value), greatest.max(value))
    });
    if least > 0.0 { greatest / least } else { 1.0 }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
