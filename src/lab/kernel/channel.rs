//! A channel: one direction of a pipe or a connection, with its bytes and its end.
//!
//! ```text
//!   read already │ visible to the reader │ under way │ room
//!   ─────────────┼───────────────────────┼───────────┼───────────┐
//!                read_total              arrived_total           capacity
//!                                                    written_total
//! ```
//!
//! All totals count from the first byte that was ever written. A fault can move
//! `arrived_total` back, over bytes that have only just arrived, and it can take
//! room away. Both come back later, with an edge: the reader and the writer cannot
//! tell such a fault from a peer that is slow.

use super::file::FileId;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that arrived this long ago have settled: no fault withholds them any more.
/// A kernel can deliver late, but does not take back what was there for long.
pub(super) const SETTLED_AFTER: Duration = Duration::from_millis(20);

/// Linux's PIPE_BUF: a write of at most so many bytes into a pipe is taken whole or
/// not at all. It is a page, and a pipe is writable with a free page.
pub(super) const PIPE_BUF: usize = 4096;

/// When a channel becomes writable, and whether its writer gets an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// With a free page. The edge follows a write that left less.
    Pipe,
    /// With a third of its buffer free. The edge follows a write that was cut short
    /// or refused.
    Stream,
}

#[derive(Debug)]
pub(super) struct Channel {
    /// The bytes that were written and not read.
    queue: VecDeque<u8>,
    capacity: usize,
    pace: Pace,
    read_total: u64,
    arrived_total: u64,
    /// Totals that had arrived, with their times, for [`Channel::settled`].
    arrivals: VecDeque<(Instant, u64)>,
    /// No more bytes will be written.
    pub(super) is_ended: bool,
    /// The reader can see that.
    pub(super) has_end_arrived: bool,
    /// `None` once closed.
    pub(super) reader: Option<FileId>,
    pub(super) writer: Option<FileId>,
    /// The room that a fault has left, less than there is.
    limited_room: Option<usize>,
    /// The writer was refused, and gets an edge when the channel is writable.
    pub(super) owes_edge: bool,
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
            limited_room: None,
            owes_edge: false,
        }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn written_total(&self) -> u64 {
        self.read_total + self.queue.len() as u64
    }

    /// Whether any byte was written that was not read, visible or not.
    pub(super) fn has_unread(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How many bytes were written and not read.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn unread(&self) -> usize {
        self.queue.len()
    }

    /// How many bytes a read would find.
    pub(super) fn visible(&self) -> usize {
        usize::try_from(self.arrived_total - self.read_total).unwrap_or(0)
    }

    /// How many of the visible bytes no fault can withhold.
    pub(super) fn settled(&self, now: Instant) -> usize {
        let old = |&&(at, _): &&(Instant, u64)| at + SETTLED_AFTER <= now;
        let settled = self.arrivals.iter().rev().find(old);
        let total = settled
            .map_or(0, |&(_, total)| total)
            .min(self.arrived_total);
        usize::try_from(total.saturating_sub(self.read_total)).unwrap_or(0)
    }

    /// Makes everything up to `total` visible. Returns whether that is news.
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

    /// Makes all but `kept` of the visible bytes invisible. Returns the total up to
    /// which they must arrive again.
    pub(super) fn withhold(&mut self, kept: usize) -> u64 {
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
        self.limited_room.map_or(room, |limit| limit.min(room))
    }

    pub(super) fn has_limited_room(&self) -> bool {
        self.limited_room.is_some()
    }

    /// Leaves room for `kept` bytes and no more, until [`Channel::return_room`].
    pub(super) fn limit_room(&mut self, kept: usize) {
        self.limited_room = Some(kept);
        self.owes_edge = true;
    }

    pub(super) fn return_room(&mut self) {
        self.limited_room = None;
    }

    pub(super) fn is_writable(&self) -> bool {
        !self.has_limited_room()
            && match self.pace {
                Pace::Pipe => self.room() >= PIPE_BUF,
                Pace::Stream => self.room() >= self.capacity / 3,
            }
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
        if let Some(room) = &mut self.limited_room {
            *room = room.saturating_sub(bytes.len());
        }
    }

    /// Drops all bytes that are in it: nothing will read them.
    pub(super) fn purge(&mut self) {
        self.read_total += self.queue.len() as u64;
        self.arrived_total = self.read_total;
        self.queue = VecDeque::new();
        self.arrivals = VecDeque::new();
    }
}
