//! The TCP echo server as the runtime drives it: its listener and its connections.
//!
//! ```text
//!              start                 no room, no descriptor
//!   stopped ──────────> accepting ─────────────────────────> paused
//!                           ^                                  │
//!                           └──────────────────────────────────┘
//!                             100 ms later, or a connection closed
//! ```
//!
//! The state machines are those of the room `tcp`. This file registers connections,
//! tells when accepting pauses, and arms the timer that ends a pause.
//!
//! Read next: `tcp/listener.rs`, `tcp/connection.rs`; `tcp_sends.rs`, the other side.

use super::source::Source;
use crate::notices::Topic;
use crate::protocol::{Error, Result};
use crate::reactor::{Interest, Reactor, Token};
use crate::session::{Outcome, Session, TcpEchoStats};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::tcp::{ACCEPT_RETRY_MS, Connection, EchoServer};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The key of the deadline at which a paused listener tries again. The keys of sends
/// are numbers from 1 on.
pub(super) const ACCEPT_RETRY: u64 = 0;

/// For how long accepting must not have paused before the next pause is reported: 10 s.
/// A paused listener tries ten times a second, and clients that come and go fill the
/// server again and again. One report of it is enough.
const REPORT_AGAIN: Duration = Duration::from_secs(10);

/// The server side of TCP echo.
pub(super) struct TcpServer {
    bind: IpAddr,
    connections_max: usize,
    listening: Option<Listening>,
    /// Connections that were just accepted; empty between calls, kept for its memory.
    accepted: Vec<Connection>,
    is_retry_armed: bool,
    reports: PauseReports,
}

/// A server that was started.
struct Listening {
    server: EchoServer,
    token: Token,
}

impl TcpServer {
    pub(super) fn new(bind: IpAddr, connections_max: usize) -> TcpServer {
        TcpServer {
            bind,
            connections_max,
            listening: None,
            accepted: Vec::new(),
            is_retry_armed: false,
            reports: PauseReports::default(),
        }
    }

    /// The server, once it was started.
    pub(super) fn started(&self) -> Option<&EchoServer> {
        Some(&self.listening.as_ref()?.server)
    }

    pub(super) fn started_mut(&mut self) -> Option<&mut EchoServer> {
        Some(&mut self.listening.as_mut()?.server)
    }

    /// Listens on a port, unless it listens already.
    pub(super) fn start(&mut self, reactor: &mut Reactor<Source>, port: u16) -> Result<Outcome> {
        if let Some(Listening { server, .. }) = &self.listening {
            let own = server.port();
            if port == own || port == 0 {
                return Ok(Outcome::Listening { port: own });
            }
            let text = format!("already listening on port {own}, so not on {port}");
            return Err(Error::precondition_failed(text));
        }
        let server = EchoServer::start(self.bind, port, self.connections_max)
            .map_err(|error| Error::temporarily_unavailable(error.to_string()))?;
        let token = reactor
            .insert(Source::Listener(server.as_raw_fd()), Interest::READABLE)
            .map_err(|error| Error::temporarily_unavailable(error.to_string()))?;
        let port = server.port();
        self.listening = Some(Listening { server, token });
        Ok(Outcome::Listening { port })
    }

    /// The totals; zeros before a start.
    pub(super) fn totals(&self) -> TcpEchoStats {
        let stats = self.started().map(EchoServer::stats).unwrap_or_default();
        TcpEchoStats {
            connections: stats.total_connections,
            bytes: stats.total_bytes,
        }
    }

    /// Serves the listener: takes connections in, within the turn's bound.
    pub(super) fn accept(
        &mut self,
        readiness: Readiness,
        reactor: &mut Reactor<Source>,
        session: &Session,
    ) -> Progress {
        let Some(Listening { server, .. }) = &mut self.listening else {
            return Progress::idle(Next::Wait);
        };
        let progress = server.accept(readiness, &mut self.accepted);
        if let Some(reason) = server.paused_by() {
            let now = session.now();
            if self.reports.is_due(reason, now) {
                session.log(format_args!(
                    "TCP echo accepts no connections for now: {reason}"
                ));
            }
            if !self.is_retry_armed {
                self.is_retry_armed = true;
                let retry = now + Duration::from_millis(ACCEPT_RETRY_MS);
                session.arm_owner(retry, ACCEPT_RETRY);
            }
        }
        for connection in self.accepted.drain(..) {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = reactor.insert(Source::Connection(connection), interest) {
                session.notice(
                    Topic::Bound,
                    format_args!("a TCP echo connection was closed at once: {error}"),
                );
                server.refused();
            }
        }
        progress
    }

    /// The deadline of a pause has come.
    pub(super) fn retry_accept(&mut self, reactor: &mut Reactor<Source>) {
        self.is_retry_armed = false;
        if let Some(Listening { token, .. }) = &self.listening {
            reactor.carry_over(*token, Reason::RetryDue);
        }
    }

    /// Serves one connection.
    pub(super) fn serve(&mut self, connection: &mut Connection, readiness: Readiness) -> Progress {
        let Some(Listening { server, .. }) = &mut self.listening else {
            return Progress::idle(Next::Wait);
        };
        let progress = server.serve(connection, readiness);
        progress.map(|_either_way| ())
    }

    /// Closes a connection that was taken out of the reactor. A paused listener tries
    /// again then.
    pub(super) fn close(&mut self, connection: Connection, reactor: &mut Reactor<Source>) {
        if let Some(Listening { server, token }) = &mut self.listening
            && server.released(connection)
        {
            reactor.carry_over(*token, Reason::RetryDue);
        }
    }
}

/// The last pause for each reason: the kernel's error numbers, and `None` for a server
/// that is full.
#[derive(Debug, Default)]
struct PauseReports {
    last: BTreeMap<Option<i32>, Instant>,
}

impl PauseReports {
    /// Notes a pause. Returns whether it is to be reported.
    fn is_due(&mut self, reason: &io::Error, now: Instant) -> bool {
        let last = self.last.insert(reason.raw_os_error(), now);
        last.is_none_or(|last| now.since(last) >= REPORT_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_reported_when_there_was_none_for_a_while() {
        let mut reports = PauseReports::default();
        let mut now = Instant::ZERO;
        let full = io::Error::other("full");
        assert!(reports.is_due(&full, now));
        for _ in 0..100 {
            now = now + REPORT_AGAIN / 2;
            assert!(!reports.is_due(&full, now));
        }
        let another = io::Error::from_raw_os_error(24);
        assert!(reports.is_due(&another, now));
        assert!(!reports.is_due(&another, now));
        assert!(reports.is_due(&full, now + REPORT_AGAIN));
    }
}
