//! Lines that are no message: a line on stderr each, nothing on stdout, and the
//! next line is answered.

use crate::support::{Launch, client};

/// Sends `line` as the 17th and returns the line on stderr about it.
#[track_caller]
fn complaint_about(line: &[u8]) -> String {
    let mut node = Launch::new().ready();
    for _ in 2..17 {
        node.check();
    }
    node.write(&[line, b"\n"].concat());
    node.check();
    let complaint = node.stderr_line();
    node.finish_quietly();
    assert!(complaint.contains("17"), "says where: {complaint}");
    complaint
}

#[test]
fn text_that_is_not_json_is_named_with_an_excerpt() {
    let complaint = complaint_about(b"marker is no JSON");
    assert!(complaint.contains("marker"), "{complaint}");
}

#[test]
fn json_that_is_cut_off_is_named_with_an_excerpt() {
    let complaint = complaint_about(br#"{"src":"c1","dest":"n1","body":{"ty"#);
    assert!(complaint.contains("src"), "{complaint}");
}

#[test]
fn json_with_something_behind_it_is_named() {
    complaint_about(br#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":1,"echo":1}} more"#);
}

#[test]
fn json_that_is_not_an_object_is_named() {
    for line in [
        "5",
        "null",
        "true",
        "\"marker\"",
        "[]",
        "[\"c1\",\"n1\",{\"type\":\"echo\",\"msg_id\":1,\"echo\":1}]",
    ] {
        complaint_about(line.as_bytes());
    }
}

#[test]
fn a_message_without_a_usable_src_is_named() {
    for line in [
        r#"{"dest":"n1","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":5,"dest":"n1","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":null,"dest":"n1","body":{"type":"echo","msg_id":1,"echo":1}}"#,
    ] {
        let complaint = complaint_about(line.as_bytes());
        assert!(complaint.contains("src"), "{complaint}");
    }
}

#[test]
fn a_message_without_a_usable_dest_is_named() {
    for line in [
        r#"{"src":"c1","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":"c1","dest":["n1"],"body":{"type":"echo","msg_id":1,"echo":1}}"#,
    ] {
        let complaint = complaint_about(line.as_bytes());
        assert!(complaint.contains("dest"), "{complaint}");
    }
}

#[test]
fn a_message_without_a_usable_body_is_named() {
    for line in [
        r#"{"src":"c1","dest":"n1"}"#,
        r#"{"src":"c1","dest":"n1","body":"echo"}"#,
        r#"{"src":"c1","dest":"n1","body":null}"#,
        r#"{"src":"c1","dest":"n1","body":[{"type":"echo","msg_id":1,"echo":1}]}"#,
    ] {
        let complaint = complaint_about(line.as_bytes());
        assert!(complaint.contains("body"), "{complaint}");
    }
}

#[test]
fn invalid_utf8_is_named_with_an_excerpt() {
    let complaint = complaint_about(b"marker \xff\xfe");
    assert!(complaint.contains("marker"), "{complaint}");
    let mut inside = client(r#"{"type":"echo","msg_id":1,"echo":"@"}"#).into_bytes();
    let at = inside.iter().position(|&b| b == b'@').unwrap();
    inside[at] = 0xff;
    complaint_about(&inside);
}

#[test]
fn an_excerpt_cannot_break_the_line_or_the_terminal() {
    let complaint = complaint_about(b"marker \x1b[31m\x07\r\x0b\x00 end");
    let control = complaint.chars().find(|c| c.is_control());
    assert_eq!(control, None, "{complaint:?}");
}

#[test]
fn an_excerpt_is_short() {
    let complaint = complaint_about(&b"marker".repeat(10_000));
    assert!(complaint.len() < 1_000, "{} bytes", complaint.len());
}

#[test]
fn each_malformed_line_gets_a_line_of_its_own() {
    let mut node = Launch::new().ready();
    for _ in 0..100 {
        node.send("nonsense");
    }
    node.check();
    let ending = node.finish();
    assert_eq!(ending.stderr.len(), 100);
    for (line, number) in ending.stderr.iter().zip(2..) {
        assert!(line.contains(&format!("{number}")), "{number}: {line}");
    }
}

#[test]
fn a_message_without_a_way_to_answer_is_only_named() {
    for body in [
        r#"{"echo":1}"#,
        r#"{"type":5,"echo":1}"#,
        r#"{"type":"echo","msg_id":"seven","echo":1}"#,
        r#"{"type":"echo","msg_id":1.5,"echo":1}"#,
        r#"{"type":"echo","in_reply_to":"x","echo":1}"#,
        r#"{}"#,
    ] {
        complaint_about(client(body).as_bytes());
    }
}

#[test]
fn blank_lines_are_never_answered() {
    let mut node = Launch::new().ready();
    node.write(b"\n\n  \n\t\r\n\n");
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_carriage_return_before_the_newline_is_white_space() {
    let mut node = Launch::new().ready();
    node.write(b"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"echo\",\"msg_id\":2,\"echo\":1}}\r\n");
    assert_eq!(node.reply()["body"]["type"], "echo_ok");
    node.finish_quietly();
}

#[test]
fn an_in_reply_to_that_is_no_integer_is_error_12_that_names_it() {
    let mut node = Launch::new().ready();
    for wrong in ["\"x\"", "\"1\"", "1.5", "1e3", "[]", "{}", "true"] {
        for kind in ["echo", "echo_ok", "init"] {
            let body = format!(r#"{{"type":"{kind}","msg_id":7,"echo":1,"in_reply_to":{wrong}}}"#);
            let reply = node.ask(&client(&body));
            assert_eq!(reply["body"]["code"], 12, "{body}");
            assert_eq!(reply["body"]["in_reply_to"], 7, "{body}");
            let text = reply["body"]["text"].as_str().unwrap();
            assert_eq!(text, "field `in_reply_to`: not an integer", "{body}");
        }
    }
    node.finish_quietly();
}
