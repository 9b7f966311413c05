//! The reports of epoll about a pipe, edge-triggered and level-triggered.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// The flags of the only event; `nothing` if there is none.
fn wait(epoll: &OwnedFd) -> String {
    let mut events: Vec<epoll::Event> = Vec::with_capacity(4);
    epoll::wait(epoll, spare_capacity(&mut events), Some(&AT_ONCE)).expect("epoll works");
    match events.first() {
        Some(&event) => {
            let flags = event.flags; // the struct is packed
            format!("{flags:?}").replace("EventFlags", "")
        }
        None => "nothing".to_owned(),
    }
}

fn watch(source: &OwnedFd, flags: EventFlags) -> Result<OwnedFd, Errno> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, source, EventData::new_u64(0), flags)?;
    Ok(epoll)
}

fn main() -> Result<(), Errno> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    write(&writer, b"before")?;
    let level = watch(&reader, EventFlags::IN)?;
    let edge = watch(&reader, EventFlags::IN | EventFlags::ET)?;
    println!("                        level-triggered    edge-triggered");
    let show = |what: &str| println!("{what:<22}  {:<17}  {}", wait(&level), wait(&edge));
    show("6 bytes were there");
    show("wait again");
    read(&reader, &mut [0; 2])?;
    show("read 2 of 6 bytes");
    write(&writer, b"more")?;
    show("4 more bytes come");
    read(&reader, &mut [0; 100])?;
    show("read all 8 bytes");
    write(&writer, b"last")?;
    drop(writer);
    show("4 bytes and the end");
    read(&reader, &mut [0; 100])?;
    show("read those 4 bytes");
    show("wait again");
    Ok(())
}
