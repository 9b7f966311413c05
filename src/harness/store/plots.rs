//! The plots of a run, as SVG: latencies, their quantiles, and rates, with the faults shaded.
//!
//! ```text
//!   ┌──────▒▒▒▒▒▒─────────┐  ▒ a fault, with its kind at the top
//!   │  · · ▒ ×  ▒  ·      │  · an operation, by time and latency; its mark is its outcome
//!   └──────▒▒▒▒▒▒─────────┘
//! ```
//!
//! gnuplot draws these for Jepsen, and without it there is no plot and no verdict. A plot is
//! axes, lines and marks, so it is drawn here. Marks and dashes differ, not only colours.

use crate::harness::record::Record;
use crate::workload::{Operation, Outcome, Phase};
use std::fmt::Write as _;
use std::time::Duration;

/// Pixels.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 40.0;

/// How many marks a plot has at most: more cannot be told apart. Of more, each n-th is drawn.
const MARKS_MAX: usize = 6_000;

/// How many windows of time the lines have.
const WINDOWS: usize = 40;

const STYLE: &str = "<style>.plot-paper{fill:#fdfcf9}.plot-axis,.plot-grid{stroke:#dcd8cd}\
.plot-text{fill:#5d656b;font-size:12px}.plot-title{fill:#1b2024;font-size:14px;font-weight:600}\
.plot-fault{fill:#a8470b;fill-opacity:.13}.plot-edge{stroke:#a8470b;stroke-dasharray:2 3}\
.plot-fault-name{fill:#a8470b;font-size:11px}.plot-line{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}\
.plot-0{stroke:#2f7d4f}.plot-1{stroke:#a4262c;stroke-dasharray:7 3}\
.plot-2{stroke:#3f66a3;stroke-dasharray:2 3}.plot-3{stroke:#70509f;stroke-dasharray:9 3 2 3}\
.plot-mark{fill:none;stroke-width:1.3}.plot-mark.plot-0{fill:#2f7d4f;stroke:none;fill-opacity:.6}\
.plot-mark.plot-1,.plot-mark.plot-2{stroke-dasharray:none}</style>";

/// A picture in which things are placed by time and by height, 0 to 1 from the bottom.
struct Plot {
    svg: String,
    end: f64,
}

/// A line, or a kind of marks: its name in the legend.
struct Series {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// The outcomes, in the order of their styles.
const OUTCOMES: [&str; 3] = ["ok", "failed", "unknown"];

fn outcome(operation: &Operation) -> usize {
    match operation.outcome {
        Outcome::Ok(_) => 0,
        Outcome::Fail(_) => 1,
        Outcome::Info(_) => 2,
    }
}

/// The operations that have ended.
fn ended(record: &Record) -> impl Iterator<Item = &Operation> {
    let operations = record.history.operations().iter();
    operations.filter(|it| it.phase != Phase::Setup && it.completed != Duration::MAX)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// `latency-raw.svg`: a mark for each operation.
pub(super) fn latency_raw(record: &Record) -> String {
    let mut plot = Plot::begin(record, "Latency of each operation", "ms");
    let all = ended(record).count();
    let step = all.div_ceil(MARKS_MAX).max(1);
    let (least, most) = plot.logarithmic(ended(record).map(|it| millis(it.latency())));
    for operation in ended(record).step_by(step) {
        let height = log_height(millis(operation.latency()), least, most);
        plot.mark(
            operation.completed.as_secs_f64(),
            height,
            outcome(operation),
        );
    }
    plot.legend(&OUTCOMES, true);
    if step > 1 {
        plot.text(
            LEFT,
            HEIGHT - 6.0,
            "plot-text",
            &format!("1 of {step} operations is shown"),
        );
    }
    plot.end()
}

/// `latency-quantiles.svg`: lines of quantiles of the operations that were done.
pub(super) fn latency_quantiles(record: &Record) -> String {
    let mut plot = Plot::begin(record, "Latency of operations that were done", "ms");
    let quantiles = [
        ("median", 0.5),
        ("95 %", 0.95),
        ("99 %", 0.99),
        ("longest", 1.0),
    ];
    let mut windows = vec![Vec::new(); WINDOWS];
    for operation in ended(record).filter(|it| it.is_ok()) {
        windows[plot.window(operation.completed)].push(millis(operation.latency()));
    }
    for window in &mut windows {
        window.sort_unstable_by(f64::total_cmp);
    }
    let (least, most) = plot.logarithmic(windows.iter().flatten().copied());
    let series = quantiles.map(|(name, quantile)| {
        let filled = windows.iter().enumerate().filter(|(_, it)| !it.is_empty());
        let points = filled.map(|(number, window)| {
            let value = at_quantile(window, quantile);
            (plot.middle(number), log_height(value, least, most))
        });
        Series {
            name,
            points: points.collect(),
        }
    });
    plot.lines(&series);
    plot.end()
}

/// The value at index floor(n × q), at most the last, as Jepsen has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into a list"
)]
fn at_quantile(sorted: &[f64], quantile: f64) -> f64 {
    let index = (sorted.len() as f64 * quantile) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(index.min(last)).copied().unwrap_or_default()
}

/// `rate.svg`: operations a second, by their outcome.
pub(super) fn rate(record: &Record) -> String {
    let mut plot = Plot::begin(record, "Operations a second", "/s");
    let mut counts = [[0.0; WINDOWS]; 3];
    for operation in ended(record) {
        counts[outcome(operation)][plot.window(operation.completed)] += 1.0;
    }
    let window = plot.end / lossless(WINDOWS);
    let most = counts.iter().flatten().copied().fold(0.0, f64::max) / window;
    let most = plot.linear(most);
    let series = [0, 1, 2].map(|outcome| {
        let numbered = counts[outcome].iter().enumerate();
        let points = numbered.map(|(number, count)| (plot.middle(number), count / window / most));
        Series {
            name: OUTCOMES[outcome],
            points: points.collect(),
        }
    });
    plot.lines(&series);
    plot.end()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn lossless(count: usize) -> f64 {
    count as f64
}

fn log_height(value: f64, least: f64, most: f64) -> f64 {
    let part = (value.max(least) / least).ln() / (most / least).ln();
    part.clamp(0.0, 1.0)
}

impl Plot {
    fn begin(record: &Record, title: &str, unit: &str) -> Plot {
        let end = record.elapsed.as_secs_f64().max(0.001);
        let mut plot = Plot {
            svg: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
                 font-family=\"system-ui, sans-serif\" role=\"img\" aria-label=\"{title}\">{STYLE}\n\
                 <rect class=\"plot-paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n"
            ),
            end,
        };
        plot.text(LEFT, 18.0, "plot-title", &format!("{title} ({unit})"));
        plot.faults(record);
        let step = step_of(end / 8.0);
        let mut at = 0.0;
        while at <= end {
            let x = plot.x(at);
            plot.text(x - 4.0, HEIGHT - BOTTOM + 18.0, "plot-text", &rounded(at));
            plot.tick(x);
            at += step;
        }
        let (x, y) = (WIDTH - RIGHT + 18.0, HEIGHT - BOTTOM + 18.0);
        plot.text(x, y, "plot-text", "seconds");
        plot
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (seconds / self.end).clamp(0.0, 1.0)
    }

    fn y(height: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * height
    }

    /// The window of time of a moment, and the middle of a window.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of windows"
    )]
    fn window(&self, at: Duration) -> usize {
        let part = at.as_secs_f64() / self.end * lossless(WINDOWS);
        (part as usize).min(WINDOWS - 1)
    }

    fn middle(&self, window: usize) -> f64 {
        (lossless(window) + 0.5) * self.end / lossless(WINDOWS)
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>"
        );
    }

    /// Shades the faults. A name that would cover the one before it is left out: the shade has
    /// it as its title.
    fn faults(&mut self, record: &Record) {
        let (height, bottom) = (HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
        let mut free_from = 0.0;
        for (number, span) in record.faults.iter().enumerate() {
            let to = span.to.unwrap_or(record.elapsed).as_secs_f64();
            let (from, to) = (self.x(span.from.as_secs_f64()), self.x(to));
            let width = (to - from).max(1.0);
            let (title, cut) = (xml(&record.fault(span)), xml(&record.cut(span)));
            let _ = writeln!(
                self.svg,
                "<g><title>{title}</title><rect class=\"plot-fault\" x=\"{from:.1}\" y=\"{TOP}\" \
                 width=\"{width:.1}\" height=\"{height}\"/></g>\
                 <path class=\"plot-edge\" d=\"M{from:.1} {TOP}V{bottom}M{to:.1} {TOP}V{bottom}\"/>",
            );
            let next = record.faults.get(number + 1);
            let end = next.map_or(WIDTH - 8.0, |next| self.x(next.from.as_secs_f64()));
            let kind = span.kind.to_string();
            let names = [&title, &cut, &kind];
            let mut fits = names.iter().filter(|name| !name.is_empty());
            let name = fits
                .find(|name| from + text_width(name) < end)
                .unwrap_or(&names[2]);
            if from >= free_from {
                self.text(from, TOP - 5.0, "plot-fault-name", name);
                free_from = from + text_width(name);
            }
        }
        if !record.faults.is_empty() {
            let (x, y) = (WIDTH - RIGHT + 12.0, HEIGHT - BOTTOM - 18.0);
            let _ = writeln!(
                self.svg,
                "<rect class=\"plot-fault\" x=\"{x}\" y=\"{}\" width=\"20\" height=\"14\"/>",
                y - 6.0
            );
            self.text(x + 26.0, y + 5.0, "plot-text", "a fault");
        }
    }

    fn tick(&mut self, x: f64) {
        let y = HEIGHT - BOTTOM;
        let _ = writeln!(self.svg, "<path class=\"plot-axis\" d=\"M{x:.1} {y}v5\"/>");
    }

    fn grid(&mut self, height: f64, label: &str) {
        let y = Plot::y(height);
        let _ = writeln!(
            self.svg,
            "<line class=\"plot-grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            WIDTH - RIGHT
        );
        self.text(8.0, y + 4.0, "plot-text", label);
    }

    /// Draws a logarithmic scale that has these values: powers of ten. Returns its ends.
    fn logarithmic(&mut self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut low, mut high) = (f64::MAX, 0.0_f64);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let least = 10_f64.powf(low.clamp(0.01, 1e6).log10().floor());
        let most = 10_f64.powf(high.clamp(least * 1.001, 1e9).log10().ceil());
        let mut value = least;
        while value <= most * 1.001 {
            self.grid(log_height(value, least, most), &rounded(value));
            value *= 10.0;
        }
        (least, most)
    }

    /// Draws a scale from zero on. Returns its end.
    fn linear(&mut self, most: f64) -> f64 {
        let step = step_of(most.max(0.1) / 4.0);
        let most = (most / step).ceil().max(1.0) * step;
        let mut value = 0.0;
        while value <= most * 1.001 {
            self.grid(value / most, &rounded(value));
            value += step;
        }
        most
    }

    fn mark(&mut self, at: f64, height: f64, style: usize) {
        let (x, y) = (self.x(at), Plot::y(height));
        let _ = match style {
            0 => writeln!(
                self.svg,
                "<circle class=\"plot-mark plot-0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
            ),
            1 => writeln!(
                self.svg,
                "<path class=\"plot-mark plot-1\" d=\"M{x:.1} {:.1}l3 6h-6z\"/>",
                y - 4.0
            ),
            _ => writeln!(
                self.svg,
                "<path class=\"plot-mark plot-2\" d=\"M{:.1} {:.1}l6 6m0-6l-6 6\"/>",
                x - 3.0,
                y - 3.0
            ),
        };
    }

    fn lines(&mut self, series: &[Series]) {
        for (style, Series { points, .. }) in series.iter().enumerate() {
            let mut path = String::new();
            let mut before = f64::MIN;
            // A line is not drawn over windows in which nothing ended.
            let gap = 1.5 * self.end / lossless(WINDOWS);
            for (at, height) in points {
                let (x, y) = (self.x(*at), Plot::y(*height));
                let _ = if *at - before > gap {
                    write!(path, "M{:.1} {y:.1}h6M{x:.1} {y:.1}", x - 3.0)
                } else {
                    write!(path, "L{x:.1} {y:.1}")
                };
                before = *at;
            }
            let _ = writeln!(
                self.svg,
                "<path class=\"plot-line plot-{style}\" d=\"{path}\"/>"
            );
        }
        let names: Vec<&str> = series.iter().map(|series| series.name).collect();
        self.legend(&names, false);
    }

    fn legend(&mut self, names: &[&str], has_marks: bool) {
        let x = WIDTH - RIGHT + 12.0;
        for (style, name) in names.iter().enumerate() {
            let y = TOP + 10.0 + 20.0 * lossless(style);
            if has_marks {
                let (at, height) = (self.end, (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM));
                let begin = self.svg.len();
                self.mark(at, height, style);
                // A mark stands at the right edge: move it into the legend.
                let mark = self.svg.split_off(begin);
                let _ = write!(self.svg, "<g transform=\"translate(18 0)\">{mark}</g>");
            } else {
                let _ = writeln!(
                    self.svg,
                    "<path class=\"plot-line plot-{style}\" d=\"M{x} {y}h20\"/>"
                );
            }
            self.text(x + 26.0, y + 4.0, "plot-text", name);
        }
    }

    fn end(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// About as many pixels as a name of a fault takes.
fn text_width(text: &str) -> f64 {
    6.0 * lossless(text.chars().count())
}

/// A text of a record, for XML: a node may be called anything.
fn xml(text: &str) -> String {
    let safe = text.replace('&', "&amp;").replace('<', "&lt;");
    safe.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The least of 1, 2, 5, 10, 20, … (or a tenth of them …) that is not below `least`.
fn step_of(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-6).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap_or(power * 10.0)
}

/// A number of an axis, without the noise of binary fractions.
fn rounded(value: f64) -> String {
    if value >= 10.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{at_quantile, rounded, step_of};

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(
            [0.3, 1.0, 1.4, 7.0, 20.0]
                .map(step_of)
                .map(|it| (it * 10.0).round()),
            [5.0, 10.0, 20.0, 100.0, 200.0]
        );
        assert_eq!(
            [0.1 + 0.2, 0.0, 5.0, 1_000.0].map(rounded),
            ["0.3", "0", "5", "1000"]
        );
    }

    #[test]
    fn quantiles_stand_where_jepsen_has_them() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(
            [0.0, 0.5, 0.95, 1.0].map(|it| at_quantile(&sorted, it)),
            [1.0, 3.0, 4.0, 4.0]
        );
    }
}
