//! Measures several nodes and prints one table.
//!
//! ```sh
//! measure [--rounds N] [--seconds S] [--svg FILE] NAME=PROGRAM...
//! ```
//!
//! The others are compared with the first node. Each round measures every node once, so
//! that a change in the machine's speed affects all of them.

use peers::flood::flood;
use peers::node::Node;
use peers::ping_pong::ping_pong;
use peers::stats::Sample;
use peers::{message, plot, table};
use std::error::Error;

struct Options {
    rounds: usize,
    seconds: f64,
    svg: Option<String>,
    nodes: Vec<(String, String)>,
}

fn parse() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        rounds: 7,
        seconds: 0.4,
        svg: None,
        nodes: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value()?.parse()?,
            "--seconds" => options.seconds = value()?.parse()?,
            "--svg" => options.svg = Some(value()?),
            _ => {
                let (name, program) = arg
                    .split_once('=')
                    .ok_or(format!("expected NAME=PROGRAM, not {arg}"))?;
                options.nodes.push((name.to_owned(), program.to_owned()));
            }
        }
    }
    Ok(options)
}

/// The number of messages that keeps a node busy for about `seconds`.
fn calibrate(program: &str, line: &[u8], seconds: f64) -> Result<usize, Box<dyn Error>> {
    let mut messages = 500;
    loop {
        let rate = flood(Node::start(program, None)?, line, messages)?.per_second;
        let wanted = (rate * seconds) as usize;
        if wanted < 8 * messages {
            return Ok(wanted.max(500));
        }
        messages = wanted / 4;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse()?;
    let short = message::line(message::SHORT);
    let kib = message::line(&"x".repeat(1024));
    let mut counts = Vec::new();
    for (_, program) in &options.nodes {
        let count = |line| calibrate(program, line, options.seconds);
        counts.push((count(&short)?, count(&kib)?));
    }
    let mut samples: Vec<[Sample; 4]> = vec![Default::default(); options.nodes.len()];
    for round in 0..options.rounds {
        eprint!("\rround {} of {}", round + 1, options.rounds);
        for (index, (_, program)) in options.nodes.iter().enumerate() {
            let sample = &mut samples[index];
            let flooded = flood(Node::start(program, None)?, &short, counts[index].0)?;
            sample[0].push(flooded.cpu_micros);
            sample[1].push(flooded.per_second);
            let flooded = flood(Node::start(program, None)?, &kib, counts[index].1)?;
            sample[2].push(flooded.cpu_micros);
            let pings = (options.seconds * 40_000.0) as usize;
            sample[3].push(ping_pong(program, &short, pings)?);
        }
    }
    eprintln!();
    let names: Vec<_> = options.nodes.into_iter().map(|(name, _)| name).collect();
    print!("{}", table::table(&names, &samples));
    if let Some(file) = options.svg {
        std::fs::write(file, plot::plot(&names, &samples))?;
    }
    Ok(())
}
