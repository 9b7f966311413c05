//! Measures echoes through a nats-server, and through pipes.
//!
//! ```sh
//! measure_nats [--rounds N] [--messages N] [--server FILE] NAME=PROGRAM...
//! ```
//!
//! Each program runs as a node on NATS, in turn. The first one runs on pipes too. Prints the
//! processor time of a program for each message, without that of the server and the client, and
//! the messages in a second. The others are compared with the first one.

use peers::flood::{Flooded, flood};
use peers::message;
use peers::nats::{Server, flood_by_nats};
use peers::node::Node;
use peers::stats::{Sample, Spread};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut messages) = (7, 100_000);
    let mut server = "/usr/sbin/nats-server".to_owned();
    let mut programs = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--messages" => messages = value()?.parse()?,
            "--server" => server = value()?,
            _ => {
                let (name, program) = arg.split_once('=').ok_or("expected NAME=PROGRAM")?;
                programs.push((name.to_owned(), program.to_owned()));
            }
        }
    }
    let (name, first) = programs.first().ok_or("no program")?.clone();
    let server = Server::start(&server)?;
    let lines = [
        message::line_by_nats(message::SHORT),
        message::line_by_nats(&"x".repeat(1024)),
    ];
    // For each program, and for the pipes: CPU and rate, for each line.
    let mut samples: Vec<[Sample; 4]> = vec![Default::default(); programs.len() + 1];
    for round in 0..rounds {
        eprint!("\rround {} of {rounds}", round + 1);
        for (index, sample) in samples.iter_mut().enumerate() {
            for (kind, line) in lines.iter().enumerate() {
                let Flooded {
                    cpu_micros,
                    per_second,
                } = match programs.get(index) {
                    Some((_, program)) => flood_by_nats(&server, program, line, messages)?,
                    None => flood(Node::start(&first, None)?, line, messages)?,
                };
                sample[2 * kind].push(cpu_micros);
                sample[2 * kind + 1].push(per_second / 1e3);
            }
        }
    }
    eprintln!();
    let mut names: Vec<String> = programs.into_iter().map(|(name, _)| name).collect();
    names.push(format!("{name} on pipes"));
    println!(
        "| node | CPU µs a message, 100 B | ratio | thousands/s | CPU µs, 1 KiB | ratio | thousands/s |"
    );
    println!("|---|---|---|---|---|---|---|");
    let show = |spread: Spread, digits: usize| {
        let Spread {
            least,
            median,
            greatest,
        } = spread;
        format!("**{median:.digits$}** ({least:.digits$} – {greatest:.digits$})")
    };
    for (name, own) in names.iter().zip(&samples) {
        let cell = |kind: usize| {
            let cpu = show(own[2 * kind].spread(), 2);
            let ratio = show(own[2 * kind].ratio(&samples[0][2 * kind]), 2);
            let rate = show(own[2 * kind + 1].spread(), 0);
            format!("{cpu} | {ratio} | {rate}")
        };
        println!("| {name} | {} | {} |", cell(0), cell(1));
    }
    Ok(())
}
