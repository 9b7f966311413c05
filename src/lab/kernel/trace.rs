//! The trace: the calls of a run and their answers.
//!
//! A failure shows the last ones. A fingerprint of all of them tells whether two
//! runs of one seed did the same.

use crate::time::Instant;
use std::collections::VecDeque;
use std::fmt;

/// How many calls are kept for a failure to show.
const SHOWN_MAX: usize = 60;

#[derive(Debug)]
pub(crate) struct Trace {
    last: VecDeque<Entry>,
    fingerprint: u64,
    /// How many calls there were.
    count: u64,
    /// The calls that the microscope has not seen yet; `None` without one.
    #[cfg(any(test, feature = "microscope"))]
    unseen: Option<Vec<Call>>,
}

/// A call for the microscope.
#[cfg(any(test, feature = "microscope"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// Its descriptor.
    pub(crate) on: i64,
    /// As in the trace: a count, or the negative number of an error.
    pub(crate) answer: i64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Instant,
    call: &'static str,
    on: i64,
    answer: i64,
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace {
            last: VecDeque::new(),
            // FNV-1a: short, and the same everywhere.
            fingerprint: 0xcbf2_9ce4_8422_2325,
            count: 0,
            #[cfg(any(test, feature = "microscope"))]
            unseen: None,
        }
    }

    pub(super) fn note(&mut self, at: Instant, call: &'static str, on: i64, answer: i64) {
        for word in [at.as_nanos(), on.cast_unsigned(), answer.cast_unsigned()] {
            self.mix(&word.to_le_bytes());
        }
        self.mix(call.as_bytes());
        self.count += 1;
        #[cfg(any(test, feature = "microscope"))]
        if let Some(unseen) = &mut self.unseen {
            unseen.push(Call {
                name: call,
                on,
                answer,
            });
        }
        if self.last.len() == SHOWN_MAX {
            self.last.pop_front();
        }
        self.last.push_back(Entry {
            at,
            call,
            on,
            answer,
        });
    }

    pub(super) fn mix(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.fingerprint ^= u64::from(byte);
            self.fingerprint = self.fingerprint.wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The calls since the last time. It keeps them from the first time on.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn take_unseen(&mut self) -> Vec<Call> {
        self.unseen.replace(Vec::new()).unwrap_or_default()
    }

    /// A number for all calls, their times, answers and bytes.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the last {} of {} calls:", self.last.len(), self.count)?;
        for entry in &self.last {
            let Entry {
                at,
                call,
                on,
                answer,
            } = entry;
            writeln!(f, "  {at:>14?} {call}({on}) = {answer}")?;
        }
        Ok(())
    }
}
