//! The command line of the binary.

use eddyline::Options;
use eddyline::protocol::Init;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const HELP: &str = "\
A node for the Maelstrom protocol. It reads JSON messages from stdin and writes
JSON messages to stdout, one per line. It answers echo, proxy, tcp_echo_start,
tcp_echo_send and tcp_echo_stats. Diagnostics go to stderr.

Usage: eddyline [OPTIONS]
       eddyline test [OPTIONS]           tests nodes of any language; see eddyline test --help
       eddyline bench [OPTIONS]          measures them; see eddyline bench --help
       eddyline check -w WORKLOAD FILE   judges a history; see eddyline check --help

Options:
  --node NAME              Name of this node. It then serves without an init.
                           [default: the init gives it]
  --nodes NAME,NAME,...    Names of all nodes, its own too. [default: its own]
  --rpc-timeout-ms N       Time limit of a call to another node, in milliseconds.
                           The call then ends with error 0. [default: 1000]
  --line-bytes-max N       Longest accepted input line, in bytes; at least 1024.
                           A longer line is reported and skipped.
                           [default: 16777216]
  --tcp-bind ADDR          IP address of the TCP echo server. [default: 127.0.0.1]
  --tcp-connections-max N  Number of TCP clients served at the same time. Further
                           clients wait in the listen queue. [default: 65536]
  -h, --help               Print this help and exit.
  --version                Print the version and exit.

Exit status:
  0  stdin has ended and all output is written, or stdout's reader has gone
  1  stdin or stdout cannot be used
  2  an option or its value is wrong
";

/// The help of a program with the feature `microscope`, after the other.
#[cfg(feature = "microscope")]
const MICROSCOPE_HELP: &str = "
The microscope:
  eddyline --record FILE                Record the run, event by event.
  eddyline explain RECORDING...         Print recordings as text.
  eddyline microscope RECORDING... -o FILE
                                        Make a page of them for a browser.
";
#[cfg(not(feature = "microscope"))]
const MICROSCOPE_HELP: &str = "";

/// The smallest value of `--line-bytes-max`: 1 KiB, the length of `init` in a
/// cluster of a hundred nodes. A node that cannot read its `init` answers nothing.
const LINE_BYTES_MIN: usize = 1 << 10;

/// The exit status after a wrong option or value.
const USAGE_ERROR: u8 = 2;

/// Reads the process's arguments. `Err` is the exit status when no node should
/// run: after the help, the version or an error was printed.
pub(crate) fn parse() -> Result<Options, ExitCode> {
    match read(lexopt::Parser::from_env()) {
        Ok(Choice::Run(options)) => Ok(options),
        Ok(Choice::Print(text)) => Err(print(&text)),
        Err(error) => Err(usage_error(&error)),
    }
}

/// Reports a wrong option or value.
pub(crate) fn usage_error(error: &dyn std::fmt::Display) -> ExitCode {
    report(&format!("{error}; see eddyline --help"));
    ExitCode::from(USAGE_ERROR)
}

enum Choice {
    Run(Options),
    Print(String),
}

fn read(mut arguments: lexopt::Parser) -> Result<Choice, lexopt::Error> {
    use lexopt::prelude::{Long, Short};

    let mut choice = Choice::Run(Options::default());
    let (mut node, mut nodes) = (None, None);
    while let Some(argument) = arguments.next()? {
        match (argument, &mut choice) {
            (Long("node"), Choice::Run(_)) => {
                node = Some(value(&mut arguments, "--node", "a name")?);
            }
            (Long("nodes"), Choice::Run(_)) => {
                nodes = Some(value(
                    &mut arguments,
                    "--nodes",
                    "names with commas between",
                )?);
            }
            (Long("rpc-timeout-ms"), Choice::Run(options)) => {
                let millis = value(&mut arguments, "--rpc-timeout-ms", "a whole number")?;
                options.rpc_timeout = Duration::from_millis(millis);
            }
            (Long("line-bytes-max"), Choice::Run(options)) => {
                let expected = format!("a whole number, at least {LINE_BYTES_MIN}");
                let bytes: usize = value(&mut arguments, "--line-bytes-max", &expected)?;
                if bytes < LINE_BYTES_MIN {
                    return Err(invalid("--line-bytes-max", &expected, &bytes.to_string()));
                }
                options.line_bytes_max = bytes;
            }
            (Long("tcp-connections-max"), Choice::Run(options)) => {
                let expected = "a whole number, at least 1";
                let count: NonZero<usize> =
                    value(&mut arguments, "--tcp-connections-max", expected)?;
                options.tcp_connections_max = count.get();
            }
            (Long("tcp-bind"), Choice::Run(options)) => {
                options.tcp_bind = address(&mut arguments)?;
            }
            #[cfg(feature = "microscope")]
            (Long("record"), Choice::Run(options)) => {
                options.record = Some(arguments.value()?.into());
            }
            (Long("help") | Short('h'), _) => {
                choice = Choice::Print(format!("{HELP}{MICROSCOPE_HELP}"));
            }
            (Long("version"), _) => {
                let version = env!("CARGO_PKG_VERSION");
                choice = Choice::Print(format!("eddyline {version}\n"));
            }
            (other, _) => return Err(other.unexpected()),
        }
    }
    if let Choice::Run(options) = &mut choice {
        options.identity = identity(node, nodes)?;
    }
    Ok(choice)
}

/// The identity that `--node` and `--nodes` give.
fn identity(node: Option<String>, nodes: Option<String>) -> Result<Option<Init>, lexopt::Error> {
    let Some(node_id) = node else {
        return match nodes {
            None => Ok(None),
            Some(_) => Err("--nodes needs --node, the name of this node".into()),
        };
    };
    let node_ids = match nodes {
        Some(nodes) => nodes.split(',').map(str::to_owned).collect(),
        None => vec![node_id.clone()],
    };
    let init = Init { node_id, node_ids };
    match init.check() {
        Ok(()) => Ok(Some(init)),
        Err(error) => Err(format!("invalid --node or --nodes: {}", error.text).into()),
    }
}

/// Reads the value of `option`. The error names the option, its value and what is
/// expected.
fn value<T: FromStr>(
    arguments: &mut lexopt::Parser,
    option: &str,
    expected: &str,
) -> Result<T, lexopt::Error> {
    let value = arguments.value()?;
    let parsed = value.to_str().and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| invalid(option, expected, &value))
}

/// Reads an address to bind. Broadcast and multicast addresses are refused here:
/// the kernel lets a socket listen on them, but no TCP connection can reach it.
fn address(arguments: &mut lexopt::Parser) -> Result<IpAddr, lexopt::Error> {
    let option = "--tcp-bind";
    let address: IpAddr = value(arguments, option, "an IP address")?;
    let plain = address.to_canonical();
    if plain.is_multicast() || plain == IpAddr::V4(Ipv4Addr::BROADCAST) {
        let expected = "an address that TCP can connect to";
        return Err(invalid(option, expected, &address.to_string()));
    }
    Ok(address)
}

fn invalid(option: &str, expected: &str, value: &dyn std::fmt::Debug) -> lexopt::Error {
    format!("invalid value {value:?} for {option}: expected {expected}").into()
}

/// Writes text for a person to stdout. Messages use stdout only after the node
/// has started.
pub(crate) fn print(text: &str) -> ExitCode {
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            report(&format!("cannot write to stdout: {error}"));
            ExitCode::FAILURE
        }
        // A reader that closes the pipe early (`--help | head -1`) is no error.
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Writes an error to stderr. A failed write is ignored; `eprintln!` would panic.
pub(crate) fn report(error: &dyn std::fmt::Display) {
    use std::io::Write as _;
    let _ignored = writeln!(std::io::stderr(), "eddyline: {error}");
}
