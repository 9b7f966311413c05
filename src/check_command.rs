//! `eddyline check`: judges a history without a run.

use crate::options;
use eddyline::harness::{Judgement, Verdict, consistency_model, judge, read_history, store};
use eddyline::workload::{ConsistencyModel, Observed};
use serde_json::json;
use std::ffi::OsString;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Judges a history: the verdict, and everything that is wrong in it.

Usage: eddyline check FOLDER [OPTIONS]
       eddyline check -w WORKLOAD [OPTIONS] FILE

FOLDER is that of a run, as store/latest. Its results.json names the workload, the
models and the --availability of the run. FILE is a history.edn of Maelstrom or of
eddyline test, or lines of JSON:
{\"time\":1,\"type\":\"invoke\",\"process\":0,\"f\":\"add\",\"value\":7}.

A run of eddyline test can be invalid although its history is valid: a node crashed,
or broke a rule of the protocol. results.json beside the history says so. The check
then tells it, and the run stays invalid.

Options:
  -w, --workload NAME        echo, unique-ids, broadcast, g-set, g-counter,
                             pn-counter, lin-kv, kafka, txn-list-append or
                             txn-rw-register. [default: that of results.json]
  --consistency-models A,B   read-uncommitted, read-committed,
                             snapshot-isolation, serializable or
                             strict-serializable. All of them must hold.
                             [default: those of results.json, or else
                             strict-serializable]
  --node-count N             Number of nodes, where the lines do not name them:
                             client i then asked node i modulo N. [default: 1]
  --json                     Print one JSON object instead of sentences.
  --edn                      Print it as EDN, in the form of results.edn.
  -h, --help                 Print this help and exit.

Exit status:
  0    valid
  1    invalid
  2    unknown: too little was done to tell
  254  an option or the file is wrong
  255  the check itself failed
";

/// The exit status after a wrong option, or a file that is no history.
const WRONG: u8 = 254;

/// The exit status after a panic of a checker.
const CRASHED: u8 = 255;

/// How far a history is looked through for its first operation, if that has several lines.
const BEGIN_BYTES: usize = 1_000;

struct Options {
    workload: Option<String>,
    /// Where it is not given, it is that of the run.
    model: Option<ConsistencyModel>,
    nodes: Option<usize>,
    file: PathBuf,
    form: Form,
}

/// The form in which the verdict is printed.
#[derive(Clone, Copy)]
enum Form {
    Words,
    Json,
    Edn,
}

/// The finding about the history, and about the run that it is of.
struct Checked {
    found: Judgement,
    /// How many problems made the run invalid, apart from its history; 0 if it was not.
    problems: usize,
}

impl Checked {
    fn verdict(&self) -> Verdict {
        match self.problems {
            0 => self.found.verdict,
            _ => Verdict::Invalid,
        }
    }
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
        Ok(Ok(checked)) => {
            options::print(&tell(&checked, options.form));
            ExitCode::from(checked.verdict().exit_status())
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
    let (mut workload, mut file, mut nodes, mut form) = (None, None, None, Form::Words);
    let mut model = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('w') | Long("workload") => workload = Some(arguments.value()?.string()?),
            Long("consistency-models") => {
                model = Some(consistency_model(&arguments.value()?.string()?)?);
            }
            Long("node-count") => {
                nodes = Some(arguments.value()?.parse::<NonZero<usize>>()?.get());
            }
            Long("json") => form = Form::Json,
            Long("edn") => form = Form::Edn,
            Short('h') | Long("help") => return Ok(None),
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Options {
        workload,
        model,
        nodes,
        file: file.ok_or("the file of the history is missing")?,
        form,
    }))
}

fn check(options: &Options) -> Result<Checked, String> {
    let file = &options.file;
    check_folder(file)?;
    let text = store::read_text(file).map_err(|error| format!("cannot read {error}"))?;
    if !is_history(&text) {
        let file = file.display();
        return Err(format!(
            "{file}: this is no history: give the run's folder or its history.edn"
        ));
    }
    let results = store::results_beside(file);
    let left = results["workload-name"].as_str();
    let workload = options.workload.as_deref().or(left);
    let workload = workload.ok_or("-w is missing: the workload of the history")?;
    let history = read_history(workload, options.nodes, &text)
        .map_err(|error| format!("{} is no history: {error}", file.display()))?;
    let model = match options.model {
        Some(given) => given,
        None => model_of(&results)?,
    };
    let found = judge(workload, model, &Observed::of(&history));
    let mut found = found.ok_or_else(|| format!("no workload is called {workload:?}"))?;
    if let Some(wanted) = results["availability"]["wanted"].as_f64() {
        found = found.with_availability(wanted, &history);
    }
    let problems = results["problems"].as_array().map_or(0, Vec::len);
    Ok(Checked {
        found,
        problems: if results["valid?"] == false {
            problems
        } else {
            0
        },
    })
}

/// The model that a run was checked for.
fn model_of(results: &serde_json::Value) -> Result<ConsistencyModel, String> {
    let names = results["consistency-models"].as_array();
    let names = names
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str);
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Ok(ConsistencyModel::StrictSerializable);
    }
    consistency_model(&names.join(",")).map_err(|error| format!("results.json: {error}"))
}

/// Checks that a folder is that of a run. The folders above it have a link to the last run.
fn check_folder(folder: &Path) -> Result<(), String> {
    if !folder.is_dir() || folder.join("history.edn").exists() {
        return Ok(());
    }
    let latest = folder.join("latest");
    let folder = folder.display();
    if latest.join("history.edn").exists() {
        let latest = latest.display();
        return Err(format!(
            "{folder} is not the folder of a run; did you mean {latest}?"
        ));
    }
    Err(format!("there is no history.edn in {folder}"))
}

/// Whether a text looks like a history: its first operation names a process, or it is empty.
fn is_history(text: &str) -> bool {
    let text = text.trim_start();
    let first = text.lines().next().unwrap_or_default();
    let begin = text.get(..BEGIN_BYTES).unwrap_or(text);
    let names_process = |text: &str| text.contains(":process") || text.contains("\"process\"");
    text.is_empty()
        || (text.starts_with(['{', '[', '#', ';'])
            && (names_process(first) || names_process(begin)))
}

fn tell(checked: &Checked, form: Form) -> String {
    let Checked { found, problems } = checked;
    match form {
        Form::Json => {
            let mut value = store::judgement_json(found);
            value["valid?"] = match checked.verdict() {
                Verdict::Invalid => json!(false),
                _ => value["valid?"].take(),
            };
            value["problem-count"] = json!(problems);
            format!("{value}\n")
        }
        Form::Edn => store::judgement_edn(found),
        Form::Words => {
            let mut text = found.to_string();
            if *problems > 0 {
                let s = if *problems == 1 { "" } else { "s" };
                let history = match found.verdict {
                    Verdict::Valid => "the history is valid",
                    Verdict::Unknown => "too little is known about the history",
                    Verdict::Invalid => "the history is invalid",
                };
                text.push_str(&format!(
                    "{history}; the run was invalid: {problems} problem{s}, see results.json\n"
                ));
            }
            text + checked.verdict().closing_line() + "\n"
        }
    }
}
