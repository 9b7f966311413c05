//! `eddyline test` with real processes: sound nodes and broken ones, faults, exit statuses and
//! closing lines. No test measures time.

#![allow(clippy::unwrap_used, reason = "tests")]

mod bench;
mod broken;
mod command;
mod examples;
mod languages;
mod seed;

use std::path::PathBuf;
use std::process::{Command, Output};

pub(crate) const GOOD: &str = "Everything looks good! ヽ(‘ー`)ノ";
pub(crate) const INVALID: &str = "Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻";
pub(crate) const UNKNOWN: &str = "Errors occurred during analysis, but no anomalies found. ಠ~ಠ";

/// A node in sed: it answers `init` and `echo`. `sed -u` writes each line at once.
pub(crate) const INIT: &str = r#"s/^{"id":[0-9]*,"src":"\([^"]*\)","dest":"\([^"]*\)","body":{.*"msg_id":\([0-9]*\).*"type":"init".*$/{"src":"\2","dest":"\1","body":{"type":"init_ok","in_reply_to":\3}}/p"#;
pub(crate) const ECHO: &str = r#"s/^{"id":[0-9]*,"src":"\([^"]*\)","dest":"\([^"]*\)","body":{"type":"echo","msg_id":\([0-9]*\),"echo":\(.*\)}}$/{"src":"\2","dest":"\1","body":{"type":"echo_ok","in_reply_to":\3,"echo":\4}}/p"#;

pub(crate) fn eddyline() -> Command {
    Command::new(env!("CARGO_BIN_EXE_eddyline"))
}

/// A test of one second of a node that is a shell script, with `echo` and these options.
pub(crate) fn echo_for_a_second(options: &[&str], script: &str) -> Command {
    let mut test = eddyline();
    test.args(["test", "-w", "echo", "--node-count", "1"]);
    test.args(["--time-limit", "1"]).args(options);
    test.args(["--bin", "/bin/sh", "--", "-c", script]);
    test
}

/// An example's program: cargo builds the examples beside the tests.
pub(crate) fn example(name: &str) -> String {
    let mut path: PathBuf = std::env::current_exe().expect("a program");
    path.pop(); // deps
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "{} is not built", path.display());
    path.to_str().expect("UTF-8").to_owned()
}

/// A test that is over.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn from(output: &Output) -> Ran {
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks status and closing line, which belong together.
    pub(crate) fn ended(&self, closing: &str) {
        let status = match closing {
            GOOD => 0,
            INVALID => 1,
            _ => 2,
        };
        let Ran { stdout, stderr, .. } = self;
        assert_eq!(self.status, status, "{stdout}{stderr}");
        assert_eq!(stdout.lines().last(), Some(closing), "{stdout}{stderr}");
    }

    pub(crate) fn says(&self, text: &str) {
        let Ran { stdout, stderr, .. } = self;
        assert!(stdout.contains(text), "no {text:?} in:\n{stdout}{stderr}");
    }
}

/// Runs a test with these options.
pub(crate) fn test(options: &[&str]) -> Ran {
    let output = eddyline()
        .arg("test")
        .args([
            "--time-limit",
            "1",
            "--recovery",
            "1",
            "--rate",
            "20",
            "--no-store",
        ])
        .args(options)
        .output()
        .expect("the program runs");
    Ran::from(&output)
}

/// Does this for all cases at the same time: tests mostly wait.
pub(crate) fn together<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let check = &check;
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || check(case));
        }
    });
}

/// Tests a node that is a shell script, with `echo`.
pub(crate) fn test_script(script: &str) -> Ran {
    test_script_with(&["-w", "echo", "--node-count", "2"], script)
}

pub(crate) fn test_script_with(options: &[&str], script: &str) -> Ran {
    let mut all = options.to_vec();
    all.extend(["--bin", "/bin/sh", "--", "-c", script]);
    test(&all)
}

/// A shell command that runs sed with these scripts.
pub(crate) fn sed(scripts: &[&str]) -> String {
    let scripts = scripts.iter().map(|script| format!(" -e '{script}'"));
    format!("exec sed -un{}", scripts.collect::<String>())
}
