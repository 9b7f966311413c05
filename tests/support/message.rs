//! Lines to send and assertions on what comes back.

use serde_json::Value;

/// The usual first line: node n1 in a cluster of three.
pub(crate) const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2","n3"]}}"#;

/// A line from `src` to n1. The body is raw text, so that a test shows the exact bytes
/// that it sends.
pub(crate) fn message(src: &str, body: &str) -> String {
    format!(r#"{{"src":"{src}","dest":"n1","body":{body}}}"#)
}

/// A line from the client c1 to n1.
pub(crate) fn client(body: &str) -> String {
    message("c1", body)
}

/// Checks a reply's addresses and its whole body. Maelstrom's schemas are closed, so
/// one extra key would fail an operation. `msg_id` is not compared; the tests in
/// `tests/protocol/counter.rs` check it.
#[track_caller]
pub(crate) fn assert_body(reply: &Value, dest: &str, body: &Value) {
    assert_eq!(reply["src"], "n1", "src of {reply}");
    assert_eq!(reply["dest"], dest, "dest of {reply}");
    let mut found = reply["body"].clone();
    let fields = found.as_object_mut().expect("a body is an object");
    fields.remove("msg_id");
    assert_eq!(&found, body, "body of {reply}");
}

/// Checks an error reply of n1 and returns its text.
#[track_caller]
pub(crate) fn assert_error(reply: &Value, dest: &str, in_reply_to: u64, code: u64) -> String {
    assert_eq!(reply["src"], "n1", "src of {reply}");
    assert_eq!(reply["dest"], dest, "dest of {reply}");
    let body = &reply["body"];
    assert_eq!(body["type"], "error", "type of {reply}");
    assert_eq!(body["in_reply_to"], in_reply_to, "in_reply_to of {reply}");
    assert_eq!(body["code"], code, "code of {reply}");
    let text = body["text"].as_str().expect("an error has a text");
    assert!(!text.is_empty(), "the error's text is empty: {reply}");
    text.to_owned()
}

/// The line on stderr about requests that get no reply, since stdin has ended.
pub(crate) fn unanswered(count: usize) -> String {
    format!(
        "eddyline: stdin has ended: requests that get no reply, since their handlers still \
         wait: {count}"
    )
}

/// The number after the first `"key":`. Tests with a hundred thousand replies use this
/// instead of a parser.
pub(crate) fn number_after(line: &str, key: &str) -> Option<u64> {
    let name = format!("\"{key}\":");
    let digits = &line[line.find(&name)? + name.len()..];
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}
