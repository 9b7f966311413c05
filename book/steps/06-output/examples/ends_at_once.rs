//! A client sends lines, ends its side, and reads the answers. How many are lost?

use outputs::server::Server;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

const A_MOMENT: Option<Duration> = Some(Duration::from_millis(100));

/// Sends `lines` lines, and the end `at_once` or a turn later. Returns bytes sent and
/// bytes that came back.
fn talk(lines: usize, at_once: bool) -> std::io::Result<(usize, usize)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut server = Server::new(listener)?;
    let mut client = TcpStream::connect(address)?;
    while server.clients() == 0 {
        server.turn(A_MOMENT)?;
    }
    server.turn(A_MOMENT)?; // the first edge of the client: there is room
    let input = b"a line\n".repeat(lines);
    client.write_all(&input)?;
    if !at_once {
        server.turn(A_MOMENT)?;
    }
    client.shutdown(Shutdown::Write)?;
    while server.clients() > 0 {
        server.turn(A_MOMENT)?;
    }
    let mut echo = Vec::new();
    client.read_to_end(&mut echo)?;
    Ok((input.len(), echo.len()))
}

fn main() -> std::io::Result<()> {
    for (lines, at_once, name) in [
        (2, false, "2 lines, and the end in the next turn"),
        (2, true, "2 lines, and the end at once"),
        (5000, true, "5000 lines, and the end at once"),
    ] {
        let (sent, back) = talk(lines, at_once)?;
        println!("{name}: {sent} bytes sent, {} lost", sent - back);
    }
    Ok(())
}
