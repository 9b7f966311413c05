//! Checks TCP echo in the real binary, over real sockets: its three requests, outside
//! clients of many kinds, and thousands of connections.

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod crowd;
mod fairness;
mod sends;
mod tasks;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use support::{Launch, Node, PATIENCE, client};

/// A node with TCP echo on a free port, and the port.
fn listening(launch: Launch) -> (Node, u16) {
    let mut node = launch.ready();
    let reply = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    let port = port_of(&reply);
    (node, port)
}

fn port_of(reply: &Value) -> u16 {
    let body = &reply["body"];
    assert_eq!(body["type"], "tcp_echo_start_ok", "{reply}");
    let port = body["port"].as_u64().expect("a port");
    u16::try_from(port).expect("a port fits into 16 bits")
}

/// Connects a TCP client, whose reads and writes have a timeout.
fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Writes, half-closes, and reads to the end.
fn exchange(mut stream: TcpStream, data: &[u8]) -> Vec<u8> {
    stream.write_all(data).expect("write");
    stream.shutdown(Shutdown::Write).expect("half-close");
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).expect("read to the end");
    echo
}

/// Writes bytes and reads their echo. The connection stays open.
fn ping(stream: &mut TcpStream, data: &[u8]) {
    stream.write_all(data).expect("write");
    let mut echo = vec![0; data.len()];
    stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(echo, data);
}
