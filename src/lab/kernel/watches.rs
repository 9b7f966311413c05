//! The watches of an edge-triggered epoll, and the edges that it has yet to tell.
//!
//! A watch remembers one edge at most. Further edges before the process waits are
//! part of the same event, as they are on Linux. The event says what is true when
//! it is told, not when the edge came.

use super::file::FileId;
use crate::time::Instant;
use rustix::event::epoll::EventFlags;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;

/// How many tokens of removed watches are kept, for made-up events.
const RETIRED_MAX: usize = 16;

/// epoll reports these whether a watch asks for them or not.
const ALWAYS: EventFlags = EventFlags::ERR.union(EventFlags::HUP);

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) token: u64,
    pub(super) interest: EventFlags,
    pub(super) file: FileId,
    /// The edge that is to be told: from when on, and its number.
    edge: Option<(Instant, u64)>,
}

impl Watch {
    /// Whether an edge is to be told.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn has_edge(&self) -> bool {
        self.edge.is_some()
    }

    /// The part of `flags` that this watch wants to know.
    pub(super) fn wanted(&self, flags: EventFlags) -> EventFlags {
        flags & self.interest.union(ALWAYS)
    }
}

#[derive(Debug, Default)]
pub(super) struct Watches {
    by_fd: BTreeMap<RawFd, Watch>,
    /// Tokens of watches that were removed, the last ones only.
    retired: VecDeque<u64>,
    next_edge: u64,
}

impl Watches {
    pub(super) fn contains(&self, fd: RawFd) -> bool {
        self.by_fd.contains_key(&fd)
    }

    pub(super) fn len(&self) -> usize {
        self.by_fd.len()
    }

    pub(super) fn nth(&self, index: usize) -> Option<&Watch> {
        self.by_fd.values().nth(index)
    }

    pub(super) fn retired(&self) -> &VecDeque<u64> {
        &self.retired
    }

    /// Adds a watch. `flags` is what the file is ready for by now: readiness that
    /// is there already counts as an edge.
    pub(super) fn add(
        &mut self,
        fd: RawFd,
        (token, interest): (u64, EventFlags),
        (file, flags): (FileId, EventFlags),
        now: Instant,
    ) {
        self.next_edge += 1;
        let mut watch = Watch {
            token,
            interest,
            file,
            edge: None,
        };
        if !watch.wanted(flags).is_empty() {
            watch.edge = Some((now, self.next_edge));
        }
        self.by_fd.insert(fd, watch);
    }

    /// Whether there was a watch to remove.
    pub(super) fn remove(&mut self, fd: RawFd) -> bool {
        let Some(watch) = self.by_fd.remove(&fd) else {
            return false;
        };
        if self.retired.len() == RETIRED_MAX {
            self.retired.pop_front();
        }
        self.retired.push_back(watch.token);
        true
    }

    pub(super) fn clear(&mut self) {
        self.by_fd.clear();
    }

    /// Notes an edge of `file`, to be told from `at` on.
    pub(super) fn edge(&mut self, file: FileId, flags: EventFlags, at: Instant) {
        for watch in self.by_fd.values_mut() {
            if watch.file == file && !watch.wanted(flags).is_empty() {
                self.next_edge += 1;
                watch.edge = match watch.edge {
                    Some(earlier) if earlier.0 <= at => Some(earlier),
                    _ => Some((at, self.next_edge)),
                };
            }
        }
    }

    /// When the next edge can be told.
    pub(super) fn next_edge_time(&self) -> Option<Instant> {
        let edges = self.by_fd.values().filter_map(|watch| watch.edge);
        edges.map(|(at, _)| at).min()
    }

    /// Takes every edge that can be told by `now`: the descriptors of their
    /// watches, oldest edge first.
    pub(super) fn take_edges(&mut self, now: Instant) -> Vec<RawFd> {
        let mut taken = Vec::new();
        for (&fd, watch) in &mut self.by_fd {
            if let Some((_, number)) = watch.edge.take_if(|(at, _)| *at <= now) {
                taken.push((number, fd));
            }
        }
        taken.sort_unstable();
        taken.into_iter().map(|(_, fd)| fd).collect()
    }

    pub(super) fn get(&self, fd: RawFd) -> Option<&Watch> {
        self.by_fd.get(&fd)
    }
}
