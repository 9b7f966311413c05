//! Round trips over TCP.

use crate::message::INIT;
use crate::node::cpu_of_children;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const PAYLOAD: [u8; 64] = [b'x'; 64];

const START: &[u8] = b"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"tcp_echo_start\",\"msg_id\":2,\"port\":0}}\n";

/// The processor time of a server for each round trip. It includes the server's start.
pub fn round_trip_micros(
    program: &str,
    connections: usize,
    round_trips: usize,
) -> Result<f64, Box<dyn Error>> {
    let before = cpu_of_children()?;
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no pipe")?;
    // A server that prints its port does not read its stdin.
    let _ignored = stdin.write_all(INIT).and_then(|()| stdin.write_all(START));
    // Open to the end, because a node ends when its stdout is closed.
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut port = None;
    for line in stdout.by_ref().lines() {
        let line = line?;
        let digits = line
            .rsplit_once("\"port\":")
            .map_or(&*line, |(_, rest)| rest);
        port = digits.trim_end_matches('}').parse::<u16>().ok();
        if port.is_some() {
            break;
        }
    }
    let port = port.ok_or("no port")?;
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let mut echoed = PAYLOAD;
    for _ in 0..round_trips.div_ceil(connections) {
        for stream in &mut streams {
            stream.write_all(&PAYLOAD)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut echoed)?;
        }
    }
    child.kill()?;
    child.wait()?;
    Ok((cpu_of_children()? - before).as_secs_f64() * 1e6 / round_trips as f64)
}
