//! Makes lines, most of which are messages, and damages them.

use super::super::input::Input;

/// Values for any field.
const VALUES: [&str; 24] = [
    "0",
    "7",
    "-1",
    "1.5e-3",
    "1e400",
    "65536",
    "18446744073709551616",
    "true",
    "null",
    "\"\"",
    "\"n2\"",
    "\"line\\nfeed\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\u{e9}\"",
    "[]",
    "[1, [2, {\"a\" :\t3}]]",
    "{}",
    "{\"type\":\"read\"}",
    "{\"type\":\"read\",\"msg_id\":9,\"key\":[ 1 ]}",
    "{\"type\":\"read\",\"in_reply_to\":9}",
    "{\"type\":7}",
    "\r",
    "nul",
];

const NAMES: [&str; 12] = [
    "c1",
    "c1",
    "c2",
    "n2",
    "n2",
    "n3",
    "n1",
    "seq-kv",
    "\\u0063\\u0031",
    "\u{e9}\\\"",
    "",
    "n9",
];

const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "1",
    "-5",
    "-0",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "1.0",
    "null",
    "\"1\"",
    "{}",
];

const KINDS: [&str; 18] = [
    "echo",
    "proxy",
    "proxy",
    "give_up",
    "sleep",
    "tick",
    "fail",
    "twice",
    "never",
    "keep",
    "answer_kept",
    "spawn",
    "send_to",
    "tcp_start",
    "tcp_send",
    "tcp_stats",
    "unheard_of",
    "init",
];

/// The `init` of the node `n1`.
pub(super) const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2","n3"]}}"#;

/// A request for one of the handlers of `node.rs`.
pub(super) fn request(input: &mut Input<'_>, msg_id: usize) -> Vec<u8> {
    let kind = input.one_of(&KINDS);
    let fields = match kind {
        "echo" => format!(r#""echo":{}"#, value(input)),
        "proxy" => format!(
            r#""target":"{}","inner":{}"#,
            input.one_of(&["n2", "n2", "n3", "seq-kv", "n1", "n9"]),
            match input.byte() {
                plain @ 0..192 => format!(r#"{{"type":"read","key":{plain}}}"#),
                _ => value(input),
            }
        ),
        "sleep" | "tick" => format!(r#""ms":{}"#, input.byte()),
        "send_to" => format!(
            r#""to":"{}","count":{},"kib":{}"#,
            input.one_of(&NAMES),
            input.below(20),
            input.below(24)
        ),
        "tcp_start" => format!(r#""port":{}"#, input.word()),
        "tcp_send" => format!(r#""data":{}"#, value(input)),
        "init" => format!(
            r#""node_id":{},"node_ids":["n1",{}]"#,
            input.one_of(&["\"n1\"", "\"n1\"", "\"\"", "\"\u{e9}\"", "5"]),
            input.one_of(&["\"n2\",\"n3\"", "\"n3\",\"n2\"", "\"n2\"", "7"]),
        ),
        _ => String::from(r#""more":1"#),
    };
    let number = match input.byte() {
        0..200 => format!(r#","msg_id":{msg_id}"#),
        200..232 => format!(r#","msg_id":{}"#, input.one_of(&NUMBERS)),
        232..240 => format!(r#","msg_id":1,"in_reply_to":{}"#, input.one_of(&NUMBERS)),
        _ => String::new(),
    };
    let body = format!(r#"{{"type":"{kind}",{fields}{number}}}"#);
    message(input, None, &body)
}

/// A reply to `call` (its number and destination), or to no call.
pub(super) fn reply(input: &mut Input<'_>, call: Option<(u64, &str)>) -> Vec<u8> {
    let (number, src) = match (call, input.byte()) {
        (Some((number, src)), 0..200) => (number.to_string(), Some(src)),
        (Some((number, _)), 200..220) => (number.to_string(), None),
        _ => (input.one_of(&NUMBERS).to_owned(), None),
    };
    let fields = match input.byte() {
        0..128 => String::from(r#""type":"read_ok""#),
        128..160 => format!(r#""type":"read_ok","value":{}"#, value(input)),
        160..224 => format!(
            r#""type":"error","code":{},"text":"no\n{}""#,
            input.below(32),
            input.below(2)
        ),
        _ => format!(
            r#""type":"error","code":{},"text":{}"#,
            value(input),
            value(input)
        ),
    };
    let body = format!(r#"{{{fields},"in_reply_to":{number}}}"#);
    message(input, src, &body)
}

fn message(input: &mut Input<'_>, src: Option<&str>, body: &str) -> Vec<u8> {
    let dest = match input.byte() {
        0..240 => "n1",
        _ => input.one_of(&NAMES),
    };
    let name = match input.byte() {
        250.. => "long".repeat(usize::from(input.byte())),
        choice => NAMES[usize::from(choice) % NAMES.len()].to_owned(),
    };
    let src = src.unwrap_or(&name);
    let line = match input.below(3) {
        0 => format!(r#"{{"src":"{src}","dest":"{dest}","body":{body}}}"#),
        1 => format!(r#"{{"id":7,"src":"{src}","dest":"{dest}","body":{body}}}"#),
        _ => format!(r#" {{"body": {body} , "dest":"{dest}","src":"{src}" }} "#),
    };
    line.into_bytes()
}

fn value(input: &mut Input<'_>) -> String {
    match input.byte() {
        // A large value fills buffers with few bytes of input.
        long @ 248.. => format!("\"{}\"", "x".repeat(usize::from(long - 247) << 12)),
        deep @ 240..248 => {
            let depth = 1 << (deep - 239);
            "[".repeat(depth) + &"]".repeat(depth)
        }
        choice => VALUES[usize::from(choice) % VALUES.len()].to_owned(),
    }
}

/// Damages a line in up to four places.
pub(super) fn mutate(input: &mut Input<'_>, line: &mut Vec<u8>) {
    for _ in 0..=input.below(4) {
        let at = input.word() % (line.len() + 1);
        let byte = input.byte();
        match input.below(4) {
            0 => line.insert(at, byte),
            1 if at < line.len() => line[at] = byte,
            2 if at < line.len() => _ = line.remove(at),
            3 => line.truncate(at),
            _ => {}
        }
    }
}
