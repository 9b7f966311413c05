//! The simulated kernel against the real one: each test runs on both.
//!
//! The loop relies on the behaviour that is checked here. The kernel has no faults in
//! these tests.

use super::faults::Faults;
use super::state::Kernel;
use super::thread::{install, is_installed, uninstall, with};
use crate::random::Random;
use crate::sys::Descriptor;
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::pipe::PipeFlags;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

const IN: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);
const BOTH: EventFlags = IN.union(EventFlags::OUT);

/// Runs `test` on the real kernel, then on a simulated one.
fn on_both(test: impl Fn()) {
    test();
    install(Kernel::new(Random::new(1), Faults::none()));
    test();
    let kernel = uninstall();
    assert_eq!(kernel.map(|kernel| kernel.open_descriptors()), Some(0));
}

/// An edge-triggered epoll of either kernel.
enum Epoll {
    Real(OwnedFd),
    Simulated,
}

impl Epoll {
    fn new() -> Epoll {
        match is_installed() {
            true => Epoll::Simulated,
            false => Epoll::Real(epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()),
        }
    }

    /// Watches `fd` under its own number.
    fn add(&self, fd: &Descriptor, interest: EventFlags) {
        let token = u64::try_from(fd.as_raw_fd()).unwrap();
        match self {
            Epoll::Real(epoll) => {
                let data = epoll::EventData::new_u64(token);
                epoll::add(epoll, fd.as_fd(), data, interest | EventFlags::ET).unwrap();
            }
            Epoll::Simulated => {
                with(|kernel| kernel.register(fd.as_raw_fd(), token, interest)).unwrap();
            }
        }
    }

    fn remove(&self, fd: &Descriptor) {
        match self {
            Epoll::Real(epoll) => epoll::delete(epoll, fd.as_fd()).unwrap(),
            Epoll::Simulated => with(|kernel| kernel.deregister(fd.as_raw_fd())).unwrap(),
        }
    }

    fn wait(&self, timeout: Duration) -> Vec<(u64, EventFlags)> {
        match self {
            Epoll::Real(epoll) => {
                let mut events = [epoll::Event {
                    flags: EventFlags::empty(),
                    data: epoll::EventData::new_u64(0),
                }; 8];
                let timeout = Timespec::try_from(timeout).unwrap();
                let count = epoll::wait(epoll, &mut events[..], Some(&timeout)).unwrap();
                let events = &events[..count];
                events.iter().map(|e| (e.data.u64(), e.flags)).collect()
            }
            Epoll::Simulated => with(|kernel| kernel.wait(Some(timeout))).unwrap(),
        }
    }

    /// The flags of the next event of `fd`. Events of other descriptors are skipped: the
    /// real kernel has more of them, for example when a half-close reaches the peer.
    #[track_caller]
    fn next(&self, fd: &Descriptor) -> EventFlags {
        let token = u64::try_from(fd.as_raw_fd()).unwrap();
        loop {
            let events = self.wait(Duration::from_secs(20));
            assert!(!events.is_empty(), "no event came");
            if let Some(event) = events.iter().find(|event| event.0 == token) {
                return event.1;
            }
        }
    }

    #[track_caller]
    fn nothing(&self) {
        assert_eq!(self.wait(Duration::ZERO), []);
    }
}

/// A pipe: read end, write end. Neither blocks.
fn pipe() -> (Descriptor, Descriptor) {
    if is_installed() {
        let (read, write) = with(Kernel::pipe);
        return (Descriptor::simulated(read), Descriptor::simulated(write));
    }
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (read, write) = rustix::pipe::pipe_with(flags).unwrap();
    (read.into(), write.into())
}

fn listener() -> (Descriptor, SocketAddr) {
    let listener = Descriptor::socket(AddressFamily::INET).unwrap();
    listener.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    listener.listen(16).unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

/// A connection: client, server. Both are watched, and their first edges are taken.
fn connection(epoll: &Epoll) -> (Descriptor, Descriptor) {
    let (listener, address) = listener();
    epoll.add(&listener, IN);
    let client = Descriptor::socket(AddressFamily::INET).unwrap();
    match client.connect(address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(errno) => panic!("{errno}"),
    }
    assert_eq!(epoll.next(&listener), EventFlags::IN);
    let server = listener.accept().unwrap();
    assert_eq!(listener.accept().unwrap_err(), Errno::AGAIN);
    epoll.add(&client, BOTH);
    assert_eq!(epoll.next(&client), EventFlags::OUT);
    assert_eq!(client.take_error(), Ok(()));
    assert_eq!(client.has_peer(), Ok(()));
    epoll.add(&server, BOTH);
    assert_eq!(epoll.next(&server), EventFlags::OUT);
    epoll.remove(&listener);
    (client, server)
}

fn read(fd: &Descriptor, most: usize) -> Result<usize, Errno> {
    fd.read(&mut vec![0; most])
}

/// Writes until there is no room. Returns how many bytes were written.
fn fill(fd: &Descriptor) -> usize {
    let mut total = 0;
    loop {
        match fd.write(&[b'x'; 8_192]) {
            Ok(count) => total += count,
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                return total;
            }
        }
    }
}

#[test]
fn each_write_is_an_edge_and_so_are_bytes_from_before_the_watch() {
    on_both(|| {
        let epoll = Epoll::new();
        let (reader, writer) = pipe();
        writer.write(b"before").unwrap();
        epoll.add(&reader, IN);
        assert_eq!(epoll.next(&reader), EventFlags::IN);
        epoll.nothing();
        writer.write(b"after").unwrap();
        assert_eq!(
            epoll.next(&reader),
            EventFlags::IN,
            "the first bytes are still unread"
        );
        assert_eq!(read(&reader, 100), Ok(11));
        assert_eq!(read(&reader, 100), Err(Errno::AGAIN));
        epoll.nothing();
        epoll.remove(&reader);
    });
}

#[test]
fn an_event_says_what_is_true_when_it_is_told() {
    on_both(|| {
        let epoll = Epoll::new();
        let (reader, writer) = pipe();
        epoll.add(&reader, IN);
        writer.write(b"gone").unwrap();
        assert_eq!(read(&reader, 100), Ok(4));
        epoll.nothing();
        writer.write(b"last").unwrap();
        drop(writer);
        assert_eq!(epoll.next(&reader), EventFlags::IN | EventFlags::HUP);
        assert_eq!(read(&reader, 100), Ok(4));
        assert_eq!(read(&reader, 100), Ok(0));
        epoll.remove(&reader);
    });
}

#[test]
fn a_pipe_reports_hup_to_its_reader_and_err_to_its_writer() {
    on_both(|| {
        let epoll = Epoll::new();
        let (reader, writer) = pipe();
        epoll.add(&reader, IN);
        drop(writer);
        assert_eq!(epoll.next(&reader), EventFlags::HUP, "and nothing else");
        assert_eq!(read(&reader, 1), Ok(0));
        epoll.remove(&reader);
        let (reader, writer) = pipe();
        epoll.add(&writer, EventFlags::OUT);
        assert_eq!(epoll.next(&writer), EventFlags::OUT);
        drop(reader);
        assert_eq!(epoll.next(&writer), EventFlags::OUT | EventFlags::ERR);
        assert_eq!(writer.write(b"x"), Err(Errno::PIPE));
        epoll.remove(&writer);
    });
}

#[test]
fn a_full_pipe_is_writable_again_with_a_free_page() {
    on_both(|| {
        let epoll = Epoll::new();
        let (reader, writer) = pipe();
        epoll.add(&writer, EventFlags::OUT);
        assert_eq!(epoll.next(&writer), EventFlags::OUT);
        assert_eq!(fill(&writer), 65_536);
        epoll.nothing();
        assert_eq!(read(&reader, 1), Ok(1));
        epoll.nothing();
        assert_eq!(writer.poll(PollFlags::OUT), Ok(false));
        assert_eq!(writer.write(b"xx"), Err(Errno::AGAIN), "all or nothing");
        assert_eq!(read(&reader, 4_095), Ok(4_095));
        assert_eq!(epoll.next(&writer), EventFlags::OUT);
        assert_eq!(writer.write(&[b'x'; 5_000]), Ok(4_096), "what fits");
        epoll.remove(&writer);
    });
}

#[test]
fn a_half_close_is_in_and_rdhup_and_leaves_the_other_direction_open() {
    on_both(|| {
        let epoll = Epoll::new();
        let (client, server) = connection(&epoll);
        client.write(b"ping").unwrap();
        assert_eq!(epoll.next(&server), EventFlags::IN | EventFlags::OUT);
        client.shutdown_write().unwrap();
        assert_eq!(epoll.next(&server), BOTH);
        assert_eq!(read(&server, 10), Ok(4));
        assert_eq!(read(&server, 10), Ok(0));
        assert_eq!(server.write(b"pong"), Ok(4));
        assert_eq!(epoll.next(&client), EventFlags::IN | EventFlags::OUT);
        assert_eq!(read(&client, 10), Ok(4));
        assert_eq!(client.write(b"x"), Err(Errno::PIPE));
        epoll.remove(&server);
        drop(server);
        assert_eq!(epoll.next(&client), BOTH | EventFlags::HUP);
        assert_eq!(read(&client, 10), Ok(0));
        epoll.remove(&client);
    });
}

#[test]
fn closing_with_unread_bytes_resets_the_connection() {
    on_both(|| {
        let epoll = Epoll::new();
        let (client, server) = connection(&epoll);
        client.write(b"unread").unwrap();
        assert_eq!(epoll.next(&server), EventFlags::IN | EventFlags::OUT);
        epoll.remove(&server);
        drop(server);
        let all = BOTH | EventFlags::HUP | EventFlags::ERR;
        assert_eq!(epoll.next(&client), all);
        assert_eq!(read(&client, 10), Err(Errno::CONNRESET));
        assert_eq!(read(&client, 10), Ok(0), "it is returned once");
        assert_eq!(client.write(b"x"), Err(Errno::PIPE));
        epoll.remove(&client);
    });
}

#[test]
fn a_full_socket_is_writable_again_when_the_peer_has_read() {
    on_both(|| {
        let epoll = Epoll::new();
        let (client, server) = connection(&epoll);
        epoll.remove(&server);
        let mut sent = fill(&client);
        let mut received = 0;
        let mut told = false;
        // Bytes take time to arrive, and to make room.
        while received < sent || !told {
            match read(&server, 100_000) {
                Ok(count) => received += count,
                Err(errno) => {
                    assert_eq!(errno, Errno::AGAIN);
                    let events = epoll.wait(Duration::from_millis(1));
                    told |= events.iter().any(|event| event.1 == EventFlags::OUT);
                }
            }
        }
        sent += client.write(b"x").unwrap();
        assert_eq!(sent, received + 1);
        epoll.remove(&client);
    });
}

#[test]
fn a_refused_connection_is_an_error_of_the_socket() {
    on_both(|| {
        let epoll = Epoll::new();
        let (listener, address) = listener();
        drop(listener);
        let client = Descriptor::socket(AddressFamily::INET).unwrap();
        match client.connect(address) {
            Err(Errno::CONNREFUSED) => {}
            Err(Errno::INPROGRESS) => {
                epoll.add(&client, BOTH);
                let all = BOTH | EventFlags::HUP | EventFlags::ERR;
                assert_eq!(epoll.next(&client), all);
                assert_eq!(client.take_error(), Err(Errno::CONNREFUSED));
                assert_eq!(client.take_error(), Ok(()), "it is returned once");
                epoll.remove(&client);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(client.has_peer(), Err(Errno::NOTCONN));
    });
}

#[test]
fn an_unconnected_socket_reports_out_and_hup() {
    on_both(|| {
        let epoll = Epoll::new();
        let socket = Descriptor::socket(AddressFamily::INET).unwrap();
        epoll.add(&socket, BOTH);
        assert_eq!(epoll.next(&socket), EventFlags::OUT | EventFlags::HUP);
        epoll.remove(&socket);
    });
}

#[test]
fn a_new_descriptor_gets_the_lowest_free_number() {
    install(Kernel::new(Random::new(1), Faults::none()));
    let (reader, writer) = pipe();
    let (first, second) = (reader.as_raw_fd(), writer.as_raw_fd());
    drop(reader);
    let again = Descriptor::socket(AddressFamily::INET).unwrap();
    assert_eq!((again.as_raw_fd(), second), (first, first + 1));
    with(|kernel| kernel.limit_descriptors(0));
    assert_eq!(
        Descriptor::socket(AddressFamily::INET).unwrap_err(),
        Errno::MFILE
    );
    drop((again, writer));
    uninstall();
}
