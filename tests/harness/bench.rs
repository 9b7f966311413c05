//! `eddyline bench` with real processes: its figures, and nodes that fail under it. No test
//! asserts how fast anything is.

use super::{ECHO, INIT, Ran, eddyline, example, sed};
use serde_json::Value;
use std::fs;

/// Runs a bench with these options, for a short time.
fn bench(options: &[&str]) -> Ran {
    let output = eddyline()
        .args(["bench", "--time-limit", "0.2", "--warm-up", "0.1"])
        .args(options)
        .output()
        .expect("the program runs");
    Ran::from(&output)
}

/// Runs a bench of a shell script.
fn bench_script(options: &[&str], script: &str) -> Ran {
    let mut all = options.to_vec();
    all.extend(["--bin", "/bin/sh", "--", "-c", script]);
    bench(&all)
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).expect("one JSON object")
}

fn figure(program: &Value, name: &str) -> f64 {
    let spread = &program[name];
    let [median, least, greatest] =
        ["median", "least", "greatest"].map(|of| spread[of].as_f64().expect("a number"));
    assert!(least <= median && median <= greatest, "{name}: {spread}");
    median
}

/// Checks that a bench named the node's fault.
fn failed(ran: &Ran, why: &str) {
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(why), "no {why:?} in:\n{}", ran.stderr);
}

/// Requests in a file of their own.
fn with_lines(name: &str, lines: &[&str], options: &[&str]) -> Ran {
    let file = format!("{}/{name}.jsonl", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, lines.join("\n")).expect("a file");
    let mut all = options.to_vec();
    all.extend(["--line", &file]);
    bench(&all)
}

#[test]
fn the_program_itself_is_measured_by_default() {
    let ran = bench(&[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for text in [
        "closed loop, 64 outstanding",
        "messages a second",
        "latency p99.9",
        "CPU a message",
        "peak memory",
    ] {
        ran.says(text);
    }
    assert!(!ran.stdout.contains("error replies"), "{}", ran.stdout);
}

#[test]
fn two_programs_are_measured_in_turn_and_compared() {
    let own = env!("CARGO_BIN_EXE_eddyline");
    let measured = json(&bench(&[
        "--json",
        "--against",
        &example("echo"),
        "--rounds",
        "2",
        "--outstanding",
        "3",
        "--payload-bytes",
        "1024",
        "--bin",
        own,
    ]));
    assert_eq!(measured["rounds"], 2);
    assert_eq!(measured["outstanding"], 3);
    let programs = measured["programs"].as_array().expect("an array");
    assert_eq!(programs[0]["program"], own);
    assert_eq!(programs[1]["program"], example("echo"));
    for program in programs {
        assert!(figure(program, "messages_per_second") > 0.0);
        let latencies = ["p50", "p99", "p99_9", "max"]
            .map(|name| figure(program, &format!("latency_{name}_ns")));
        assert!(latencies.is_sorted() && latencies[0] > 0.0, "{program}");
        assert!(figure(program, "cpu_ns_per_message") > 0.0);
        assert!(figure(program, "peak_memory_bytes") > 100_000.0);
        assert!(figure(program, "start_ns") > 0.0);
        assert_eq!(figure(program, "error_replies"), 0.0);
    }
    assert!(figure(&measured["ratios"], "messages_per_second") > 0.0);
}

#[test]
fn an_open_loop_counts_from_the_time_when_a_request_was_due() {
    // The node sleeps for half a second with the first request. The requests that are due
    // meanwhile wait, and a hundredth of all wait for nearly the whole time.
    let first = sed(&[INIT, ECHO, "2q"]).replace("exec ", "");
    let script = format!("{first}; sleep 0.5; {}", sed(&[INIT, ECHO]));
    let open = [
        "--json",
        "--rate",
        "100",
        "--time-limit",
        "1",
        "--warm-up",
        "0",
    ];
    let measured = json(&bench_script(&open, &script));
    assert_eq!(measured["rate_per_second"], 100.0);
    let program = &measured["programs"][0];
    assert!(figure(program, "latency_p99_ns") >= 0.4e9, "{program}");
    assert_eq!(measured["ratios"], Value::Null);
}

#[test]
fn requests_of_a_file_are_answered_by_the_node_and_its_services() {
    let own = with_lines(
        "own",
        &[
            r#"{"src":"c8","dest":"x","body":{"type":"echo","echo":[1,{"msg_id":3}]}}"#,
            r#"{"src":"c9","dest":"x","body":{"type":"nonsense","msg_id":3}}"#,
            r#"{"src":"c9","dest":"x","body":{"type":"proxy","target":"x","inner":{"type":"echo","echo":1}}}"#,
        ],
        &["--json"],
    );
    let own = json(&own);
    assert!(figure(&own["programs"][0], "error_replies") > 0.0);

    let counter = with_lines(
        "counter",
        &[
            r#"{"src":"c1","dest":"n1","body":{"type":"add","delta":1}}"#,
            r#"{"src":"c1","dest":"n1","body":{"type":"read"}}"#,
        ],
        &["--json", "--bin", &example("g_counter")],
    );
    let counter = json(&counter);
    assert_eq!(figure(&counter["programs"][0], "error_replies"), 0.0);
}

#[test]
fn a_node_that_ends_is_named_with_its_status_and_its_last_words() {
    let script = format!(
        "echo 'no more' >&2; {}; exit 3",
        sed(&[INIT, ECHO, "50q"]).replace("exec ", "")
    );
    let ran = bench_script(&["--json"], &script);
    failed(&ran, "it ended by itself, with exit status: 3");
    failed(&ran, "no more");
    let error: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert_eq!(error["round"], 1);
    assert!(
        error["error"]
            .as_str()
            .is_some_and(|why| why.contains("exit status: 3"))
    );
    // Before its init.
    failed(&bench(&["--bin", "/bin/true"]), "it ended by itself");
}

#[test]
fn a_node_that_falls_silent_is_named() {
    let ran = bench_script(&[], &sed(&[INIT, &format!("1,9{{{ECHO}}}")]));
    failed(&ran, "it stopped answering: no answer for 5s");
    failed(&ran, "from number 10 on");
}

#[test]
fn a_node_that_lags_behind_an_open_loop_is_not_waited_for_longer_than_a_bound() {
    let answer_one = sed(&[INIT, ECHO, "1q"]).replace("exec ", "");
    let script = format!("while true; do {answer_one}; sleep 0.1; done");
    let ran = bench_script(&["--rate", "1000"], &script);
    failed(&ran, "requests have no answer 10s after the load");
    failed(&ran, "1000 a second may be more than it can do");
}

#[test]
fn a_wrong_line_is_named() {
    let stray = format!("echo 'node is up'; {}", sed(&[INIT, ECHO]));
    failed(&bench_script(&[], &stray), "line 1 of stdout is no message");
    let wrong = sed(&[INIT, &ECHO.replace(r#""echo":\4"#, r#""echo":"no""#)]);
    failed(&bench_script(&[], &wrong), "does not echo request 2");
    let twice = ECHO.strip_suffix('p').expect("it prints").to_owned() + ";Tn;p;p";
    let twice = sed(&[&twice, ":n", INIT]);
    let why = "answers request 2, which has its answer already";
    failed(&bench_script(&[], &twice), why);
    let early = r#"s/.*/{"src":"n1","dest":"c1","body":{"type":"echo_ok","in_reply_to":999999}}/p"#;
    failed(&bench_script(&[], &sed(&[early])), "which was not sent");
}

#[test]
fn a_wrong_option_ends_with_254() {
    let ran = bench(&["--outstandign", "3"]);
    assert_eq!(ran.status, 254);
    assert!(
        ran.stderr.contains("did you mean --outstanding?"),
        "{}",
        ran.stderr
    );
    let ran = bench(&["--help"]);
    assert_eq!(ran.status, 0);
    ran.says("Usage: eddyline bench");
}
