//! A TCP echo server on plain epoll, as small as possible. It prints its port.
//!
//! The loop is level-triggered: epoll reports a connection as long as it is readable, so
//! one read for each event is enough. The writes block. There is no backpressure, no
//! deadline and no limit. Read `tcp_mio.rs` next, which is edge-triggered.

use rustix::event::epoll;
use rustix::io::Errno;
use std::collections::HashMap;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        epoll::EventData::new_u64(0),
        epoll::EventFlags::IN,
    )?;
    let mut streams: HashMap<u64, TcpStream> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let id = event.data.u64();
            let Some(stream) = streams.get(&id) else {
                let (stream, _) = listener.accept()?;
                let id = u64::try_from(stream.as_raw_fd())?;
                epoll::add(
                    &poll,
                    &stream,
                    epoll::EventData::new_u64(id),
                    epoll::EventFlags::IN,
                )?;
                streams.insert(id, stream);
                continue;
            };
            match rustix::io::read(stream, &mut buffer) {
                Ok(0) | Err(Errno::CONNRESET) => _ = streams.remove(&id),
                Ok(count) => {
                    let mut rest = &buffer[..count];
                    while !rest.is_empty() {
                        let written = rustix::io::write(stream, rest)?;
                        rest = &rest[written..];
                    }
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
