//! Servers that a test plays itself: silence, nonsense, half a message, floods.

use super::OnNats;
use super::support::PATIENCE;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// A server in the test, with one client.
struct Fake {
    listener: TcpListener,
}

impl Fake {
    fn new() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Fake { listener }
    }

    fn url(&self) -> String {
        format!("nats://{}", self.listener.local_addr().expect("an address"))
    }

    /// The next connection, without a word.
    fn accept(&self) -> Connection {
        let (stream, _) = self.listener.accept().expect("a client");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Connection(BufReader::new(stream))
    }

    /// The next connection, with the handshake done.
    fn greet(&self) -> Connection {
        let mut connection = self.accept();
        connection.write(b"INFO {\"headers\":true,\"max_payload\":1000000}\r\n");
        assert!(connection.line().starts_with("CONNECT {"));
        assert_eq!(connection.line(), "SUB eddyline.t.n1.* 1");
        assert_eq!(connection.line(), "SUB eddyline.t.n1.bounce.* 2");
        assert_eq!(connection.line(), "PING");
        connection.write(b"PONG\r\n");
        connection
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("write");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Whether the node has closed the connection.
    fn has_ended(&mut self) -> bool {
        !matches!(self.0.fill_buf(), Ok([_, ..]))
    }
}

fn echo(msg_id: u32) -> Vec<u8> {
    long_echo(msg_id, 1)
}

fn long_echo(msg_id: u32, length: usize) -> Vec<u8> {
    let body = json!({"type": "echo", "msg_id": msg_id, "echo": "x".repeat(length)});
    let payload = json!({"src": "c1", "dest": "n1", "body": body}).to_string();
    format!("MSG eddyline.t.n1.c1 1 {}\r\n{payload}\r\n", payload.len()).into_bytes()
}

#[test]
fn a_server_that_is_silent_or_no_server_is_left_for_another_attempt() {
    let fake = Fake::new();
    let mut node = OnNats::launch("n1", &fake.url(), &[]);
    let mut mute = fake.accept();
    node.wait_for("did not finish the handshake in time");
    assert!(mute.has_ended());
    let mut other = fake.accept();
    other.write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    node.wait_for("which is not NATS");
    assert!(other.has_ended());
    let mut half = fake.greet();
    node.wait_for("connected to");
    // Half a message, and the end.
    half.write(&echo(1)[..40]);
    drop(half);
    node.wait_for("has closed the connection");
    let mut whole = fake.greet();
    whole.write(&echo(2));
    assert!(whole.line().starts_with("PUB eddyline.t.c1.n1 "));
    assert!(
        whole.line().contains(r#""in_reply_to":2"#),
        "the half of 1 is forgotten"
    );
    node.end();
}

#[test]
fn a_conversation_in_single_bytes_with_an_info_in_the_middle() {
    let fake = Fake::new();
    let node = OnNats::launch("n1", &fake.url(), &[]);
    let mut server = fake.greet();
    let mut bytes = echo(1);
    bytes.extend_from_slice(b"INFO {\"headers\":true,\"max_payload\":500}\r\nPING\r\n+OK\r\n");
    bytes.extend_from_slice(b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n");
    bytes.extend(echo(2));
    for byte in bytes {
        server.write(&[byte]);
    }
    let mut heard = Vec::new();
    while heard.len() < 5 {
        heard.push(server.line());
    }
    let heard = heard.join("\n");
    assert_eq!(heard.matches("PUB ").count(), 2, "{heard}");
    assert_eq!(heard.matches("PONG").count(), 1, "{heard}");
    assert!(heard.contains(r#""in_reply_to":2"#), "{heard}");
    node.end();
}

#[test]
fn a_call_that_is_too_large_ends_with_error_11() {
    let fake = Fake::new();
    let mut node = OnNats::launch("n1", &fake.url(), &[]);
    let mut server = fake.greet();
    server.write(b"INFO {\"headers\":true,\"max_payload\":300}\r\n");
    let inner = json!({"type": "echo", "echo": "x".repeat(300)});
    let body = json!({"type": "proxy", "msg_id": 9, "target": "n2", "inner": inner});
    let payload = json!({"src": "c1", "dest": "n1", "body": body}).to_string();
    server.write(format!("MSG eddyline.t.n1.c1 1 {}\r\n{payload}\r\n", payload.len()).as_bytes());
    assert!(
        server.line().starts_with("PUB eddyline.t.c1.n1 "),
        "no call was sent"
    );
    let reply = server.line();
    assert!(reply.contains(r#""in_reply_to":9,"code":11"#), "{reply}");
    assert!(reply.contains("limit of 300"), "{reply}");
    node.wait_for("was not sent");
    node.end();
}

#[test]
fn a_flood_from_a_server_that_does_not_read_stays_in_bounded_memory() {
    let fake = Fake::new();
    let mut node = OnNats::launch("n1", &fake.url(), &[]);
    let mut server = fake.greet();
    let before = node.0.process().memory();
    // Five times the bound of requests, whose replies nothing reads, and PINGs between.
    let batch: Vec<u8> = (0..200)
        .flat_map(|n| [long_echo(n, 4000), b"PING\r\n".to_vec()].concat())
        .collect();
    let mut sent = 0;
    while sent < 40 << 20 {
        server.write(&batch);
        sent += batch.len();
    }
    node.wait_for("messages are dropped");
    let grown = node.0.process().peak_memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    // The node is alive: it reads on, and answers when it is read.
    let mut replies = 0;
    while replies < 100 {
        replies += usize::from(server.line().starts_with("PUB "));
    }
    node.end();
}
