//! A descriptor is closed while a duplicate of it is open.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::write;
use rustix::pipe::{PipeFlags, pipe_with};

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn main() -> std::io::Result<()> {
    for take_out in [false, true] {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
        let duplicate = reader.try_clone()?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &reader, EventData::new_u64(0), EventFlags::IN)?;
        if take_out {
            epoll::delete(&epoll, &reader)?;
        }
        drop(reader);
        write(&writer, b"x")?;
        let mut events: Vec<Event> = Vec::with_capacity(8);
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&AT_ONCE))?;
        let how = if take_out {
            "taken out, then closed"
        } else {
            "only closed"
        };
        println!("{how:<22}: {} events", events.len());
        drop(duplicate);
    }
    Ok(())
}
