//! Measures echoes of lines of 15 MiB, of several kinds.
//!
//! ```sh
//! measure_long_lines [--rounds N] NAME=PROGRAM...
//! ```
//!
//! Prints GB/s of the node's processor time, and in brackets the milliseconds of a line in
//! user space and in the kernel: medians of the rounds. A program is started for
//! each kind in every round, so its start is part of the figures.

use peers::node::{Node, times_of_children};
use peers::stats::Sample;
use std::error::Error;

const LINE_BYTES: usize = 15 << 20;

/// How many lines a node echoes in a row.
const LINES: usize = 6;

/// The kinds of lines: a name, and the value of the echo as a beginning, a part that is
/// repeated, and an end.
const KINDS: [(&str, &str, &str, &str); 9] = [
    ("plain text", "\"", "Please echo this and more. ", "\""),
    ("`\\n`", "\"", "\\n", "\""),
    (
        "escapes among text",
        "\"",
        "some text\\n\\\"quoted\\\" \\u00e9 ",
        "\"",
    ),
    ("numbers of 5 digits", "[0", ",12345", "]"),
    ("numbers with fraction and exponent", "[0", ",1.25e-3", "]"),
    ("fields `\"key12\":1`", "{\"a\":0", ",\"key12\":1", "}"),
    ("UTF-8 of 2 and 3 bytes", "\"", "é€ü→", "\""),
    ("brackets", "[0", ",[[[[]]]]", "]"),
    ("strings of 5 characters", "[0", ",\"abcde\"", "]"),
];

fn line((_, begin, part, end): (&str, &str, &str, &str)) -> Vec<u8> {
    let value = format!("{begin}{}{end}", part.repeat(LINE_BYTES / part.len()));
    format!(
        "{{\"id\":42,\"src\":\"c1\",\"dest\":\"n1\",\"body\":{{\"type\":\"echo\",\"msg_id\":1234,\"echo\":{value}}}}}\n"
    )
    .into_bytes()
}

/// Milliseconds of a line, in user space and in the kernel.
fn millis(program: &str, line: &[u8]) -> Result<(f64, f64), Box<dyn Error>> {
    let before = times_of_children()?;
    let mut node = Node::start(program, None)?;
    for _ in 0..LINES {
        // One thread reads while this one writes, because no pipe holds the line.
        let mut stdin = node.stdin.take().ok_or("the input was taken")?;
        let stdin = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                std::io::Write::write_all(&mut stdin, line)?;
                Ok::<_, std::io::Error>(stdin)
            });
            let read = node.read_lines(1).map_err(|error| error.to_string());
            let written = writer.join().map_err(|_| "the writer panicked".to_owned());
            read.and(written)
        });
        node.stdin = Some(stdin??);
    }
    node.end()?;
    let after = times_of_children()?;
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e3 / LINES as f64;
    Ok((each(after.0 - before.0), each(after.1 - before.1)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut nodes) = (3, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--rounds" {
            rounds = args.next().ok_or("--rounds needs a value")?.parse()?;
            continue;
        }
        let pair = arg.split_once('=').ok_or("expected NAME=PROGRAM")?;
        nodes.push((pair.0.to_owned(), pair.1.to_owned()));
    }
    print!("| a line of |");
    nodes.iter().for_each(|(name, _)| print!(" {name} |"));
    println!("\n|---|{}", "---|".repeat(nodes.len()));
    for kind in KINDS {
        let line = line(kind);
        let mut samples = vec![<[Sample; 3]>::default(); nodes.len()];
        for _ in 0..rounds {
            for ((_, program), sample) in nodes.iter().zip(&mut samples) {
                let (user, kernel) = millis(program, &line)?;
                sample[0].push(line.len() as f64 / 1e6 / (user + kernel));
                sample[1].push(user);
                sample[2].push(kernel);
            }
        }
        print!("| {} |", kind.0);
        for [rate, user, kernel] in &samples {
            let [rate, user, kernel] = [rate, user, kernel].map(|sample| sample.spread().median);
            print!(" {rate:.2} ({user:.0} + {kernel:.0}) |");
        }
        println!();
    }
    Ok(())
}
