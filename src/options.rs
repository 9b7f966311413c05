//! The command line of the binary.

use eddyline::Options;
use eddyline::command_line::{CommandLine, OPTIONS_HELP};
use std::process::ExitCode;

const HELP: &str = "\
A node for the Maelstrom protocol. It reads JSON messages from stdin and writes
JSON messages to stdout, one per line. It answers echo, proxy, tcp_echo_start,
tcp_echo_send and tcp_echo_stats. Diagnostics go to stderr.

Usage: eddyline [OPTIONS]
       eddyline COMMAND ...

Commands, each with a --help of its own:
  test       Tests nodes of any language, with faults.
  bench      Measures nodes of any language.
  check      Judges the history of a run of eddyline test, or of Maelstrom.
  call       Calls a node on NATS.
  serve      Runs Maelstrom's services on NATS, in memory, for trials.

";

/// The help of a program with the feature `microscope`, after the other.
#[cfg(feature = "microscope")]
pub(crate) const MICROSCOPE_HELP: &str = "
The microscope:
  eddyline --record FILE                Record the run, event by event.
  eddyline explain RECORDING...         Print recordings as text.
  eddyline microscope RECORDING... -o FILE
                                        Make a page of them for a browser. Two can
                                        stand side by side.
";
#[cfg(not(feature = "microscope"))]
const MICROSCOPE_HELP: &str = "";

/// The exit status after a wrong option or value.
const USAGE_ERROR: u8 = 2;

/// Reads the process's arguments. `Err` is the exit status when no node should
/// run: after the help, the version or an error was printed.
pub(crate) fn parse() -> Result<Options, ExitCode> {
    match CommandLine::parse(std::env::args_os().skip(1)) {
        Ok(CommandLine::Run(options)) => Ok(*options),
        Ok(CommandLine::Help) => Err(print(&format!("{HELP}{OPTIONS_HELP}{MICROSCOPE_HELP}"))),
        Ok(CommandLine::Version) => {
            let version = env!("CARGO_PKG_VERSION");
            Err(print(&format!("eddyline {version}\n")))
        }
        Err(error) => Err(usage_error(&error)),
    }
}

/// Reports a wrong option or value.
pub(crate) fn usage_error(error: &dyn std::fmt::Display) -> ExitCode {
    usage_error_of("", error)
}

/// The same, for a command: its name with a blank behind it.
pub(crate) fn usage_error_of(command: &str, error: &dyn std::fmt::Display) -> ExitCode {
    report(&format!("{error}; see eddyline {command}--help"));
    ExitCode::from(USAGE_ERROR)
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

/// Writes a line to stdout at once.
pub(crate) fn print_line(line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}")
}

/// The lines of stdin without their newlines, for a command that is no node. `None` is a line
/// that is longer than a node takes: it is skipped in bounded memory.
pub(crate) fn input_lines() -> impl Iterator<Item = std::io::Result<Option<Vec<u8>>>> {
    use eddyline::wire::LINE_BYTES_MAX;
    use std::io::{BufRead as _, Read as _};
    let mut stdin = std::io::stdin().lock();
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let most = LINE_BYTES_MAX as u64 + 1;
        match stdin.by_ref().take(most).read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        if line.pop_if(|byte| *byte == b'\n').is_none() && line.len() > LINE_BYTES_MAX {
            return Some(stdin.skip_until(b'\n').map(|_| None));
        }
        Some(Ok(Some(line)))
    })
}

/// Writes an error to stderr. A failed write is ignored; `eprintln!` would panic.
pub(crate) fn report(error: &dyn std::fmt::Display) {
    use std::io::Write as _;
    let _ignored = writeln!(std::io::stderr(), "eddyline: {error}");
}
