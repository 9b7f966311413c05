//! Measures whether an echo costs the same beside many calls, many idle connections, and
//! after many messages; and the memory of an idle connection.
//!
//! ```sh
//! measure_flat [--rounds N] NODE
//! ```
//!
//! NODE is `eddyline`: the measurement uses its `proxy` and its TCP echo server. Each round
//! measures a node in each state, and a fresh one. Needs 8,100 descriptors.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use peers::message;
use peers::node::Node;
use peers::stats::{Sample, Spread};
use std::error::Error;
use std::net::TcpStream;

/// How many echoes are measured in each round.
const ECHOES: usize = 200_000;

/// How many lines are written at once: less than a pipe holds, in both directions.
const AT_ONCE: usize = 250;

const CALLS: usize = 100_000;
const CONNECTIONS: usize = 8_000;
const MESSAGES: usize = 1_000_000;

fn echoes(node: &mut Node, count: usize) -> Result<(), Box<dyn Error>> {
    let block = message::line(message::SHORT).repeat(AT_ONCE);
    for _ in 0..count / AT_ONCE {
        node.write(&block)?;
        node.read_lines(AT_ONCE)?;
    }
    Ok(())
}

/// Processor time of an echo, in microseconds, after `prepare`.
fn cpu<T>(
    program: &str,
    prepare: impl FnOnce(&mut Node) -> Result<T, Box<dyn Error>>,
) -> Result<(f64, T), Box<dyn Error>> {
    // No call ends while the echoes are measured.
    let mut node = Node::start(&format!("{program} --rpc-timeout-ms 3600000"), None)?;
    let prepared = prepare(&mut node)?;
    echoes(&mut node, 10_000)?;
    let before = node.cpu()?;
    echoes(&mut node, ECHOES)?;
    let cpu = node.cpu()? - before;
    node.end()?;
    Ok((cpu.as_secs_f64() * 1e6 / ECHOES as f64, prepared))
}

/// Calls to a node that never answers.
fn calls(node: &mut Node) -> Result<(), Box<dyn Error>> {
    let line = b"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"proxy\",\"msg_id\":7,\"target\":\"n2\",\"inner\":{\"type\":\"echo\",\"echo\":1}}}\n";
    let block = line.repeat(AT_ONCE);
    for _ in 0..CALLS / AT_ONCE {
        node.write(&block)?;
        node.read_lines(AT_ONCE)?;
    }
    Ok(())
}

/// Opens the connections. Returns them, and the bytes of memory that each one takes.
fn connections(node: &mut Node) -> Result<(Vec<TcpStream>, f64), Box<dyn Error>> {
    node.write(b"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"tcp_echo_start\",\"msg_id\":2,\"port\":0}}\n")?;
    let reply = node.read_line()?;
    let (_, digits) = reply.rsplit_once("\"port\":").ok_or("no port")?;
    let port: u16 = digits.trim_end().trim_end_matches('}').parse()?;
    // What the first connections and messages allocate belongs to the server.
    let first = TcpStream::connect(("127.0.0.1", port))?;
    echoes(node, AT_ONCE)?;
    let before = node.memory()?;
    let streams = (1..CONNECTIONS).map(|_| TcpStream::connect(("127.0.0.1", port)));
    let mut streams: Vec<TcpStream> = streams.collect::<Result<_, _>>()?;
    streams.push(first);
    // The node answers these behind its connections, so it has accepted all of them.
    echoes(node, 10_000)?;
    let grown = node.memory()?.saturating_sub(before);
    Ok((streams, grown as f64 / CONNECTIONS as f64))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut program) = (5, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().ok_or("--rounds needs a value")?.parse()?,
            _ => program = Some(arg),
        }
    }
    let program = program.ok_or("expected the program of the node")?;
    // The node inherits the limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let mut samples: [Sample; 4] = Default::default();
    let mut memory = Sample::default();
    for round in 0..rounds {
        eprint!("\rround {} of {rounds}", round + 1);
        samples[0].push(cpu(&program, |_| Ok(()))?.0);
        samples[1].push(cpu(&program, calls)?.0);
        let (beside, (_streams, bytes)) = cpu(&program, connections)?;
        samples[2].push(beside);
        memory.push(bytes);
        samples[3].push(cpu(&program, |node| echoes(node, MESSAGES))?.0);
    }
    eprintln!();
    println!("| an echo | CPU | ratio |\n|---|---|---|");
    let names = [
        "of a fresh node",
        "beside 100,000 outstanding calls",
        "beside 8,000 idle connections",
        "after a million messages",
    ];
    for (name, sample) in names.iter().zip(&samples) {
        let (own, ratio) = (sample.spread(), sample.ratio(&samples[0]));
        let shown = |spread: Spread, unit: &str, digits: usize| {
            let Spread {
                least,
                median,
                greatest,
            } = spread;
            format!("{median:.digits$}{unit} ({least:.digits$} – {greatest:.digits$})")
        };
        println!(
            "| {name} | {} | {} |",
            shown(own, " µs", 3),
            shown(ratio, "", 2)
        );
    }
    let bytes = memory.spread().median;
    println!("\nAn idle connection takes {bytes:.0} bytes.");
    Ok(())
}
