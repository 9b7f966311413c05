//! Sockets: from `socket` to the last close, and what each state is ready for.

use super::faults::Fault;
use super::state::{FileId, Happening, Kernel, Kind};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;

/// Where a socket stands.
///
/// ```text
///   socket         bind            listen
///   ------> Fresh ------> Fresh ----------> Listening(queue)
///             │ connect
///             v            answered
///         Connecting ──────────────────────> Connected ── reset ──> Reset
///             └─ refused, timed out ─────────────────────────────────^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// With the port that it is bound to, 0 for none.
    Fresh(u16),
    /// The files of connections that nobody has accepted.
    Listening(u16, VecDeque<FileId>),
    Connecting,
    Connected,
    Reset,
}

/// The port that "any" stands for, and those after it.
const FIRST_FREE_PORT: u16 = 40_000;

impl Kernel {
    pub(super) fn standing(&self, file: FileId) -> Option<Standing> {
        match &self.files[file.0].kind {
            Kind::Socket(standing) => Some(standing.clone()),
            Kind::Pipe | Kind::Regular(..) => None,
        }
    }

    pub(super) fn is_socket(&self, file: FileId) -> bool {
        matches!(self.files[file.0].kind, Kind::Socket(_))
    }

    pub(super) fn stand(&mut self, file: FileId, standing: Standing) {
        self.files[file.0].kind = Kind::Socket(standing);
    }

    /// What poll(2) would say of a file.
    pub(super) fn mask(&self, file: FileId) -> EventFlags {
        let this = &self.files[file.0];
        let mut mask = EventFlags::empty();
        let is_socket = match &this.kind {
            Kind::Regular(..) => return EventFlags::IN | EventFlags::OUT,
            Kind::Pipe => false,
            Kind::Socket(Standing::Fresh(_)) => return EventFlags::OUT | EventFlags::HUP,
            Kind::Socket(Standing::Listening(_, queue)) => {
                mask.set(EventFlags::IN, !queue.is_empty());
                return mask;
            }
            Kind::Socket(Standing::Connecting) => return mask,
            Kind::Socket(Standing::Connected) => true,
            Kind::Socket(Standing::Reset) => {
                mask.set(EventFlags::ERR, this.error.is_some());
                return mask
                    | EventFlags::IN
                    | EventFlags::OUT
                    | EventFlags::RDHUP
                    | EventFlags::HUP;
            }
        };
        let mut both_ended = true;
        if let Some(incoming) = this.incoming {
            let channel = &self.channels[incoming];
            let has_ended = channel.has_end_arrived;
            mask.set(
                EventFlags::IN,
                channel.visible() > 0 || is_socket && has_ended,
            );
            mask.set(EventFlags::RDHUP, is_socket && has_ended);
            both_ended &= has_ended;
            mask.set(EventFlags::HUP, !is_socket && has_ended);
        }
        if let Some(outgoing) = this.outgoing {
            let channel = &self.channels[outgoing];
            mask.set(EventFlags::OUT, channel.is_writable() || channel.is_ended);
            mask.set(EventFlags::ERR, !is_socket && channel.reader.is_none());
            both_ended &= channel.is_ended;
        }
        if is_socket && both_ended {
            mask |= EventFlags::HUP;
        }
        mask
    }

    pub(crate) fn socket(&mut self) -> Result<RawFd, Errno> {
        self.enter();
        let result = if self.faults.fires(Fault::SocketStarved, self.now) {
            Err(self.one_of(&[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]))
        } else {
            let file = self.add_file(Kind::Socket(Standing::Fresh(0)), None);
            self.open(file)
        };
        self.note_fd("socket", -1, result);
        result
    }

    fn note_fd(&mut self, call: &'static str, on: RawFd, result: Result<RawFd, Errno>) {
        let answer = result.map(|fd| usize::try_from(fd).unwrap_or(0));
        self.note(call, on, &answer);
    }

    pub(crate) fn bind(&mut self, fd: RawFd, port: u16) -> Result<(), Errno> {
        self.enter();
        let result = self.try_bind(fd, port);
        self.note("bind", fd, &result.map(|()| 0));
        result
    }

    fn try_bind(&mut self, fd: RawFd, port: u16) -> Result<(), Errno> {
        let file = self.file_of(fd)?;
        if self.faults.fires(Fault::ListenFailed, self.now) {
            return Err(self.one_of(&[Errno::ADDRINUSE, Errno::ACCESS, Errno::NOMEM]));
        }
        let free = |port: &u16| !self.ports.contains_key(port);
        let port = match port {
            0 => (FIRST_FREE_PORT..=u16::MAX)
                .find(free)
                .ok_or(Errno::ADDRINUSE)?,
            port if !free(&port) => return Err(Errno::ADDRINUSE),
            port => port,
        };
        self.stand(file, Standing::Fresh(port));
        Ok(())
    }

    pub(crate) fn listen(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.enter();
        let file = self.file_of(fd)?;
        let result = match self.standing(file) {
            _ if self.faults.fires(Fault::ListenFailed, self.now) => Err(Errno::ADDRINUSE),
            Some(Standing::Fresh(port)) => {
                self.stand(file, Standing::Listening(port, VecDeque::new()));
                self.ports.insert(port, file);
                Ok(())
            }
            _ => Err(Errno::INVAL),
        };
        self.note("listen", fd, &result.map(|()| 0));
        result
    }

    pub(crate) fn accept(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        self.enter();
        let result = self.try_accept(fd);
        self.note_fd("accept", fd, result);
        result
    }

    fn try_accept(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        let file = self.file_of(fd)?;
        self.interrupted()?;
        if self.faults.fires(Fault::AcceptStarved, self.now) {
            return Err(self.one_of(&[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]));
        }
        // The number comes first: without one, even an empty queue is EMFILE.
        self.has_free_number()?;
        let Kind::Socket(Standing::Listening(_, queue)) = &mut self.files[file.0].kind else {
            return Err(Errno::INVAL);
        };
        let connection = queue.pop_front().ok_or(Errno::AGAIN)?;
        if self.faults.fires(Fault::AcceptAborted, self.now) {
            self.lose(connection);
            return Err(self.one_of(&[Errno::CONNABORTED, Errno::PROTO, Errno::NETUNREACH]));
        }
        self.open(connection)
    }

    /// dup(2).
    pub(crate) fn copy(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        self.enter();
        let result = self.file_of(fd).and_then(|file| self.open(file));
        self.note_fd("dup", fd, result);
        result
    }

    pub(crate) fn connect(&mut self, fd: RawFd, port: u16) -> Result<(), Errno> {
        self.enter();
        let result = self.try_connect(fd, port);
        self.note("connect", fd, &result.map(|()| 0));
        result
    }

    fn try_connect(&mut self, fd: RawFd, port: u16) -> Result<(), Errno> {
        let file = self.file_of(fd)?;
        if self.faults.fires(Fault::ConnectRefused, self.now) {
            if self.random.chance(0.5) {
                let errnos = [Errno::CONNREFUSED, Errno::ADDRNOTAVAIL, Errno::NETUNREACH];
                return Err(self.one_of(&errnos));
            }
            self.stand(file, Standing::Connecting);
            let after = self.delay();
            self.happen(after, Happening::Answer(file, Err(Errno::CONNREFUSED)));
            return Err(Errno::INPROGRESS);
        }
        self.start_to_connect(file, port);
        // Interrupted, it goes on all the same.
        self.interrupted()?;
        Err(Errno::INPROGRESS)
    }

    pub(crate) fn take_error(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.enter();
        let file = self.file_of(fd)?;
        let result = self.files[file.0].error.take().map_or(Ok(()), Err);
        self.note("getsockopt", fd, &result.map(|()| 0));
        result
    }

    pub(crate) fn has_peer(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.enter();
        let file = self.file_of(fd)?;
        let result = match self.standing(file) {
            Some(Standing::Connected) => Ok(()),
            _ => Err(Errno::NOTCONN),
        };
        self.note("getpeername", fd, &result.map(|()| 0));
        result
    }

    pub(crate) fn local_address(&mut self, fd: RawFd) -> Result<SocketAddr, Errno> {
        self.enter();
        let file = self.file_of(fd)?;
        let port = match self.standing(file) {
            Some(Standing::Fresh(port) | Standing::Listening(port, _)) => port,
            _ => 0,
        };
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }

    pub(crate) fn shutdown_write(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.enter();
        let file = self.file_of(fd)?;
        self.lose_connection(file);
        let result = match self.standing(file) {
            Some(Standing::Connected) => {
                self.end(file);
                Ok(())
            }
            _ => Err(Errno::NOTCONN),
        };
        self.note("shutdown", fd, &result.map(|()| 0));
        result
    }
}
