//! A client floods the server of chapter 3. Its neighbour says hello.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use turns::Server;

/// How many bytes have arrived at a client.
fn received(client: &mut TcpStream) -> usize {
    let (mut chunk, mut bytes) = ([0; 65536], 0);
    loop {
        match client.read(&mut chunk) {
            Ok(count) => bytes += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut server = Server::new(listener)?;
    let mut clients = [TcpStream::connect(address)?, TcpStream::connect(address)?];
    while server.turn(Some(Duration::from_millis(10)))? > 0 {}
    let [flood, neighbour] = &mut clients;
    for client in [&flood, &neighbour] {
        client.set_nonblocking(true)?;
    }
    flood.write_all(&[b'x'; 48_000])?;
    neighbour.write_all(b"hello")?;
    for turn in 1..=4 {
        server.turn(Some(Duration::ZERO))?;
        let bytes = [received(flood), received(neighbour)];
        println!(
            "turn {turn}: flood {:>5} bytes, neighbour {} bytes",
            bytes[0], bytes[1]
        );
    }
    Ok(())
}
