//! The command: its defaults, its options, its seed, its interrupt.

use super::{
    ECHO, GOOD, INIT, Ran, echo_for_a_second, eddyline, sed, test, test_script, test_script_with,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

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
        (&["--bin", "sh"], "give the path, /"),
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
    let ran = test(&[
        "-w",
        "lin-kv",
        "--node-count",
        "1",
        "--rate",
        "0.01",
        "--time-limit",
        "0",
    ]);
    let text = "2 clients in place of 1";
    assert!(ran.stderr.contains(text), "{}", ran.stderr);
    ran.ended(super::UNKNOWN);
    ran.says("no operation was made");
}

#[test]
fn a_load_without_an_operation_has_no_availability_and_no_latency() {
    let store = std::env::temp_dir().join(format!("eddyline-no-load-{}", std::process::id()));
    let store = store.to_str().unwrap();
    let program = super::example("kafka");
    let mut options = vec!["-w", "kafka", "--bin", &program, "--node-count", "1"];
    options.extend(["--time-limit", "0", "--json", "--store", store]);
    let ran = test(&options);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    for text in [
        "; no availability, as the load had none\n",
        "\nlatency: none, as no operation of the load was done\n",
        "\nmeasured: availability not seen, messages per operation not seen, ",
    ] {
        assert!(ran.stderr.contains(text), "no {text:?} in {}", ran.stderr);
    }
    let result: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result["availability"]["ok-fraction"], Value::Null);
    assert_eq!(result["latencies-ms"]["0.5"], Value::Null);
    assert_eq!(result["workload"]["availability"], Value::Null);
    let folder = std::path::Path::new(result["store"].as_str().unwrap());
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    // As in Maelstrom's.
    let edn = read("results.edn");
    assert!(edn.contains(":availability {:ok-fraction 1.0,"), "{edn}");
    assert!(read("report.html").contains(r#""availability":null,"#));
    std::fs::remove_dir_all(store).unwrap();
}

#[test]
fn the_tester_that_cannot_go_on_ends_with_255() {
    let command = format!(
        "ulimit -n 8; exec {} test -w echo --no-store",
        env!("CARGO_BIN_EXE_eddyline")
    );
    let output = Command::new("/bin/sh").args(["-c", &command]).output();
    let ran = Ran::from(&output.unwrap());
    assert_eq!(ran.status, 255, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("the tester failed"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn json_is_one_object_on_stdout_and_the_words_are_on_stderr() {
    let wrong = sed(&[INIT, &ECHO.replace(r#""echo":\4"#, r#""echo":"no""#)]);
    let options = ["-w", "echo", "--node-count", "1", "--seed", "7", "--json"];
    for (script, verdict, status) in [(sed(&[INIT, ECHO]), "valid", 0), (wrong, "invalid", 1)] {
        let ran = test_script_with(&options, &script);
        assert_eq!(ran.status, status);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(result["verdict"], verdict);
        assert_eq!(
            (&result["workload-name"], &result["seed"]),
            (&json!("echo"), &json!(7))
        );
        let operations = result["stats"]["count"].as_u64().unwrap();
        assert_eq!(
            result["net"]["clients"]["send-count"],
            json!(2 * operations + 2)
        );
        assert!(result["latencies-ms"]["0.99"].as_f64().unwrap() >= 0.0);
        let anomalies = result["workload"]["anomaly-count"].as_u64().unwrap();
        assert_eq!(anomalies > 0, verdict == "invalid", "{result}");
        assert_eq!(
            (&result["problems"], &result["store"]),
            (&json!([]), &Value::Null)
        );
        assert_eq!(result["faults"]["struck"], json!([]));
        let closing = if status == 0 { GOOD } else { super::INVALID };
        assert!(
            ran.stderr.ends_with(&format!("{closing}\n")),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn runs_are_repeated_until_one_is_not_valid() {
    let runs = |script: &str| {
        let mut options = vec!["-w", "echo", "--node-count", "1", "--time-limit", "0.3"];
        options.extend(["--test-count", "2", "--json", "--seed", "4"]);
        let ran = test_script_with(&options, script);
        let seeds = ran.stdout.lines().map(|line| {
            let result: Value = serde_json::from_str(line).unwrap();
            result["seed"].as_u64().unwrap()
        });
        (ran.status, seeds.collect::<Vec<u64>>())
    };
    assert_eq!(runs(&sed(&[INIT, ECHO])), (0, vec![4, 5]));
    assert_eq!(runs("exit 1"), (1, vec![4]));
}

#[test]
fn no_node_outlives_a_tester_that_is_killed() {
    let mark = "3615.75";
    // The shell's child does not read the stdin, whose end ends sed.
    let script = format!("sleep {mark} & {}", sed(&[INIT, ECHO]));
    let mut tester = eddyline()
        .args(["test", "-w", "echo", "--log-net-send", "--no-store"])
        .args(["--bin", "/bin/sh", "--", "-c", &script, mark])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(tester.stderr.take().unwrap());
    let mut lines = stderr.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(r#""type":"echo_ok""#)));
    tester.kill().unwrap();
    tester.wait().unwrap();
    assert!(!super::broken::is_running(mark));
}

#[test]
fn an_interrupt_ends_the_load_and_leaves_no_child() {
    interrupt(Signal::INT, "1", "3617.25", 0);
    interrupt(Signal::TERM, "1", "3617.125", 0);
}

#[test]
fn no_further_run_begins_after_an_interrupt() {
    interrupt(Signal::INT, "1000", "3616.5", 2);
}

#[test]
fn the_end_of_the_terminal_leaves_no_child() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    for (signal, number, mark) in [(Signal::HUP, 1, "3616.75"), (Signal::QUIT, 3, "3616.875")] {
        // Below `nohup` it stays ignored.
        if ignored >> (number - 1) & 1 == 0 {
            interrupt(signal, "1", mark, 0);
        }
    }
}

/// Sends a signal to a test under load.
fn interrupt(signal: Signal, test_count: &str, mark: &str, status: i32) {
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
            "--test-count",
            test_count,
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
    kill_process(Pid::from_child(&tester), signal).unwrap();
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
    assert_eq!(tester.wait().unwrap().code(), Some(status), "{stdout}");
    assert!(stdout.ends_with(&format!("{GOOD}\n")), "{stdout}");
    assert!(!super::broken::is_running(mark));
}

#[test]
fn a_result_that_cannot_be_written_ends_with_255() {
    let run = |options: &[&str], stdout: Stdio| {
        let options = [&["--recovery", "0"], options].concat();
        let mut test = echo_for_a_second(&options, &sed(&[INIT, ECHO]));
        let output = test.stdout(stdout).output().unwrap();
        Ran::from(&output)
    };
    let ran = run(&["--store", "/dev/null/store"], Stdio::piped());
    assert_eq!(ran.status, 255, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--store: /dev/null/store"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "", "the run does not begin");
    // Only the last link cannot be made: everything else is there.
    let store = super::broken::new_folder("unlinked");
    std::fs::create_dir_all(store.join("latest/mine")).unwrap();
    let ran = run(&["--store", store.to_str().unwrap()], Stdio::piped());
    assert_eq!(ran.status, 255, "{}", ran.stderr);
    ran.says("But the files of the run could not be written: ");
    for file in ["results.json", "history.edn", "report.html"] {
        assert!(store.join("current").join(file).exists(), "{file}");
    }
    std::fs::remove_dir_all(&store).unwrap();
    let full = std::fs::File::create("/dev/full").unwrap();
    let ran = run(&["--no-store", "--json"], full.into());
    assert_eq!(ran.status, 255, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("cannot write to stdout"),
        "{}",
        ran.stderr
    );
}
