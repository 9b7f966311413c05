//! The wrong nodes of this folder as real processes: `eddyline test` finds each of them.
//!
//! The test `node` of this program is the node, if an environment variable names one. The
//! lines of the test harness on its stdout are filtered out.
//!
//! Some bugs need what only a simulation has: a clock that jumps, a long load, and the same run
//! again. A second answer to a request is not looked at, as in Maelstrom. These are not here.

use crate::txn::CopyBug;
use crate::{broadcast, counter, echo, g_set, kafka, lin_kv, txn, unique_ids};
use std::collections::VecDeque;
use std::io;
use std::process::Command;
use std::sync::Mutex;

/// Names the node that this program is.
const ROLE: &str = "EDDYLINE_WRONG_NODE";

/// How many tests run at the same time. They mostly wait.
const AT_ONCE: usize = 12;

/// A wrong node, the test that finds it, and a part of what that says.
struct Wrong {
    workload: &'static str,
    options: &'static str,
    finds: &'static str,
    serve: fn() -> io::Result<()>,
}

fn run_with<N: eddyline::Node>(
    build: impl Fn(&eddyline::Context) -> N + 'static,
) -> io::Result<()> {
    eddyline::run_with(build, eddyline::Options::default())
}

const fn wrong(
    workload: &'static str,
    options: &'static str,
    finds: &'static str,
    serve: fn() -> io::Result<()>,
) -> Wrong {
    Wrong {
        workload,
        options,
        finds,
        serve,
    }
}

/// Latencies that make operations overlap.
const SLOW: &str = "--latency 20 --latency-dist exponential --concurrency 4n";

/// Many operations, for bugs that are rare.
const DENSE: &str = "--latency 5 --concurrency 4n --rate 500";

#[rustfmt::skip]
const WRONG: [Wrong; 33] = [
    // `ShortensFloats` is not here: the tester's echoes are Maelstrom's, which are texts.
    wrong("echo", "", "must not have a field \"from\"", || run_with(echo::build(echo::Bug::ExtraField))),
    wrong("echo", "--rate 1000 --concurrency 10n", "no reply within 5s", || run_with(echo::build(echo::Bug::SometimesSilent))),
    wrong("broadcast", "--loss 0.2", "is lost", || run_with(broadcast::build(broadcast::Bug::TellsOnce))),
    wrong("broadcast", "", "is lost", || run_with(broadcast::build(broadcast::Bug::TellsNobody))),
    wrong("broadcast", "", "is lost", || run_with(broadcast::build(broadcast::Bug::LosesAcknowledged))),
    wrong("broadcast", "--loss 0.2", "has a value twice", || run_with(broadcast::build(broadcast::Bug::KeepsDoubles))),
    wrong("pn-counter", "", "the final read", || run_with(counter::build(counter::Bug::CountsTwice))),
    wrong("pn-counter", "", "the final read", || run_with(counter::build(counter::Bug::ForgetsOthers))),
    wrong("g-counter", SLOW, "the final read", || run_with(counter::careless)),
    wrong("g-set", "", "is lost", || run_with(g_set::build(g_set::Bug::ReplacesInsteadOfMerging))),
    wrong("g-set", "", "is lost", || run_with(g_set::build(g_set::Bug::KeepsToItself))),
    wrong("g-set", "", "which was never added", || run_with(g_set::build(g_set::Bug::MakesThingsUp))),
    wrong("kafka", "", "inconsistent offset", || run_with(kafka::build(kafka::Bug::EverybodyOwns))),
    wrong("kafka", "", "skipped", || run_with(kafka::build(kafka::Bug::ForgetsSome))),
    wrong("kafka", "", "non-monotonic poll", || run_with(kafka::build(kafka::Bug::PollsBackwards))),
    wrong("kafka", "", "skipped", || run_with(kafka::build(kafka::Bug::SkipsOne))),
    wrong("kafka", "", "is committed", || run_with(kafka::build(kafka::Bug::CommitsTooMuch))),
    wrong("lin-kv", SLOW, "is not linearizable", || run_with(lin_kv::build(lin_kv::Bug::SequentialService))),
    wrong("lin-kv", SLOW, "is not linearizable", || run_with(lin_kv::build(lin_kv::Bug::LastWriterWins))),
    wrong("lin-kv", SLOW, "is not linearizable", || run_with(lin_kv::build(lin_kv::Bug::CachesReads))),
    wrong("lin-kv", SLOW, "is not linearizable", || run_with(lin_kv::build(lin_kv::Bug::AnswersTooEarly))),
    wrong("lin-kv", DENSE, "is not linearizable", || run_with(lin_kv::build(lin_kv::Bug::FailsWhatItDid))),
    wrong("unique-ids", "", "duplicate id", || run_with(unique_ids::build(unique_ids::Bug::NoNodeInId))),
    wrong("unique-ids", "", "duplicate id", || run_with(unique_ids::build(unique_ids::Bug::SmallLottery))),
    wrong("unique-ids", "--loss 0.5 --availability total", "not available", || run_with(unique_ids::build(unique_ids::Bug::AsksALeader))),
    wrong("txn-list-append", SLOW, "G-single", || run_with(txn::build(txn::Bug::LosesUpdates))),
    wrong("txn-list-append", SLOW, "G-single-realtime", || run_with(txn::build(txn::Bug::StaleReads))),
    wrong("txn-list-append", "--latency 5", "G1a", || run_with(txn::build(txn::Bug::DirtyAborts))),
    wrong("txn-list-append", SLOW, "G", || run_with(txn::build(txn::Bug::TwoHalves))),
    wrong("txn-list-append", DENSE, "G", || run_with(txn::build(txn::Bug::LosesAcknowledged))),
    wrong("txn-rw-register", DENSE, "G1a", || run_with(txn::copies(CopyBug::DirtyAborts))),
    wrong("txn-rw-register", DENSE, "G1b", || run_with(txn::copies(CopyBug::OneWriteAtATime))),
    wrong("txn-rw-register", "--loss 0.5 --availability total", "not available", || run_with(txn::copies(CopyBug::NeedsTheOthers))),
];

#[test]
fn node() {
    if let Ok(index) = std::env::var(ROLE) {
        let index: usize = index.parse().unwrap();
        (WRONG[index].serve)().unwrap();
    }
}

/// Whether the test finds what it should, and its output.
fn find(index: usize) -> Result<(), String> {
    let Wrong {
        workload,
        options,
        finds,
        ..
    } = &WRONG[index];
    let program = std::env::current_exe().expect("a program");
    let script = format!(
        "exec {} --exact processes::node --quiet --nocapture | grep --line-buffered '^{{'",
        program.display()
    );
    let output = Command::new(env!("CARGO_BIN_EXE_eddyline"))
        .env(ROLE, index.to_string())
        .args(["test", "-w", workload, "--json", "--no-store"])
        .args(["--node-count", "3"])
        .args(["--time-limit", "2", "--recovery", "1", "--rate", "100"])
        .args(options.split_whitespace())
        .args(["--bin", "/bin/sh", "--", "-c", &script])
        .output()
        .expect("the program runs");
    // The object has all anomalies, and the words have the first ones.
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_found = stdout.contains(finds) || stderr.contains(finds);
    if output.status.code() == Some(1) && is_found {
        return Ok(());
    }
    Err(format!(
        "wrong node {index} of {workload}: no {finds:?} in\n{stdout}{stderr}"
    ))
}

#[test]
fn wrong_nodes_are_found_out_as_processes() {
    let left: Mutex<VecDeque<usize>> = Mutex::new((0..WRONG.len()).collect());
    let failures = Mutex::new(Vec::new());
    let next = || left.lock().unwrap().pop_front();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(index) = next() {
                    // Not every run shows the bug. One of a few does.
                    let found = (0..3).try_fold(String::new(), |_, _| match find(index) {
                        Ok(()) => Err(()),
                        Err(why) => Ok(why),
                    });
                    failures.lock().unwrap().extend(found.ok());
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
