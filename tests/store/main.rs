//! The files that a run leaves: their forms, that they agree, and that they can be read again.

mod nodes;
mod record;

use eddyline::harness::{Record, Verdict, judge, read_history, store};
use eddyline::sim::workload::{self, ConsistencyModel, Observed, Phase};
use eddyline::sim::{Latency, Nemesis, Simulation};
use nodes::{Forgetful, Islands, Parrot, Wrong};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STRICT: ConsistencyModel = ConsistencyModel::StrictSerializable;

/// A place for the folders of a test, empty.
fn place(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{name}"));
    let _none = fs::remove_dir_all(&root);
    root
}

fn simulation(seed: u64, nodes: usize) -> Simulation {
    Simulation::new(seed)
        .nodes(nodes)
        .latency(Latency::exponential_ms(20))
        .duration(Duration::from_secs(20))
}

/// A set that loses an element with each message that is lost.
fn lossy() -> Record {
    let nemesis = Nemesis::every(Duration::from_secs(3)).partitions().pauses();
    let failure = simulation(4, 5)
        .loss(0.02)
        .nemesis(nemesis)
        .run::<Forgetful, _>(workload::GSet::new())
        .expect_err("a wrong node");
    let mut record = record::of_failure(&failure, 5);
    record::add_noise(&mut record);
    record
}

fn islands() -> Record {
    let failure = simulation(1, 3)
        .rate(50.0)
        .run::<Islands, _>(workload::LinKv::new())
        .expect_err("a wrong node");
    record::of_failure(&failure, 3)
}

fn sound() -> Record {
    let report = simulation(1, 1)
        .trace()
        .run::<Parrot, _>(workload::Echo::new());
    record::of(&report.expect("a sound node"), "echo", 1)
}

/// A run of a node that is wrong in every workload.
fn wrong<W: workload::Workload>(nodes: usize, workload: W) -> Record {
    let nemesis = Nemesis::every(Duration::from_secs(2)).partitions();
    let failure = simulation(3, nodes)
        .duration(Duration::from_secs(10))
        .loss(0.02)
        .rate(20.0)
        .nemesis(nemesis)
        .run::<Wrong, _>(workload)
        .expect_err("a wrong node");
    record::of_failure(&failure, nodes)
}

/// An invalid run of each checker, and the words that explain it.
fn invalid() -> Vec<(Record, &'static [&'static str])> {
    vec![
        (
            wrong(1, workload::Echo::new()),
            &["answered \"something else\""],
        ),
        (
            wrong(3, workload::UniqueIds::new()),
            &["to generate an id, and n"],
        ),
        (
            wrong(3, workload::Broadcast::new()),
            &["messages between servers that carry it", "does not have it"],
        ),
        (
            lossy(),
            &["messages between servers that carry it", "does not have it"],
        ),
        (
            wrong(3, workload::Counter::g()),
            &[
                "was answered with",
                "additions that were done make",
                "did not arrive",
            ],
        ),
        (
            wrong(3, workload::Counter::pn()),
            &[
                "was answered with",
                "additions that were done make",
                "did not arrive",
            ],
        ),
        (islands(), &["It fits in no order of the operations above"]),
        (
            wrong(2, workload::TxnListAppend::new().model(STRICT)),
            &["comes before", "would come before itself", "At place"],
        ),
        (
            wrong(2, workload::TxnRwRegister::new().model(STRICT)),
            &["comes before", "would come before itself"],
        ),
        (
            wrong(1, workload::Kafka::new()),
            &["put it at offset", "polled key", "is missing"],
        ),
    ]
}

/// A run of 25 nodes and 10,000 messages.
fn wide() -> Record {
    let nemesis = Nemesis::every(Duration::from_secs(3)).partitions();
    let failure = simulation(1, 25)
        .loss(0.001)
        .rate(40.0)
        .nemesis(nemesis)
        .run::<Forgetful, _>(workload::GSet::new())
        .expect_err("a wrong node");
    record::of_failure(&failure, 25)
}

/// The messages of a run again and again, until there are 100,000.
fn long() -> Record {
    let mut record = lossy();
    let messages = record.messages.clone();
    let elapsed = record.elapsed;
    let mut id = messages.iter().map(|message| message.id).max().unwrap_or(0);
    for round in (1..).take_while(|_| true) {
        for message in &messages {
            if record.messages.len() >= 100_000 {
                record.elapsed = elapsed * (round + 1);
                return record;
            }
            id += 1;
            let mut message = message.clone();
            message.id = id;
            message.sent += elapsed * round;
            message.received = message.received.map(|at| at + elapsed * round);
            record.messages.push(message);
        }
    }
    record
}

fn save(record: &Record, root: &Path) -> PathBuf {
    store::save(record, root).expect("a folder that can be written")
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The page of a run: each of its places is filled, and it asks no other machine for anything.
fn page(folder: &Path) -> String {
    let page = text(folder, "report.html");
    assert!(!page.contains("/* data */") && !page.contains("<!-- plots -->"));
    let names = page.matches("http://www.w3.org/").count();
    assert_eq!(page.matches("http://").count(), names);
    page
}

#[test]
fn every_file_and_link_is_there() {
    let root = place("links");
    let record = lossy();
    let first = save(&record, &root);
    let folder = save(&record, &root);
    assert_ne!(first, folder, "a run must not write over another");
    assert_eq!(first, root.join("g-set/20261126T184500.000Z"));
    for link in ["latest", "current", "g-set/latest"] {
        let target = fs::canonicalize(root.join(link)).expect("a link");
        assert_eq!(
            target,
            fs::canonicalize(&folder).expect("a folder"),
            "{link}"
        );
    }
    for file in [
        "results.edn",
        "results.json",
        "jepsen.log",
        "history.txt",
        "history.edn",
        "messages.svg",
        "timeline.html",
        "report.html",
        "latency-raw.svg",
        "latency-quantiles.svg",
        "rate.svg",
        "node-logs/n0.log",
        "node-logs/n4.log",
    ] {
        assert!(!text(&folder, file).is_empty(), "{file}");
    }
    page(&folder);
    assert_eq!(
        text(&folder, "node-logs/n3.log").lines().next(),
        Some("second 0: <b>all is well</b> with n3")
    );
}

#[test]
fn results_agree_with_the_record() {
    let root = place("results");
    let record = lossy();
    let folder = save(&record, &root);
    let results: Value = serde_json::from_str(&text(&folder, "results.json")).expect("JSON");
    let operations = record.history.operations();
    let ok = operations
        .iter()
        .filter(|operation| operation.is_ok())
        .count();
    assert_eq!(results["valid?"], false);
    assert_eq!(results["stats"]["count"], operations.len());
    assert_eq!(results["stats"]["ok-count"], ok);
    assert_eq!(
        results["workload"]["anomaly-count"],
        record.anomalies.total()
    );
    let net = &results["net"];
    assert_eq!(net["clients"]["send-count"], record.statistics.with_clients);
    assert_eq!(
        net["servers"]["send-count"],
        record.statistics.among_servers()
    );
    assert_eq!(
        results["faults"]["struck"]
            .as_array()
            .expect("a list")
            .len(),
        record.faults.len()
    );
    let edn = text(&folder, "results.edn");
    assert!(
        edn.ends_with(":valid? false}\n") || edn.contains("\n :valid? false"),
        "{edn}"
    );
    for key in [
        ":workload {",
        ":stats {",
        ":availability {",
        ":net {",
        ":by-f {",
        ":msgs-per-op ",
    ] {
        assert!(edn.contains(key), "{key} is missing in {edn}");
    }
    let depth = edn.chars().fold(0_i64, |depth, c| {
        depth + i64::from("{[(".contains(c)) - i64::from("}])".contains(c))
    });
    assert_eq!(depth, 0, "brackets do not match");
}

#[test]
fn on_nats_the_files_say_that_messages_between_nodes_are_not_seen() {
    let mut record = sound();
    record.is_on_nats = true;
    let folder = save(&record, &place("on-nats"));
    let results: Value = serde_json::from_str(&text(&folder, "results.json")).expect("JSON");
    let net = &results["net"];
    assert_eq!(net["between-nodes-seen?"], false);
    assert!(net["cut-count"].is_null() && net["lost-count"].is_number());
    let ratio = |of: &str| &net[of]["msgs-per-op"];
    assert!(ratio("servers").is_null() && ratio("all").is_null());
    assert!(ratio("clients").is_number());
    let page = text(&folder, "report.html");
    assert!(page.contains(r#""betweenNodesSeen":false"#));
}

#[test]
fn the_history_of_a_valid_run_is_valid() {
    let record = sound();
    judge_again(&record, &save(&record, &place("again")));
}

/// In one test, because the runs take longer than all that is checked about them.
#[test]
fn each_anomaly_is_explained_and_found_again_in_the_history_that_was_left() {
    for (record, words) in invalid() {
        let name = record.workload;
        let folder = save(&record, &place(&format!("evidence-{name}")));
        judge_again(&record, &folder);
        let results: Value = serde_json::from_str(&text(&folder, "results.json")).expect("JSON");
        let mut told = String::new();
        for anomaly in results["workload"]["anomalies"].as_array().expect("a list") {
            for list in ["operations", "messages", "steps"] {
                let list = anomaly[list].as_array().expect("a list");
                assert!(!list.is_empty(), "{name}: {anomaly}");
            }
            for step in anomaly["steps"].as_array().expect("a list") {
                let text = step["text"].as_str().expect("a sentence");
                for index in step["operations"].as_array().expect("a list") {
                    let operation = format!("peration {index}");
                    let is_named = text.contains(&operation) || text.contains("itself");
                    assert!(is_named, "{name}: {step}");
                }
                told.push_str(text);
                told.push('\n');
            }
        }
        for word in words {
            assert!(told.contains(word), "{name}: no {word:?} in {told}");
        }
    }
}

/// Checks that the history in the folder of a run is judged as the run was.
fn judge_again(record: &Record, folder: &Path) {
    let name = record.workload;
    let lines = store::read_text(folder).expect("history.edn");
    let history = read_history(name, None, &lines).expect("a history");
    // The setup is left out, as in Jepsen.
    let made = record.history.operations().iter();
    let made: Vec<_> = made.filter(|it| it.phase != Phase::Setup).collect();
    assert_eq!(history.operations().len(), made.len(), "{name}");
    for (read, made) in history.operations().iter().zip(made) {
        assert_eq!((read.node, read.phase), (made.node, made.phase), "{name}");
    }
    let found = judge(name, STRICT, &Observed::of(&history)).expect("a workload");
    assert_eq!(found.verdict, record.verdict, "{name}");
    assert_eq!(found.anomalies.total(), record.anomalies.total(), "{name}");
}

#[test]
fn the_log_tells_faults_problems_doubts_and_the_verdict_in_order() {
    let mut record = lossy();
    record.doubts.push("nothing is known".to_owned());
    let log = text(&save(&record, &place("log")), "jepsen.log");
    let words = [
        "[run] began: g-set on n0, n1, n2, n3, n4, seed 4",
        "[run] the load begins",
        "[nemesis] partition, n",
        "[nemesis] the end of the partition, n",
        "[run] the final operations begin",
        "[checker] element ",
        "[checker] unknown: nothing is known",
        "[run] ended: invalid",
        "[run] Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻",
    ];
    let mut rest = &*log;
    for word in words {
        let (_, behind) = rest
            .split_once(word)
            .unwrap_or_else(|| panic!("{word}: {log}"));
        rest = behind;
    }
    let own = log.lines().filter(|line| !line.starts_with("    "));
    let times: Vec<&str> = own
        .map(|line| line.split("  ").next().expect("a time"))
        .collect();
    assert!(times.is_sorted(), "{log}");
    assert!(times[0].starts_with("2026-11-26 18:45:00.000"), "{log}");
}

#[test]
fn many_clients_share_one_column_of_the_picture() {
    let svg = text(&save(&wide(), &place("columns")), "messages.svg");
    let names = svg.matches("class=\"name\"").count();
    assert!(svg.contains(">clients</text>"), "{names} columns");
    assert!(names <= 26, "{names} columns");
    let few = text(&save(&sound(), &place("few-columns")), "messages.svg");
    assert!(few.contains(">c1</text>") && !few.contains(">clients</text>"));
}

#[test]
fn history_txt_has_jepsens_columns() {
    let folder = save(&lossy(), &place("txt"));
    for line in text(&folder, "history.txt").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        assert!(matches!(columns.len(), 4 | 5), "{line}");
        assert!(
            columns[0] == ":nemesis" || columns[0].parse::<u64>().is_ok(),
            "{line}"
        );
        assert!(
            [":invoke", ":ok", ":fail", ":info"].contains(&columns[1]),
            "{line}"
        );
        assert!(columns[2].starts_with(':'), "{line}");
    }
}

/// The pages are driven by a browser where there is one, with `tests/browser/report.mjs`.
/// `.ci/run browser` names one, and `.ci/run tests` does not open the pages again.
#[test]
fn the_pages_work_in_a_browser() {
    let modules = std::env::var_os("EDDYLINE_BROWSER_MODULES");
    let Some(modules) = modules else {
        eprintln!(
            "not opened in a browser: EDDYLINE_BROWSER_MODULES names no folder with playwright-core"
        );
        return;
    };
    let root = place("pages");
    let invalid = invalid().into_iter().map(|(record, _)| record);
    let records = [sound()].into_iter().chain(invalid);
    let records = records.chain([wide(), long()]);
    let folders: Vec<PathBuf> = records.map(|record| save(&record, &root)).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/report.mjs");
    let mut node = std::process::Command::new("node");
    node.env("NODE_PATH", modules).arg(script);
    let status = node.args(&folders).status().expect("node");
    assert!(status.success());
}

#[test]
fn a_verdict_has_its_status_and_its_line() {
    assert_eq!(Verdict::Valid.exit_status(), 0);
    assert_eq!(
        Verdict::Unknown.closing_line(),
        "Errors occurred during analysis, but no anomalies found. ಠ~ಠ"
    );
}

#[test]
fn all_final_reads_of_a_lost_element_are_told_or_counted() {
    for record in [lossy(), wide()] {
        let folder = save(&record, &place(&format!("finals-{}", record.nodes.len())));
        let results: Value = serde_json::from_str(&text(&folder, "results.json")).expect("JSON");
        let finals = record.history.done("read");
        let finals = finals.filter(|read| read.phase == Phase::Final).count();
        let anomalies = results["workload"]["anomalies"].as_array().expect("a list");
        let is_lost = |it: &&Value| {
            it["headline"]
                .as_str()
                .is_some_and(|it| it.contains("lost"))
        };
        let lost: Vec<&Value> = anomalies.iter().filter(is_lost).collect();
        assert!(!lost.is_empty());
        for anomaly in lost {
            let steps = anomaly["steps"].as_array().expect("a list");
            let steps = steps.iter().filter_map(|step| step["text"].as_str());
            let (mut told, mut left_out) = (0, 0);
            for step in steps {
                told += usize::from(step.contains(": the final read of "));
                let more = step
                    .strip_prefix("And ")
                    .and_then(|it| it.split(' ').next());
                left_out += more.map_or(0, |it| it.parse::<usize>().expect("a number"));
            }
            assert_eq!(told + left_out, finals, "{anomaly}");
        }
    }
}

#[test]
fn equal_problems_are_one_on_the_page_and_lines_are_raw() {
    let mut record = sound();
    record::add_noise(&mut record);
    record.problems[0].line = "\"a\\b\"\u{1b}[1m".to_owned();
    for number in [8, 9] {
        let mut problem = record.problems[0].clone();
        problem.line_number = Some(number);
        problem.why.push_str(&number.to_string());
        record.problems.push(problem);
    }
    let mut crash = record.problems[0].clone();
    crash.why = "it ended; its last words on stderr:\n    Traceback\n      File x".to_owned();
    crash.line_number = None;
    record.problems.push(crash);
    let page = page(&save(&record, &place("equal")));
    for words in [
        r#""count":3,"#,
        r#""count":1,"#,
        r#""line":"\"a\\b\"\\u{1b}[1m""#,
        r#""number":7"#,
        r#""words":"Traceback\n  File x""#,
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains(r#""number":8"#));
}
