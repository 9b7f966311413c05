//! An echo server that serves one client after another.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

/// Sends back all that a client sends, until the client ends. Returns how many
/// bytes that were.
pub fn echo(client: &mut TcpStream) -> io::Result<u64> {
    let mut chunk = [0; CHUNK_BYTES];
    let mut echoed = 0;
    loop {
        let count = client.read(&mut chunk)?;
        if count == 0 {
            return Ok(echoed);
        }
        client.write_all(&chunk[..count])?;
        echoed += count as u64;
    }
}

/// Waits for a client, and serves it to its end. The outer error is the listener's,
/// the inner one is the client's.
pub fn serve_one(listener: &TcpListener) -> io::Result<io::Result<u64>> {
    let (mut client, _address) = listener.accept()?;
    Ok(echo(&mut client))
}
