//! TCP echo as the loop sees it: the server, and the node's sends to it.
//!
//! ```text
//!   tcp_echo_start ──> TcpServer ──> listener, connections <──── outside clients
//!   tcp_echo_send ───> TcpSends ───> exchanges ──── loopback ──────┘
//!   tcp_echo_stats ──> TcpSends: waits for older sends, then TcpServer's totals
//! ```
//!
//! The two sides meet in four places, all of them here: a send needs a server, a count
//! needs its totals, a closed source makes room, and a deadline belongs to one of them.
//!
//! Read next: `tcp_server.rs`, `tcp_sends.rs`.

use super::source::Source;
use super::tcp_sends::TcpSends;
use super::tcp_server::{ACCEPT_RETRY, TcpServer};
use crate::reactor::Reactor;
use crate::session::{Operation, OperationId, Session};
use crate::source::{Progress, Readiness};
#[cfg(any(test, feature = "microscope"))]
use crate::tcp::EchoServer;
use crate::tcp::{Connection, ExchangeError};
use std::net::IpAddr;

/// Both sides of TCP echo.
pub(super) struct TcpEcho {
    server: TcpServer,
    sends: TcpSends,
}

impl TcpEcho {
    pub(super) fn new(bind: IpAddr, connections_max: usize) -> TcpEcho {
        TcpEcho {
            server: TcpServer::new(bind, connections_max),
            sends: TcpSends::new(),
        }
    }

    /// Carries out one operation, or begins to.
    pub(super) fn begin(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        (id, operation): (OperationId, Operation),
    ) {
        match operation {
            Operation::Start { port } => {
                let outcome = self.server.start(reactor, port);
                session.complete_operation(id, outcome);
            }
            Operation::Send { data } => {
                self.sends.push(session, id, data);
                self.sends.begin(reactor, session, &mut self.server);
            }
            Operation::Stats => self.sends.count(session, id, &self.server),
        }
    }

    /// Serves the listener.
    pub(super) fn accept(
        &mut self,
        readiness: Readiness,
        reactor: &mut Reactor<Source>,
        session: &Session,
    ) -> Progress {
        self.server.accept(readiness, reactor, session)
    }

    /// Serves a connection of the server.
    pub(super) fn serve(&mut self, connection: &mut Connection, readiness: Readiness) -> Progress {
        self.server.serve(connection, readiness)
    }

    /// Tells the caller of a send that its exchange is over.
    pub(super) fn end_exchange(
        &mut self,
        session: &mut Session,
        number: u64,
        result: Result<Vec<u8>, ExchangeError>,
    ) {
        self.sends
            .end_exchange(session, &self.server, number, result);
    }

    /// Acts on a deadline that the session found due.
    pub(super) fn expire(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        key: u64,
    ) {
        match key {
            ACCEPT_RETRY => self.server.retry_accept(reactor),
            number => self.sends.expire(reactor, session, &self.server, number),
        }
    }

    /// Ends every operation that has no outcome.
    pub(super) fn give_up(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        self.sends.give_up(reactor, session, &self.server);
    }

    /// Closes the sources that have finished. Queued sends may get their places.
    pub(super) fn close_finished(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        let mut may_begin = self.sends.has_queued();
        while let Some(source) = reactor.take_finished() {
            match source {
                Source::Connection(connection) => self.server.close(connection, reactor),
                Source::Exchange(send) => {
                    drop(send);
                    self.sends.closed_exchange();
                }
                Source::Broker(socket) => drop(socket),
                // Their owner closes them.
                Source::Stdin(_) | Source::Stdout(_) | Source::Stderr(_) | Source::Listener(_) => {}
            }
            may_begin = true;
        }
        if may_begin {
            self.sends.begin(reactor, session, &mut self.server);
        }
    }

    /// The bytes that the server counts as held by its connections.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn held_bytes(&self) -> usize {
        self.server.started().map_or(0, EchoServer::held_bytes)
    }

    /// Checks the invariants of the sends.
    #[cfg(any(test, feature = "lab"))]
    pub(super) fn assert_invariants(&self) {
        self.sends.assert_invariants();
    }
}
