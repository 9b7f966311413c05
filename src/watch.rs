//! The commands `explain` and `microscope`, in a build with the feature `microscope`.

use crate::options::{MICROSCOPE_HELP, print, report, usage_error};
use eddyline::microscope::{Recording, explain, read, write_page};
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Carries out one of the commands, if the first argument is one.
pub(crate) fn command() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let program = arguments.next()?;
    let command = arguments.next()?;
    let rest = lexopt::Parser::from_iter(std::iter::once(program).chain(arguments));
    let is_command = command == "explain" || command == "microscope";
    let wants_help = |word: OsString| word == "--help" || word == "-h";
    if is_command && std::env::args_os().skip(2).any(wants_help) {
        return Some(print(MICROSCOPE_HELP.trim_start()));
    }
    match command.to_str() {
        Some("explain") => Some(explain_files(rest)),
        Some("microscope") => Some(make_page(rest)),
        _ => None,
    }
}

/// `explain RECORDING…`: the text of each recording, on stdout.
fn explain_files(arguments: lexopt::Parser) -> ExitCode {
    let (files, output) = match files(arguments) {
        Ok(found) => found,
        Err(error) => return usage_error(&error),
    };
    if let Some(output) = output {
        return usage_error(&format!(
            "explain writes to stdout, not to {}",
            output.display()
        ));
    }
    match read_all(&files) {
        Ok(recordings) => {
            let texts: Vec<String> = recordings.iter().map(explain).collect();
            print(&texts.join("\n"))
        }
        Err(code) => code,
    }
}

/// `microscope RECORDING… -o FILE`: one page for a browser.
fn make_page(arguments: lexopt::Parser) -> ExitCode {
    let (files, output) = match files(arguments) {
        Ok(found) => found,
        Err(error) => return usage_error(&error),
    };
    let Some(output) = output else {
        return usage_error(&"microscope needs -o FILE, the page that it writes");
    };
    let written = match read_all(&files) {
        Ok(recordings) => write_page(&recordings, &output),
        Err(code) => return code,
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// The recordings to read, and the file to write.
fn files(mut arguments: lexopt::Parser) -> Result<(Vec<PathBuf>, Option<PathBuf>), lexopt::Error> {
    let (mut files, mut output) = (Vec::new(), None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(path) => files.push(PathBuf::from(path)),
            Short('o') | Long("output") => output = Some(PathBuf::from(arguments.value()?)),
            other => return Err(other.unexpected()),
        }
    }
    if files.is_empty() {
        return Err("no recording is named; make one with --record FILE".into());
    }
    Ok((files, output))
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Recording>, ExitCode> {
    let read = |path: &PathBuf| read(Path::new(path));
    files
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| {
            report(&error);
            ExitCode::FAILURE
        })
}
