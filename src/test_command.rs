//! `eddyline test`: its runs, their results and its exit status. The command line, which is
//! Maelstrom's, is in `arguments.rs`.

mod arguments;

use crate::options;
use crate::values::{CRASH, USAGE_ERROR, failed_run, on_interrupt};
use arguments::{Command, HELP, read};
use eddyline::harness::{self, Stderr, Verdict, store};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Runs the command with the arguments behind its name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString> + 'static) -> ExitCode {
    let stderr = Stderr::open();
    let mut command = match read(lexopt::Parser::from_args(arguments)) {
        Ok(command) => command,
        Err(error) => {
            stderr.say(&format!("{error}; see eddyline test --help"));
            stderr.finish();
            return ExitCode::from(USAGE_ERROR);
        }
    };
    if command.wants_help {
        return options::print(HELP);
    }
    command.plan.command_line = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    for note in &command.notes {
        stderr.say(note);
    }
    if let Some(root) = &command.store
        && let Err(error) = store::try_place(root, command.plan.workload)
    {
        stderr.say(&format!("the files of the run, --store: {error}"));
        stderr.finish();
        return ExitCode::from(CRASH);
    }
    // A run takes its own flag back, so the loop over the runs has another.
    let is_interrupted = Arc::default();
    on_interrupt(
        &[&command.plan.interrupt, &is_interrupted],
        &command.plan.has_no_nodes,
    );
    for number in 0..command.test_count {
        if is_interrupted.load(Ordering::Relaxed) {
            let left = command.test_count - number;
            stderr.say(&format!("interrupted: {left} further runs do not begin"));
            stderr.finish();
            return ExitCode::from(Verdict::Unknown.exit_status());
        }
        let tested = run_once(&command, number, &stderr);
        // A signal has been able to end the check since the last node was dead. Now the
        // files are there. The reader of stdout may keep the result waiting, and a signal
        // ends that.
        command.plan.has_no_nodes.store(true, Ordering::Relaxed);
        stderr.finish();
        let status = print(tested);
        command.plan.has_no_nodes.store(false, Ordering::Relaxed);
        if status != 0 {
            return ExitCode::from(status);
        }
        command.plan.seed = command.plan.seed.wrapping_add(1);
    }
    ExitCode::SUCCESS
}

/// The text for stdout after a run, and its status.
struct Said {
    text: String,
    status: u8,
}

/// Prints the result. A reader that has gone does not change the verdict.
fn print(Said { text, status }: Said) -> u8 {
    match options::print(&text) == ExitCode::SUCCESS {
        true => status,
        false => CRASH,
    }
}

/// Makes a run, and leaves its files.
fn run_once(command: &Command, number: u64, stderr: &Stderr) -> Said {
    let (plan, test_count) = (&command.plan, command.test_count);
    let is_terminal = std::io::stderr().is_terminal();
    if test_count > 1 {
        stderr.say(&format!(
            "run {} of {test_count}, seed {}",
            number + 1,
            plan.seed
        ));
    }
    let mut tested = match harness::run(plan, Box::new(stderr.clone()), is_terminal) {
        Ok(tested) => tested,
        Err(error) => {
            let (said, status) = failed_run(&error);
            stderr.say(&said);
            let text = String::new();
            return Said { text, status };
        }
    };
    let mut status = tested.record.verdict.exit_status();
    if let Some(root) = &command.store
        && let Err(error) = tested.save(root)
    {
        stderr.say(&format!("the files of the run: {error}"));
        status = CRASH;
    }
    let mut text = tested.to_string();
    if command.is_json {
        let _never_fails = stderr.clone().write_all(text.as_bytes());
        text = tested.to_json() + "\n";
    }
    Said { text, status }
}
