//! Broken nodes: each is found, named, and outlived.

use super::languages::has;
use super::{
    ECHO, GOOD, INIT, INVALID, Ran, UNKNOWN, echo_for_a_second, eddyline, sed, test, test_script,
    test_script_with, together,
};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

/// n0's answer to `init`.
const INIT_OK: &str = r#"{"src":"n0","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;

/// Whether a process still runs that has this word on its command line. One that was killed is
/// given time to end: a loaded machine needs some.
pub(crate) fn is_running(word: &str) -> bool {
    for _ in 0..100 {
        if !is_listed(word) {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    true
}

fn is_listed(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("a Linux system");
    let mut lines = processes.filter_map(|entry| {
        let path = entry.ok()?.path().join("cmdline");
        std::fs::read(path).ok()
    });
    lines.any(|line| {
        line.split(|byte| *byte == 0)
            .any(|part| part == word.as_bytes())
    })
}

#[test]
fn a_wrong_echo_is_an_anomaly() {
    let wrong = ECHO.replace(r#""echo":\4"#, r#""echo":"no""#);
    let ran = test_script(&sed(&[INIT, &wrong]));
    ran.ended(INVALID);
    ran.says(r#""no" came back"#);
}

#[test]
fn a_stray_line_is_named_and_does_not_mute_the_node() {
    let script = format!("echo 'node is up'; {}", sed(&[INIT, ECHO]));
    let ran = test_script(&script);
    ran.ended(INVALID);
    ran.says("line 1 of n1: the line is no message");
    ran.says("node is up");
    ran.says("0 failed, 0 unknown");
}

#[test]
fn a_line_that_breaks_a_rule_is_named() {
    let cases = [
        (
            r#""dest":"\1""#,
            r#""dest":"n9""#,
            "no node, service or client is called \"n9\"",
        ),
        (r#""src":"\2""#, r#""src":"n7""#, "`src` is \"n7\""),
        (
            r#"{"src":"\2""#,
            r#"{"x":1,"src":"\2""#,
            "unknown field `x`",
        ),
        (
            r#""echo":\4"#,
            r#""echo":\4,"more":1"#,
            "must not have a field \"more\"",
        ),
        (r#","echo":\4"#, "", "must have a field \"echo\""),
    ];
    together(&cases, |&(from, to, text)| {
        // Only the reply's side of the script has this text at its end.
        let at = ECHO.rfind(from).unwrap();
        let echo = format!("{}{to}{}", &ECHO[..at], &ECHO[at + from.len()..]);
        let ran = test_script(&sed(&[INIT, &echo]));
        ran.ended(INVALID);
        ran.says(text);
    });
}

#[test]
fn an_end_before_the_init_is_noticed_with_its_last_words() {
    let ran = test_script("echo oh no >&2; exit 3");
    ran.ended(INVALID);
    ran.says("it ended by itself, with exit status: 3, before it answered `init`");
    ran.says("oh no");
}

#[test]
fn an_end_before_another_node_is_ready_does_not_hold_the_run_up() {
    let script = format!(
        "read -r line; case $line in
        *'\"node_id\":\"n0\"'*) echo '{INIT_OK}'; exit 3;;
        esac; sleep 0.5; printf '%s\\n' \"$line\" | {}",
        sed(&[INIT]).replace("exec ", "")
    );
    let ran = test_script(&script);
    ran.ended(INVALID);
    ran.says("n0: it ended by itself, with exit status: 3");
}

#[test]
fn an_end_in_the_middle_is_noticed_and_the_rest_is_checked() {
    let ran = test_script(&sed(&[INIT, r#"/"type":"echo"/q5"#]));
    ran.ended(INVALID);
    ran.says("it ended by itself, with exit status: 5");
    ran.says("did not echo");
}

#[test]
fn a_signal_is_named() {
    let script = format!("{} & read line; kill -SEGV $$", sed(&[INIT]));
    test_script(&script).says("signal: 11 (SIGSEGV)");
}

#[test]
fn a_node_that_answers_nothing_leaves_the_verdict_open() {
    let options = ["-w", "unique-ids", "--node-count", "1"];
    let ran = test_script_with(&options, &sed(&[INIT]));
    ran.ended(UNKNOWN);
    ran.says("operations \"generate\" was done, so the run shows nothing about them");
}

#[test]
fn a_node_that_does_not_answer_init_ends_the_run() {
    let ran = test_script("sleep 3617.5");
    ran.ended(INVALID);
    ran.says("`init` was not answered within 10s: it runs and has written no line to stdout");
    ran.says("flush=True");
    assert!(!is_running("3617.5"));
}

#[test]
fn a_script_that_cannot_start_is_told_with_its_usual_cause() {
    let folder = std::env::temp_dir().join(format!("eddyline-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cases = [
        ("bare", "echo no\n", "does its first line begin with #!?"),
        (
            "windows",
            "#!/bin/sh\r\n",
            "the interpreter that its first line names was not found",
        ),
    ];
    for (name, text, expected) in cases {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let wrong = test(&["-w", "echo", "--bin", path]);
        assert_eq!(wrong.status, 254, "{}", wrong.stderr);
        assert!(wrong.stderr.contains("chmod +x"), "{}", wrong.stderr);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let ran = test(&["-w", "echo", "--bin", path]);
        ran.ended(INVALID);
        ran.says(expected);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_line_that_the_end_of_the_run_cuts_is_not_judged() {
    let script = format!("read -r line; echo '{INIT_OK}'; printf '{{\"src\":'; exec sleep 3616.25");
    test_script_with(&QUICK, &script).ended(UNKNOWN);
    assert!(!is_running("3616.25"));
    let script = format!("read -r line; echo '{INIT_OK}'; printf '{{\"src\":'; exit 1");
    test_script_with(&QUICK, &script).says("line 2 of n0: the line is no message");
}

#[test]
fn a_node_that_leaves_its_group_is_killed() {
    if !has("perl") {
        return;
    }
    let perl = "exec perl -e 'setpgrp(0, getpgrp(getppid())); sleep 60' 3617.375";
    let script = format!("read -r line; echo '{INIT_OK}'; {perl}");
    test_script_with(&QUICK, &script).ended(UNKNOWN);
    assert!(!is_running("3617.375"));
}

#[test]
fn an_answer_to_another_message_does_not_answer_init() {
    let wrong =
        [r#","in_reply_to":9"#, ""].map(|field| INIT_OK.replace(r#","in_reply_to":1"#, field));
    together(&wrong, |line| {
        let right = sed(&[INIT, ECHO]);
        let ran = test_script_with(
            &["-w", "echo", "--node-count", "1"],
            &format!("echo '{line}'; {right}"),
        );
        ran.ended(INVALID);
        ran.says("it does not answer `init`, whose `msg_id` is 1");
        ran.says("problems: 1; kinds: 1");
        ran.says("0 failed, 0 unknown");
    });
}

#[test]
fn a_node_that_closes_its_stdout_is_named() {
    let ran = test_script("exec >&-; sleep 3617.75");
    ran.ended(INVALID);
    ran.says("it has closed its stdout and goes on");
    assert!(!is_running("3617.75"));
}

#[test]
fn children_of_a_node_do_not_survive_it() {
    let script = format!("sleep 3618.25 & {}", sed(&[INIT, ECHO]));
    test_script(&script).ended(GOOD);
    assert!(!is_running("3618.25"));
}

#[test]
fn a_child_that_keeps_the_pipes_does_not_hide_the_end_of_its_node() {
    let ran = test_script("sleep 3618.5 & exit 0");
    ran.ended(INVALID);
    ran.says("it ended by itself, with exit status: 0");
    assert!(!is_running("3618.5"));
}

#[test]
fn a_node_that_ignores_signals_is_killed() {
    let script = format!(
        "trap '' TERM INT HUP; sleep 3618.75 & {}",
        sed(&[INIT, ECHO])
    );
    test_script(&script).ended(GOOD);
    assert!(!is_running("3618.75"));
}

#[test]
fn a_flood_on_stderr_changes_nothing() {
    let script = format!("yes 3619.25 >&2 & {}", sed(&[INIT, ECHO]));
    test_script(&script).ended(GOOD);
    assert!(!is_running("3619.25"));
}

#[test]
fn a_megabyte_without_a_newline_is_one_bad_line() {
    let script = format!("head -c 1000000 /dev/zero; echo; {}", sed(&[INIT, ECHO]));
    let ran = test_script(&script);
    ran.ended(INVALID);
    ran.says("line 1 of n0: the line is no message");
    ran.says("0 failed, 0 unknown");
}

#[test]
fn a_flood_of_bad_lines_is_counted() {
    let script = format!("yes 3619.5 | head -2000; {}", sed(&[INIT, ECHO]));
    let ran = test_script_with(&["-w", "echo", "--node-count", "1"], &script);
    ran.ended(INVALID);
    ran.says("problems: 1001");
}

/// Clients of lin-kv wait for a second only.
const QUICK: [&str; 4] = ["-w", "lin-kv", "--node-count", "1"];

#[test]
fn a_node_that_stops_itself_is_named() {
    let script = format!("sleep 0.5; kill -STOP 0 & {}", sed(&[INIT, ECHO]));
    let ran = test_script_with(&QUICK, &format!("({script})"));
    ran.ended(INVALID);
    ran.says("n0: it has stopped itself");
}

#[test]
fn a_node_that_reads_slowly_is_waited_for() {
    let echo = sed(&[INIT, ECHO]).replace("exec ", "");
    let read = "while read -r line; do sleep 0.2; printf '%s\\n' \"$line\"";
    let script = format!("{read} | {echo}; done");
    test_script(&script).ended(GOOD);
}

#[test]
fn a_node_that_never_reads_its_stdin_is_named() {
    let script = format!("read -r line; echo '{INIT_OK}'; exec sleep 3619.75");
    let ran = test_script_with(&QUICK, &script);
    ran.ended(UNKNOWN);
    ran.says("on the stdin of n0 were not read, and requests to it had no reply");
    assert!(!is_running("3619.75"));
}

/// n0 floods n1, which never reads.
fn flood(mark: &str, options: &[&str]) -> Ran {
    let text = "x".repeat(4_000);
    let script = format!(
        "read -r line
        case $line in
        *'\"node_id\":\"n0\"'*) echo '{INIT_OK}'
            exec yes '{{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{{\"type\":\"x\",\"text\":\"{text}\"}}}}';;
        *) echo '{}'; exec sleep {mark};;
        esac",
        INIT_OK.replace("n0", "n1").replace("c0", "c1"),
    );
    // Time enough for 64 MiB on a busy machine, beside other tests.
    let all = ["-w", "echo", "--node-count", "2", "--time-limit", "6"];
    let ran = test_script_with(&[&all, options].concat(), &script);
    assert!(!is_running(mark));
    ran
}

#[test]
fn what_waits_for_a_node_that_does_not_read_has_a_bound() {
    let ran = flood("3620.25", &[]);
    ran.ended(INVALID);
    ran.says("n1: it does not read its stdin: 64 MiB wait for it");
}

#[test]
fn what_is_on_its_way_has_a_bound() {
    let ran = flood("3620.5", &["--latency", "60000"]);
    ran.ended(INVALID);
    ran.says("n0: it sends too much: 64 MiB of messages are on their way");
}

/// A shell command that writes a value of 15 MB to the key that `$key` names.
fn write_much() -> String {
    let front =
        r#"printf '{"src":"n0","dest":"lin-kv","body":{"type":"write","key":%s,"value":"' "$key""#;
    format!("{front}; head -c 15000000 /dev/zero | tr '\\0' x; echo '\"}}}}'")
}

#[test]
fn a_flood_of_requests_for_a_long_value_does_not_hold_the_clock_up() {
    let read = r#"{"src":"n0","dest":"lin-kv","body":{"type":"read","msg_id":1,"key":1}}"#;
    let write = write_much();
    let script = format!(
        "read -r line; echo '{INIT_OK}'; key=1; {write}; sleep 3620.75 & exec yes '{read}'"
    );
    let ran = test_script_with(&QUICK, &script);
    // A quick machine gets to the bound of what waits for its stdin.
    assert!([1, 2].contains(&ran.status), "{}{}", ran.stdout, ran.stderr);
    ran.says(" stdin");
    assert!(!is_running("3620.75"));
}

#[test]
fn what_a_run_holds_has_a_bound_that_ends_the_load() {
    let write = write_much();
    let script = format!(
        "read -r line; echo '{INIT_OK}'; for key in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do {write}; done
        exec sleep 3620.875"
    );
    let ran = test_script_with(&[&QUICK[..], &["--time-limit", "60"]].concat(), &script);
    ran.ended(UNKNOWN);
    ran.says("the load ended early, because the run holds");
    ran.says("of at most 256 MiB");
    ran.says("n0 has the largest part");
    assert!(!is_running("3620.875"));
}

/// The command line of a test whose lines for stderr are more than a pipe and the tester hold.
fn talkative(store: &std::path::Path, mark: &str) -> std::process::Command {
    let script = format!("sleep {mark} & {}", sed(&[INIT, ECHO]));
    let store = store.to_str().unwrap();
    let options = ["--rate", "2000", "--log-net-send", "--log-net-recv"];
    let mut test = echo_for_a_second(&[&options[..], &["--store", store]].concat(), &script);
    test.stdin(Stdio::null());
    test
}

pub(crate) fn new_folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("eddyline-{name}-{}", std::process::id()));
    let _absent = std::fs::remove_dir_all(&folder);
    folder
}

#[test]
fn a_stderr_that_is_not_read_does_not_hold_the_run_up() {
    // Nor does it keep a command line that is wrong.
    let (_full, mut writer) = std::io::pipe().unwrap();
    let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'x'; size]).unwrap();
    let mut wrong = eddyline();
    let mut wrong = wrong.args(["test", "-x"]).stderr(writer).spawn().unwrap();
    let store = new_folder("deaf");
    let mut test = talkative(&store, "3621.25");
    let mut child = test
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said.lines().last(), Some(GOOD), "{said}");
    assert!(store.join("latest/results.json").exists());
    assert!(child.wait().unwrap().success());
    assert_eq!(wrong.wait().unwrap().code(), Some(254));
    assert!(!is_running("3621.25"));
    std::fs::remove_dir_all(&store).unwrap();
}

#[test]
fn a_stdout_that_is_not_read_keeps_only_the_result_waiting() {
    let store = new_folder("mute");
    // Both streams are one pipe, which the lines for stderr fill.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut test = talkative(&store, "3621.5");
    test.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = test.spawn().unwrap();
    // The command has both ends of the pipe for writing.
    drop(test);
    while !store.join("latest/results.json").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(!is_running("3621.5"));
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said.lines().last(), Some(GOOD), "{said}");
    assert!(said.contains(" ok, "), "{said}");
    assert!(child.wait().unwrap().success());
    std::fs::remove_dir_all(&store).unwrap();
}

#[test]
fn a_signal_ends_a_tester_whose_result_is_not_read() {
    let store = new_folder("stuck");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut test = talkative(&store, "3621.75");
    test.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = test.spawn().unwrap();
    while !store.join("latest/results.json").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // One that comes while the files are written is only taken note of.
    while child.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(child.wait().unwrap().code(), Some(255));
    drop(reader);
    std::fs::remove_dir_all(&store).unwrap();
}
