//! The parser of NATS against a server that follows the input: operations, damaged ones
//! and noise, in reads of every size.
//!
//! The operations are those of a parser that gets all bytes at once. No payload is over
//! its limit, and after an error there is nothing more.

#[path = "input.rs"]
mod input;

use crate::engine::parser::{Operation, Parser};
use input::Input;

/// The most bytes that one input may bring.
const TOTAL_BYTES_MAX: usize = 1 << 17;

pub(crate) fn check(input: &[u8]) {
    let mut input = Input::new(input);
    let limit = match input.byte() {
        0 => 100_000,
        short => usize::from(short),
    };
    let mut cuts = Vec::new();
    let mut stream = Vec::new();
    while let Some(step) = input.step()
        && stream.len() < TOTAL_BYTES_MAX
    {
        say(step, &mut input, &mut stream);
        cuts.push(usize::from(input.byte()) + 1);
    }
    let whole = parse(&stream, limit, &[usize::MAX]);
    let cut = parse(&stream, limit, &cuts);
    assert!(whole == cut, "{limit}: {} and {}", whole.len(), cut.len());
}

/// Appends what the server says in one step.
fn say(step: u8, input: &mut Input<'_>, stream: &mut Vec<u8>) {
    let short = usize::from(step >> 3);
    match step % 8 {
        0 => stream.extend_from_slice(input.take(short)),
        1 | 2 => {
            // Sometimes with another length than it announces.
            let announced = usize::from(input.byte());
            stream.extend_from_slice(format!("MSG a.b 1 {announced}\r\n").as_bytes());
            let length = if short == 31 { short } else { announced };
            stream.resize(stream.len() + length, b'\n');
            stream.extend_from_slice(b"\r\n");
        }
        3 => {
            let announced = usize::from(input.byte());
            stream.extend_from_slice(format!("HMSG a 2 r {short} {announced}\r\n").as_bytes());
            stream.resize(stream.len() + announced, b'x');
            stream.extend_from_slice(b"\r\n");
        }
        4 => stream.extend_from_slice(b"PING\r\n"),
        5 => {
            stream.extend_from_slice(b"INFO {");
            stream.resize(stream.len() + input.word(), b'i');
            stream.extend_from_slice(b"}\r\n");
        }
        6 => stream.extend_from_slice(b"-ERR 'no'\r\n"),
        _ => {
            let length = input.word();
            stream.extend_from_slice(format!("MSG long 7 {length}\r\n").as_bytes());
            stream.resize(stream.len() + length, b'y');
            stream.extend_from_slice(b"\r\n+OK\r\n");
        }
    }
}

/// The operations in `stream`, read in pieces of the sizes of `cuts`, again and again.
fn parse(mut stream: &[u8], limit: usize, cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut parser = Parser::new(limit);
    let mut found = Vec::new();
    let mut cuts = cuts.iter().cycle();
    while !stream.is_empty() {
        let space = parser.space();
        assert!(!space.is_empty(), "no room to read");
        let cut = cuts.next().copied().unwrap_or(1);
        let count = cut.min(space.len()).min(stream.len());
        space[..count].copy_from_slice(&stream[..count]);
        parser.filled(count);
        stream = &stream[count..];
        loop {
            match parser.next() {
                Ok(None) => break,
                Ok(Some(operation)) => found.push(owned(&operation, limit)),
                Err(error) => {
                    found.push(error.to_string().into_bytes());
                    return found;
                }
            }
        }
    }
    found
}

/// The parts of an operation in one block. To format it would take most of a run.
fn owned(operation: &Operation<'_>, limit: usize) -> Vec<u8> {
    match operation {
        Operation::Info(bytes) => [b"info", *bytes].concat(),
        Operation::Error(bytes) => [b"error", *bytes].concat(),
        Operation::Message {
            subject,
            headers,
            payload,
            ..
        } => {
            assert!(headers.len() + payload.len() <= limit);
            [*subject, b" ", headers, b" ", payload].concat()
        }
        Operation::TooLong { subject, .. } => [b"too long", *subject].concat(),
        Operation::Ping => b"ping".to_vec(),
        Operation::Pong => b"pong".to_vec(),
        Operation::Ok => b"ok".to_vec(),
    }
}

#[cfg(test)]
#[path = "replay.rs"]
mod replay;

#[cfg(test)]
#[test]
fn server_bytes() {
    replay::corpus("nats", check);
    replay::random(64, b"\0\x40", check);
}
