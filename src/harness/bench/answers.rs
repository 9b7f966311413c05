//! The answers: which request each one belongs to, and what can be wrong with it.

use crate::time::Instant;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::VecDeque;

/// How many numbers lie between the oldest request without an answer and the newest one, at
/// most: a million, which takes 16 MiB. A node that leaves a request without an answer, or
/// that is too slow for an open loop, must not fill the memory.
pub(super) const WINDOW_MAX: usize = 1 << 20;

/// A line of the node, as far as a bench looks at it.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) dest: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) body: Body<'a>,
}

#[derive(Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    pub(super) in_reply_to: Option<u64>,
    #[serde(borrow)]
    pub(super) echo: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    pub(super) fn read(line: &'a [u8]) -> Result<Message<'a>, String> {
        serde_json::from_slice(line).map_err(|error| {
            let hint = "stdout is for messages only, so write diagnostics to stderr";
            format!("is no message: {error}; {hint}")
        })
    }
}

/// The requests that were sent and have no answer, by their numbers.
///
/// ```text
///   first                                   next
///     v                                      v
///   ┌─────┬──────────┬─────┬──────────┬─────┐
///   │ due │ answered │ due │ answered │ due │   a request that is answered at the front
///   └─────┴──────────┴─────┴──────────┴─────┘   leaves, with those behind it
/// ```
#[derive(Debug)]
pub(super) struct Window {
    first: u64,
    /// When each one was due; `None` is answered.
    due: VecDeque<Option<Instant>>,
    outstanding: usize,
}

impl Window {
    /// Nothing was sent. The first request will have that number.
    pub(super) fn new(first: u64) -> Window {
        Window {
            first,
            due: VecDeque::new(),
            outstanding: 0,
        }
    }

    /// The number of the next request.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.due.len() as u64
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether no further request may be sent.
    pub(super) fn is_full(&self) -> bool {
        self.due.len() >= WINDOW_MAX
    }

    /// The number of the oldest request without an answer.
    pub(super) fn oldest(&self) -> u64 {
        self.first
    }

    pub(super) fn sent(&mut self, due: Instant) {
        self.due.push_back(Some(due));
        self.outstanding += 1;
    }

    /// Takes the request of that number out. Returns when it was due.
    pub(super) fn answered(&mut self, number: u64) -> Result<Instant, String> {
        let place = number.checked_sub(self.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let due = match place {
            Some(place) => match self.due.get_mut(place) {
                None => return Err(format!("answers request {number}, which was not sent")),
                Some(due) => due.take(),
            },
            // Numbers of the bench begin above that of `init`.
            None => None,
        };
        let Some(due) = due else {
            return Err(format!(
                "answers request {number}, which has its answer already"
            ));
        };
        self.outstanding -= 1;
        while let Some(None) = self.due.front() {
            self.due.pop_front();
            self.first += 1;
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_answered_once_in_any_order() {
        let at = Instant::from_millis;
        let mut window = Window::new(2);
        for number in 2..6 {
            assert_eq!(window.next_number(), number);
            window.sent(at(number));
        }
        assert_eq!(window.answered(3), Ok(at(3)));
        assert_eq!((window.oldest(), window.outstanding()), (2, 3));
        assert_eq!(window.answered(2), Ok(at(2)));
        assert_eq!((window.oldest(), window.outstanding()), (4, 2));
        assert!(window.answered(6).unwrap_err().contains("not sent"));
        for number in [1, 2, 3] {
            assert!(window.answered(number).unwrap_err().contains("already"));
        }
        assert_eq!(window.answered(5), Ok(at(5)));
        assert!(window.answered(5).unwrap_err().contains("already"));
    }

    #[test]
    fn the_window_is_bounded() {
        let mut window = Window::new(2);
        while !window.is_full() {
            window.sent(Instant::ZERO);
        }
        assert_eq!(window.outstanding(), WINDOW_MAX);
        assert_eq!(window.answered(3), Ok(Instant::ZERO));
        assert!(window.is_full(), "the oldest one is not answered yet");
        assert_eq!(window.answered(2), Ok(Instant::ZERO));
        assert!(!window.is_full());
    }
}
