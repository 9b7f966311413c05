//! Both sides against each other over loopback, driven by edges alone.

use super::connection::CHUNK_BYTES;
use super::exchange::ExchangeError;
use super::server::{SCARCE_CHUNK_BYTES, Stats};
use super::*;
use crate::lab::testing;
use crate::source::{Next, Readiness};
use crate::sys::socket;
use rustix::event::epoll;
use rustix::net::SocketType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

type Outcome = Result<Vec<u8>, ExchangeError>;

enum Source {
    Listener,
    Connection(Connection),
    Exchange(usize, Box<Exchange>),
}

/// The smallest loop that can drive a server and its clients: an edge-triggered epoll,
/// sticky readiness, a carry-over list. After a lost edge it waits until it panics.
struct Loop {
    epoll: OwnedFd,
    server: EchoServer,
    sources: Vec<Option<(Source, Readiness)>>,
    outcomes: Vec<Option<Outcome>>,
}

impl Loop {
    fn new(server: EchoServer) -> Loop {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut this = Loop {
            epoll,
            server,
            sources: vec![],
            outcomes: vec![],
        };
        this.add(Source::Listener);
        this
    }

    fn send(&mut self, data: Vec<u8>) {
        let exchange = Exchange::start(self.server.local_client_address(), data).unwrap();
        let number = self.outcomes.len();
        self.outcomes.push(None);
        self.add(Source::Exchange(number, Box::new(exchange)));
    }

    fn add(&mut self, source: Source) {
        use epoll::EventFlags as Flags;
        let fd: BorrowedFd<'_> = match &source {
            Source::Listener => self.server.as_fd(),
            Source::Connection(connection) => connection.as_fd(),
            Source::Exchange(_, exchange) => exchange.as_fd(),
        };
        let data = epoll::EventData::new_u64(self.sources.len() as u64);
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        epoll::add(&self.epoll, fd, data, flags).unwrap();
        self.sources.push(Some((source, Readiness::NONE)));
    }

    /// Runs until every exchange has its outcome and every connection is closed.
    fn run(mut self) -> (Vec<Outcome>, Stats) {
        let mut carried: Vec<usize> = vec![];
        while self.outcomes.iter().any(Option::is_none) || self.server.open_connections() > 0 {
            let mut ready = std::mem::take(&mut carried);
            self.collect(&mut ready);
            for index in ready {
                if self.serve(index) {
                    carried.push(index);
                }
            }
        }
        let outcomes = self.outcomes.into_iter().flatten().collect();
        (outcomes, self.server.stats())
    }

    fn collect(&mut self, ready: &mut Vec<usize>) {
        use epoll::EventFlags as Flags;
        let seconds = if ready.is_empty() { 20 } else { 0 };
        let timeout = rustix::event::Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut events = Vec::with_capacity(64);
        let buffer = rustix::buffer::spare_capacity(&mut events);
        let count = epoll::wait(&self.epoll, buffer, Some(&timeout)).unwrap();
        assert!(count > 0 || !ready.is_empty(), "an edge was lost");
        for event in events {
            let index = usize::try_from(event.data.u64()).unwrap();
            let Some((_, readiness)) = &mut self.sources[index] else {
                continue;
            };
            let flags = event.flags;
            let closed = flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR);
            if closed || flags.contains(Flags::IN) {
                *readiness |= Readiness::READABLE;
            }
            if flags.intersects(Flags::OUT | Flags::HUP | Flags::ERR) {
                *readiness |= Readiness::WRITABLE;
            }
            if closed {
                *readiness |= Readiness::READ_CLOSED;
            }
            if !ready.contains(&index) {
                ready.push(index);
            }
        }
    }

    /// Returns whether the source is to be carried over.
    fn serve(&mut self, index: usize) -> bool {
        let Some((source, readiness)) = &mut self.sources[index] else {
            return false;
        };
        match source {
            Source::Listener => {
                let mut accepted = vec![];
                let progress = self.server.accept(*readiness, &mut accepted);
                *readiness = readiness.without(progress.used_up);
                for connection in accepted {
                    self.add(Source::Connection(connection));
                }
                matches!(progress.next, Next::CarryOver(_))
            }
            Source::Connection(connection) => {
                let progress = self.server.serve(connection, *readiness);
                *readiness = readiness.without(progress.used_up);
                let is_over = matches!(progress.next, Next::Finished(_));
                if is_over
                    && let Some((Source::Connection(connection), _)) = self.sources[index].take()
                {
                    assert!(!self.server.released(connection), "was never paused");
                }
                matches!(progress.next, Next::CarryOver(_))
            }
            Source::Exchange(number, exchange) => {
                let progress = exchange.ready(*readiness);
                *readiness = readiness.without(progress.used_up);
                let is_carried = matches!(progress.next, Next::CarryOver(_));
                if let Next::Finished(outcome) = progress.next {
                    self.outcomes[*number] = Some(outcome);
                    self.sources[index] = None;
                }
                is_carried
            }
        }
    }
}

fn start() -> EchoServer {
    EchoServer::start(LOCALHOST, 0, CONNECTIONS_MAX).unwrap()
}

#[test]
fn what_is_sent_comes_back_and_is_counted() {
    let server = start();
    assert_ne!(server.port(), 0);
    let mut run = Loop::new(server);
    let sent = ["hello", "", "žluťoučký kůň", "\n"];
    for data in sent {
        run.send(data.into());
    }
    let (outcomes, stats) = run.run();
    for (outcome, data) in outcomes.into_iter().zip(sent) {
        assert_eq!(outcome.unwrap(), data.as_bytes());
    }
    let total_bytes = sent.iter().map(|data| data.len() as u64).sum();
    assert_eq!(
        stats,
        Stats {
            total_connections: 4,
            total_bytes
        }
    );
}

#[test]
fn a_payload_larger_than_all_buffers_does_not_deadlock() {
    let mut run = Loop::new(start());
    let data: Vec<u8> = (0..32_u32 << 20).map(|i| (i % 251) as u8).collect();
    run.send(data.clone());
    run.send(vec![7; CHUNK_BYTES]);
    let (mut outcomes, _) = run.run();
    assert_eq!(outcomes.remove(1).unwrap(), vec![7; CHUNK_BYTES]);
    assert!(outcomes.remove(0).unwrap() == data, "echoed otherwise");
}

#[test]
fn more_clients_than_a_turn_accepts_are_all_served() {
    let mut run = Loop::new(start());
    let clients = 2 * listener::ACCEPTS_PER_TURN;
    for number in 0..clients {
        run.send(vec![b'x'; number * 100]);
    }
    let (outcomes, stats) = run.run();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap().len(), number * 100);
    }
    assert_eq!(stats.total_connections, clients as u64);
}

#[test]
fn all_interfaces_are_reached_over_loopback() {
    for ip in [
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Ipv6Addr::UNSPECIFIED.into(),
    ] {
        let server = match EchoServer::start(ip, 0, CONNECTIONS_MAX) {
            Ok(server) => server,
            Err(error) => {
                assert!(ip.is_ipv6(), "{error}");
                continue;
            }
        };
        assert!(server.local_client_address().ip().is_loopback());
        let mut run = Loop::new(server);
        run.send(b"x".to_vec());
        assert_eq!(run.run().0.remove(0).unwrap(), b"x");
    }
}

// One peer after another stops reading. The first ones get whole chunks, up to the bound
// for all together. Later ones get small chunks, and are echoed all the same.
#[test]
fn what_is_held_for_peers_that_do_not_read_is_bounded_for_all_together() {
    const WHOLE: usize = 4;
    let mut server = start();
    server.held_bytes_max = (WHOLE - 1) * CHUNK_BYTES + 1;
    let both = Readiness::READABLE | Readiness::WRITABLE;
    let mut stalled = Vec::new();
    for index in 0..2 * WHOLE {
        let (ours, peer) = testing::socket_pair(SocketType::STREAM);
        rustix::io::ioctl_fionbio(&ours, true).unwrap();
        rustix::io::ioctl_fionbio(&peer, true).unwrap();
        let (ours, peer) = (ours.into(), peer.into());
        let mut connection = Connection::new(ours);
        server.open_connections += 1;
        let before = server.held_bytes;
        while connection.held_bytes() == 0 {
            while socket::write(&peer, &[b'x'; CHUNK_BYTES]).is_ok() {}
            let _progress = server.serve(&mut connection, both);
        }
        let held = server.held_bytes - before;
        assert_eq!(held, connection.held_bytes(), "each is counted");
        let most = match index < WHOLE {
            true => CHUNK_BYTES,
            false => SCARCE_CHUNK_BYTES,
        };
        assert!((1..=most).contains(&held), "{index}: {held}");
        stalled.push((connection, peer));
    }
    for (connection, _peer) in stalled {
        let _is_paused = server.released(connection);
    }
    assert_eq!(server.held_bytes, 0, "and given back");
}
