//! The network between sockets: how connections begin, end and break.
//!
//! ```text
//!   client               network              listener's queue
//!   start_to_connect ──────────> connect_arrives ──> server socket
//!   connect_answered <──────────      │
//!                                     └─ no listener: refused
//!
//!   end_output       ── the end, after the last byte ──> has_end_arrived
//!   reset_peer       ── a reset, past all bytes ───────> reset_arrives
//! ```

use super::agenda::Happening;
use super::channel::Pace;
use super::faults::Fault;
use super::file::{ActorId, FileId, Kind, SocketState};
use super::state::Kernel;
use crate::lab::draw;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::time::Duration;

/// When a connect that gets no answer fails: later than an exchange may last.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

/// How much a connection holds in one direction: little, so that it is full often.
const BUFFER_BYTES: [usize; 3] = [3_000, 20_000, 200_000];

/// How much a socket that is a standard stream holds in one direction.
const PAIR_BUFFER_BYTES: usize = 100_000;

impl Kernel {
    /// Sends the request to connect.
    pub(super) fn start_to_connect(&mut self, file: FileId, port: u16) {
        self.set_socket(file, SocketState::Connecting);
        let mut after = self.latency();
        if self.faults.fires(Fault::ConnectSlow, self.now) {
            if self.random.chance(0.3) {
                let answer = Happening::ConnectAnswered(file, Err(Errno::TIMEDOUT));
                self.add_happening(CONNECT_TIMEOUT, answer);
                return;
            }
            after = draw::duration(&mut self.random, Duration::from_secs(2));
        }
        self.add_happening(after, Happening::ConnectArrives(file, port));
    }

    /// A request to connect reaches a port: it is refused, or a new connection
    /// stands in the listener's queue.
    pub(super) fn connect_arrives(&mut self, client: FileId, port: u16) {
        let after = self.latency();
        let is_connecting = self.files[client.0].socket() == Some(&SocketState::Connecting);
        let Some(&listener) = self.ports.get(&port).filter(|_| is_connecting) else {
            let refused = Happening::ConnectAnswered(client, Err(Errno::CONNREFUSED));
            self.add_happening(after, refused);
            return;
        };
        let owner = self.files[listener.0].owner;
        let server = self.add_file(Kind::Socket(SocketState::Connected), owner);
        for (from, to) in [(client, server), (server, client)] {
            self.files[from.0].is_remote = true;
            let size = draw::index(&mut self.random, BUFFER_BYTES.len());
            let size = self.buffer_bytes.unwrap_or(BUFFER_BYTES[size]);
            self.add_channel(Pace::Stream, size, from, to);
        }
        if let Kind::Socket(SocketState::Listening(_, queue)) = &mut self.files[listener.0].kind {
            queue.push_back(server);
        }
        self.signal(listener, EventFlags::IN);
        self.add_happening(after, Happening::ConnectAnswered(client, Ok(())));
    }

    /// The client learns whether it is connected.
    pub(super) fn connect_answered(&mut self, client: FileId, answer: Result<(), Errno>) {
        if self.files[client.0].socket() != Some(&SocketState::Connecting) {
            return;
        }
        match answer {
            Ok(()) => self.set_socket(client, SocketState::Connected),
            Err(errno) => {
                self.files[client.0].error = Some(errno);
                self.set_socket(client, SocketState::Reset);
            }
        }
        self.signal(client, EventFlags::all());
    }

    /// A reset reaches a socket. A writer gets EPIPE if the peer had ended before.
    pub(super) fn reset_arrives(&mut self, file: FileId) {
        let this = &mut self.files[file.0];
        let (Some(SocketState::Connected | SocketState::Connecting), incoming) =
            (this.socket(), this.incoming)
        else {
            return;
        };
        let has_ended = incoming.is_some_and(|channel| self.channels[channel.0].has_end_arrived);
        this.error = Some(if has_ended {
            Errno::PIPE
        } else {
            Errno::CONNRESET
        });
        if let Some(outgoing) = this.outgoing {
            self.channels[outgoing.0].is_ended = true;
        }
        self.set_socket(file, SocketState::Reset);
        self.signal(file, EventFlags::all());
    }

    /// The network breaks a connection: this end learns it at once, the peer later.
    pub(super) fn reset_both_ends(&mut self, file: FileId) {
        let peer = self.peer_of(file);
        self.reset_arrives(file);
        self.send_reset(peer);
    }

    /// The fault that breaks a connection just when a call is made on it.
    pub(super) fn reset_at_random(&mut self, file: FileId) {
        let this = &self.files[file.0];
        if this.is_remote
            && this.socket() == Some(&SocketState::Connected)
            && self.faults.fires(Fault::Reset, self.now)
        {
            self.reset_both_ends(file);
        }
    }

    /// Nothing more will be written here. The end arrives after the last byte.
    pub(super) fn end_output(&mut self, file: FileId) {
        let Some(outgoing) = self.files[file.0].outgoing else {
            return;
        };
        let channel = &mut self.channels[outgoing.0];
        if std::mem::replace(&mut channel.is_ended, true) {
            return;
        }
        let total = channel.written_total();
        let after = match channel.pace() {
            Pace::Pipe => Duration::ZERO,
            Pace::Stream => self.latency(),
        };
        self.add_happening(after, Happening::BytesArrive(outgoing, total));
        self.add_happening(after, Happening::EndArrives(outgoing));
        if after.is_zero() {
            self.advance_to(self.now);
        }
    }

    /// The last descriptor of a file, or an actor's end, is closed.
    pub(super) fn close_file(&mut self, file: FileId) {
        match self.files[file.0].socket() {
            Some(SocketState::Listening(port, queue)) => {
                let (port, queue) = (*port, queue.clone());
                self.ports.remove(&port);
                for connection in queue {
                    self.reset_peer(connection);
                }
                return;
            }
            Some(SocketState::Unconnected(_) | SocketState::Connecting) => {
                return self.reset_peer(file);
            }
            Some(SocketState::Connected | SocketState::Reset) | None => {}
        }
        let is_socket = self.files[file.0].is_socket();
        let incoming = self.files[file.0].incoming;
        if is_socket && incoming.is_some_and(|channel| self.channels[channel.0].has_unread()) {
            // To close a socket with bytes unread resets the connection.
            self.reset_peer(file);
        } else {
            self.end_output(file);
        }
        if let Some(incoming) = incoming {
            let channel = &mut self.channels[incoming.0];
            channel.purge();
            channel.reader = None;
            if let Some(writer) = channel.writer
                && !is_socket
            {
                self.signal(writer, EventFlags::ERR);
            }
        }
        if let Some(outgoing) = self.files[file.0].outgoing {
            self.channels[outgoing.0].writer = None;
        }
    }

    /// Ends a connection with a reset for the peer.
    pub(super) fn reset_peer(&mut self, file: FileId) {
        let peer = self.peer_of(file);
        if self.files[file.0].is_socket() {
            self.set_socket(file, SocketState::Reset);
        }
        if let Some(outgoing) = self.files[file.0].outgoing {
            self.channels[outgoing.0].is_ended = true;
        }
        self.send_reset(peer);
    }

    fn peer_of(&self, file: FileId) -> Option<FileId> {
        let outgoing = self.files[file.0].outgoing?;
        self.channels[outgoing.0].reader
    }

    fn send_reset(&mut self, peer: Option<FileId>) {
        if let Some(peer) = peer {
            let after = self.latency();
            self.add_happening(after, Happening::ResetArrives(peer));
        }
    }

    /// Two sockets that are connected, as socketpair(2) makes them.
    pub(super) fn socket_pair(
        &mut self,
        one: Option<ActorId>,
        other: Option<ActorId>,
    ) -> [FileId; 2] {
        let one = self.add_file(Kind::Socket(SocketState::Connected), one);
        let other = self.add_file(Kind::Socket(SocketState::Connected), other);
        for (from, to) in [(one, other), (other, one)] {
            self.add_channel(Pace::Stream, PAIR_BUFFER_BYTES, from, to);
        }
        [one, other]
    }
}
