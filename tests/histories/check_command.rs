//! `eddyline check` gives Maelstrom's verdicts, as exit status and in words, from lines of JSON
//! and from EDN.

use super::{Value, option, path};
use flate2::read::GzDecoder;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A run: its name, its options, its lines and its verdict.
struct Run {
    name: String,
    options: Vec<String>,
    lines: String,
    is_valid: bool,
    /// The measurements of Maelstrom's checker.
    figures: Value,
}

fn runs() -> Vec<Run> {
    let verdicts = std::fs::read(path("verdicts.json")).expect("verdicts.json");
    let verdicts: Vec<Value> = serde_json::from_slice(&verdicts).expect("a list");
    let runs = verdicts.into_iter().map(|verdict| {
        let name = verdict["name"].as_str().expect("a name").to_owned();
        let line = verdict["options"].as_str().expect("options");
        let mut options = Vec::new();
        for wanted in ["-w", "--consistency-models", "--node-count"] {
            if let Some(value) = option(line, wanted) {
                options.extend([wanted.to_owned(), value.to_owned()]);
            }
        }
        let file = File::open(path(&format!("{name}.jsonl.gz"))).expect("the history");
        let mut lines = String::new();
        GzDecoder::new(file)
            .read_to_string(&mut lines)
            .expect("text");
        Run {
            name,
            options,
            lines,
            is_valid: verdict["valid"].as_bool().expect("a verdict"),
            figures: verdict["workload"].clone(),
        }
    });
    runs.collect()
}

fn write(name: &str, text: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{name}"));
    std::fs::write(&file, text).expect("a file");
    file
}

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eddyline"));
    command.arg("check").args(arguments);
    command.output().expect("the program")
}

fn check_run(run: &Run, end: &str, text: &str, more: &[&str]) -> (Option<i32>, String) {
    let file = write(&format!("{}.{end}", run.name), text);
    let mut arguments: Vec<&str> = run.options.iter().map(String::as_str).collect();
    arguments.push(file.to_str().expect("a path"));
    arguments.extend(more);
    let output = check(&arguments);
    let told = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), told)
}

/// A value as Jepsen prints it.
fn edn(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("nil"),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                edn(item, text);
                text.push(' ');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (name, value) in fields {
                let _ = write!(text, "{name:?} ");
                edn(value, text);
                text.push_str(", ");
            }
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn operation(line: &str) -> String {
    let fields: Value = serde_json::from_str(line).expect("a line");
    let mut text = "#jepsen.history.Op{".to_owned();
    for (name, value) in fields.as_object().expect("an object") {
        let _ = write!(text, ":{name} ");
        match value.as_str() {
            Some(word) if name != "value" => {
                let _ = write!(text, ":{word}");
            }
            _ => edn(value, &mut text),
        }
        text.push_str(", ");
    }
    text + "}\n"
}

#[test]
fn every_history_gets_maelstroms_verdict() {
    for run in runs() {
        let (status, told) = check_run(&run, "jsonl", &run.lines, &[]);
        assert_eq!(
            status,
            Some(i32::from(!run.is_valid)),
            "{}: {told}",
            run.name
        );
        let last = told.lines().last().expect("a line");
        let begin = if run.is_valid {
            "Everything looks good!"
        } else {
            "Analysis invalid!"
        };
        assert!(last.starts_with(begin), "{}: {last}", run.name);
        assert_eq!(told.contains("anomalies: "), !run.is_valid, "{told}");
    }
}

/// A list with its numbers in order: final reads that are made at once end in any order.
fn in_order(figure: &Value) -> Value {
    let mut figure = figure.clone();
    if let Some(list) = figure.as_array_mut() {
        list.sort_by_key(Value::as_i64);
    }
    figure
}

/// The figures of a workload, of those that Maelstrom defines in the same way.
#[test]
fn figures_are_maelstroms() {
    let figures = [
        "attempt-count",
        "stable-count",
        "stale-count",
        "lost-count",
        "lost",
        "never-read-count",
        "duplicated-count",
        "stable-latencies",
        "final-reads",
        "acceptable",
    ];
    let mut compared = 0;
    for run in runs() {
        let file = write(&format!("{}.figures", run.name), &run.lines);
        let mut arguments: Vec<&str> = run.options.iter().map(String::as_str).collect();
        arguments.extend([file.to_str().expect("a path"), "--json"]);
        let output = check(&arguments);
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        // Ids that were given out twice are Maelstrom's figure alone.
        let is_of_ids = run.options.contains(&"unique-ids".to_owned());
        for figure in figures.iter().filter(|_| !is_of_ids) {
            let (ours, theirs) = (&found["workload"][figure], &run.figures[figure]);
            if !theirs.is_null() {
                let (ours, theirs) = (in_order(ours), in_order(theirs));
                assert_eq!(ours, theirs, "{}: {figure}", run.name);
                compared += 1;
            }
        }
        let kinds = run.figures["error-types"].as_array();
        for kind in kinds.into_iter().flatten() {
            // "inconsistent-offsets" is told as "inconsistent offset 3 of …".
            let kind = kind.as_str().expect("a name").replace('-', " ");
            let kind = kind.trim_end_matches('s');
            let told = found["anomalies"].as_array().expect("a list");
            let is_told = |text: &Value| text.as_str().is_some_and(|text| text.starts_with(kind));
            assert!(told.iter().any(is_told), "{}: no {kind}", run.name);
            compared += 1;
        }
    }
    assert!(compared >= 35, "only {compared} figures were compared");
}

#[test]
fn edn_is_judged_as_json_is() {
    for run in runs() {
        let (_, json) = check_run(&run, "jsonl-again", &run.lines, &["--edn"]);
        let operations: String = run.lines.lines().map(operation).collect();
        let (_, edn) = check_run(&run, "edn", &operations, &["--edn"]);
        assert_eq!(edn, json, "{}", run.name);
        if run.name == "py-gset.1" {
            let (_, vector) = check_run(&run, "vector.edn", &format!("[{operations}]"), &["--edn"]);
            assert_eq!(vector, json, "{}", run.name);
        }
    }
}

#[test]
fn a_run_in_which_too_little_was_done_is_unknown() {
    let begin = r#"{"time":1,"type":"invoke","process":0,"f":"add","value":1}"#;
    let file = write("little.jsonl", begin);
    let output = check(&["-w", "g-counter", file.to_str().expect("a path"), "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // No final read: that is invalid, however little was done.
    assert_eq!(
        (output.status.code(), &found["valid?"]),
        (Some(1), &Value::Bool(false))
    );
    let file = write("none.jsonl", "");
    let output = check(&["-w", "lin-kv", file.to_str().expect("a path"), "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &found["valid?"]),
        (Some(2), &Value::from("unknown"))
    );
    assert_eq!(
        found["unknown"][0],
        "there was no operation, so nothing is known"
    );
    let output = check(&["-w", "lin-kv", file.to_str().expect("a path"), "--edn"]);
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains(":valid? :unknown"), "{told}");
    let output = check(&["-w", "lin-kv", file.to_str().expect("a path")]);
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(
        told.starts_with("measured: ") && told.contains("doubts: 1\n"),
        "{told}"
    );
    assert!(told.ends_with("but no anomalies found. ಠ~ಠ\n"), "{told}");
}

#[test]
fn nothing_is_known_about_an_empty_history_of_any_workload() {
    let file = write("nothing.jsonl", "");
    for workload in eddyline::harness::WORKLOADS {
        let output = check(&["-w", workload, file.to_str().expect("a path")]);
        let told = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(2), "{workload}: {told}");
    }
}

#[test]
fn the_folder_of_a_run_names_its_models_and_its_availability() {
    // One transaction reads what another has not committed.
    let dirty = r#"{:time 1, :type :invoke, :process 0, :f :txn, :value [["w" 1 1] ["w" 2 1]]}
{:time 2, :type :invoke, :process 1, :f :txn, :value [["r" 1 nil] ["r" 2 nil]]}
{:time 3, :type :ok, :process 1, :f :txn, :value [["r" 1 1] ["r" 2 nil]]}
{:time 4, :type :ok, :process 0, :f :txn, :value [["w" 1 1] ["w" 2 1]]}"#;
    let lost = r#"{:time 1, :type :invoke, :process 0, :f :generate, :value nil}
{:time 2, :type :ok, :process 0, :f :generate, :value "a"}
{:time 3, :type :invoke, :process 1, :f :generate, :value nil}
{:time 4, :type :fail, :process 1, :f :generate, :value nil}"#;
    let total = r#"{"workload-name":"unique-ids","availability":{"wanted":1.0}}"#;
    let half = r#"{"workload-name":"unique-ids","availability":{"wanted":0.5}}"#;
    let strict = r#"{"workload-name":"txn-rw-register"}"#;
    let weak = r#"{"workload-name":"txn-rw-register","consistency-models":["read-committed"]}"#;
    let cases: [(&str, &str, &[&str], i32); 5] = [
        (dirty, strict, &[], 1),
        (dirty, weak, &[], 0),
        (dirty, weak, &["--consistency-models", "serializable"], 1),
        (lost, total, &[], 1),
        (lost, half, &[], 0),
    ];
    for (nth, (history, results, options, status)) in cases.into_iter().enumerate() {
        let folder = folder(&format!("named-{nth}"), history, results);
        let mut arguments = vec![folder.to_str().expect("a path")];
        arguments.extend(options);
        let output = check(&arguments);
        let told = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(status), "{nth}: {told}");
    }
}

#[test]
fn wrong_arguments_and_files_are_named() {
    let file = write(
        "wrong.edn",
        "{:time 1, :type :invoke, :process 0, :f :ad, :value 1}",
    );
    let file = file.to_str().expect("a path");
    let cases: [(&[&str], &str); 8] = [
        (&[file], "-w is missing"),
        (&["-w", "g-set"], "the file of the history is missing"),
        (
            &["-w", "g-set", file],
            "line 1: g-set has no operation \"ad\"",
        ),
        (&["-w", "g-sets", file], "no workload is called \"g-sets\""),
        (&["-w", "g-set", "/nowhere"], "cannot read /nowhere"),
        (
            &[
                "-w",
                "g-set",
                file,
                "--consistency-models",
                "read-committed,linear",
            ],
            "\"linear\"",
        ),
        (&["-w", "g-set", file, "--node-count", "0"], "0"),
        (&["-w", "g-set", file, "--what"], "--what"),
    ];
    for (arguments, named) in cases {
        let output = check(arguments);
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(254), "{arguments:?}: {told}");
        assert!(told.contains(named), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty());
    }
    let help = check(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--consistency-models"));
}

/// A folder as a run leaves it, with that history and those results.
fn folder(name: &str, history: &str, results: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{name}/latest"));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (file, text) in [("history.edn", history), ("results.json", results)] {
        std::fs::write(folder.join(file), text).expect("a file");
    }
    folder
}

const ECHO: &str = r#"{:time 1, :type :invoke, :process 0, :f :echo, :value "a"}
{:time 2, :type :ok, :process 0, :f :echo, :value {:type "echo_ok", :echo "a"}}"#;

#[test]
fn a_run_that_was_invalid_stays_so_although_its_history_is_valid() {
    let wrong =
        r#"{"valid?":false,"workload-name":"echo","problems":[{"node":"n0"},{"node":"n0"}]}"#;
    let sound = r#"{"valid?":true,"workload-name":"echo","problems":[]}"#;
    let told_wrong = "the history is valid; the run was invalid: 2 problems, see results.json\n\
                      Analysis invalid!";
    let cases = [(wrong, 1, told_wrong), (sound, 0, "Everything looks good!")];
    for (nth, (results, status, words)) in cases.into_iter().enumerate() {
        let folder = folder(&format!("run-{nth}"), ECHO, results);
        // Both name the run, and results.json its workload.
        for path in [folder.clone(), folder.join("history.edn")] {
            let output = check(&[path.to_str().expect("a path")]);
            let told = String::from_utf8(output.stdout).expect("text");
            assert_eq!(output.status.code(), Some(status), "{told}");
            assert!(told.contains(words), "{told}");
        }
    }
    let path = folder("run-json", ECHO, wrong);
    let output = check(&[path.to_str().expect("a path"), "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&found["valid?"], &found["problem-count"]),
        (&Value::Bool(false), &2.into())
    );
    assert_eq!(found["workload"]["valid?"], true);
}

#[test]
fn a_path_that_is_no_history_leads_to_one_that_is() {
    let run = folder("near", ECHO, "{\n  \"valid?\": true\n}");
    let above = run.parent().expect("a folder").to_owned();
    let page = write("report.html", "<!doctype html>\n<title>x</title>");
    let text = write("history.txt", "0\t:invoke\t:echo\t\"a\"\n");
    let no_history = "this is no history: give the run's folder or its history.edn";
    let cases = [
        (above.clone(), format!("did you mean {}?", run.display())),
        (run.join("results.json"), no_history.to_owned()),
        (page, no_history.to_owned()),
        (text, no_history.to_owned()),
        (
            write(
                "line.jsonl",
                "{\"process\":\"nemesis\",\"time\":1,\"type\":\"info\",\"f\":\"x\"}\n7",
            ),
            "line 2: ".to_owned(),
        ),
    ];
    for (path, words) in cases {
        let output = check(&["-w", "echo", path.to_str().expect("a path")]);
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(254), "{told}");
        assert!(told.contains(&words) && !told.contains("struct"), "{told}");
    }
}

#[test]
fn ten_anomalies_are_told_and_the_others_counted() {
    let mut lines = String::new();
    for nth in 0..12 {
        let (asked, time) = (nth * 2, nth * 2 + 1);
        let _ = writeln!(
            lines,
            r#"{{:time {asked}, :type :invoke, :process 0, :f :echo, :value "a"}}"#
        );
        let _ = writeln!(
            lines,
            r#"{{:time {time}, :type :ok, :process 0, :f :echo, :value {{:type "echo_ok", :echo "b"}}}}"#
        );
    }
    let file = write("twelve.edn", &lines);
    let output = check(&["-w", "echo", file.to_str().expect("a path")]);
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.starts_with("anomalies: 12\n  "), "{told}");
    assert!(
        told.contains("\n  … and 2 more\nAnalysis invalid!"),
        "{told}"
    );
}
