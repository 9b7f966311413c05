//! echo: the value comes back byte for byte, whatever JSON it is.

use crate::support::{Launch, client};

/// Checks that `value` comes back as the same bytes.
#[track_caller]
fn assert_verbatim(value: &str) {
    let mut node = Launch::new().ready();
    let body = format!(r#"{{"type":"echo","msg_id":2,"echo":{value}}}"#);
    node.send(&client(&body));
    let line = node.line();
    assert_eq!(echoed(&line), Some(value), "{line:.300}");
    node.check();
    node.finish_quietly();
}

/// The raw text of `echo` in a reply, at any place in the body.
fn echoed(line: &str) -> Option<&str> {
    let (head, rest) = line.split_once(r#""echo":"#)?;
    // The fields before and after it are the node's: in_reply_to and msg_id.
    let value = rest.strip_suffix("}}")?;
    let tail = [r#","in_reply_to":"#, r#","msg_id":"#]
        .iter()
        .filter(|key| !head.contains(*key))
        .filter_map(|key| value.rfind(key))
        .min();
    Some(tail.map_or(value, |at| &value[..at]))
}

#[test]
fn numbers_keep_every_digit() {
    for number in [
        "0",
        "-0",
        "1.0",
        "1.50",
        "1E+2",
        "1e-2",
        "1e400",
        "-1e-400",
        "9007199254740993",
        "18446744073709551616",
        "123456789012345678901234567890.123456789012345678901234567890",
    ] {
        assert_verbatim(number);
    }
}

#[test]
fn strings_keep_their_escapes() {
    for string in [
        r#""""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000""#,
        r#""\u00e9é""#,
        r#""\ud83d\ude00😀""#,
        r#""\ud800""#,
        r#""\udc00\ud800 alone""#,
        "\"\u{7f}\u{2028}\u{feff}\"",
    ] {
        assert_verbatim(string);
    }
}

#[test]
fn literals_and_empty_values_come_back() {
    for value in ["null", "true", "false", "{}", "[]"] {
        assert_verbatim(value);
    }
}

#[test]
fn white_space_inside_the_value_stays() {
    assert_verbatim("{ \"a\" : [ 1 ,\t2 ,\r3 ] , \"b\" : { } }");
}

#[test]
fn keys_keep_their_order_and_their_doubles() {
    assert_verbatim(r#"{"z":1,"a":2,"m":3,"a":4,"type":"x","msg_id":"y","":0}"#);
}

#[test]
fn a_value_that_looks_like_a_message_is_only_a_value() {
    assert_verbatim(r#"{"src":"c1","dest":"n9","body":{"type":"init","in_reply_to":9}}"#);
}

#[test]
fn nesting_may_be_a_hundred_thousand_deep() {
    const DEPTH: usize = 100_000;
    let arrays = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
    assert_verbatim(&arrays);
    let objects = r#"{"k":"#.repeat(DEPTH) + "1" + &"}".repeat(DEPTH);
    assert_verbatim(&objects);
}

#[test]
fn keys_may_stand_in_any_order_and_with_white_space() {
    let mut node = Launch::new().ready();
    let line = r#" { "body" : { "echo" : [ 1 ] , "msg_id" : 2 , "type" : "echo" } , "id" : 7 , "dest" : "n1" , "src" : "c1" } "#;
    node.send(line);
    let reply = node.line();
    assert_eq!(echoed(&reply), Some("[ 1 ]"), "{reply}");
    node.finish_quietly();
}

#[test]
fn names_and_keys_may_be_written_with_escapes() {
    let mut node = Launch::new().ready();
    let line = r#"{"sr\u0063":"\u00631","dest":"n\u0031","body":{"t\u0079pe":"e\u0063ho","msg\u005fid":2,"\u0065cho":"\u0065"}}"#;
    node.send(line);
    let reply = node.line();
    assert!(reply.contains(r#""dest":"c1""#), "{reply}");
    assert_eq!(echoed(&reply), Some(r#""\u0065""#), "{reply}");
    node.finish_quietly();
}

#[test]
fn a_thousand_echoes_in_one_write_are_answered_in_order() {
    let mut node = Launch::new().ready();
    let mut lines = String::new();
    for id in 0..1000 {
        let body = format!(r#"{{"type":"echo","msg_id":{id},"echo":"{id}"}}"#);
        lines += &(client(&body) + "\n");
    }
    node.write(lines.as_bytes());
    for id in 0..1000 {
        let reply = node.reply();
        assert_eq!(reply["body"]["in_reply_to"], id);
        assert_eq!(reply["body"]["echo"], id.to_string());
    }
    node.finish_quietly();
}
