//! One direction of a pipe or a connection: bytes, their arrival, and their end.

use super::state::FileId;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// From this age on, bytes that have arrived stay arrived: a fault can hold back
/// what is on its way, and not what has lain there for long.
pub(super) const SETTLED_AFTER: Duration = Duration::from_millis(20);

/// What a pipe takes whole or not at all, and what makes it writable: a page.
pub(super) const PIPE_BUF: usize = 4096;

/// When a channel counts as writable, which is when its writer gets an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// With a free page.
    Pipe,
    /// With a third of its buffer free, and told only to a writer that was refused.
    Stream,
}

/// Bytes from one file to another, in order.
#[derive(Debug)]
pub(super) struct Channel {
    queue: VecDeque<u8>,
    capacity: usize,
    pace: Pace,
    read_total: u64,
    /// Up to which byte of all that were ever written the reader sees.
    arrived_total: u64,
    /// When what arrived, for [`Channel::settled`].
    arrivals: VecDeque<(Instant, u64)>,
    /// No more bytes will be written.
    pub(super) is_ended: bool,
    /// The reader can see that.
    pub(super) has_end_arrived: bool,
    /// `None` once closed.
    pub(super) reader: Option<FileId>,
    pub(super) writer: Option<FileId>,
    /// There is only so much room for now, however little is in it.
    squeezed_room: Option<usize>,
    /// The writer was refused, and is to be told of the next room.
    pub(super) owes_room: bool,
}

impl Channel {
    pub(super) fn new(pace: Pace, capacity: usize, writer: FileId, reader: FileId) -> Channel {
        Channel {
            queue: VecDeque::new(),
            capacity,
            pace,
            read_total: 0,
            arrived_total: 0,
            arrivals: VecDeque::new(),
            is_ended: false,
            has_end_arrived: false,
            reader: Some(reader),
            writer: Some(writer),
            squeezed_room: None,
            owes_room: false,
        }
    }

    pub(super) fn written_total(&self) -> u64 {
        self.read_total + self.queue.len() as u64
    }

    /// Whether anything was written that nobody has read.
    pub(super) fn has_unread(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How many bytes a read would find.
    pub(super) fn visible(&self) -> usize {
        usize::try_from(self.arrived_total - self.read_total).unwrap_or(0)
    }

    /// How many of them no fault can take back.
    pub(super) fn settled(&self, now: Instant) -> usize {
        let old = |&&(at, _): &&(Instant, u64)| at + SETTLED_AFTER <= now;
        let settled = self.arrivals.iter().rev().find(old);
        let total = settled
            .map_or(0, |&(_, total)| total)
            .min(self.arrived_total);
        usize::try_from(total.saturating_sub(self.read_total)).unwrap_or(0)
    }

    /// Lets the reader see everything up to `total`. False if it did already.
    pub(super) fn arrive(&mut self, total: u64, now: Instant) -> bool {
        if total <= self.arrived_total {
            return false;
        }
        self.arrived_total = total.min(self.written_total());
        if self.arrivals.back().is_none_or(|&(_, last)| last < total) {
            self.arrivals.push_back((now, total));
        }
        true
    }

    /// Takes all but `kept` visible bytes back; returns up to where they were.
    pub(super) fn hold_back(&mut self, kept: usize) -> u64 {
        let arrived = self.arrived_total;
        self.arrived_total = self.read_total + kept as u64;
        arrived
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.visible());
        let (front, back) = self.queue.as_slices();
        let split = count.min(front.len());
        buffer[..split].copy_from_slice(&front[..split]);
        buffer[split..count].copy_from_slice(&back[..count - split]);
        self.queue.drain(..count);
        self.read_total += count as u64;
        while self
            .arrivals
            .front()
            .is_some_and(|&(_, total)| total <= self.read_total)
        {
            self.arrivals.pop_front();
        }
        count
    }

    pub(super) fn room(&self) -> usize {
        let room = self.capacity.saturating_sub(self.queue.len());
        self.squeezed_room
            .map_or(room, |squeezed| squeezed.min(room))
    }

    pub(super) fn is_squeezed(&self) -> bool {
        self.squeezed_room.is_some()
    }

    /// Leaves room for `kept` bytes and no more, until [`Channel::relax`].
    pub(super) fn squeeze(&mut self, kept: usize) {
        self.squeezed_room = Some(kept);
        self.owes_room = true;
    }

    pub(super) fn relax(&mut self) {
        self.squeezed_room = None;
    }

    pub(super) fn is_writable(&self) -> bool {
        !self.is_squeezed()
            && match self.pace {
                Pace::Pipe => self.room() >= PIPE_BUF,
                Pace::Stream => self.room() >= self.capacity / 3,
            }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// How many of `len` bytes a write would take; `None` for EAGAIN.
    pub(super) fn would_take(&self, len: usize) -> Option<usize> {
        let room = self.room();
        let is_atomic = self.pace == Pace::Pipe && len <= PIPE_BUF;
        let is_full = match self.pace {
            Pace::Pipe => room < PIPE_BUF,
            Pace::Stream => room == 0,
        };
        if is_full || (is_atomic && room < len) {
            return None;
        }
        Some(room.min(len))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
        if let Some(room) = &mut self.squeezed_room {
            *room = room.saturating_sub(bytes.len());
        }
    }

    /// Forgets what is in it.
    pub(super) fn purge(&mut self) {
        self.read_total += self.queue.len() as u64;
        self.arrived_total = self.read_total;
        self.queue = VecDeque::new();
        self.arrivals = VecDeque::new();
    }
}
