//! The command line of the binary.

use eddyline::Options;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
A node that speaks the Maelstrom protocol on stdin and stdout: JSON messages,
one a line. It answers echo, proxy, tcp_echo_start, tcp_echo_send and
tcp_echo_stats. Diagnostics go to stderr.

Usage: eddyline [OPTIONS]

Options:
  --rpc-timeout-ms N  how long a call to another node waits [default: 1000]
  --tcp-bind ADDR     the IP address that TCP echo binds [default: 127.0.0.1]
  --help              print this and exit
  --version           print the version and exit
";

/// What a wrong option ends the process with.
const USAGE_ERROR: u8 = 2;

/// Reads the process's arguments. `Err` when there is nothing to run: help, the
/// version, or an error that was printed.
pub(crate) fn parse() -> Result<Options, ExitCode> {
    match read(lexopt::Parser::from_env()) {
        Ok(Choice::Run(options)) => Ok(options),
        Ok(Choice::Print(text)) => {
            print(&text);
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("eddyline: {error}; see eddyline --help");
            Err(ExitCode::from(USAGE_ERROR))
        }
    }
}

enum Choice {
    Run(Options),
    Print(String),
}

fn read(mut arguments: lexopt::Parser) -> Result<Choice, lexopt::Error> {
    use lexopt::ValueExt as _;
    use lexopt::prelude::Long;

    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("rpc-timeout-ms") => {
                let millis = arguments.value()?.parse()?;
                options.rpc_timeout = Duration::from_millis(millis);
            }
            Long("tcp-bind") => options.tcp_bind = arguments.value()?.parse::<IpAddr>()?,
            Long("help") => return Ok(Choice::Print(HELP.to_owned())),
            Long("version") => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Choice::Print(format!("eddyline {version}\n")));
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Choice::Run(options))
}

/// The protocol has not begun, so stdout is free; a reader that has gone is no
/// error worth a panic.
fn print(text: &str) {
    use std::io::Write as _;
    let _reader_has_gone = std::io::stdout().write_all(text.as_bytes());
}
