//! Nodes that are not ours: on Rust's std alone, in Python and in JavaScript. Those in shell
//! are in `command` and `broken`.

use super::{GOOD, INVALID, test, together};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a program is on this machine. Where CI is set it has to be.
pub(crate) fn has(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    assert!(
        is_there || std::env::var_os("CI").is_none(),
        "{program} is missing"
    );
    if !is_there {
        eprintln!("skipped: {program} is missing");
    }
    is_there
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A set that only grows is valid under partitions if its nodes tell each other again what
/// they know, and is found to lose elements if they tell it once.
fn set_that_tells_again_or_once(language: &str, path: &str) {
    if !has(language) {
        return;
    }
    let path = file(path);
    let path = path.to_str().expect("UTF-8");
    let mut options = vec!["-w", "g-set", "--bin", path, "--node-count", "3"];
    options.extend(["--rate", "50", "--time-limit", "3", "--seed", "3"]);
    options.extend(["--nemesis", "partition", "--nemesis-interval", "0.5"]);
    together(&[false, true], |&is_wrong| {
        let mut options = options.clone();
        if !is_wrong {
            let sound = test(&options);
            sound.ended(GOOD);
            return sound.says("final reads 3");
        }
        options.extend(["--", "--once"]);
        let wrong = test(&options);
        wrong.ended(INVALID);
        wrong.says("is lost: it was known, and later reads do not have it");
        wrong.says("partition");
    });
}

#[test]
fn a_set_in_python() {
    set_that_tells_again_or_once("python3", "examples/other-languages/g_set.py");
}

#[test]
fn a_set_in_javascript() {
    set_that_tells_again_or_once("node", "examples/other-languages/g_set.js");
}

#[test]
fn an_echo_in_rust_on_std_alone() {
    if !has("rustc") {
        return;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plain-echo");
    let compiled = Command::new("rustc")
        .args(["--edition", "2021", "-o"])
        .arg(&program)
        .arg(file("tests/harness/nodes/echo.rs"))
        .status()
        .unwrap();
    assert!(compiled.success());
    let program = program.to_str().unwrap();
    let options = ["-w", "echo", "--node-count", "2", "--bin", program];
    let sound = test(&options);
    sound.ended(GOOD);
    sound.says("0 failed, 0 unknown");
    let wrong = test(&[&options[..], &["--", "--wrong"]].concat());
    wrong.ended(INVALID);
    wrong.says(r#""no" came back"#);
}
