//! The agenda: what will happen by itself, in order of time.
//!
//! Nothing in this kernel happens at once over a distance. A write puts bytes into
//! a channel and their arrival onto the agenda. Each call of the process, and each
//! wait, lets time pass, and what has become due by then is performed.

use super::file::{ActorId, ChannelId, FileId};
use crate::time::Instant;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// Something that will happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    /// The reader of a channel sees the bytes up to this one.
    BytesArrive(ChannelId, u64),
    /// The reader of a channel sees that it has ended.
    EndArrives(ChannelId),
    /// A channel has its whole room again, after a fault.
    RoomReturns(ChannelId),
    /// A request to connect reaches this port.
    ConnectArrives(FileId, u16),
    /// The answer reaches the socket that asked to connect.
    ConnectAnswered(FileId, Result<(), Errno>),
    /// A reset reaches this file.
    ResetArrives(FileId),
    /// An actor acts.
    ActorActs(ActorId),
}

/// The place of a happening: its time, and a number that orders equal times.
pub(super) type Place = (Instant, u64);

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<Place, Happening>,
    next_number: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, happening: Happening) -> Place {
        self.next_number += 1;
        let place = (at, self.next_number);
        self.entries.insert(place, happening);
        place
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.entries.remove(&place);
    }

    /// When the next one happens.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes the next one that happens by `until`.
    pub(super) fn take_due(&mut self, until: Instant) -> Option<(Instant, Happening)> {
        let entry = self.entries.first_entry()?;
        let (at, _) = *entry.key();
        (at <= until).then(|| (at, entry.remove()))
    }
}
