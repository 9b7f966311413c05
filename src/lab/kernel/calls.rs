//! The calls that every descriptor knows: read, write, poll, close, fstat.
//!
//! Each call has three layers. The public one lets time pass and writes the trace.
//! `try_…` injects faults. [`Kernel::take_bytes`] and [`Kernel::put_bytes`] do the
//! work, and serve the actors too, whose calls have no faults.

use super::agenda::Happening;
use super::channel::{PIPE_BUF, Pace};
use super::faults::Fault;
use super::file::{FileId, Kind, SocketState};
use super::state::Kernel;
use crate::lab::draw;
use rustix::event::PollFlags;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::os::fd::RawFd;
use std::time::Duration;

/// Files without a channel get inode numbers from here on, above all channels'.
const INODES_OF_FILES: usize = 1_000_000;

impl Kernel {
    pub(crate) fn read(&mut self, fd: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.begin_call();
        let result = self.try_read(fd, buffer);
        if let Ok(count) = result {
            self.trace.mix(&buffer[..count]);
            self.progress += 1;
        }
        self.note("read", fd, &result);
        result
    }

    fn try_read(&mut self, fd: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
        let file = self.file_of(fd)?;
        self.interrupted()?;
        if let Kind::Regular { unread, .. } = &mut self.files[file.0].kind {
            let mut count = buffer.len().min(unread.len());
            if count > 1 && self.faults.fires(Fault::Short, self.now) {
                count = 1 + draw::index(&mut self.random, count - 1);
            }
            for (to, from) in buffer.iter_mut().zip(unread.drain(..count)) {
                *to = from;
            }
            return Ok(count);
        }
        self.reset_at_random(file);
        let buffer = self.shorten_read(file, buffer);
        let result = self.take_bytes(file, buffer);
        if result == Err(Errno::AGAIN) && self.files[file.0].blocks {
            self.violation(format!("a read of descriptor {fd} would have waited"));
        }
        result
    }

    /// Reads what is visible, without faults.
    pub(super) fn take_bytes(&mut self, file: FileId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let Some(incoming) = self.files[file.0].incoming else {
            return match self.files[file.0].socket() {
                Some(SocketState::Connecting) => Err(Errno::AGAIN),
                _ => Err(self.files[file.0].error.take().unwrap_or(Errno::NOTCONN)),
            };
        };
        let channel = &mut self.channels[incoming.0];
        if channel.visible() > 0 {
            let count = channel.read(buffer);
            self.signal_room(incoming);
            return Ok(count);
        }
        if channel.has_end_arrived {
            // Even if a reset came after the end.
            return Ok(0);
        }
        if let Some(errno) = self.files[file.0].error.take() {
            return Err(errno);
        }
        match self.files[file.0].socket() {
            Some(SocketState::Reset) => Ok(0),
            _ => Err(Errno::AGAIN),
        }
    }

    /// The faults that make a read short. Returns the buffer that is left for it.
    ///
    /// Bytes that have only just arrived can be withheld. They arrive again later,
    /// with an edge, so a short read of a stream still proves that the next byte
    /// brings an edge. After the end or a reset nothing can arrive again. There the
    /// read is merely short, and the event of the end tells the reader to read on.
    fn shorten_read<'b>(&mut self, file: FileId, buffer: &'b mut [u8]) -> &'b mut [u8] {
        let Some(incoming) = self.files[file.0].incoming else {
            return buffer;
        };
        let this = &self.files[file.0];
        let channel = &mut self.channels[incoming.0];
        let visible = channel.visible();
        if channel.has_end_arrived || this.socket() == Some(&SocketState::Reset) {
            if visible > 1 && self.faults.fires(Fault::Short, self.now) {
                let most = buffer.len().min(visible);
                let kept = 1 + draw::index(&mut self.random, most);
                return &mut buffer[..kept];
            }
            return buffer;
        }
        let settled = channel.settled(self.now);
        // `poll` has promised the reader of a blocking file one byte.
        let least = if this.blocks { settled.max(1) } else { settled };
        if visible > least && self.faults.fires(Fault::BytesWithheld, self.now) {
            let kept = least + draw::index(&mut self.random, visible - least);
            let total = channel.withhold(kept);
            let after = self.delay();
            self.add_happening(after, Happening::BytesArrive(incoming, total));
        }
        buffer
    }

    pub(crate) fn write(&mut self, fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
        self.begin_call();
        let result = self.try_write(fd, bytes);
        if let Ok(count) = result {
            self.trace.mix(&bytes[..count]);
            self.progress += 1;
        }
        self.note("write", fd, &result);
        result
    }

    fn try_write(&mut self, fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
        let file = self.file_of(fd)?;
        self.interrupted()?;
        let bytes = self.shorten_write(file, bytes);
        if let Kind::Regular { written, .. } = &mut self.files[file.0].kind {
            written.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.reset_at_random(file);
        self.withhold_room(file, bytes.len());
        let result = self.put_bytes(file, bytes);
        let waits = match result {
            Ok(count) => count < bytes.len(),
            Err(errno) => errno == Errno::AGAIN,
        };
        if waits && self.files[file.0].blocks {
            self.violation(format!("a write of descriptor {fd} would have waited"));
        }
        result
    }

    /// Writes as much as there is room for, without faults.
    pub(super) fn put_bytes(&mut self, file: FileId, bytes: &[u8]) -> Result<usize, Errno> {
        if let Some(errno) = self.files[file.0].error.take() {
            return Err(errno);
        }
        let Some(outgoing) = self.files[file.0].outgoing else {
            return match self.files[file.0].socket() {
                Some(SocketState::Connecting) => Err(Errno::AGAIN),
                _ => Err(Errno::PIPE),
            };
        };
        let channel = &mut self.channels[outgoing.0];
        if channel.is_ended {
            return Err(Errno::PIPE);
        }
        if channel.reader.is_none() {
            if !self.files[file.0].is_socket() {
                return Err(Errno::PIPE);
            }
            // The peer has closed, but its kernel says so only in answer to bytes:
            // these are taken, and a reset comes back.
            channel.is_ended = true;
            let after = self.latency();
            self.add_happening(after, Happening::ResetArrives(file));
            return Ok(bytes.len());
        }
        let Some(count) = channel.would_take(bytes.len()) else {
            channel.owes_edge = true;
            return Err(Errno::AGAIN);
        };
        channel.write(&bytes[..count]);
        channel.owes_edge |= match channel.pace() {
            Pace::Pipe => !channel.is_writable(),
            Pace::Stream => count < bytes.len(),
        };
        let total = channel.written_total();
        let after = match channel.pace() {
            Pace::Pipe => Duration::ZERO,
            Pace::Stream => self.latency(),
        };
        self.add_happening(after, Happening::BytesArrive(outgoing, total));
        if after.is_zero() {
            self.advance_to(self.now);
        }
        Ok(count)
    }

    /// The fault that makes a write short although there is room. A write of a
    /// pipe takes a page at least, since less could break its promise about
    /// PIPE_BUF. Sockets have [`Kernel::withhold_room`] instead.
    fn shorten_write<'b>(&mut self, file: FileId, bytes: &'b [u8]) -> &'b [u8] {
        let least = match &self.files[file.0].kind {
            Kind::Regular { .. } if bytes.len() > 1 => 1,
            Kind::Pipe if bytes.len() > 2 * PIPE_BUF => PIPE_BUF,
            _ => return bytes,
        };
        if self.files[file.0].blocks || !self.faults.fires(Fault::Short, self.now) {
            return bytes;
        }
        &bytes[..least + draw::index(&mut self.random, bytes.len() - least)]
    }

    /// The fault that takes room away for a while. When it returns there is an edge.
    fn withhold_room(&mut self, file: FileId, wanted: usize) {
        let Some(outgoing) = self.files[file.0].outgoing else {
            return;
        };
        let channel = &mut self.channels[outgoing.0];
        let can_limit = !channel.has_limited_room() && !channel.is_ended;
        // `poll` has promised the writer of a blocking file a page.
        if wanted == 0
            || !can_limit
            || self.files[file.0].blocks
            || !self.faults.fires(Fault::RoomWithheld, self.now)
        {
            return;
        }
        let room = channel.room().min(wanted);
        channel.limit_room(draw::index(&mut self.random, room + 1));
        let after = self.delay();
        self.add_happening(after, Happening::RoomReturns(outgoing));
    }

    pub(crate) fn poll(&mut self, fd: RawFd, wanted: PollFlags) -> Result<bool, Errno> {
        self.begin_call();
        let result = self.try_poll(fd, wanted);
        self.note("poll", fd, &result.map(usize::from));
        result
    }

    fn try_poll(&mut self, fd: RawFd, wanted: PollFlags) -> Result<bool, Errno> {
        let file = self.file_of(fd)?;
        self.interrupted()?;
        let mut flags = EventFlags::ERR | EventFlags::HUP;
        flags.set(EventFlags::IN, wanted.contains(PollFlags::IN));
        flags.set(EventFlags::OUT, wanted.contains(PollFlags::OUT));
        Ok(self.files[file.0].is_regular() || self.readiness(file).intersects(flags))
    }

    pub(crate) fn close(&mut self, fd: RawFd) {
        self.begin_call();
        if self.watches.remove(fd) {
            // Linux ends the watch with the last descriptor of the file. That is no
            // way to end it: a duplicate anywhere would keep it alive.
            self.violation(format!("descriptor {fd} was closed while it was watched"));
        }
        let file = self.table.remove(&fd);
        self.progress += 1;
        self.note("close", fd, &Ok(0));
        let Some(file) = file else {
            return self.violation(format!("descriptor {fd} was closed, but not open"));
        };
        self.files[file.0].descriptors -= 1;
        if self.files[file.0].descriptors == 0 {
            self.close_file(file);
        }
    }

    /// Device and inode. Both ends of a pipe are one file.
    pub(crate) fn file_id(&mut self, fd: RawFd) -> Result<(u64, u64), Errno> {
        let id = self.file_of(fd)?;
        let file = &self.files[id.0];
        let channel = file.outgoing.or(file.incoming);
        let inode = channel.map_or(INODES_OF_FILES + id.0, |channel| channel.0);
        Ok((1, inode as u64))
    }
}
