//! The program with the feature `microscope`: a recording on the real kernel, and the
//! commands that show it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const CONVERSATION: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2"]}}
{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hello"}}
{"src":"c1","dest":"n1","body":{"type":"proxy","msg_id":3,"target":"n2","inner":{"type":"echo","echo":1}}}
"#;

/// Runs the program, and waits for its message after each line of stdin. So each line has
/// a turn of its own: of many lines in one turn, a recording only counts the last ones.
fn eddyline(arguments: &[&str], stdin: &str) -> Output {
    let mut node = Command::new(env!("CARGO_BIN_EXE_eddyline"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut pipe = node.stdin.take().expect("a pipe");
    let mut messages = BufReader::new(node.stdout.take().expect("a pipe"));
    let mut stdout = Vec::new();
    for line in stdin.split_inclusive('\n') {
        // A command that reads no stdin may be gone.
        let _unread = pipe.write_all(line.as_bytes());
        messages.read_until(b'\n', &mut stdout).expect("a message");
    }
    drop(pipe);
    messages.read_to_end(&mut stdout).expect("its end");
    let output = node.wait_with_output().expect("it ends");
    Output { stdout, ..output }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder of the test's own");
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_conversation_is_recorded_and_shown() {
    let folder = folder("shown");
    let recording = folder.join("talk.json");
    let path = recording.to_str().unwrap();
    let recorded = eddyline(&["--record", path], CONVERSATION);
    let plain = eddyline(&[], CONVERSATION);
    assert!(recorded.status.success(), "{recorded:?}");
    assert_eq!(
        text(&recorded.stdout),
        text(&plain.stdout),
        "the same messages"
    );

    let explained = eddyline(&["explain", path], "");
    let explained = text(&explained.stdout);
    for part in [
        "turn 1, at",
        "echo, from c1 to n1",
        "waits for call 2",
        "to draining",
    ] {
        assert!(explained.contains(part), "no {part:?} in {explained}");
    }

    let page = folder.join("talk.html");
    let echo = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recordings/echo.json");
    let made = eddyline(
        &["microscope", path, echo, "-o", page.to_str().unwrap()],
        "",
    );
    assert!(made.status.success(), "{made:?}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    let code = page.matches(r#""code": {"#).count();
    assert_eq!(code, 1, "the first recording has the code for all");
    for part in [
        r#""name": "talk""#,
        r#""name": "echo""#,
        r#"id="beside-with""#,
    ] {
        assert!(page.contains(part), "no {part} on the page");
    }
}

#[test]
fn a_recording_that_is_full_says_so() {
    let recording = folder("full").join("talk.json");
    let path = recording.to_str().unwrap();
    let init = CONVERSATION.lines().next().unwrap();
    let echo = r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hello"}}"#;
    let recorded = eddyline(
        &["--record", path],
        &format!("{init}\n{}", format!("{echo}\n").repeat(4_000)),
    );
    assert_eq!(text(&recorded.stdout).lines().count(), 4_001);
    let explained = text(&eddyline(&["explain", path], "").stdout);
    assert!(
        explained.contains("it has the first 20000 events, and "),
        "{}",
        explained.lines().next().unwrap_or_default()
    );
}

#[test]
fn a_wrong_file_or_option_is_named() {
    let folder = folder("wrong");
    let wrong = folder.join("wrong.json");
    fs::write(&wrong, "{}").unwrap();
    let missing = folder.join("missing.json");
    for (path, why) in [(&wrong, "it is no recording"), (&missing, "No such file")] {
        let path = path.to_str().unwrap();
        let output = eddyline(&["explain", path], "");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(path) && error.contains(why), "{error}");
    }
    for (arguments, why) in [
        (&["explain"][..], "no recording is named"),
        (&["microscope", "a.json"], "-o FILE"),
        (&["explain", "a.json", "-o", "b"], "writes to stdout"),
        (&["explain", "--loud", "a.json"], "--loud"),
    ] {
        let output = eddyline(arguments, "");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error.contains(why), "{error}");
    }
    let unwritable = folder.join("no/such/folder.json");
    let output = eddyline(&["--record", unwritable.to_str().unwrap()], CONVERSATION);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("cannot be written"), "{error}");
}
