//! A turn that names its clients by their descriptors, as chapter 3 does, and closes
//! them at once. It believes what the event says of them.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::collections::HashMap;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

fn main() -> std::io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut clients: HashMap<u64, (&str, UnixStream)> = HashMap::new();
    let enter = |clients: &mut HashMap<_, _>, label| -> std::io::Result<(u64, UnixStream)> {
        let (stream, peer) = UnixStream::pair()?;
        let name = stream.as_raw_fd() as u64;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &stream, EventData::new_u64(name), flags)?;
        clients.insert(name, (label, stream));
        Ok((name, peer))
    };
    let (_, mut peer_of_a) = enter(&mut clients, "A")?;
    let (b, peer_of_b) = enter(&mut clients, "B")?;
    peer_of_a.write_all(b"close B")?;
    drop(peer_of_b);

    let mut events: Vec<Event> = Vec::with_capacity(8);
    epoll::wait(&epoll, spare_capacity(&mut events), None)?;
    println!("epoll reports {} events", events.len());
    let mut peer_of_c = None;
    for event in &events {
        let (name, flags) = (event.data.u64(), event.flags);
        let label = clients[&name].0;
        let flags = format!("{flags:?}").replace("EventFlags", "");
        println!(
            "the event {flags} of descriptor {} goes to {label}",
            if name == b { "b" } else { "a" }
        );
        if label == "A" {
            clients.remove(&b);
            println!("  A asks to close B: B is closed");
            let (c, peer) = enter(&mut clients, "C")?;
            peer_of_c = Some(peer);
            println!(
                "  C connects. Its descriptor is the one that B had: {}",
                c == b
            );
        }
        if flags.contains("HUP") {
            clients.remove(&name);
            println!("  the peer has hung up: {label} is closed");
        }
    }
    let written = peer_of_c.expect("C has connected").write(b"hello");
    println!(
        "the peer of C writes hello: {:?}",
        written.map_err(|error| error.kind())
    );
    Ok(())
}
