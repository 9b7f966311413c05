//! The fast path beside the plain parser.

use outline::{Outline, outline};
use serde_json::Value;

const USUAL: &str =
    r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":12,"echo":{"a":[1,2.5,null]}}}"#;

#[test]
fn a_usual_message_is_found() {
    let expected = Outline {
        src: Some("c1"),
        kind: Some("echo"),
        msg_id: Some(12),
        in_reply_to: None,
        echo: Some(r#"{"a":[1,2.5,null]}"#),
    };
    assert_eq!(outline(USUAL), Some(expected));
}

#[test]
fn the_order_of_the_fields_and_spaces_do_not_matter() {
    let line = r#" { "body" : { "in_reply_to" : 0 , "x" : [ ] , "type" : "ok" } , "src" : "n2" } "#;
    let expected = Outline {
        src: Some("n2"),
        kind: Some("ok"),
        in_reply_to: Some(0),
        ..Outline::default()
    };
    assert_eq!(outline(line), Some(expected));
}

#[test]
fn the_echo_is_a_part_of_the_line() {
    let echo = outline(USUAL).and_then(|found| found.echo).unwrap();
    assert!(
        USUAL.as_bytes().as_ptr_range().contains(&echo.as_ptr()),
        "it is a copy"
    );
}

/// If the fast path finds something, the plain parser finds the same.
#[track_caller]
fn compare(line: &str) {
    let Some(found) = outline(line) else {
        return; // then the plain parser is asked
    };
    let plain: Value = serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("the plain parser refuses {line}: {error}"));
    let body = &plain["body"];
    assert_eq!(found.src, plain["src"].as_str(), "src of {line}");
    assert_eq!(found.kind, body["type"].as_str(), "type of {line}");
    let (msg_id, in_reply_to) = (body["msg_id"].as_u64(), body["in_reply_to"].as_u64());
    assert_eq!(
        (found.msg_id, found.in_reply_to),
        (msg_id, in_reply_to),
        "{line}"
    );
    let echo = found
        .echo
        .map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(echo.as_ref(), body.get("echo"), "echo of {line}");
}

#[test]
fn the_plain_parser_finds_the_same_in_odd_lines() {
    for line in [
        r#"{"src":"a","src":"b","body":{}}"#,
        r#"{"src":"a","\u0073rc":"b","body":{}}"#,
        r#"{"src":"a\n","body":{}}"#,
        r#"{"src":"a","body":{"msg_id":1.0}}"#,
        r#"{"src":"a","body":{"msg_id":-1}}"#,
        r#"{"src":"a","body":{"msg_id":01}}"#,
        r#"{"src":"a","body":{"msg_id":18446744073709551617}}"#,
        r#"{"src":"a","body":{"echo":1e999}}"#,
        r#"{"src":"a","body":{"echo":"\ud800"}}"#,
        r#"{"src":"a","body":{"echo":-}}"#,
        r#"{"src":"a","body":{"echo":1.}}"#,
        r#"{"src":"a","body":{"echo":tru}}"#,
        r#"{"src":7,"body":[]}"#,
        "{\"src\":\"a\tb\",\"body\":{}}",
    ] {
        compare(line);
    }
}

/// Numbers without a pattern, the same in each run.
fn random(state: &mut u64, max: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    (*state >> 33) as usize % (max + 1)
}

/// The usual line with one to three characters from `alphabet` in wrong places. Every
/// second line is cut as well.
fn changed(state: &mut u64, alphabet: &[u8]) -> String {
    let mut bytes = USUAL.as_bytes().to_vec();
    for _ in 0..=random(state, 2) {
        let at = random(state, bytes.len() - 1);
        bytes[at] = alphabet[random(state, alphabet.len() - 1)];
    }
    if random(state, 1) == 0 {
        bytes.truncate(random(state, bytes.len()));
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_line_that_is_changed_or_cut_is_judged_as_the_plain_parser_judges_it() {
    for line in [
        "",
        r#"{"src":"a","body":{}} and more"#,
        r#"{"src":"a","body":{}}}"#,
        r#"{"src":"a","body":{"echo":[1,]}}"#,
        r#"{"src":"a","body":{"echo":{"a"}}}"#,
    ] {
        compare(line);
    }
    let mut state = 1;
    let mut found = 0;
    for _ in 0..20_000 {
        let line = changed(&mut state, b"{}[]\":, x");
        compare(&line);
        found += usize::from(outline(&line).is_some());
    }
    assert!(found > 1_000, "{found} lines are too few for a judgement");
    for _ in 0..20_000 {
        // It must not panic. The odd lines of the test above say what it finds.
        outline(&changed(&mut state, b"{}[]\",:0.-e\\ x"));
    }
}

#[test]
fn values_that_are_nested_too_deep_are_left_to_the_plain_parser() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"src":"a","body":{{"echo":{open}{close}}}}}"#)
    };
    assert!(outline(&nested(30)).is_some());
    assert!(outline(&nested(100_000)).is_none());
}
