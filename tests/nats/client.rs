//! A client that writes the NATS protocol by hand: nothing of the node's own code.

use super::support::PATIENCE;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A client of a server, with a name in a cluster.
pub(crate) struct Client {
    cluster: &'static str,
    name: String,
    stream: BufReader<TcpStream>,
    next_msg_id: u64,
}

impl Client {
    pub(crate) fn connect(port: u16, name: &str) -> Client {
        Client::connect_with(port, name, "")
    }

    /// With further fields of `CONNECT`, each with a comma in front.
    pub(crate) fn connect_with(port: u16, name: &str, fields: &str) -> Client {
        Client::connect_in("t", port, name, fields)
    }

    /// The same in another cluster than `t`.
    pub(crate) fn connect_in(cluster: &'static str, port: u16, name: &str, fields: &str) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        let mut client = Client {
            cluster,
            name: name.to_owned(),
            stream: BufReader::new(stream),
            next_msg_id: 1,
        };
        assert!(client.line().starts_with("INFO "));
        client.write(&format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true{fields}}}\r\n\
             SUB eddyline.{cluster}.{name}.* 1\r\nPING\r\n"
        ));
        assert_eq!(client.line(), "PONG");
        client
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.stream
            .get_mut()
            .write_all(text.as_bytes())
            .expect("write");
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "the server has closed the connection");
        line.trim_end().to_owned()
    }

    /// Publishes a payload to `dest`, on the subject of `src`.
    pub(crate) fn publish(&mut self, dest: &str, src: &str, payload: &str) {
        let (cluster, length) = (self.cluster, payload.len());
        self.write(&format!(
            "PUB eddyline.{cluster}.{dest}.{src} {length}\r\n{payload}\r\n"
        ));
    }

    /// Sends a body, with a `msg_id`, which it returns.
    pub(crate) fn send(&mut self, dest: &str, mut body: Value) -> u64 {
        let msg_id = self.next_msg_id;
        self.next_msg_id += 1;
        body["msg_id"] = msg_id.into();
        let name = self.name.clone();
        let message = json!({"src": name, "dest": dest, "body": body});
        self.publish(dest, &name, &message.to_string());
        msg_id
    }

    /// The next message: its subject and its payload, unparsed.
    pub(crate) fn receive(&mut self) -> (String, String) {
        loop {
            let line = self.line();
            if line == "PING" {
                self.write("PONG\r\n");
            }
            if line.starts_with("MSG ") {
                return self.payload(&line);
            }
        }
    }

    /// The next payload, or `None` if none has begun to arrive by then.
    pub(crate) fn receive_until(&mut self, until: Instant) -> Option<String> {
        loop {
            if self.stream.buffer().is_empty() {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                let stream = self.stream.get_ref();
                stream.set_read_timeout(Some(left)).expect("a timeout");
                let has_come = self.stream.fill_buf().is_ok();
                let stream = self.stream.get_ref();
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                if !has_come {
                    return None;
                }
            }
            let line = self.line();
            if line == "PING" {
                self.write("PONG\r\n");
            } else if line.starts_with("MSG ") {
                return Some(self.payload(&line).1);
            }
        }
    }

    /// The number of the next request.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_msg_id
    }

    /// The next requests have numbers from this one on.
    pub(crate) fn count_from(&mut self, number: u64) {
        self.next_msg_id = number;
    }

    /// The subject in a line, and the payload behind it.
    fn payload(&mut self, line: &str) -> (String, String) {
        let words: Vec<&str> = line.split(' ').collect();
        let length: usize = words.last().and_then(|n| n.parse().ok()).expect("a length");
        let mut payload = vec![0; length + 2];
        self.stream.read_exact(&mut payload).expect("a payload");
        payload.truncate(length);
        let payload = String::from_utf8(payload).expect("text");
        (words[1].to_owned(), payload)
    }

    /// The body of the reply to a message. Replies to others are passed over.
    pub(crate) fn reply_to(&mut self, msg_id: u64) -> Value {
        loop {
            let (_, payload) = self.receive();
            let mut message: Value = serde_json::from_str(&payload).expect("JSON");
            if message["body"]["in_reply_to"] == msg_id {
                return message["body"].take();
            }
        }
    }

    /// The body of the reply to a message, or `None` if none comes in time.
    pub(crate) fn reply_to_or_nothing(&mut self, msg_id: u64, patience: Duration) -> Option<Value> {
        let until = Instant::now() + patience;
        while let Some(payload) = self.receive_until(until) {
            let mut message: Value = serde_json::from_str(&payload).expect("JSON");
            if message["body"]["in_reply_to"] == msg_id {
                return Some(message["body"].take());
            }
        }
        None
    }

    pub(crate) fn ask(&mut self, dest: &str, body: Value) -> Value {
        let msg_id = self.send(dest, body);
        self.reply_to(msg_id)
    }

    /// Whether nothing has come, after a round trip to the server.
    pub(crate) fn has_nothing(&mut self) -> bool {
        self.write("PING\r\n");
        self.line() == "PONG"
    }
}
