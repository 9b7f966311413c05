//! The figures of a round, and those of several rounds together.

use serde_json::{Map, Value, json};

/// The figures of one round. Their names are those of the JSON form.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Figures {
    pub(super) messages_per_second: f64,
    pub(super) latency_p50_ns: f64,
    pub(super) latency_p99_ns: f64,
    pub(super) latency_p99_9_ns: f64,
    pub(super) latency_max_ns: f64,
    pub(super) cpu_ns_per_message: f64,
    pub(super) kernel_ns_per_message: f64,
    pub(super) peak_memory_bytes: f64,
    pub(super) start_ns: f64,
    pub(super) error_replies: f64,
    pub(super) other_messages: f64,
    pub(super) tester_cpu_ns_per_message: f64,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Count,
    Nanos,
    Bytes,
}

/// A row of the table: its name for people, its name in JSON, its unit, its value.
type Row = (&'static str, &'static str, Unit, fn(&Figures) -> f64);

const ROWS: [Row; 12] = {
    use Unit::{Bytes, Count, Nanos};
    [
        ("messages a second", "messages_per_second", Count, |f| {
            f.messages_per_second
        }),
        ("latency p50", "latency_p50_ns", Nanos, |f| f.latency_p50_ns),
        ("latency p99", "latency_p99_ns", Nanos, |f| f.latency_p99_ns),
        ("latency p99.9", "latency_p99_9_ns", Nanos, |f| {
            f.latency_p99_9_ns
        }),
        ("latency maximum", "latency_max_ns", Nanos, |f| {
            f.latency_max_ns
        }),
        ("CPU a message", "cpu_ns_per_message", Nanos, |f| {
            f.cpu_ns_per_message
        }),
        (
            "  of it in the kernel",
            "kernel_ns_per_message",
            Nanos,
            |f| f.kernel_ns_per_message,
        ),
        ("peak memory", "peak_memory_bytes", Bytes, |f| {
            f.peak_memory_bytes
        }),
        ("start to init_ok", "start_ns", Nanos, |f| f.start_ns),
        ("error replies", "error_replies", Count, |f| f.error_replies),
        ("other messages", "other_messages", Count, |f| {
            f.other_messages
        }),
        (
            "CPU of the bench itself",
            "tester_cpu_ns_per_message",
            Nanos,
            |f| f.tester_cpu_ns_per_message,
        ),
    ]
};

/// The median of some rounds, and the least and the greatest value.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    greatest: f64,
}

impl Spread {
    /// Of at least one value. The median of an even number is the lower one of the middle.
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        Spread {
            median: at(sorted.len().saturating_sub(1) / 2),
            least: at(0),
            greatest: at(sorted.len().saturating_sub(1)),
        }
    }

    fn shown(self, unit: Unit) -> String {
        self.with(|value| unit.shown(value))
    }

    /// The spread of one round is not shown.
    fn with(self, show: impl Fn(f64) -> String) -> String {
        if !self.median.is_finite() {
            return "-".to_owned();
        }
        let median = show(self.median);
        if self.least.total_cmp(&self.greatest).is_eq() {
            return median;
        }
        format!("{median} ({} – {})", show(self.least), show(self.greatest))
    }

    fn json(self) -> Value {
        json!({"median": self.median, "least": self.least, "greatest": self.greatest})
    }
}

impl Unit {
    fn shown(self, value: f64) -> String {
        let steps: &[(f64, &str)] = match self {
            Unit::Count => &[(1.0, "")],
            Unit::Nanos => &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")],
            Unit::Bytes => &[
                (1_073_741_824.0, " GiB"),
                (1_048_576.0, " MiB"),
                (1024.0, " KiB"),
                (1.0, " B"),
            ],
        };
        let fits = steps.iter().find(|(size, _)| value >= *size);
        let (size, name) = fits.or(steps.last()).copied().unwrap_or((1.0, ""));
        let scaled = value / size;
        let digits = if scaled >= 100.0 || scaled.fract() == 0.0 {
            0
        } else if scaled >= 10.0 {
            1
        } else {
            2
        };
        format!("{scaled:.digits$}{name}")
    }
}

/// The values of a row in each round, and those of the other program with their ratios.
fn spreads(row: &Row, rounds: &[Vec<Figures>]) -> (Vec<Spread>, Option<Spread>) {
    let value = row.3;
    let each = rounds
        .iter()
        .map(|rounds| Spread::of(rounds.iter().map(value)));
    let ratio = match rounds {
        [first, second] => {
            let pairs = first.iter().zip(second);
            Some(Spread::of(pairs.map(|(a, b)| value(a) / value(b))))
        }
        _ => None,
    };
    (each.collect(), ratio)
}

/// A table for people: a row for each figure, a column for each program, and with two of them
/// a column with the ratio of the first to the second.
pub(super) fn table(names: &[String], rounds: &[Vec<Figures>]) -> String {
    let mut cells = vec![vec![String::new()]];
    cells[0].extend(names.iter().cloned());
    if rounds.len() == 2 {
        cells[0].push("ratio".to_owned());
    }
    for row in &ROWS {
        let (each, ratio) = spreads(row, rounds);
        // Counts of events that did not happen are left out.
        if each.iter().all(|spread| spread.greatest == 0.0) {
            continue;
        }
        let mut line = vec![row.0.to_owned()];
        line.extend(each.iter().map(|spread| spread.shown(row.2)));
        line.extend(ratio.map(|ratio| ratio.with(|ratio| format!("{ratio:.2}"))));
        cells.push(line);
    }
    let columns = cells[0].len();
    let width = |column: usize| {
        let all = cells.iter().map(|line| line[column].chars().count());
        all.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &cells {
        let mut shown = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            shown += &format!("{cell:<width$}   ");
        }
        text += shown.trim_end();
        text.push('\n');
    }
    text
}

/// The figures of one program, by their names.
pub(super) fn json(rounds: &[Figures]) -> Map<String, Value> {
    let spread = |row: &Row| Spread::of(rounds.iter().map(row.3)).json();
    ROWS.iter()
        .map(|row| (row.1.to_owned(), spread(row)))
        .collect()
}

/// The ratios of the first program to the second, by the names of the figures.
pub(super) fn ratios(rounds: &[Vec<Figures>]) -> Option<Map<String, Value>> {
    let ratio = |row: &Row| Some((row.1.to_owned(), spreads(row, rounds).1?.json()));
    ROWS.iter().map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rate: f64, latency: f64) -> Figures {
        Figures {
            messages_per_second: rate,
            latency_p50_ns: latency,
            peak_memory_bytes: 3.0 * 1_048_576.0,
            ..Figures::default()
        }
    }

    #[test]
    fn ratios_are_those_of_each_round() {
        // The machine became twice as fast in the second round: the ratio did not change.
        let rounds = [
            vec![figures(100.0, 900.0), figures(200.0, 450.0)],
            vec![figures(50.0, 1800.0), figures(100.0, 900.0)],
        ];
        let text = table(&["a".to_owned(), "b".to_owned()], &rounds);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| {
                line.split("   ")
                    .filter(|cell| !cell.is_empty())
                    .map(str::trim)
                    .collect()
            })
            .collect();
        assert_eq!(lines[0], ["a", "b", "ratio"]);
        assert_eq!(
            lines[1],
            [
                "messages a second",
                "100 (100 – 200)",
                "50 (50 – 100)",
                "2.00"
            ]
        );
        assert_eq!(
            lines[2],
            [
                "latency p50",
                "450 ns (450 ns – 900 ns)",
                "900 ns (900 ns – 1.80 µs)",
                "0.50"
            ]
        );
        assert_eq!(lines[3], ["peak memory", "3 MiB", "3 MiB", "1.00"]);
        assert_eq!(lines.len(), 4, "what did not happen is left out: {text}");
        let ratio = &ratios(&rounds).unwrap()["messages_per_second"];
        assert_eq!(
            *ratio,
            json!({"median": 2.0, "least": 2.0, "greatest": 2.0})
        );
        assert!(ratios(&rounds[..1]).is_none());
    }

    #[test]
    fn a_value_has_three_digits_and_a_unit() {
        for (unit, value, expected) in [
            (Unit::Count, 267_412.4, "267412"),
            (Unit::Nanos, 3_276.0, "3.28 µs"),
            (Unit::Nanos, 45_300_000.0, "45.3 ms"),
            (Unit::Nanos, 0.0, "0 ns"),
            (Unit::Bytes, 3_250_586.0, "3.10 MiB"),
            (Unit::Bytes, 512.0, "512 B"),
        ] {
            assert_eq!(unit.shown(value), expected);
        }
        let two = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(two.median, 2.0);
    }
}
