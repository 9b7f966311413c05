//! Histories of runs under the real Maelstrom 0.2.x, of sound nodes and of broken ones, with
//! its verdicts. The checkers here must give the same verdicts, and find the same things.
//!
//! Each file has one line of JSON for each invocation and each completion.
//! `verdicts.json` has the options of each run and what Maelstrom's checkers found.

mod check_command;

use eddyline::Random;
use eddyline::sim::workload::{
    Anomalies, Broadcast, ConsistencyModel, Counter, Echo, Elements, GSet, History, HistoryReader,
    Kafka, LinKv, Observed, Phase, TxnListAppend, TxnRwRegister, UniqueIds, Workload,
};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

/// A run: its name, its options, and Maelstrom's verdict.
struct Run {
    name: String,
    workload: String,
    model: String,
    verdict: Value,
    history: History,
}

/// The anomalies that the checkers find here: the first hundred, and how many there are.
#[derive(Default)]
struct Found {
    texts: Vec<String>,
    total: usize,
}

fn path(name: &str) -> String {
    format!("{}/tests/histories/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The value of an option in a command line.
fn option<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = line.split(' ').skip_while(|word| *word != name);
    words.nth(1)
}

fn runs() -> Vec<Run> {
    let verdicts = std::fs::read(path("verdicts.json")).expect("verdicts.json");
    let verdicts: Vec<Value> = serde_json::from_slice(&verdicts).expect("a list");
    let runs = verdicts.into_iter().map(|verdict| {
        let text = |key: &str| verdict[key].as_str().expect("a text").to_owned();
        let (name, options) = (text("name"), text("options"));
        let file = File::open(path(&format!("{name}.jsonl.gz"))).expect("the history");
        let mut lines = String::new();
        GzDecoder::new(file)
            .read_to_string(&mut lines)
            .expect("text");
        let workload = option(&options, "-w").expect("a workload").to_owned();
        let nodes =
            option(&options, "--node-count").map_or(1, |count| count.parse().expect("a number"));
        let history = HistoryReader::new(&workload).nodes(nodes).read(&lines);
        Run {
            history: history.unwrap_or_else(|error| panic!("{name}: {error}")),
            model: option(&options, "--consistency-models")
                .unwrap_or_default()
                .to_owned(),
            name,
            workload,
            verdict,
        }
    });
    runs.collect()
}

fn check<W: Workload>(workload: &W, history: &History) -> Found {
    match workload.check(&Observed::of(history)) {
        Ok(_) => Found::default(),
        Err(anomalies) => Found {
            texts: Anomalies::found(&anomalies).to_vec(),
            total: anomalies.total(),
        },
    }
}

impl Run {
    fn found(&self) -> Found {
        let history = &self.history;
        let model = match &*self.model {
            "read-committed" => ConsistencyModel::ReadCommitted,
            _ => ConsistencyModel::StrictSerializable,
        };
        match &*self.workload {
            "echo" => check(&Echo::new(), history),
            "unique-ids" => check(&UniqueIds::new(), history),
            "broadcast" => check(&Broadcast::new(), history),
            "g-set" => check(&GSet::new(), history),
            "g-counter" => check(&Counter::g(), history),
            "pn-counter" => check(&Counter::pn(), history),
            "lin-kv" => check(&LinKv::new(), history),
            "kafka" => check(&Kafka::new(), history),
            "txn-list-append" => check(&TxnListAppend::new().model(model), history),
            "txn-rw-register" => check(&TxnRwRegister::new().model(model), history),
            other => panic!("no workload is called {other}"),
        }
    }

    /// A list of Maelstrom's verdict.
    fn list(&self, key: &str) -> BTreeSet<String> {
        let list = self.verdict["workload"][key].as_array();
        let texts = list.into_iter().flatten().map(|item| match item {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        texts.collect()
    }

    fn number(&self, key: &str) -> usize {
        let number = self.verdict["workload"][key].as_u64();
        let number = number.unwrap_or_else(|| panic!("{}: no {key}", self.name));
        usize::try_from(number).expect("a small number")
    }
}

impl Found {
    /// The parts of the texts between these two.
    fn between(&self, begin: &str, end: &str) -> BTreeSet<String> {
        let rests = self
            .texts
            .iter()
            .filter_map(|text| text.strip_prefix(begin));
        let parts = rests.filter_map(|rest| Some(rest.split_once(end)?.0.to_owned()));
        parts.collect()
    }

    /// The beginnings of the texts: the kinds of anomalies.
    fn kinds(&self, kinds: &[&str]) -> BTreeSet<String> {
        let is_found = |kind: &&&str| self.texts.iter().any(|text| text.starts_with(**kind));
        kinds
            .iter()
            .filter(is_found)
            .map(|kind| (*kind).to_owned())
            .collect()
    }
}

fn of(workload: &[&str]) -> Vec<Run> {
    let mut runs = runs();
    runs.retain(|run| workload.contains(&&*run.workload));
    assert!(!runs.is_empty());
    runs
}

#[test]
fn every_verdict_is_maelstroms() {
    let runs = runs();
    assert_eq!(runs.len(), 19);
    for run in &runs {
        let found = run.found();
        let is_valid = run.verdict["valid"].as_bool().expect("a verdict");
        let Run { name, .. } = run;
        assert_eq!(found.total == 0, is_valid, "{name}: {:#?}", found.texts);
    }
}

#[test]
fn every_operation_is_read() {
    for run in runs() {
        let Run { name, history, .. } = &run;
        let operations = history.operations();
        let stats = &run.verdict["stats"];
        let ok = operations
            .iter()
            .filter(|operation| operation.is_ok())
            .count();
        let fail = operations
            .iter()
            .filter(|operation| operation.is_fail())
            .count();
        assert_eq!(stats["count"], operations.len(), "{name}");
        assert_eq!(stats["ok-count"], ok, "{name}");
        assert_eq!(stats["fail-count"], fail, "{name}");
        assert_eq!(stats["info-count"], operations.len() - ok - fail, "{name}");
    }
}

#[test]
fn the_elements_of_sets_are_the_same() {
    for run in of(&["broadcast", "g-set"]) {
        let elements = match &*run.workload {
            "broadcast" => Broadcast::elements(&run.history),
            _ => GSet::elements(&run.history),
        };
        let Run { name, .. } = &run;
        let lost: BTreeSet<String> = elements.lost.iter().map(u64::to_string).collect();
        assert_eq!(lost, run.list("lost"), "{name}");
        let Elements {
            attempted,
            stable,
            stale,
            never_read,
            duplicated,
            ..
        } = elements;
        for (key, count) in [
            ("attempt-count", attempted),
            ("stable-count", stable),
            ("stale-count", stale),
            ("never-read-count", never_read),
            ("duplicated-count", duplicated),
        ] {
            assert_eq!(count, run.number(key), "{name}: {key}");
        }
        let latencies = &run.verdict["workload"]["stable-latencies"];
        for (key, fraction) in [
            ("0", 0.0),
            ("0.5", 0.5),
            ("0.95", 0.95),
            ("0.99", 0.99),
            ("1", 1.0),
        ] {
            let latency = elements.stable_latency(fraction).as_millis();
            assert_eq!(
                latencies[key].as_u64().map(u128::from),
                Some(latency),
                "{name}: {key}"
            );
        }
        let found = run.found();
        for noun in ["value", "element"] {
            let named = found.between(&format!("{noun} "), " is lost:");
            assert!(named.is_subset(&lost), "{name}");
        }
    }
}

#[test]
fn duplicate_ids_are_counted_alike() {
    for run in of(&["unique-ids"]) {
        assert_eq!(run.found().total, run.number("duplicated-count"));
    }
}

#[test]
fn final_reads_and_acceptable_sums_are_the_same() {
    for run in of(&["g-counter", "pn-counter"]) {
        let Run { name, history, .. } = &run;
        let finals = history
            .done("read")
            .filter(|read| read.phase == Phase::Final);
        let finals: Vec<Value> = finals
            .map(|read| read.replied::<Value>().expect("a reply")["value"].take())
            .collect();
        let mut theirs = run.verdict["workload"]["final-reads"]
            .as_array()
            .unwrap()
            .clone();
        let mut ours = finals.clone();
        // The order of reads that overlap is that of their beginnings here, and that of
        // their ends there.
        theirs.sort_by_key(Value::as_i64);
        ours.sort_by_key(Value::as_i64);
        assert_eq!(ours, theirs, "{name}");
        let sum = &run.verdict["workload"]["acceptable"][0];
        assert_eq!(
            sum[0], sum[1],
            "{name}: no run here has additions of unknown outcome"
        );
        let wrong = finals.iter().filter(|value| **value != sum[0]);
        let named = run.found().texts;
        for value in wrong {
            let text = format!(
                " is {value}, and the sum of the additions that were done is {}",
                sum[0]
            );
            assert!(
                named.iter().any(|found| found.contains(&text)),
                "{name}: {named:?}"
            );
        }
    }
}

#[test]
fn the_keys_that_are_not_linearizable_are_the_same() {
    for run in of(&["lin-kv"]) {
        let keys = run.found().between("key ", " is not linearizable");
        assert_eq!(keys, run.list("failures"), "{}", run.name);
    }
}

const KAFKA_KINDS: [&str; 8] = [
    "inconsistent offset",
    "duplicate message",
    "lost write",
    "unseen",
    "skipped",
    "non-monotonic poll",
    "non-monotonic send",
    "no final poll",
];

/// Anomalies that Maelstrom passes over, and that are found here on purpose, with the reason.
const STRICTER: [(&str, &str, &str); 3] = [
    (
        "bug-kafka-lost.1",
        "non-monotonic send",
        "a client waits for each send before it makes the next, so the next one comes behind it: \
         Maelstrom compares only the sends inside one operation, and its operations have one send",
    ),
    ("bug-txnla-nocas.1", "G1c-realtime", NO_TIME),
    ("bug-txnla-nocas.1", "G2-item", NO_TIME),
];

const NO_TIME: &str = "Elle had no time to look for all cycles of this run, and its verdict says so: \
                       \"cycle-search-timeout\"";

fn stricter(name: &str) -> impl Iterator<Item = String> {
    let kinds = STRICTER.iter().filter(move |(run, _, _)| *run == name);
    kinds.map(|(_, kind, reason)| {
        assert!(!reason.is_empty());
        (*kind).to_owned()
    })
}

#[test]
fn the_kinds_of_kafkas_anomalies_are_the_same() {
    for run in of(&["kafka"]) {
        let found = run.found();
        let theirs = run.list("error-types").into_iter();
        let theirs: BTreeSet<String> = theirs
            .map(|kind| kind.replace("inconsistent-offsets", "inconsistent offset"))
            .chain(stricter(&run.name))
            .collect();
        assert_eq!(
            found.kinds(&KAFKA_KINDS),
            theirs,
            "{}: {:#?}",
            run.name,
            found.texts
        );
    }
}

const TXN_KINDS: [(&str, &str); 13] = [
    ("G0", "G0,"),
    ("G1a", "G1a"),
    ("G1b", "G1b"),
    ("G1c", "G1c,"),
    ("G-single-item", "G-single,"),
    ("G-nonadjacent-item", "G-nonadjacent"),
    ("G2-item", "G2,"),
    ("G0-realtime", "G0-realtime"),
    ("G1c-realtime", "G1c-realtime"),
    ("G-single-item-realtime", "G-single-realtime"),
    ("G2-item-realtime", "G2-realtime"),
    ("incompatible-order", "incompatible order"),
    ("lost-update", "lost update"),
];

#[test]
fn the_kinds_of_the_transactions_anomalies_are_the_same() {
    for run in of(&["txn-list-append", "txn-rw-register"]) {
        let found = run.found();
        let ours = TXN_KINDS
            .iter()
            .filter(|(_, begin)| !found.kinds(&[begin]).is_empty());
        let ours: BTreeSet<String> = ours.map(|(kind, _)| (*kind).to_owned()).collect();
        let mut theirs = run.list("anomaly-types");
        // No anomaly: Elle had no time to look for all cycles.
        theirs.remove("cycle-search-timeout");
        theirs.extend(stricter(&run.name));
        assert_eq!(ours, theirs, "{}: {:#?}", run.name, found.texts);
    }
}

/// How many bytes of the beginning of a history are changed in many ways.
const CHANGED_BYTES: usize = 3_000;

#[test]
fn no_damaged_history_makes_the_reader_or_a_checker_panic() {
    let (mut read, mut refused) = (0, 0);
    for (number, name) in (0..).zip(["bug-gset.1", "bug-kafka-lost.1", "py-kv-local.1", "txnla.3"])
    {
        let workload = ["g-set", "kafka", "lin-kv", "txn-list-append"][number];
        let file = File::open(path(&format!("{name}.jsonl.gz"))).expect("the history");
        let mut text = Vec::new();
        GzDecoder::new(file).read_to_end(&mut text).expect("text");
        text.truncate(CHANGED_BYTES);
        let mut random = Random::new(7);
        for round in 0..300 {
            let mut text = text.clone();
            let mut below = |count: usize| {
                let drawn = random.below(u64::try_from(count).expect("a length"));
                usize::try_from(drawn).expect("below a length")
            };
            // Half of the histories get other numbers only: most of them can be read.
            let with: &[u8] = if round % 2 == 0 {
                b"0123456789"
            } else {
                b"0123456789[]{}\",:nu-e"
            };
            for _ in 0..1 + below(3) {
                let at = below(CHANGED_BYTES);
                if round % 2 == 1 || text[at].is_ascii_digit() {
                    text[at] = with[below(with.len())];
                }
            }
            let text = String::from_utf8_lossy(&text);
            // The last line is not whole.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            match HistoryReader::new(workload).read(whole) {
                Ok(history) => {
                    read += 1;
                    let model = String::new();
                    let verdict = Value::Null;
                    let (name, workload) = (name.to_owned(), workload.to_owned());
                    let run = Run {
                        name,
                        workload,
                        model,
                        verdict,
                        history,
                    };
                    let _any = run.found();
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.line.is_some(), "{error}");
                }
            }
        }
    }
    assert!(
        read > 100 && refused > 100,
        "{read} read, {refused} refused"
    );
}
