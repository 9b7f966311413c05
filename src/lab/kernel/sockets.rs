//! The calls on sockets: socket, bind, listen, accept, connect, shutdown and the
//! questions about them.
//!
//! [`network`](super::network) has what travels between two sockets.

use super::agenda::Happening;
use super::faults::Fault;
use super::file::{Kind, SocketState};
use super::state::Kernel;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;

/// Port 0 asks for any port: the first free one from here on.
const FIRST_FREE_PORT: u16 = 40_000;

/// The errors of a call when the process or the machine has run out of something.
const OUT_OF_RESOURCES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

impl Kernel {
    pub(crate) fn socket(&mut self) -> Result<RawFd, Errno> {
        self.begin_call();
        let result = if self.faults.fires(Fault::SocketOutOfResources, self.now) {
            Err(self.one_of(&OUT_OF_RESOURCES))
        } else {
            let file = self.add_file(Kind::Socket(SocketState::Unconnected(0)), None);
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
        self.begin_call();
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
        self.set_socket(file, SocketState::Unconnected(port));
        Ok(())
    }

    pub(crate) fn listen(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.begin_call();
        let file = self.file_of(fd)?;
        let result = match self.files[file.0].socket() {
            _ if self.faults.fires(Fault::ListenFailed, self.now) => Err(Errno::ADDRINUSE),
            Some(&SocketState::Unconnected(port)) => {
                self.set_socket(file, SocketState::Listening(port, VecDeque::new()));
                self.ports.insert(port, file);
                Ok(())
            }
            _ => Err(Errno::INVAL),
        };
        self.note("listen", fd, &result.map(|()| 0));
        result
    }

    pub(crate) fn accept(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        self.begin_call();
        let result = self.try_accept(fd);
        self.note_fd("accept", fd, result);
        result
    }

    fn try_accept(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        let file = self.file_of(fd)?;
        self.interrupted()?;
        if self.faults.fires(Fault::AcceptOutOfResources, self.now) {
            return Err(self.one_of(&OUT_OF_RESOURCES));
        }
        // Linux takes the number first: without one, even an empty queue is EMFILE.
        self.check_table()?;
        let Kind::Socket(SocketState::Listening(_, queue)) = &mut self.files[file.0].kind else {
            return Err(Errno::INVAL);
        };
        let connection = queue.pop_front().ok_or(Errno::AGAIN)?;
        if self.faults.fires(Fault::AcceptAborted, self.now) {
            self.reset_both_ends(connection);
            return Err(self.one_of(&[Errno::CONNABORTED, Errno::PROTO, Errno::NETUNREACH]));
        }
        self.open(connection)
    }

    /// dup(2).
    pub(crate) fn copy(&mut self, fd: RawFd) -> Result<RawFd, Errno> {
        self.begin_call();
        let result = self.file_of(fd).and_then(|file| self.open(file));
        self.note_fd("dup", fd, result);
        result
    }

    pub(crate) fn connect(&mut self, fd: RawFd, port: u16) -> Result<(), Errno> {
        self.begin_call();
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
            self.set_socket(file, SocketState::Connecting);
            let after = self.delay();
            self.add_happening(
                after,
                Happening::ConnectAnswered(file, Err(Errno::CONNREFUSED)),
            );
            return Err(Errno::INPROGRESS);
        }
        self.start_to_connect(file, port);
        // An interrupted connect goes on in the background.
        self.interrupted()?;
        Err(Errno::INPROGRESS)
    }

    pub(crate) fn take_error(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.begin_call();
        let file = self.file_of(fd)?;
        let result = self.files[file.0].error.take().map_or(Ok(()), Err);
        self.note("getsockopt", fd, &result.map(|()| 0));
        result
    }

    pub(crate) fn has_peer(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.begin_call();
        let file = self.file_of(fd)?;
        let result = match self.files[file.0].socket() {
            Some(SocketState::Connected) => Ok(()),
            _ => Err(Errno::NOTCONN),
        };
        self.note("getpeername", fd, &result.map(|()| 0));
        result
    }

    pub(crate) fn local_address(&mut self, fd: RawFd) -> Result<SocketAddr, Errno> {
        self.begin_call();
        let file = self.file_of(fd)?;
        let port = match self.files[file.0].socket() {
            Some(SocketState::Unconnected(port) | SocketState::Listening(port, _)) => *port,
            _ => 0,
        };
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }

    pub(crate) fn shutdown_write(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.begin_call();
        let file = self.file_of(fd)?;
        self.reset_at_random(file);
        let result = match self.files[file.0].socket() {
            Some(SocketState::Connected) => {
                self.end_output(file);
                Ok(())
            }
            _ => Err(Errno::NOTCONN),
        };
        self.note("shutdown", fd, &result.map(|()| 0));
        result
    }
}
