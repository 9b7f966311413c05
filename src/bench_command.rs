//! `eddyline bench`: its command line and its exit status.

use crate::options;
use crate::values::{
    CRASH, USAGE_ERROR, count, number, on_interrupt, option, program, program_path, rate, seconds,
    text,
};
use eddyline::harness::{Bench, BenchError, Pace, Program, Requests, store};
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The exit status after a node did something wrong.
const NODE_FAILED: u8 = 1;

/// The longest text of an echo: its line stays below the 16 MiB of a node of this library.
const PAYLOAD_BYTES_MAX: usize = 16_000_000;

/// The most requests that may be outstanding. The bench keeps a million in its window.
const OUTSTANDING_MAX: usize = 100_000;

/// How often each of two programs is measured, if the command line does not say.
const ROUNDS_OF_TWO: usize = 5;

const HELP: &str = "\
Measures a node of any language: messages a second, latency, processor time of a
message, peak memory.

Usage: eddyline bench [OPTIONS] [-- ARGUMENTS OF THE NODE]

The node:
  --bin FILE           Its program. [default: this program itself]
  --against FILE       A second program. Both are measured in turn, and the ratio is
                       that of the first to the second. Words behind -- go to both;
                       words behind another -- go to the second one instead.

The requests:
  -w, --workload echo  Echoes. [default]
  --payload-bytes N    The length of the text of an echo. [default: 23]
  --line FILE          Requests of your own, a message in each line, used in turn. Each
                       gets a new msg_id. Their dest is the name of the node. The four
                       services answer the node, and its messages to itself come back.

The load:
  --outstanding N      A closed loop: N requests wait for an answer at any time. With 1,
                       the latency is that of a round trip. [default: 64]
  --rate R             An open loop: R requests a second are due. The latency counts from
                       the time when a request was due, also if it was sent later because
                       the node was behind.
  --time-limit S       Measured seconds of each round. [default: 3]
  --warm-up S          Seconds of load before. [default: 0.5]
  --rounds N           How often each program is started and measured.
                       [default: 1; 5 with --against]

For people and programs:
  --json               Print one JSON object. Units stand in its names.
  -h, --help           Print this help and exit.

A message is a request together with its answer: 1,000 messages a second are 1,000
lines to the node and 1,000 lines from it. Processor time and memory are those of
the program itself, without programs that it starts. A round ends early if the node
is silent for 5 s.

Exit status:
  0    measured
  1    the node ended, was silent, answered twice, or wrote a line that is no message
  254  an option or its value is wrong
  255  the bench failed, or was interrupted
";

/// The long options, with whether each has a value.
const OPTIONS: [(&str, bool); 12] = [
    ("against", true),
    ("bin", true),
    ("help", false),
    ("json", false),
    ("line", true),
    ("outstanding", true),
    ("payload-bytes", true),
    ("rate", true),
    ("rounds", true),
    ("time-limit", true),
    ("warm-up", true),
    ("workload", true),
];

/// A command line that was read.
struct Command {
    bench: Bench,
    against: Option<PathBuf>,
    outstanding: Option<usize>,
    rate: Option<f64>,
    payload_bytes: Option<usize>,
    line: Option<PathBuf>,
    rounds: Option<usize>,
    is_json: bool,
    wants_help: bool,
}

/// Runs the command with the arguments behind its name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString> + 'static) -> ExitCode {
    let Command {
        bench,
        is_json,
        wants_help,
        ..
    } = match read(lexopt::Parser::from_args(arguments)) {
        Ok(command) => command,
        Err(error) => return options::usage_error_with(USAGE_ERROR, "bench ", &error),
    };
    if wants_help {
        return options::print(HELP);
    }
    on_interrupt(&[&bench.interrupt], &Arc::default());
    match bench.run() {
        Ok(measured) => {
            let text = if is_json {
                format!("{}\n", measured.json())
            } else {
                measured.to_string()
            };
            if options::print(&text) == ExitCode::SUCCESS {
                return ExitCode::SUCCESS;
            }
            ExitCode::from(CRASH)
        }
        Err(error) => {
            options::report(&error);
            if is_json {
                let _ignored = options::print(&format!("{}\n", error.json()));
            }
            ExitCode::from(match error {
                BenchError::Node { .. } => NODE_FAILED,
                BenchError::Tester(_) | BenchError::Interrupted => CRASH,
            })
        }
    }
}

fn read(mut arguments: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let node = Program {
        path: PathBuf::new(),
        arguments: Vec::new(),
    };
    let mut command = Command {
        bench: Bench::new(node),
        against: None,
        outstanding: None,
        rate: None,
        payload_bytes: None,
        line: None,
        rounds: None,
        is_json: false,
        wants_help: false,
    };
    let mut words = Vec::new();
    while let Some(argument) = arguments.next()? {
        let name = match argument {
            Short('h') => "help".to_owned(),
            Short('w') => "workload".to_owned(),
            Short(other) => return Err(format!("there is no option -{other}").into()),
            Long(name) => name.to_owned(),
            // Everything from here on is for the node.
            Value(first) => {
                words.push(first);
                words.extend(arguments.raw_args()?);
                break;
            }
        };
        let (name, has_value) = option(&name, OPTIONS)?;
        let value = if has_value {
            text(&mut arguments)?
        } else {
            String::new()
        };
        command
            .set(name, &value)
            .map_err(|expected| format!("invalid value {value:?} for --{name}: {expected}"))?;
    }
    if !command.wants_help {
        command.complete(words)?;
    }
    Ok(command)
}

impl Command {
    /// Sets an option. An error says which values there are.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "help" => self.wants_help = true,
            "json" => self.is_json = true,
            "bin" => self.bench.program.path = program_path(value)?,
            "against" => self.against = Some(program_path(value)?),
            "workload" if value == "echo" => {}
            "workload" => return Err("expected echo; --line FILE has other requests".to_owned()),
            "payload-bytes" => self.payload_bytes = Some(at_most(PAYLOAD_BYTES_MAX, value)?),
            "line" => self.line = Some(value.into()),
            "outstanding" => {
                count(value)?;
                self.outstanding = Some(at_most(OUTSTANDING_MAX, value)?);
            }
            "rate" => self.rate = Some(rate(value)?),
            "time-limit" => {
                self.bench.time_limit = seconds(value)?;
                if self.bench.time_limit.is_zero() {
                    return Err("expected more than 0 seconds".to_owned());
                }
            }
            "warm-up" => self.bench.warm_up = seconds(value)?,
            "rounds" => self.rounds = Some(count(value)?),
            _ => {}
        }
        Ok(())
    }

    /// Puts the options together, and checks what one option alone cannot show.
    fn complete(&mut self, mut words: Vec<OsString>) -> Result<(), lexopt::Error> {
        let bench = &mut self.bench;
        bench.program.path = program("--bin", &bench.program.path)?;
        if let Some(path) = &self.against {
            let mut arguments = words.clone();
            if let Some(place) = words.iter().position(|word| word == "--") {
                arguments = words.split_off(place + 1);
                words.truncate(place);
            }
            bench.against = Some(Program {
                path: program("--against", path)?,
                arguments,
            });
        }
        bench.program.arguments = words;
        bench.rounds = self.rounds.unwrap_or(match bench.against {
            None => 1,
            Some(_) => ROUNDS_OF_TWO,
        });
        match (self.outstanding, self.rate) {
            (Some(_), Some(_)) => {
                return Err(
                    "--outstanding is a closed loop and --rate an open one: give one of them"
                        .into(),
                );
            }
            (Some(count), None) => bench.pace = Pace::Outstanding(count),
            (None, Some(rate)) => bench.pace = Pace::Rate(rate),
            (None, None) => {}
        }
        match (&self.line, self.payload_bytes) {
            (Some(_), Some(_)) => {
                return Err("--payload-bytes is for echoes, and --line has other requests".into());
            }
            (Some(file), None) => bench.requests = lines(file)?,
            (None, Some(bytes)) => bench.requests = Requests::echo(bytes),
            (None, None) => {}
        }
        Ok(())
    }
}

fn at_most(most: usize, value: &str) -> Result<usize, String> {
    let expected = format!("a whole number, at most {most}");
    let number: usize = number(value, &expected)?;
    let small = (number <= most).then_some(number);
    small.ok_or_else(|| format!("expected {expected}"))
}

/// The requests of a file.
fn lines(file: &Path) -> Result<Requests, String> {
    let text = store::read_text(file).map_err(|error| format!("--line {error}"))?;
    Requests::from_lines(&text).map_err(|why| format!("--line {}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let parser = lexopt::Parser::from_args(line.split_whitespace());
        read(parser).map_err(|error| error.to_string())
    }

    #[test]
    fn words_behind_the_options_go_to_the_nodes() {
        let bench = |line: &str| parsed(line).map(|command| command.bench).unwrap();
        let alone = bench("--rate 5 -- -x -- y");
        assert_eq!(alone.program.arguments, ["-x", "--", "y"]);
        assert_eq!((alone.pace, alone.rounds), (Pace::Rate(5.0), 1));
        let both = bench("--against /bin/true --outstanding 3 -- -x");
        assert_eq!((both.pace, both.rounds), (Pace::Outstanding(3), 5));
        assert_eq!(both.program.arguments, ["-x"]);
        assert_eq!(both.against.unwrap().arguments, ["-x"]);
        let each = bench("--against /bin/true -- -x -- -y -z");
        assert_eq!(each.program.arguments, ["-x"]);
        assert_eq!(each.against.unwrap().arguments, ["-y", "-z"]);
    }

    #[test]
    fn a_wrong_option_or_value_is_named() {
        for (line, expected) in [
            ("--outstandign 3", "did you mean --outstanding?"),
            ("--bni x", "did you mean --bin?"),
            ("--outs 3", "did you mean --outstanding?"),
            ("-x", "there is no option -x"),
            ("-w broadcast", "expected echo; --line FILE"),
            ("--outstanding 0", "at least 1"),
            ("--outstanding 100001", "at most 100000"),
            ("--payload-bytes 16000001", "at most 16000000"),
            ("--rate 0", "more than 0"),
            ("--rate 5 --outstanding 5", "give one of them"),
            ("--time-limit 0", "more than 0 seconds"),
            (
                "--against /no/such/file",
                "--against /no/such/file: No such file",
            ),
            ("--against=", "expected the path of a program"),
            ("--bin /", "--bin /: it is a directory"),
            ("--line /no/such/file", "--line"),
            (
                "--line Cargo.toml",
                "--line Cargo.toml: line 1 is no request",
            ),
            (
                "--line x --payload-bytes 3",
                "--payload-bytes is for echoes",
            ),
        ] {
            let Err(found) = parsed(line) else {
                panic!("{line} is accepted");
            };
            assert!(found.contains(expected), "{line}: {found}");
        }
    }
}
