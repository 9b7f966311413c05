//! Two clients of the blocking server. The first one says nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || while blocking::serve_one(&listener).is_ok() {});

    let first = TcpStream::connect(address)?;
    println!("first:  connected, and silent");
    let mut second = TcpStream::connect(address)?;
    println!("second: connected");
    second.write_all(b"hello")?;
    println!("second: sent hello");

    second.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut answer = [0; 16];
    match second.read(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            println!("second: no answer after 500 ms")
        }
        other => println!("second: {other:?}"),
    }
    drop(first);
    println!("first:  gone");
    second.set_read_timeout(None)?;
    let count = second.read(&mut answer)?;
    println!("second: got {}", String::from_utf8_lossy(&answer[..count]));
    Ok(())
}
