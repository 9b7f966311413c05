//! When epoll reports that a full pipe has room again, edge-triggered.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn main() -> Result<(), Errno> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &writer,
        EventData::new_u64(0),
        EventFlags::OUT | EventFlags::ET,
    )?;
    let edges = || {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(4);
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&AT_ONCE)).expect("epoll works");
        events.len()
    };
    println!("an empty pipe is added:   {} edge", edges());
    write(&writer, &[b'x'; 4096])?;
    println!(
        "4096 bytes are written:   {} edges, although there is room",
        edges()
    );
    while write(&writer, &[b'x'; 4096]).is_ok() {}
    println!("the pipe is full:         {} edges", edges());
    let mut read_bytes = 0;
    while edges() == 0 {
        read_bytes += read(&reader, &mut [0; 1])?;
    }
    println!("it is read byte by byte:  1 edge after {read_bytes} bytes");
    Ok(())
}
