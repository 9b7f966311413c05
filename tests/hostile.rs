//! Checks the real binary with input that is meant to do harm: to readers of the log,
//! to the machine, or to the protocol.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use support::{Launch, Node, PATIENCE, assert_body, client, message};

fn listening() -> (Node, u16) {
    let mut node = Launch::new().ready();
    let reply = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    let port = reply["body"]["port"].as_u64().expect("a port");
    (node, u16::try_from(port).expect("a port fits into 16 bits"))
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// The local addresses with a listening socket at `port`, from the kernel's table.
fn listeners(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let table = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
    let lines = table.iter().flat_map(|table| table.lines().skip(1));
    let listener = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (address, in_hex) = fields.next()?.split_once(':')?;
        let is_listening = fields.nth(1)? == LISTEN;
        let is_ours = u16::from_str_radix(in_hex, 16) == Ok(port);
        (is_listening && is_ours).then(|| address.to_owned())
    };
    lines.filter_map(listener).collect()
}

#[test]
fn tcp_echo_binds_loopback_by_default() {
    let (node, port) = listening();
    // 127.0.0.1 in the kernel's notation.
    assert_eq!(listeners(port), ["0100007F"]);
    node.finish_quietly();
}

// Otherwise a TCP client could write messages in the node's name.
#[test]
fn tcp_data_reaches_stdout_only_inside_json_strings() {
    let (mut node, port) = listening();
    let forged = "\n{\"src\":\"n1\",\"dest\":\"c1\",\"body\":{\"type\":\"forged\"}}\n";
    let mut outside = connect(port);
    let sent = [forged.as_bytes(), b"\"}}\n\xff\xfe\x00\n"].concat();
    outside.write_all(&sent).expect("write");
    outside.shutdown(Shutdown::Write).expect("half-close");
    let mut echo = Vec::new();
    outside.read_to_end(&mut echo).expect("read");
    assert_eq!(echo, sent);
    // The node has received it, and the next line on stdout is the reply to `check`.
    node.check();
    let send = json!({"type": "tcp_echo_send", "msg_id": 3, "data": forged});
    node.send(&client(&send.to_string()));
    let line = node.line();
    assert_eq!(line.matches(r#"{"src""#).count(), 1, "{line}");
    let reply: Value = serde_json::from_str(&line).expect("JSON");
    let body = json!({"type": "tcp_echo_send_ok", "in_reply_to": 3, "echoed": forged,
        "bytes": forged.len()});
    assert_body(&reply, "c1", &body);
    node.check();
    node.finish_quietly();
}

/// Texts with a meaning to a shell, a formatter, a file system or a parser.
const HARMFUL: [&str; 12] = [
    "/etc/passwd",
    "../../../../etc/passwd",
    "/proc/self/mem",
    "file:///etc/passwd",
    "$(touch eddyline-was-here)",
    "`touch eddyline-was-here`",
    "; touch eddyline-was-here #",
    "| touch eddyline-was-here",
    "%s%s%s%n%x",
    "{}{0}{name:?}{{",
    "%00",
    "' OR 1=1 --",
];

/// The number of open descriptors of a process, and its children.
fn footprint(node: &Node) -> (usize, String) {
    let pid = node.process().pid;
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(children).expect("the node is running");
    (node.process().open_files(), children)
}

#[test]
fn message_fields_are_never_paths_formats_or_commands() {
    let (mut node, _) = listening();
    let before = footprint(&node);
    for text in HARMFUL {
        let echo = json!({"type": "echo", "msg_id": 3, "echo": {text: text}});
        let reply = node.ask(&message(text, &echo.to_string()));
        assert_body(
            &reply,
            text,
            &json!({"type": "echo_ok", "in_reply_to": 3, "echo": {text: text}}),
        );
        let send = json!({"type": "tcp_echo_send", "msg_id": 4, "data": text});
        assert_eq!(node.ask(&client(&send.to_string()))["body"]["echoed"], text);
        for body in [
            json!({"type": text, "msg_id": 5}),
            json!({"type": "proxy", "msg_id": 5, "target": text, "inner": {"type": "echo"}}),
            json!({"type": "proxy", "msg_id": 5, "target": "n2", "inner": text}),
            json!({"type": "tcp_echo_start", "msg_id": 5, "port": text}),
            json!({"type": "init", "msg_id": 5, "node_id": text, "node_ids": [text]}),
        ] {
            // `text` has been a sender before, so a proxied request to it is sent. The
            // test answers it.
            let reply = node.ask(&client(&body.to_string()));
            if reply["dest"] == "c1" {
                assert_eq!(reply["body"]["type"], "error", "{reply}");
            } else {
                assert_eq!(reply["dest"], text, "{reply}");
                let answer = json!({"type": "echo_ok", "in_reply_to": reply["body"]["msg_id"]});
                let answer = message(text, &answer.to_string());
                assert_eq!(node.ask(&answer)["body"]["type"], "proxy_ok");
            }
        }
    }
    assert_eq!(footprint(&node), before, "a file or process is left over");
    assert!(!fs::exists("eddyline-was-here").expect("the folder can be read"));
    node.check();
    node.finish_quietly();
}

/// Whether a terminal or a viewer acts on the character: control characters (C0 and
/// C1), line separators, bidirectional and invisible characters.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || "\u{200b}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}".contains(c)
}

#[test]
fn hostile_input_cannot_deceive_readers_of_the_log() {
    let hostile =
        "\u{1b}[2J\u{9b}31m\r\n\u{0}\u{7f}\u{85}\u{200b}\u{202e}eil\u{2066}\u{2028}\u{feff}";
    let name = |key: &str| json!({key: "n1", "src": "c1", "dest": "n1"});
    let mut envelopes = vec![
        // For another node; of an unknown type; without a `msg_id`; with unusable
        // fields.
        json!({"src": "c1", "dest": hostile, "body": {"type": "echo"}}),
        json!({"src": hostile, "dest": "n1", "body": {"type": hostile}}),
        json!({"src": hostile, "dest": "n1", "body": {"type": "echo"}}),
        json!({"src": hostile, "dest": "n1", "body": {"type": "echo", "msg_id": hostile}}),
        json!({"src": hostile, "dest": "n1", "body": {"type": "tcp_echo_start", "port": hostile}}),
        json!({"src": hostile, "dest": "n1", "body": {"type": "proxy", "target": hostile}}),
        json!({"src": hostile, "dest": "n1", "body": {hostile: hostile}}),
    ];
    let mut nameless = name(hostile);
    nameless["body"] = json!(hostile);
    envelopes.push(nameless);
    let mut lines: Vec<String> = envelopes.iter().map(ToString::to_string).collect();
    // The same characters as bytes, not as escapes. Control characters make the line
    // malformed.
    let raw = hostile.replace(['\n', '\r'], "");
    lines.push(format!(
        r#"{{"src":"{raw}","dest":"n1","body":{{"type":"{raw}"}}}}"#
    ));
    lines.push(raw.replace(char::is_control, ""));
    lines.push(format!(
        r#"{{"src":"c1","dest":"n1","body":{{"type":"{}"}}}}"#,
        raw.replace(char::is_control, "")
    ));

    let mut node = Launch::new().ready();
    for line in &lines {
        node.send(line);
    }
    // The text of another node's error. The proxy request has no `msg_id`, so the error
    // goes to the log.
    node.send(&client(
        r#"{"type":"proxy","target":"n2","inner":{"type":"read"}}"#,
    ));
    let asked = node.reply();
    assert_eq!(asked["dest"], "n2", "{asked}");
    let error = json!({"type": "error", "in_reply_to": asked["body"]["msg_id"], "code": 14, "text": hostile});
    node.send(&message("n2", &error.to_string()));
    let ending = node.finish();
    assert_eq!(ending.stderr.len(), lines.len() + 1, "{:#?}", ending.stderr);
    for line in &ending.stderr {
        assert!(line.starts_with("eddyline: "), "{line:?}");
        assert_eq!(line.chars().find(|&c| is_treacherous(c)), None, "{line:?}");
        assert!(line.len() < 4_000, "{line:.100}");
    }
}
