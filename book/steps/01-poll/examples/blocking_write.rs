//! A wrong draft: the loop asks `poll` before each call, but its sockets block.

use rustix::event::{PollFd, PollFlags, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Serves two clients: one read and one write for each that is readable.
fn serve(mut clients: [TcpStream; 2]) -> std::io::Result<()> {
    let mut chunk = [0; 4096];
    loop {
        let mut questions =
            [&clients[0], &clients[1]].map(|client| PollFd::new(client, PollFlags::IN));
        poll(&mut questions, None)?;
        let answers = questions.map(|question| question.revents());
        for (client, flags) in clients.iter_mut().zip(answers) {
            if flags.contains(PollFlags::IN) {
                let count = client.read(&mut chunk)?;
                client.write_all(&chunk[..count])?;
            }
        }
    }
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut greedy = TcpStream::connect(address)?;
    let mut second = TcpStream::connect(address)?;
    let clients = [listener.accept()?.0, listener.accept()?.0];
    std::thread::spawn(move || serve(clients));

    second.write_all(b"hello")?;
    let mut answer = [0; 16];
    let count = second.read(&mut answer)?;
    println!("second: got {}", String::from_utf8_lossy(&answer[..count]));

    println!("greedy: sends, and does not read");
    greedy.set_write_timeout(Some(Duration::from_millis(500)))?;
    while greedy.write_all(&[b'x'; 4096]).is_ok() {}
    println!("greedy: cannot send any more");

    second.write_all(b"hello")?;
    second.set_read_timeout(Some(Duration::from_millis(500)))?;
    match second.read(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            println!("second: no answer after 500 ms")
        }
        other => println!("second: {other:?}"),
    }
    Ok(())
}
