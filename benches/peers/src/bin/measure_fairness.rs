//! Measures how long one request waits under load: an echo on stdin while thousands of
//! connections echo as fast as possible, and a TCP echo while stdin is flooded.
//!
//! ```sh
//! measure_fairness [--rounds N] [--seconds S] [--connections N] NAME=PROGRAM...
//! ```
//!
//! It needs two processors, one for the node and one for the load.

use peers::fairness::{Waits, stdin_in_a_crowd, tcp_in_a_flood};
use peers::stats::Sample;
use std::error::Error;
use std::time::Duration;

/// The bytes in flight of each connection: one message, and 16 KiB.
const PAYLOADS: [usize; 2] = [64, 16 << 10];

/// The results of one node under one load, with one value per round.
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

    fn print(&self, load: &str, name: &str) {
        let ms = |sample: &Sample| {
            let spread = sample.spread();
            let (least, greatest) = (spread.least, spread.greatest);
            format!("**{:.2} ms** ({least:.2} – {greatest:.2})", spread.median)
        };
        let thousands = self.per_second.spread().median / 1e3;
        println!(
            "| {load} | {name} | {} | {} | {} | {thousands:.0} k/s |",
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
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--connections" => connections = value()?.parse()?,
            _ => {
                let (name, program) = arg
                    .split_once('=')
                    .ok_or(format!("expected NAME=PROGRAM, not {arg}"))?;
                nodes.push((name.to_owned(), program.to_owned()));
            }
        }
    }
    let length = Duration::from_secs_f64(seconds);
    println!("| measured request, load | node | p50 | p99 | max | the load |");
    println!("|---|---|---|---|---|---|");
    for payload in PAYLOADS {
        let load = format!("stdin, {connections} connections with {payload} B");
        measure(&load, &nodes, rounds, |program| {
            stdin_in_a_crowd(program, connections, payload, length)
        })?;
    }
    measure("TCP, stdin flooded", &nodes, rounds, |program| {
        tcp_in_a_flood(program, length)
    })
}

/// Measures every node once per round, so that a change in the machine's speed affects
/// all of them.
fn measure(
    load: &str,
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
        row.print(load, name);
    }
    Ok(())
}
