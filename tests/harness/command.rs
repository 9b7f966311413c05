//! The command: its defaults, its options, its seed, its interrupt.

use super::{ECHO, GOOD, INIT, Ran, eddyline, sed, test, test_script, test_script_with};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn without_a_program_it_tests_itself() {
    let ran = test(&["-w", "echo", "--node-count", "1"]);
    ran.ended(GOOD);
    ran.says("0 failed, 0 unknown");
}

#[test]
fn a_node_in_another_language_is_tested_like_ours() {
    let ran = test_script(&sed(&[INIT, ECHO]));
    ran.ended(GOOD);
    ran.says("0 failed, 0 unknown");
}

#[test]
fn the_nodes_are_called_as_maelstrom_calls_them() {
    let ran = test_script_with(&["-w", "echo", "--log-net-send"], &sed(&[INIT, ECHO]));
    ran.ended(GOOD);
    let names = r#""node_ids":["n1","n2","n3","n4","n5"]"#;
    assert!(ran.stderr.contains(names), "{}", ran.stderr);
}

#[test]
fn a_wrong_option_ends_with_254() {
    for (options, text) in [
        (&["--tiem-limit", "5"][..], "did you mean --time-limit?"),
        (&["-w", "brodcast"], "did you mean \"broadcast\"?"),
        (&["--consistency-models", "serial"], "serializable"),
        (&["--bin", "/no/such/program"], "No such file"),
    ] {
        let ran = test(options);
        assert_eq!(ran.status, 254, "{}", ran.stderr);
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn its_help_is_on_stdout() {
    let ran = Ran::from(&eddyline().args(["test", "--help"]).output().unwrap());
    assert_eq!(ran.status, 0);
    ran.says("--nemesis-interval");
}

#[test]
fn a_fault_that_never_struck_is_told() {
    // With one node there is nothing to cut.
    let ran = test(&["-w", "echo", "--node-count", "1", "--nemesis", "partition"]);
    ran.ended(GOOD);
    ran.says("WARNING: no fault of this kind struck");
}

#[test]
fn lin_kv_rounds_its_clients_up_and_says_so() {
    let ran = test(&["-w", "lin-kv", "--node-count", "1", "--time-limit", "0"]);
    let text = "2 clients in place of 1";
    assert!(ran.stderr.contains(text), "{}", ran.stderr);
    ran.ended(super::UNKNOWN);
    ran.says("no operation was made");
}

#[test]
fn the_same_seed_makes_the_same_requests() {
    let requests = || {
        let options = [
            "-w",
            "echo",
            "--node-count",
            "1",
            "--seed",
            "7",
            "--log-net-send",
        ];
        let ran = test(&options);
        ran.ended(GOOD);
        let lines = ran.stderr.lines();
        let echoes = lines.filter_map(|line| Some(line.split_once(r#""echo","msg_id":"#)?.1));
        echoes.map(str::to_owned).collect::<Vec<String>>()
    };
    let (one, other) = (requests(), requests());
    // How many fit into the time is the machine's affair.
    let common = one.len().min(other.len());
    assert!(common > 0);
    assert_eq!(one[..common], other[..common]);
}

#[test]
fn an_interrupt_ends_the_load_and_leaves_no_child() {
    let mark = "3617.25";
    let script = format!("sleep {mark} & {}", sed(&[INIT, ECHO]));
    let mut tester = eddyline()
        .args([
            "test",
            "-w",
            "echo",
            "--node-count",
            "2",
            "--log-net-send",
            "--no-store",
        ])
        .args(["--bin", "/bin/sh", "--", "-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(tester.stderr.take().unwrap()).lines();
    let is_echo = |line: &String| line.contains(r#""type":"echo_ok""#);
    assert!(
        stderr
            .by_ref()
            .map(Result::unwrap)
            .any(|line| is_echo(&line))
    );
    kill_process(Pid::from_child(&tester), Signal::INT).unwrap();
    let rest: Vec<String> = stderr.map(Result::unwrap).collect();
    assert!(
        rest.iter().any(|line| line.contains("interrupted")),
        "{rest:?}"
    );
    let mut stdout = String::new();
    tester
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    assert_eq!(tester.wait().unwrap().code(), Some(0), "{stdout}");
    assert!(stdout.ends_with(&format!("{GOOD}\n")), "{stdout}");
    assert!(!super::broken::is_running(mark));
}
