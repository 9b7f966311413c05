//! Measures TCP echo servers: the processor time for a round trip of 64 bytes over 1, 50
//! and 1000 connections, or over a given number of connections.
//!
//! ```sh
//! measure_tcp [--rounds N] [--connections N] NAME=PROGRAM...
//! ```
//!
//! A program either prints its port or answers `tcp_echo_start` of the Maelstrom protocol.
//! The others are compared with the first server.

use peers::stats::Sample;
use peers::tcp::round_trip_micros;
use std::error::Error;

const CONNECTIONS: [usize; 3] = [1, 50, 1000];
const ROUND_TRIPS: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut rounds = 5;
    let mut connections_wanted = CONNECTIONS.to_vec();
    let mut servers = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.split_once('=') {
            Some((name, program)) => servers.push((name.to_owned(), program.to_owned())),
            None => {
                let number = args.next().ok_or("--rounds N, --connections N")?.parse()?;
                match &*arg {
                    "--rounds" => rounds = number,
                    "--connections" => connections_wanted = vec![number],
                    _ => return Err(format!("unknown option {arg}").into()),
                }
            }
        }
    }
    println!("| server | connections | CPU per round trip | ratio |\n|---|---|---|---|");
    for connections in connections_wanted {
        let mut samples: Vec<Sample> = vec![Sample::default(); servers.len()];
        for _ in 0..rounds {
            for (sample, (_, program)) in samples.iter_mut().zip(&servers) {
                sample.push(round_trip_micros(program, connections, ROUND_TRIPS)?);
            }
        }
        for (sample, (name, _)) in samples.iter().zip(&servers) {
            let (own, ratio) = (sample.spread(), sample.ratio(&samples[0]));
            println!(
                "| {name} | {connections} | **{:.2} µs** ({:.2} – {:.2}) | {:.2} ({:.2} – {:.2}) |",
                own.median, own.least, own.greatest, ratio.median, ratio.least, ratio.greatest
            );
        }
    }
    Ok(())
}
