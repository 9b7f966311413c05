//! The calls that every descriptor knows: read, write, poll, close.

use super::channel::Pace;
use super::faults::Fault;
use super::sockets::Standing;
use super::state::{FileId, Happening, Kernel, Kind};
use rustix::event::PollFlags;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::os::fd::RawFd;
use std::time::Duration;

impl Kernel {
    /// Writes a call and its answer down.
    pub(super) fn note(&mut self, call: &'static str, on: RawFd, answer: &Result<usize, Errno>) {
        let answer = match answer {
            Ok(count) => i64::try_from(*count).unwrap_or(i64::MAX),
            Err(errno) => -i64::from(errno.raw_os_error()),
        };
        self.trace.note(self.now, call, i64::from(on), answer);
    }

    pub(super) fn one_of(&mut self, errnos: &[Errno]) -> Errno {
        let number = self.random.below(errnos.len() as u64);
        errnos[usize::try_from(number).unwrap_or(0)]
    }

    /// EINTR, now and then.
    pub(super) fn interrupted(&mut self) -> Result<(), Errno> {
        match self.faults.fires(Fault::Interrupted, self.now) {
            true => Err(Errno::INTR),
            false => Ok(()),
        }
    }

    pub(super) fn is_regular(&self, file: FileId) -> bool {
        matches!(self.files[file.0].kind, Kind::Regular(..))
    }

    pub(crate) fn read(&mut self, fd: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.enter();
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
        if let Kind::Regular(content, _) = &mut self.files[file.0].kind {
            let mut count = buffer.len().min(content.len());
            if count > 1 && self.faults.fires(Fault::Short, self.now) {
                count = 1 + usize::try_from(self.random.below(count as u64 - 1)).unwrap_or(0);
            }
            for (to, from) in buffer.iter_mut().zip(content.drain(..count)) {
                *to = from;
            }
            return Ok(count);
        }
        self.lose_connection(file);
        let buffer = self.hold_back(file, buffer);
        let result = self.take(file, buffer);
        if result == Err(Errno::AGAIN) && self.files[file.0].blocks {
            self.violation(format!("a read of descriptor {fd} would have waited"));
        }
        result
    }

    /// Reads without a fault; what a peer's read does, too.
    pub(super) fn take(&mut self, file: FileId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let Some(channel) = self.files[file.0].incoming else {
            return match self.standing(file) {
                Some(Standing::Connecting) => Err(Errno::AGAIN),
                _ => Err(self.files[file.0].error.take().unwrap_or(Errno::NOTCONN)),
            };
        };
        if self.channels[channel].visible() > 0 {
            let count = self.channels[channel].read(buffer);
            self.tell_room(channel);
            return Ok(count);
        }
        if self.channels[channel].has_end_arrived {
            // Even if a reset came behind it.
            return Ok(0);
        }
        if let Some(errno) = self.files[file.0].error.take() {
            return Err(errno);
        }
        match self.standing(file) {
            Some(Standing::Reset) => Ok(0),
            _ => Err(Errno::AGAIN),
        }
    }

    /// A short read or none, by taking back what has only just arrived: it comes
    /// again later, with an edge. Behind the end nothing can come, so there a read
    /// is merely short, and the event of the end is what tells to go on.
    fn hold_back<'b>(&mut self, file: FileId, buffer: &'b mut [u8]) -> &'b mut [u8] {
        let Some(channel) = self.files[file.0].incoming else {
            return buffer;
        };
        let (now, blocks) = (self.now, self.files[file.0].blocks);
        let visible = self.channels[channel].visible();
        let is_whole =
            self.channels[channel].has_end_arrived || self.standing(file) == Some(Standing::Reset);
        let settled = self.channels[channel].settled(now);
        let least = if blocks { settled.max(1) } else { settled };
        if is_whole {
            if visible > 1 && self.faults.fires(Fault::Short, now) {
                let most = buffer.len().min(visible);
                let kept = 1 + usize::try_from(self.random.below(most as u64)).unwrap_or(0);
                return &mut buffer[..kept];
            }
        } else if !is_whole && visible > least && self.faults.fires(Fault::HeldBack, now) {
            let kept = least as u64 + self.random.below((visible - least) as u64);
            let kept = usize::try_from(kept).unwrap_or(0);
            let total = self.channels[channel].hold_back(kept);
            let after = self.delay();
            self.happen(after, Happening::Arrive(channel, total));
        }
        buffer
    }

    pub(crate) fn write(&mut self, fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
        self.enter();
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
        let mut bytes = bytes;
        let is_regular = self.is_regular(file);
        let is_pipe = matches!(self.files[file.0].kind, Kind::Pipe);
        if (is_regular && bytes.len() > 1 || is_pipe && bytes.len() > 2 * super::channel::PIPE_BUF)
            && !self.files[file.0].blocks
            && self.faults.fires(Fault::Short, self.now)
        {
            let least = if is_pipe { super::channel::PIPE_BUF } else { 1 };
            let more = self.random.below((bytes.len() - least) as u64);
            bytes = &bytes[..least + usize::try_from(more).unwrap_or(0)];
        }
        if let Kind::Regular(_, written) = &mut self.files[file.0].kind {
            written.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.lose_connection(file);
        self.squeeze(file, bytes.len());
        let result = self.put(file, bytes);
        let waits = match result {
            Ok(count) => count < bytes.len(),
            Err(errno) => errno == Errno::AGAIN,
        };
        if waits && self.files[file.0].blocks {
            self.violation(format!("a write of descriptor {fd} would have waited"));
        }
        result
    }

    /// Writes without a fault; what a peer's write does, too.
    pub(super) fn put(&mut self, file: FileId, bytes: &[u8]) -> Result<usize, Errno> {
        if let Some(errno) = self.files[file.0].error.take() {
            return Err(errno);
        }
        let Some(channel) = self.files[file.0].outgoing else {
            return match self.standing(file) {
                Some(Standing::Connecting) => Err(Errno::AGAIN),
                _ => Err(Errno::PIPE),
            };
        };
        let is_dead = self.channels[channel].is_ended || self.channels[channel].reader.is_none();
        if is_dead {
            if self.is_socket(file) && !self.channels[channel].is_ended {
                // Taken, for whoever is not there any more; its kernel resets.
                self.channels[channel].is_ended = true;
                let after = self.latency();
                self.happen(after, Happening::Reset(file));
                return Ok(bytes.len());
            }
            return Err(Errno::PIPE);
        }
        let Some(count) = self.channels[channel].would_take(bytes.len()) else {
            self.channels[channel].owes_room = true;
            return Err(Errno::AGAIN);
        };
        self.channels[channel].write(&bytes[..count]);
        let is_full = !self.channels[channel].is_writable();
        let (after, owes_room) = match self.channels[channel].pace() {
            Pace::Pipe => (Duration::ZERO, is_full),
            Pace::Stream => (self.latency(), count < bytes.len()),
        };
        self.channels[channel].owes_room |= owes_room;
        let total = self.channels[channel].written_total();
        self.happen(after, Happening::Arrive(channel, total));
        if after.is_zero() {
            self.advance_to(self.now);
        }
        Ok(count)
    }

    /// A short write or none: there is no more room for a while, and then an edge.
    fn squeeze(&mut self, file: FileId, wanted: usize) {
        let Some(channel) = self.files[file.0].outgoing else {
            return;
        };
        let is_open = !self.channels[channel].is_squeezed() && !self.channels[channel].is_ended;
        let may = wanted > 0 && is_open && !self.files[file.0].blocks;
        if !may || !self.faults.fires(Fault::Squeezed, self.now) {
            return;
        }
        let room = self.channels[channel].room().min(wanted);
        let kept = usize::try_from(self.random.below(room as u64 + 1)).unwrap_or(0);
        self.channels[channel].squeeze(kept);
        let after = self.delay();
        self.happen(after, Happening::Relax(channel));
    }

    pub(crate) fn poll(&mut self, fd: RawFd, wanted: PollFlags) -> Result<bool, Errno> {
        self.enter();
        let result = self.try_poll(fd, wanted);
        self.note("poll", fd, &result.map(usize::from));
        result
    }

    fn try_poll(&mut self, fd: RawFd, wanted: PollFlags) -> Result<bool, Errno> {
        let file = self.file_of(fd)?;
        self.interrupted()?;
        if self.is_regular(file) {
            return Ok(true);
        }
        let mut flags = EventFlags::ERR | EventFlags::HUP;
        flags.set(EventFlags::IN, wanted.contains(PollFlags::IN));
        flags.set(EventFlags::OUT, wanted.contains(PollFlags::OUT));
        Ok(self.mask(file).intersects(flags))
    }

    pub(crate) fn close(&mut self, fd: RawFd) {
        self.enter();
        self.unwatch_closed(fd);
        let file = self.table.remove(&fd);
        self.progress += 1;
        self.note("close", fd, &Ok(0));
        let Some(file) = file else {
            return self.violation(format!("descriptor {fd} was closed, but not open"));
        };
        self.files[file.0].references -= 1;
        if self.files[file.0].references == 0 {
            self.release(file);
        }
    }

    pub(crate) fn file_id(&mut self, fd: RawFd) -> Result<(u64, u64), Errno> {
        let file = self.file_of(fd)?;
        // A pipe is one file, whichever end of it one holds.
        let files = &self.files[file.0];
        let number = files.outgoing.or(files.incoming);
        let inode = number.map_or(1_000_000 + file.0, |channel| channel);
        Ok((1, inode as u64))
    }
}
