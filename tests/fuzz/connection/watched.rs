//! One socket under an edge-triggered epoll, and the peer at its other end.

use super::input::Input;
use crate::source::{Next, Progress, Readiness};
use crate::sys::{Descriptor, socket};
use rustix::event::epoll::{self, EventFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::os::fd::{AsFd, OwnedFd};

/// Less than the smallest buffer of any kernel, which rounds up to that.
const BUFFER_BYTES: usize = 1;

/// The state that the runtime keeps of one socket.
pub(super) struct Watched {
    epoll: OwnedFd,
    /// Sticky until it proves used up.
    readiness: Readiness,
    /// The facts that events have told already.
    told: Told,
    is_carried: bool,
    is_news: bool,
}

/// An event of a socket of this kind repeats old facts, even when the peer has only read.
/// An event of a TCP socket may not, so the facts that are not new are left out.
#[derive(Default)]
struct Told {
    /// How much the peer had written.
    written: usize,
    has_shut_down: bool,
    is_gone: bool,
}

impl Watched {
    pub(super) fn new(fd: impl AsFd) -> Watched {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&epoll, fd, epoll::EventData::new_u64(0), flags).expect("a new socket");
        Watched {
            epoll,
            readiness: Readiness::NONE,
            told: Told::default(),
            is_carried: false,
            is_news: false,
        }
    }

    /// Learns what has happened since, as the reactor does.
    pub(super) fn collect(&mut self, peer: &Peer) {
        let mut events = Vec::with_capacity(4);
        let buffer = rustix::buffer::spare_capacity(&mut events);
        let at_once = rustix::event::Timespec::default();
        epoll::wait(&self.epoll, buffer, Some(&at_once)).expect("an epoll waits");
        for event in events {
            let flags = event.flags;
            let has = |wanted| flags.intersects(wanted);
            let is_gone = has(EventFlags::HUP | EventFlags::ERR);
            let is_over = is_gone || has(EventFlags::RDHUP);
            let told = std::mem::replace(
                &mut self.told,
                Told {
                    written: peer.written,
                    has_shut_down: is_over,
                    is_gone,
                },
            );
            let is_end = is_over && !told.has_shut_down || is_gone && !told.is_gone;
            let has_come = has(EventFlags::IN) && peer.written > told.written;
            let is_free = has(EventFlags::OUT) && !self.readiness.is_writable();
            self.learn(has_come || is_end, Readiness::READABLE);
            self.learn(is_free || is_gone && !told.is_gone, Readiness::WRITABLE);
            self.learn(is_end, Readiness::READ_CLOSED);
            self.is_news |= has_come || is_end || is_free;
        }
    }

    /// An event that means nothing.
    pub(super) fn pretend(&mut self, input: &mut Input<'_>) {
        let which = input.byte();
        self.learn(which & 1 != 0, Readiness::READABLE);
        self.learn(which & 2 != 0, Readiness::WRITABLE);
        self.is_news = true;
    }

    fn learn(&mut self, is_so: bool, flag: Readiness) {
        if is_so {
            self.readiness |= flag;
        }
    }

    /// Whether the state machine is to be called.
    pub(super) fn is_due(&self) -> bool {
        self.is_carried || self.is_news
    }

    /// Calls the state machine, and applies its answer as the runtime does.
    pub(super) fn serve<T>(
        &mut self,
        ready: impl FnOnce(Readiness) -> Progress<T>,
    ) -> (usize, Option<T>) {
        let given = self.readiness;
        self.is_news = false;
        let progress = ready(given);
        let used_up = progress.used_up;
        assert!(given.contains(used_up), "was not ready for it");
        assert!(!used_up.is_read_closed(), "an end does not pass");
        self.readiness.remove(used_up);
        self.is_carried = matches!(progress.next, Next::CarryOver(_));
        let left = self.readiness;
        assert!(
            !self.is_carried || left.is_readable() || left.is_writable(),
            "for nothing"
        );
        match progress.next {
            Next::Finished(outcome) => (progress.received_bytes, Some(outcome)),
            Next::Wait | Next::CarryOver(_) => (progress.received_bytes, None),
        }
    }
}

/// The other end of the pair.
pub(super) struct Peer {
    fd: Option<Descriptor>,
    /// How many bytes it has written, and read.
    pub(super) written: usize,
    pub(super) read: usize,
    pub(super) has_shut_down: bool,
    /// Nothing more comes from the other side.
    pub(super) at_end: bool,
}

/// (our end, the peer)
pub(super) fn pair() -> (Descriptor, Peer) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .expect("a pair of sockets");
    for fd in [&ours, &theirs] {
        rustix::net::sockopt::set_socket_send_buffer_size(fd, BUFFER_BYTES)
            .expect("a buffer has a size");
    }
    let peer = Peer {
        fd: Some(theirs.into()),
        written: 0,
        read: 0,
        has_shut_down: false,
        at_end: false,
    };
    (ours.into(), peer)
}

/// The byte at a place in any stream here: whatever is lost, doubled or moved
/// by less than 64 KiB shows.
pub(super) fn byte_at(at: usize) -> u8 {
    (at ^ at >> 8).to_le_bytes()[0]
}

pub(super) fn bytes_at(at: usize, count: usize) -> Vec<u8> {
    (at..at + count).map(byte_at).collect()
}

impl Peer {
    /// Writes up to `count` of the bytes that come next, and tells how many.
    pub(super) fn write(&mut self, count: usize) -> usize {
        let Some(fd) = self.fd.as_ref().filter(|_| !self.has_shut_down) else {
            return 0;
        };
        let written = socket::write(fd, &bytes_at(self.written, count)).unwrap_or_default();
        self.written += written;
        written
    }

    /// Reads up to `count` bytes, which must be those that come next.
    pub(super) fn read(&mut self, count: usize) -> usize {
        let Some(fd) = self.fd.as_ref().filter(|_| count > 0) else {
            return 0;
        };
        let mut buffer = vec![0; count];
        match socket::read(fd, &mut buffer) {
            Ok(0) => self.at_end = true,
            Ok(count) => {
                let expected = bytes_at(self.read, count);
                assert!(buffer[..count] == expected, "other bytes than were sent");
                self.read += count;
                return count;
            }
            Err(_) => {}
        }
        0
    }

    /// How many bytes wait to be read.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.fd.as_ref().map(rustix::io::ioctl_fionread);
        let waiting = waiting.map_or(0, |waiting| waiting.expect("a socket"));
        usize::try_from(waiting).expect("a buffer is in memory")
    }

    pub(super) fn shut_down(&mut self) {
        if let Some(fd) = self.fd.as_ref().filter(|_| !self.has_shut_down) {
            // Fails when the other end is gone.
            let _gone = socket::shutdown_write(fd);
            self.has_shut_down = true;
        }
    }

    pub(super) fn go(&mut self) {
        self.fd = None;
    }

    pub(super) fn is_gone(&self) -> bool {
        self.fd.is_none()
    }
}
