//! Measures how long one asker waits in a crowd: an echo on stdin while thousands
//! of connections echo as fast as they can, and a TCP echo while stdin is flooded.
//!
//! ```sh
//! measure_fairness [--rounds N] [--seconds S] [--connections N] NAME=PROGRAM...
//! ```
//!
//! Needs two processors: the node gets one, the load the other.

use peers::fairness::{Waits, stdin_in_a_crowd, tcp_in_a_flood};
use peers::stats::Sample;
use std::error::Error;
use std::time::Duration;

/// What each connection has on its way: a message, and a quarter of a pipe.
const PAYLOADS: [usize; 2] = [64, 16 << 10];

/// What is measured of one node in one way, a value a round.
#[derive(Default)]
struct Row {
    p50: Sample,
    p99: Sample,
    max: Sample,
    per_second: Sample,
}

impl Row {
    fn push(&mut self, waits: &Waits) {
        self.p50.push(waits.percentile_ms(0.5));
        self.p99.push(waits.percentile_ms(0.99));
        self.max.push(waits.percentile_ms(1.0));
        self.per_second.push(waits.per_second);
    }

    fn print(&self, what: &str, name: &str) {
        let ms = |sample: &Sample| {
            let spread = sample.spread();
            let (least, greatest) = (spread.least, spread.greatest);
            format!("**{:.2} ms** ({least:.2} – {greatest:.2})", spread.median)
        };
        let thousands = self.per_second.spread().median / 1e3;
        println!(
            "| {what} | {name} | {} | {} | {} | {thousands:.0} k/s |",
            ms(&self.p50),
            ms(&self.p99),
            ms(&self.max)
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut seconds, mut connections) = (3, 5.0, 8_000);
    let mut nodes = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        match arg.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--connections" => connections = value()?.parse()?,
            _ => {
                let (name, program) = arg.split_once('=').ok_or("NAME=PROGRAM")?;
                nodes.push((name.to_owned(), program.to_owned()));
            }
        }
    }
    let length = Duration::from_secs_f64(seconds);
    println!("| asker, and who else asks | node | p50 | p99 | max | the others |");
    println!("|---|---|---|---|---|---|");
    for payload in PAYLOADS {
        let what = format!("stdin, {connections} connections with {payload} B");
        measure(&what, &nodes, rounds, |program| {
            stdin_in_a_crowd(program, connections, payload, length)
        })?;
    }
    measure("TCP, stdin flooded", &nodes, rounds, |program| {
        tcp_in_a_flood(program, length)
    })
}

/// Every node once a round, so that a machine whose speed drifts does so for all.
fn measure(
    what: &str,
    nodes: &[(String, String)],
    rounds: usize,
    run: impl Fn(&str) -> Result<Waits, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut rows: Vec<Row> = nodes.iter().map(|_| Row::default()).collect();
    for _ in 0..rounds {
        for (row, (_, program)) in rows.iter_mut().zip(nodes) {
            row.push(&run(program)?);
        }
    }
    for (row, (name, _)) in rows.iter().zip(nodes) {
        row.print(what, name);
    }
    Ok(())
}
