//! A wrong draft: the server of chapter 1 on edge-triggered epoll. It reads once for
//! each event.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const A_MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut stream, _) = listener.accept()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &stream,
        EventData::new_u64(0),
        EventFlags::IN | EventFlags::ET,
    )?;

    client.write_all(&[b'x'; 10_000])?;
    println!("the client sends 10000 bytes, and waits for their echo");
    let mut echoed = 0;
    for turn in 1..=4 {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(4);
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&A_MOMENT))?;
        for _ in &events {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk)?;
            stream.write_all(&chunk[..count])?;
            echoed += count;
        }
        println!(
            "turn {turn}: {} events, {echoed} bytes echoed so far",
            events.len()
        );
    }
    client.write_all(b"y")?;
    println!("the client sends 1 byte more");
    let mut events: Vec<epoll::Event> = Vec::with_capacity(4);
    epoll::wait(&epoll, spare_capacity(&mut events), Some(&A_MOMENT))?;
    let count = stream.read(&mut [0; 4096])?;
    println!(
        "turn 5: {} event, {} bytes echoed so far",
        events.len(),
        echoed + count
    );
    Ok(())
}
