//! The command line of the binary.

use eddyline::Options;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const HELP: &str = "\
A node that speaks the Maelstrom protocol on stdin and stdout: JSON messages,
one a line. It answers echo, proxy, tcp_echo_start, tcp_echo_send and
tcp_echo_stats. Diagnostics go to stderr.

Usage: eddyline [OPTIONS]

Options:
  --rpc-timeout-ms N       how long a call to another node waits [default: 1000]
  --line-bytes-max N       the longest line that is taken [default: 16777216]
  --tcp-bind ADDR          the IP address that TCP echo binds [default: 127.0.0.1]
  --tcp-connections-max N  how many TCP clients are served at once [default: 65536]
  -h, --help               print this and exit
  --version                print the version and exit
";

/// The least that `--line-bytes-max` may say: 1 KiB. The `init` of a cluster of a
/// hundred nodes is as long, and a node that cannot hear its name hears nothing.
const LINE_BYTES_MIN: usize = 1 << 10;

/// What a wrong option ends the process with.
const USAGE_ERROR: u8 = 2;

/// Reads the process's arguments. `Err` when there is nothing to run: help, the
/// version, or an error that was printed.
pub(crate) fn parse() -> Result<Options, ExitCode> {
    match read(lexopt::Parser::from_env()) {
        Ok(Choice::Run(options)) => Ok(options),
        Ok(Choice::Print(text)) => Err(print(&text)),
        Err(error) => {
            complain(&format!("{error}; see eddyline --help"));
            Err(ExitCode::from(USAGE_ERROR))
        }
    }
}

enum Choice {
    Run(Options),
    Print(String),
}

fn read(mut arguments: lexopt::Parser) -> Result<Choice, lexopt::Error> {
    use lexopt::prelude::{Long, Short};

    let mut choice = Choice::Run(Options::default());
    while let Some(argument) = arguments.next()? {
        match (argument, &mut choice) {
            (Long("rpc-timeout-ms"), Choice::Run(options)) => {
                let millis = value(&mut arguments, "--rpc-timeout-ms", "a whole number,")?;
                options.rpc_timeout = Duration::from_millis(millis);
            }
            (Long("line-bytes-max"), Choice::Run(options)) => {
                let expected = format!("a whole number, {LINE_BYTES_MIN} or more,");
                let bytes: usize = value(&mut arguments, "--line-bytes-max", &expected)?;
                if bytes < LINE_BYTES_MIN {
                    return Err(wants("--line-bytes-max", &expected, &bytes));
                }
                options.line_bytes_max = bytes;
            }
            (Long("tcp-connections-max"), Choice::Run(options)) => {
                let expected = "a whole number above 0,";
                let count: NonZero<usize> =
                    value(&mut arguments, "--tcp-connections-max", expected)?;
                options.tcp_connections_max = count.get();
            }
            (Long("tcp-bind"), Choice::Run(options)) => {
                options.tcp_bind = address(&mut arguments)?;
            }
            (Long("help") | Short('h'), _) => choice = Choice::Print(HELP.to_owned()),
            (Long("version"), _) => {
                let version = env!("CARGO_PKG_VERSION");
                choice = Choice::Print(format!("eddyline {version}\n"));
            }
            (other, _) => return Err(other.unexpected()),
        }
    }
    Ok(choice)
}

/// Reads the value of `option`, or says what it would have to be.
fn value<T: FromStr>(
    arguments: &mut lexopt::Parser,
    option: &str,
    expected: &str,
) -> Result<T, lexopt::Error> {
    let value = arguments.value()?;
    let parsed = value.to_str().and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| wants(option, expected, &value))
}

/// Reads an address to bind. The kernel binds broadcast and multicast ones too, and says
/// that it listens there, but no TCP connection can ever reach them.
fn address(arguments: &mut lexopt::Parser) -> Result<IpAddr, lexopt::Error> {
    let option = "--tcp-bind";
    let address: IpAddr = value(arguments, option, "an IP address,")?;
    let plain = address.to_canonical();
    if plain.is_multicast() || plain == IpAddr::V4(Ipv4Addr::BROADCAST) {
        let expected = "an address that TCP can connect to,";
        let value = address.to_string();
        return Err(wants(option, expected, &value));
    }
    Ok(address)
}

fn wants(option: &str, expected: &str, value: &dyn std::fmt::Debug) -> lexopt::Error {
    format!("{option} wants {expected} not {value:?}").into()
}

/// The protocol has not begun, so stdout is free.
fn print(text: &str) -> ExitCode {
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("stdout cannot be written: {error}"));
            ExitCode::FAILURE
        }
        // A reader that has seen enough is no error.
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Says what is wrong on stderr, if anybody listens; `eprintln!` would panic if
/// nobody can.
pub(crate) fn complain(what: &dyn std::fmt::Display) {
    use std::io::Write as _;
    let _nobody_listens = writeln!(std::io::stderr(), "eddyline: {what}");
}
