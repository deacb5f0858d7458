//! Pictures, as SVG: lines over axes, nothing that a file of text can't do.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::words;

const WIDTH: f64 = 760.0;
const PANEL: f64 = 300.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 48.0;

/// Distinct also for most of the colour-blind, and on white and on black: Okabe and Ito.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777"];

type Points = Vec<(f64, f64)>;

/// How a number is shown on an axis.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Bytes,
    Time,
    /// One over the part that is slower: 100 stands for the 99th percentile.
    Percentile,
}

/// Lines over a pair of axes. The horizontal one is logarithmic.
struct Panel {
    title: String,
    x: Unit,
    y: Unit,
    y_logarithmic: bool,
    lines: Vec<(String, Points)>,
}

/// One picture: panels one below the other.
pub(super) struct Plot {
    panels: Vec<Panel>,
}

impl Plot {
    /// Latency over the percentile, the far end stretched.
    pub(super) fn percentiles(title: &str) -> Plot {
        Plot { panels: vec![Panel::new(title, Unit::Percentile, Unit::Time, true)] }
    }

    pub(super) fn latencies(&mut self, name: &str, histogram: &Histogram<u64>) {
        let last = (histogram.len().max(1) as f64).max(10.0);
        let mut points = Points::new();
        let mut stretched = 1.0;
        while stretched < last && !histogram.is_empty() {
            let quantile = 1.0 - 1.0 / stretched;
            points.push((stretched, histogram.value_at_quantile(quantile) as f64));
            stretched *= 1.1;
        }
        points.push((last, histogram.max() as f64));
        self.panels[0].lines.push((name.to_owned(), points));
    }

    /// Throughput and latency over something that was varied.
    pub(super) fn sweep(axis: &str, bytes: bool) -> Plot {
        let x = if bytes { Unit::Bytes } else { Unit::Count };
        let rate = Panel::new(&format!("Messages a second by {axis}"), x, Unit::Count, false);
        let latency = Panel::new(&format!("Latency by {axis}, p99"), x, Unit::Time, true);
        Plot { panels: vec![rate, latency] }
    }

    pub(super) fn values(&mut self, name: &str, rates: Points, latencies: Points) {
        for (panel, points) in self.panels.iter_mut().zip([rates, latencies]) {
            panel.lines.push((name.to_owned(), points));
        }
    }

    pub(super) fn svg(&self) -> String {
        let height = PANEL * self.panels.len() as f64;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (index, panel) in self.panels.iter().enumerate() {
            let _ = writeln!(out, "<g transform=\"translate(0 {})\">", index as f64 * PANEL);
            panel.draw(&mut out);
            out.push_str("</g>\n");
        }
        out + "</svg>\n"
    }
}

impl Panel {
    fn new(title: &str, x: Unit, y: Unit, y_logarithmic: bool) -> Panel {
        Panel { title: title.to_owned(), x, y, y_logarithmic, lines: Vec::new() }
    }

    fn draw(&self, out: &mut String) {
        let all = || self.lines.iter().flat_map(|(_, points)| points);
        let (left, right) = extent(all().map(|point| point.0));
        let (mut low, high) = extent(all().map(|point| point.1));
        if !self.y_logarithmic {
            low = 0.0;
        }
        let x = Scale::new(left, right, true, LEFT, WIDTH - RIGHT);
        let y = Scale::new(low, high, self.y_logarithmic, PANEL - BOTTOM, TOP);
        text(out, LEFT, 18.0, "start", " font-weight=\"bold\"", &self.title);
        for value in x.ticks(matches!(self.x, Unit::Bytes)) {
            let at = x.at(value);
            line(out, (at, TOP), (at, PANEL - BOTTOM), "#dddddd", 1.0);
            text(out, at, PANEL - BOTTOM + 18.0, "middle", "", &self.x.label(value));
        }
        for value in y.ticks(false) {
            let at = y.at(value);
            line(out, (LEFT, at), (WIDTH - RIGHT, at), "#dddddd", 1.0);
            text(out, LEFT - 8.0, at + 4.0, "end", "", &self.y.label(value));
        }
        for (index, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let mut path = String::new();
            for &(px, py) in points {
                let _ = write!(path, "{:.1},{:.1} ", x.at(px), y.at(py));
            }
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.trim_end()
            );
            let top = TOP + 16.0 * (index as f64 + 1.0);
            line(out, (LEFT + 10.0, top - 4.0), (LEFT + 30.0, top - 4.0), colour, 2.0);
            text(out, LEFT + 36.0, top, "start", "", name);
        }
    }
}

impl Unit {
    fn label(self, value: f64) -> String {
        match self {
            Unit::Count => words::count(value),
            Unit::Bytes => words::bytes(value),
            Unit::Time => words::time(value as u64),
            Unit::Percentile => {
                // As many nines as are needed, and no rounding that would make it 100.
                let digits = (value.log10().round() as usize).saturating_sub(2);
                format!("p{:.digits$}", 100.0 - 100.0 / value)
            }
        }
    }
}

/// From values to places on the paper.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    from: f64,
    to: f64,
}

impl Scale {
    fn new(low: f64, high: f64, logarithmic: bool, from: f64, to: f64) -> Scale {
        let (low, high) = match (logarithmic, high > low) {
            (true, true) => (low, high),
            (true, false) => (low / 2.0, high * 2.0), // One value only: in the middle.
            (false, _) => (low, if high > low { high * 1.05 } else { low + 1.0 }),
        };
        Scale { low, high, logarithmic, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = match self.logarithmic {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        self.from + part * (self.to - self.from)
    }

    /// Round numbers within: powers of ten (of four, for bytes), with 2 and 5 between if they are few;
    /// or a handful of even steps.
    fn ticks(&self, powers_of_two: bool) -> Vec<f64> {
        let inside = |value: &f64| (self.low..=self.high).contains(value);
        if !self.logarithmic {
            let rough = (self.high - self.low) / 5.0;
            let power = 10_f64.powf(rough.log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
            let step = step.into_iter().find(|step| *step >= rough).unwrap_or(power);
            return (0..12).map(|i| f64::from(i) * step).filter(inside).collect();
        }
        if powers_of_two {
            return (0..24).map(|i| 4_f64.powi(i)).filter(inside).collect();
        }
        let tens = (0..16).map(|i| 10_f64.powi(i));
        let few: Vec<f64> = tens.clone().filter(inside).collect();
        if few.len() > 2 {
            return few;
        }
        tens.flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]).filter(inside).collect()
    }
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = values.map(|value| value.max(1.0));
    let (low, high) =
        values.fold((f64::MAX, 1.0_f64), |(low, high), it| (low.min(it), high.max(it)));
    (low.min(high), high)
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
         stroke-width=\"{width}\"/>"
    );
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_as_many_nines_as_they_need() {
        let label = |value| Unit::Percentile.label(value);
        assert_eq!([label(1.0), label(10.0), label(100.0)], ["p0", "p90", "p99"]);
        assert_eq!([label(1e3), label(1e5)], ["p99.9", "p99.999"]);
    }

    #[test]
    fn a_picture_of_nothing_or_of_one_value_is_still_a_picture() {
        let mut plot = Plot::percentiles("<&>");
        assert!(plot.svg().contains("&lt;&amp;&gt;"));
        let mut one = super::super::tally::histogram();
        one.record(5).unwrap();
        plot.latencies("one", &one);
        assert!(!plot.svg().contains("NaN") && !plot.svg().contains("inf"));
        let mut plot = Plot::sweep("size", true);
        plot.values("a", vec![(64.0, 1.0)], vec![(64.0, 1.0)]);
        assert!(!plot.svg().contains("NaN"));
    }
}
