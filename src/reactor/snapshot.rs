//! A snapshot of the reactor, for the microscope.

use super::slot::Mark;
use super::{Reactor, Token};
use crate::source::{Readiness, Reason};
use serde::Serialize;
use std::collections::BTreeMap;

/// The reactor at one moment. Sources are named by the index of their slot.
#[derive(Debug, Serialize)]
pub(crate) struct ReactorSnapshot {
    pub(crate) slots: BTreeMap<String, SlotSnapshot>,
    pub(crate) queue: Vec<String>,
    /// Each with the reason for which the next turn serves it.
    pub(crate) carried: Vec<(String, &'static str)>,
    pub(crate) finished: Vec<String>,
    pub(crate) stale: u64,
}

/// A source in its slot.
#[derive(Debug, Serialize)]
pub(crate) struct SlotSnapshot {
    pub(crate) name: String,
    pub(crate) generation: u32,
    pub(crate) ready: Vec<&'static str>,
    pub(crate) marks: Vec<&'static str>,
}

/// The flags of a readiness, in words.
pub(crate) fn words(readiness: Readiness) -> Vec<&'static str> {
    let flags = [
        (readiness.is_readable(), "readable"),
        (readiness.is_writable(), "writable"),
        (readiness.is_read_closed(), "read closed"),
    ];
    let set = flags.into_iter().filter(|(is_set, _)| *is_set);
    set.map(|(_, word)| word).collect()
}

/// A reason for carrying over, in words.
pub(crate) fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::BoundReached => "bound reached",
        Reason::BackpressureOver => "backpressure over",
        Reason::RetryDue => "retry due",
        Reason::NoEdges => "no edges",
    }
}

impl<S> Reactor<S> {
    /// `name` names a source; the number is its generation.
    pub(crate) fn snapshot(&self, name: impl Fn(&S, u32) -> String) -> ReactorSnapshot {
        let slots = self.slots.iter().map(|(index, slot)| {
            let marks = [
                (Mark::Queued, "queued"),
                (Mark::Carried, "carried"),
                (Mark::Finished, "finished"),
                (Mark::First, "first"),
                (Mark::AlwaysReady, "always ready"),
            ];
            let set = marks.into_iter().filter(|(mark, _)| slot.is(*mark));
            let generation = slot.generation.get();
            let snapshot = SlotSnapshot {
                name: name(&slot.source, generation),
                generation,
                ready: words(slot.readiness()),
                marks: set.map(|(_, word)| word).collect(),
            };
            (index.to_string(), snapshot)
        });
        let carried = self.carried.iter();
        ReactorSnapshot {
            slots: slots.collect(),
            queue: self.queue.iter().map(|&token| self.label(token)).collect(),
            carried: carried
                .map(|&(token, reason)| (self.label(token), reason_words(reason)))
                .collect(),
            finished: self
                .finished
                .iter()
                .map(|&token| self.label(token))
                .collect(),
            stale: self.stale_events,
        }
    }

    /// Each source with the index of its slot and its generation.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (usize, &S, u32)> {
        let slots = self.slots.iter();
        slots.map(|(index, slot)| (index, &slot.source, slot.generation.get()))
    }

    /// The index of a token's slot; with its generation if the slot has another by now.
    fn label(&self, token: Token) -> String {
        let is_current = self
            .slots
            .get(token.index())
            .is_some_and(|slot| slot.generation == token.generation());
        if is_current {
            token.index().to_string()
        } else {
            format!(
                "{} (generation {}, gone)",
                token.index(),
                token.generation()
            )
        }
    }
}
