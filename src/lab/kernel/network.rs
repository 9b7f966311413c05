//! The network between sockets: connections come to stand, end, and are lost.

use super::channel::Pace;
use super::faults::Fault;
use super::sockets::Standing;
use super::state::{ActorId, FileId, Happening, Kernel, Kind};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::time::Duration;

/// How long one waits for a connection that never comes to stand: longer than an
/// exchange may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(7);

/// How much a connection holds in one direction: little, so that it is full often.
const BUFFER_BYTES: [usize; 3] = [3_000, 20_000, 200_000];

impl Kernel {
    /// Sends the first packet; a peer's, too.
    pub(super) fn start_to_connect(&mut self, file: FileId, port: u16) {
        self.stand(file, Standing::Connecting);
        let mut after = self.latency();
        if self.faults.fires(Fault::ConnectSlow, self.now) {
            if self.random.chance(0.3) {
                let answer = Happening::Answer(file, Err(Errno::TIMEDOUT));
                self.happen(CONNECT_PATIENCE, answer);
                return;
            }
            after = self.below(Duration::from_secs(2));
        }
        self.happen(after, Happening::Knock(file, port));
    }

    /// A connection reaches a port: refused, or put into the listener's queue.
    pub(super) fn knock(&mut self, client: FileId, port: u16) {
        let after = self.latency();
        let listener = self.ports.get(&port).copied();
        let (Some(listener), Some(Standing::Connecting)) = (listener, self.standing(client)) else {
            self.happen(after, Happening::Answer(client, Err(Errno::CONNREFUSED)));
            return;
        };
        let server = self.add_file(
            Kind::Socket(Standing::Connected),
            self.files[listener.0].owner,
        );
        for (from, to) in [(client, server), (server, client)] {
            self.files[from.0].is_remote = true;
            let size = usize::try_from(self.random.below(3)).unwrap_or(0);
            self.add_channel(Pace::Stream, BUFFER_BYTES[size], from, to);
        }
        if let Kind::Socket(Standing::Listening(_, queue)) = &mut self.files[listener.0].kind {
            queue.push_back(server);
        }
        self.wake(listener, EventFlags::IN);
        self.happen(after, Happening::Answer(client, Ok(())));
    }

    /// The connection stands, or does not.
    pub(super) fn answer(&mut self, client: FileId, answer: Result<(), Errno>) {
        if self.standing(client) != Some(Standing::Connecting) {
            return;
        }
        match answer {
            Ok(()) => self.stand(client, Standing::Connected),
            Err(errno) => {
                self.files[client.0].error = Some(errno);
                self.stand(client, Standing::Reset);
            }
        }
        self.wake(client, EventFlags::all());
    }

    /// A reset arrives.
    pub(super) fn reset(&mut self, file: FileId) {
        if !matches!(
            self.standing(file),
            Some(Standing::Connected | Standing::Connecting)
        ) {
            return;
        }
        let incoming = self.files[file.0].incoming;
        let ended = incoming.is_some_and(|channel| self.channels[channel].has_end_arrived);
        self.files[file.0].error = Some(if ended { Errno::PIPE } else { Errno::CONNRESET });
        self.stand(file, Standing::Reset);
        if let Some(outgoing) = self.files[file.0].outgoing {
            self.channels[outgoing].is_ended = true;
        }
        self.wake(file, EventFlags::all());
    }

    /// The network takes a connection away: both ends are told, at their time.
    pub(super) fn lose(&mut self, file: FileId) {
        let peer = self.peer_of(file);
        self.reset(file);
        if let Some(peer) = peer {
            let after = self.latency();
            self.happen(after, Happening::Reset(peer));
        }
    }

    /// As `lose`, now and then, for a call on a connection that stands.
    pub(super) fn lose_connection(&mut self, file: FileId) {
        if self.files[file.0].is_remote
            && self.standing(file) == Some(Standing::Connected)
            && self.faults.fires(Fault::Reset, self.now)
        {
            self.lose(file);
        }
    }

    pub(super) fn peer_of(&self, file: FileId) -> Option<FileId> {
        let outgoing = self.files[file.0].outgoing?;
        self.channels[outgoing].reader
    }

    /// Nothing more will be written: the end travels behind the last byte.
    pub(super) fn end(&mut self, file: FileId) {
        let Some(channel) = self.files[file.0].outgoing else {
            return;
        };
        if std::mem::replace(&mut self.channels[channel].is_ended, true) {
            return;
        }
        let after = match self.channels[channel].pace() {
            Pace::Pipe => Duration::ZERO,
            Pace::Stream => self.latency(),
        };
        let total = self.channels[channel].written_total();
        self.happen(after, Happening::Arrive(channel, total));
        self.happen(after, Happening::End(channel));
        if after.is_zero() {
            self.advance_to(self.now);
        }
    }

    /// The last descriptor of a file is closed.
    pub(super) fn release(&mut self, file: FileId) {
        match self.standing(file) {
            Some(Standing::Listening(port, queue)) => {
                self.ports.remove(&port);
                for connection in queue {
                    self.reset_peer(connection);
                }
                return;
            }
            Some(Standing::Fresh(_) | Standing::Connecting) => return self.reset_peer(file),
            Some(Standing::Connected | Standing::Reset) | None => {}
        }
        let incoming = self.files[file.0].incoming;
        if self.is_socket(file)
            && incoming.is_some_and(|channel| self.channels[channel].has_unread())
        {
            // Closed with bytes unread, which is a reset.
            self.reset_peer(file);
        } else {
            self.end(file);
        }
        if let Some(channel) = incoming {
            self.channels[channel].purge();
            self.channels[channel].reader = None;
            if let Some(writer) = self.channels[channel].writer
                && !self.is_socket(file)
            {
                self.wake(writer, EventFlags::ERR);
            }
        }
        if let Some(channel) = self.files[file.0].outgoing {
            self.channels[channel].writer = None;
        }
    }

    /// Goes without a word: the peer gets a reset.
    pub(super) fn reset_peer(&mut self, file: FileId) {
        let peer = self.peer_of(file);
        if self.is_socket(file) {
            self.stand(file, Standing::Reset);
        }
        if let Some(channel) = self.files[file.0].outgoing {
            self.channels[channel].is_ended = true;
        }
        if let Some(peer) = peer {
            let after = self.latency();
            self.happen(after, Happening::Reset(peer));
        }
    }

    /// Two sockets that are connected, as socketpair(2) makes them.
    pub(super) fn socket_pair(
        &mut self,
        one: Option<ActorId>,
        other: Option<ActorId>,
    ) -> [FileId; 2] {
        let one = self.add_file(Kind::Socket(Standing::Connected), one);
        let other = self.add_file(Kind::Socket(Standing::Connected), other);
        for (from, to) in [(one, other), (other, one)] {
            self.add_channel(Pace::Stream, 100_000, from, to);
        }
        [one, other]
    }
}
