//! The relay: each connection between a node and the NATS server passes the tester, which can
//! hold it up.
//!
//! ```text
//!   n1 ──> gate of n1 ┐  pair: a socket of the node's side, one of the server's side,
//!   n2 ──> gate of n2 ┼─ and the bytes between them ──> the server's port of the day
//!   us ──> our gate   ┘
//! ```
//!
//! While a node is cut off nothing passes, and nothing is refused: to both ends the network is
//! silent. Bytes that wait then go on afterwards, as TCP would have sent them again. A node that
//! has given its connection up makes another one.
//!
//! A server that starts again may have another port. The gates keep theirs.

use super::parts::Stream;
use crate::reactor::{Interest, Reactor, Token};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{Descriptor, socket};
use crate::wire::OutputBuffer;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// How many bytes of a direction wait in the tester: 64 KiB. Then they wait in the kernel.
const WAITING_BYTES_MAX: usize = 64 << 10;

/// How many reads a direction gets in one turn, so that one node does not keep others waiting.
const READS_PER_TURN: usize = 16;

/// The two ends of a pair.
const SIDES: [usize; 2] = [0, 1];

/// All gates, and the connections behind them.
#[derive(Default)]
pub(super) struct Relay {
    gates: Vec<Gate>,
    pairs: BTreeMap<u64, Pair>,
    next_pair: u64,
}

/// The listener of one node. The last one is the tester's own.
struct Gate {
    token: Token,
    port: u16,
    is_cut: bool,
}

/// A connection of a node, and one to the server.
struct Pair {
    gate: usize,
    sides: [Token; 2],
    /// The bytes that were read from each side, for the other one.
    waiting: [OutputBuffer; 2],
}

impl Relay {
    /// A relay with so many gates.
    pub(super) fn new(gates: usize, reactor: &mut Reactor<Stream>) -> io::Result<Relay> {
        let mut relay = Relay::default();
        for number in 0..gates {
            let fd = socket::listen((Ipv4Addr::LOCALHOST, 0).into())?;
            let port = socket::local_address(&fd)?.port();
            let gate = Stream::Gate { fd, number };
            let token = reactor.insert(gate, Interest::READABLE)?;
            relay.gates.push(Gate {
                token,
                port,
                is_cut: false,
            });
        }
        Ok(relay)
    }

    /// The address that stands for the server at that gate.
    pub(super) fn url(&self, gate: usize) -> String {
        format!("nats://127.0.0.1:{}", self.gates[gate].port)
    }

    pub(super) fn is_cut(&self, gate: usize) -> bool {
        self.gates[gate].is_cut
    }

    pub(super) fn set_cut(&mut self, gate: usize, is_cut: bool) {
        self.gates[gate].is_cut = is_cut;
    }

    /// The connections behind a gate.
    pub(super) fn pairs_of(&self, gate: usize) -> Vec<u64> {
        let own = self.pairs.iter().filter(|(_, pair)| pair.gate == gate);
        own.map(|(&number, _)| number).collect()
    }

    /// Takes the connections that wait at a gate. They are closed if there is no server.
    pub(super) fn accept(
        &mut self,
        reactor: &mut Reactor<Stream>,
        gate: usize,
        server: Option<u16>,
    ) {
        let Gate { token, is_cut, .. } = self.gates[gate];
        if is_cut {
            return;
        }
        while let Some(Stream::Gate { fd, .. }) = reactor.get(token) {
            match socket::accept(fd) {
                Ok(node) => {
                    let number = self.next_pair;
                    self.next_pair += 1;
                    if let Some(pair) = server.and_then(|port| {
                        let pair = Pair::new(gate, node, port, number, reactor);
                        pair.ok()
                    }) {
                        self.pairs.insert(number, pair);
                    }
                }
                Err(_) => return use_up(reactor, token, Readiness::READABLE),
            }
        }
    }

    /// Carries bytes both ways. A pair with a side that has ended is closed.
    pub(super) fn pump(&mut self, reactor: &mut Reactor<Stream>, number: u64) {
        let Some(pair) = self.pairs.get_mut(&number) else {
            return;
        };
        if self.gates[pair.gate].is_cut {
            return;
        }
        let is_open = SIDES.map(|from| pair.carry(reactor, from));
        if is_open != [true, true] {
            pair.sides
                .into_iter()
                .for_each(|token| reactor.finish(token));
            self.pairs.remove(&number);
        }
    }

    /// Ends the connections of all nodes.
    pub(super) fn close_all(&mut self, reactor: &mut Reactor<Stream>) {
        for pair in std::mem::take(&mut self.pairs).into_values() {
            pair.sides
                .into_iter()
                .for_each(|token| reactor.finish(token));
        }
    }
}

impl Pair {
    fn new(
        gate: usize,
        node: Descriptor,
        port: u16,
        number: u64,
        reactor: &mut Reactor<Stream>,
    ) -> io::Result<Pair> {
        let server = socket::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let mut insert = |fd| reactor.insert(Stream::Side { fd, pair: number }, interest);
        let first = insert(node)?;
        let second = insert(server).inspect_err(|_| reactor.finish(first))?;
        Ok(Pair {
            gate,
            sides: [first, second],
            waiting: Default::default(),
        })
    }

    /// Carries the bytes of one side to the other. Returns whether both sides are open.
    fn carry(&mut self, reactor: &mut Reactor<Stream>, from: usize) -> bool {
        let (source, sink) = (self.sides[from], self.sides[1 - from]);
        let waiting = &mut self.waiting[from];
        for _ in 0..READS_PER_TURN {
            while !waiting.is_empty() && reactor.readiness(sink).is_writable() {
                match with(reactor, sink, |fd| socket::write(fd, waiting.pending())) {
                    Ok(count) => waiting.consume(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        use_up(reactor, sink, Readiness::WRITABLE);
                    }
                    Err(_) => return false,
                }
            }
            if waiting.len() >= WAITING_BYTES_MAX || !reactor.readiness(source).is_readable() {
                return true;
            }
            let mut bytes = [0; 16 << 10];
            match with(reactor, source, |fd| socket::read(fd, &mut bytes)) {
                Ok(0) => return false,
                Ok(count) => {
                    let mut draft = waiting.begin();
                    draft.extend_from_slice(&bytes[..count]);
                    waiting.commit(&mut draft);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    use_up(reactor, source, Readiness::READABLE);
                }
                Err(_) => return false,
            }
        }
        reactor.carry_over(source, Reason::BoundReached);
        true
    }
}

/// Makes a call on a side's socket.
fn with(
    reactor: &Reactor<Stream>,
    token: Token,
    call: impl FnOnce(&Descriptor) -> io::Result<usize>,
) -> io::Result<usize> {
    match reactor.get(token) {
        Some(Stream::Side { fd, .. }) => call(fd),
        _ => Ok(0),
    }
}

/// Clears a flag of a source, if it is set.
pub(super) fn use_up(reactor: &mut Reactor<Stream>, token: Token, flag: Readiness) {
    let told = reactor.readiness(token);
    let used_up = told.without(told.without(flag));
    let progress = Progress {
        used_up,
        ..Progress::idle(Next::Wait)
    };
    reactor.apply(token, &progress);
}
