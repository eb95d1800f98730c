//! Line and bar charts as SVG text, without a library: equal numbers give equal bytes.
//!
//! The colours are those of Okabe and Ito, which people who confuse colours can tell apart, and
//! lines differ by their markers too.

mod scale;

use std::fmt::Write as _;

use scale::Scale;

/// Width and height of a picture, in pixels.
const SIZE: (f64, f64) = (840.0, 430.0);
/// The box between the axes: left, top, right and bottom edge.
const PLOT: (f64, f64, f64, f64) = (100.0, 52.0, 624.0, 372.0);
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444"];
const GRID: &str = "#dddddd";
const INK: &str = "#222222";

/// Some series over the same axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows, in a few words.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// If there are any, values are bars: those of one group stand side by side, and a place on
    /// the horizontal axis is the number of a group. Without groups values are points on a line.
    pub groups: Vec<String>,
    /// What is drawn.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    /// Whether each tick is a power of ten. What is not above zero is left out then.
    pub log: bool,
}

/// Values that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// Places and values, in the order in which they are joined. A value that is not finite is
    /// left out and interrupts the line.
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    /// The picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let (left, top, right, bottom) = PLOT;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bars = !self.groups.is_empty();
        let x = if bars {
            Scale::groups(self.groups.len(), left, right)
        } else {
            Scale::new(self.x.log, points().map(|(x, _)| *x), left, right)
        };
        // From zero, or else lengths of bars and slopes of lines would mislead.
        let zero = (!self.y.log).then_some(0.0);
        let y = Scale::new(self.y.log, points().map(|(_, y)| *y).chain(zero), bottom, top);
        let mut out = self.frame(&x, &y);
        for (number, series) in self.series.iter().enumerate() {
            let colour = COLOURS.iter().cycle().nth(number).copied().unwrap_or(INK);
            if bars {
                self.draw_bars(&mut out, (number, series), colour, &x, &y);
            } else {
                draw_line(&mut out, (number, series), colour, &x, &y);
            }
            draw_legend(&mut out, (number, series), colour, bars);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Everything but the values.
    fn frame(&self, x: &Scale, y: &Scale) -> String {
        let (width, height) = SIZE;
        let (left, top, right, bottom) = PLOT;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" \
             fill=\"{INK}\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        text(&mut out, (left, 30.0), "font-size=\"16\" font-weight=\"bold\"", &self.title);
        for (at, label) in y.ticks() {
            line(&mut out, (left, at), (right, at), GRID);
            text(&mut out, (left - 8.0, at + 4.5), "text-anchor=\"end\"", &label);
        }
        let groups = (0..)
            .zip(&self.groups)
            .map(|(number, name)| (x.at(f64::from(number)).unwrap_or(left), name.clone()));
        let named: Vec<_> = if self.groups.is_empty() { x.ticks() } else { groups.collect() };
        for (at, label) in named {
            if self.groups.is_empty() {
                line(&mut out, (at, top), (at, bottom), GRID);
            }
            line(&mut out, (at, bottom), (at, bottom + 5.0), INK);
            text(&mut out, (at, bottom + 20.0), "text-anchor=\"middle\"", &label);
        }
        line(&mut out, (left, bottom), (right, bottom), INK);
        line(&mut out, (left, top), (left, bottom), INK);
        let middle = (left + right) / 2.0;
        text(&mut out, (middle, height - 14.0), "text-anchor=\"middle\"", &self.x.label);
        let centre = (top + bottom) / 2.0;
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 24 {centre:.1})\"");
        text(&mut out, (24.0, centre), &turned, &self.y.label);
        out
    }

    /// The bars of one series.
    fn draw_bars(
        &self,
        out: &mut String,
        (number, series): (usize, &Series),
        colour: &str,
        x: &Scale,
        y: &Scale,
    ) {
        let (left, _, right, bottom) = PLOT;
        let group = (right - left) / self.groups.len() as f64 * 0.76;
        let width = group / self.series.len().max(1) as f64;
        for (place, value) in &series.points {
            let (Some(middle), Some(end)) = (x.at(*place), y.at(*value)) else { continue };
            let from = middle - group / 2.0 + width * number as f64;
            let (wide, high) = ((width - 1.0).max(1.0), (bottom - end).max(0.0));
            let _ = writeln!(
                out,
                "<rect x=\"{from:.1}\" y=\"{end:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" \
                 fill=\"{colour}\"/>"
            );
            let middle = (from + wide / 2.0, end - 5.0);
            text(out, middle, "text-anchor=\"middle\"", &value.to_string());
        }
    }
}

/// The line of one series, with a marker at each value.
fn draw_line(
    out: &mut String,
    (number, series): (usize, &Series),
    colour: &str,
    x: &Scale,
    y: &Scale,
) {
    let mut path = String::new();
    let mut pen = 'M';
    let mut marks = Vec::new();
    for (place, value) in &series.points {
        let (Some(x), Some(y)) = (x.at(*place), y.at(*value)) else {
            pen = 'M';
            continue;
        };
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
        marks.push((x, y));
        pen = 'L';
    }
    if !path.is_empty() {
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-linejoin=\"round\"/>"
        );
    }
    for at in marks {
        marker(out, number, at, colour);
    }
}

/// The name of a series beside its colour.
fn draw_legend(out: &mut String, (number, series): (usize, &Series), colour: &str, bars: bool) {
    let (_, top, right, _) = PLOT;
    let (x, y) = (right + 18.0, top + 10.0 + 22.0 * number as f64);
    if bars {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"18\" height=\"12\" fill=\"{colour}\"/>",
            y - 6.0
        );
    } else {
        let _ =
            writeln!(out, "<path d=\"M{x:.1} {y:.1}h24\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        marker(out, number, (x + 12.0, y), colour);
    }
    text(out, (x + 32.0, y + 4.5), "", &series.name);
}

/// A mark whose form tells series apart.
fn marker(out: &mut String, number: usize, (x, y): (f64, f64), colour: &str) {
    let _ = match number % 4 {
        0 => writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\" fill=\"{colour}\"/>"),
        1 => writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\" fill=\"{colour}\"/>",
            x - 3.5,
            y - 3.5
        ),
        2 => writeln!(out, "<path d=\"M{x:.1} {:.1}l4.6 8h-9.2z\" fill=\"{colour}\"/>", y - 4.6),
        _ => writeln!(
            out,
            "<path d=\"M{x:.1} {:.1}l4.6 4.6l-4.6 4.6l-4.6 -4.6z\" fill=\"{colour}\"/>",
            y - 4.6
        ),
    };
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) {
    let _ = writeln!(
        out,
        "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\" stroke-width=\"1\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), attributes: &str, text: &str) {
    let space = if attributes.is_empty() { "" } else { " " };
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\"{space}{attributes}>{escaped}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(groups: &[&str], log: bool) -> Chart {
        let points = |factor: f64| (0..4).map(|x| (f64::from(x), factor * f64::from(x))).collect();
        Chart {
            title: "Polls & time <now>".to_owned(),
            x: Axis { label: "share".to_owned(), log: false },
            y: Axis { label: "polls".to_owned(), log },
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            series: vec![
                Series { name: "p50".to_owned(), points: points(10.0) },
                Series { name: "p99".to_owned(), points: points(30.0) },
            ],
        }
    }

    #[test]
    fn text_is_escaped_and_every_element_closed() {
        for (groups, log) in [(&[][..], false), (&[], true), (&["a", "b", "c", "d"], false)] {
            let svg = chart(groups, log).svg();
            assert!(svg.contains(">Polls &amp; time &lt;now&gt;</text>"), "{svg}");
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            for line in svg.lines().skip(1).filter(|line| *line != "</svg>") {
                assert!(line.ends_with("/>") || line.ends_with("</text>"), "{line}");
            }
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            for word in ["share", "polls", "p50", "p99"] {
                assert!(svg.contains(&format!(">{word}</text>")), "{word}");
            }
            assert_eq!(svg, chart(groups, log).svg());
        }
    }

    #[test]
    fn each_value_is_one_mark() {
        let rects = |svg: &str| svg.matches("<rect ").count();
        // The paper, eight bars, two in the legend.
        assert_eq!(rects(&chart(&["a", "b", "c", "d"], false).svg()), 1 + 8 + 2);
        let lines = chart(&[], false).svg();
        // Circles mark the first series, squares the second.
        assert_eq!((lines.matches("<circle ").count(), rects(&lines)), (4 + 1, 1 + 4 + 1));
        // Zero has no place on a logarithmic axis.
        assert_eq!(chart(&[], true).svg().matches("<circle ").count(), 3 + 1);
    }

    #[test]
    fn what_is_not_finite_interrupts_the_line() {
        let mut broken = chart(&[], false);
        for series in &mut broken.series {
            series.points.insert(2, (1.5, f64::INFINITY));
        }
        let pens = |svg: &str| {
            svg.lines()
                .filter(|line| line.contains("fill=\"none\""))
                .fold(0, |pens, line| pens + line.matches('M').count())
        };
        assert_eq!((pens(&chart(&[], false).svg()), pens(&broken.svg())), (2, 4));
    }
}
