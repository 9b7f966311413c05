//! `eddyline check`: judges a history without a run.

use crate::options;
use eddyline::harness::{Judgement, consistency_model, judge, read_history, store};
use eddyline::workload::{ConsistencyModel, Observed};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Judges a history: the verdict, and everything that is wrong in it.

Usage: eddyline check -w WORKLOAD [OPTIONS] FILE

FILE is a history.edn of Maelstrom or of eddyline test, the folder of a run, or
lines of JSON: {\"time\":1,\"type\":\"invoke\",\"process\":0,\"f\":\"add\",\"value\":7}.

Options:
  -w, --workload NAME        echo, unique-ids, broadcast, g-set, g-counter,
                             pn-counter, lin-kv, kafka, txn-list-append or
                             txn-rw-register
  --consistency-models A,B   read-uncommitted, read-committed,
                             snapshot-isolation, serializable or
                             strict-serializable. All of them must hold.
                             [default: strict-serializable]
  --node-count N             Number of nodes, where the lines do not name them:
                             client i then asked node i modulo N. [default: 1]
  --json                     Print one JSON object instead of sentences.
  -h, --help                 Print this help and exit.

Exit status:
  0  valid
  1  invalid
  2  unknown: too little was done to tell
  254  an option or the file is wrong
  255  the check itself failed
";

/// The exit status after a wrong option, or a file that is no history.
const WRONG: u8 = 254;

/// The exit status after a panic of a checker.
const CRASHED: u8 = 255;

struct Options {
    workload: String,
    model: ConsistencyModel,
    nodes: Option<usize>,
    file: PathBuf,
    is_json: bool,
}

/// Runs the command with the arguments behind its name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString> + 'static) -> ExitCode {
    let options = match read(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => return options::print(HELP),
        Err(why) => {
            options::report(&format!("{why}; see eddyline check --help"));
            return ExitCode::from(WRONG);
        }
    };
    // A checker must not panic. If one does, its status must not look like a verdict.
    match std::panic::catch_unwind(|| check(&options)) {
        Ok(Ok(found)) => {
            options::print(&tell(&found, options.is_json));
            ExitCode::from(found.verdict.exit_status())
        }
        Ok(Err(why)) => {
            options::report(&why);
            ExitCode::from(WRONG)
        }
        Err(_) => ExitCode::from(CRASHED),
    }
}

/// `None` asks for the help.
fn read(
    arguments: impl Iterator<Item = OsString> + 'static,
) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt as _};

    let mut arguments = lexopt::Parser::from_args(arguments);
    let (mut workload, mut file, mut nodes, mut is_json) = (None, None, None, false);
    let mut model = ConsistencyModel::StrictSerializable;
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('w') | Long("workload") => workload = Some(arguments.value()?.string()?),
            Long("consistency-models") => {
                model = consistency_model(&arguments.value()?.string()?)?;
            }
            Long("node-count") => {
                nodes = Some(arguments.value()?.parse::<NonZero<usize>>()?.get());
            }
            Long("json") => is_json = true,
            Short('h') | Long("help") => return Ok(None),
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Options {
        workload: workload.ok_or("-w is missing: the workload of the history")?,
        model,
        nodes,
        file: file.ok_or("the file of the history is missing")?,
        is_json,
    }))
}

fn check(options: &Options) -> Result<Judgement, String> {
    let Options {
        workload,
        model,
        nodes,
        file,
        ..
    } = options;
    let text = store::read_text(file).map_err(|error| format!("cannot read {error}"))?;
    let history = read_history(workload, *nodes, &text)
        .map_err(|error| format!("{} is no history: {error}", file.display()))?;
    let found = judge(workload, *model, &Observed::of(&history));
    found.ok_or_else(|| format!("no workload is called {workload:?}"))
}

fn tell(found: &Judgement, is_json: bool) -> String {
    if is_json {
        return format!("{}\n", store::judgement_json(found));
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for anomaly in found.anomalies.found() {
        let _ = writeln!(text, "  - {anomaly}");
    }
    let (shown, total) = (found.anomalies.found().len(), found.anomalies.total());
    if total > shown {
        let _ = writeln!(text, "  … {total} anomalies in all");
    }
    for doubt in &found.doubts {
        let _ = writeln!(text, "  ? {doubt}");
    }
    let _ = write!(text, "{}", store::judgement_edn(found));
    let _ = writeln!(text, "\n{}", found.verdict.closing_line());
    text
}
