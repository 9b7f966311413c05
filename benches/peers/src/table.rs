//! The table, in Markdown.

use crate::stats::{Sample, Spread};
use std::fmt::Write;

/// The heading of a quantity, and the format of its values.
type Column = (&'static str, fn(f64) -> String);

const COLUMNS: [Column; 4] = [
    ("CPU per echo, 100 B", micros),
    ("echoes/s, 100 B", rate),
    ("CPU per echo, 1 KiB", micros),
    ("round trip p50, pinned", micros),
];

/// A table of medians, their spread, and the ratio to the first node.
pub fn table(names: &[String], samples: &[[Sample; 4]]) -> String {
    let mut text = String::from("| node |");
    for (heading, _) in COLUMNS {
        text += &format!(" {heading} | ratio |");
    }
    text += "\n|---|";
    text += &"---|---|".repeat(COLUMNS.len());
    text.push('\n');
    for (name, own) in names.iter().zip(samples) {
        text += &format!("| {name} |");
        for (index, (_, show)) in COLUMNS.iter().enumerate() {
            let Spread {
                least,
                median,
                greatest,
            } = own[index].spread();
            let ratio = own[index].ratio(&samples[0][index]);
            let _infallible = write!(
                text,
                " **{}** ({} – {}) | {:.2} ({:.2} – {:.2}) |",
                show(median),
                show(least),
                show(greatest),
                ratio.median,
                ratio.least,
                ratio.greatest,
            );
        }
        text.push('\n');
    }
    text
}

fn micros(value: f64) -> String {
    let digits = if value < 10.0 { 3 } else { 1 };
    format!("{value:.digits$} µs")
}

fn rate(value: f64) -> String {
    if value < 1e6 {
        return format!("{:.0} k", value / 1e3);
    }
    format!("{:.2} M", value / 1e6)
}
