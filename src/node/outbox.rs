//! The outbox: every message of a node leaves through it.
//!
//! A message is serialised straight into the block of the output buffer. Serialising runs the
//! author's code, which may fail, panic, or send another message. So the block is lent out
//! for that time, and two guards put things right when they are dropped:
//!
//! - [`Draft`] puts the block back and cuts an unfinished message off.
//! - [`Number`] takes back the `msg_id` of an unfinished message.
//!
//! Invariants: the output consists of whole lines, each with its newline, and every number
//! below the next one was written in one message. (A message that the observer drops was
//! written. It is cut off, and its number stays used.)
//!
//! Read next: `wire::OutputBuffer`, the buffer and its watermarks.

use super::observer::Observer;
use crate::protocol::{Error, Result};
use crate::wire::OutputBuffer;
use std::cell::{Cell, RefCell, RefMut};

/// How many bytes may wait for a slow reader before messages that are no replies are refused
/// with error 11: 8 MiB.
///
/// Replies are always taken. They are few, because no line is read above the high watermark.
/// Timers need no input: without this bound, a node that gossips would grow for as long as
/// its output is not read.
pub(super) const UNASKED_BYTES_MAX: usize = 8 << 20;

/// Messages on their way out, and the counter that numbers them.
#[derive(Default)]
pub(crate) struct Outbox {
    output: RefCell<OutputBuffer>,
    next_msg_id: Cell<u64>,
    observer: Observer,
}

impl Outbox {
    /// The observer of all messages. It sees each one that is written here.
    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The bytes to write.
    pub(crate) fn output(&self) -> RefMut<'_, OutputBuffer> {
        self.output.borrow_mut()
    }

    /// Appends one message, unless the observer drops it. If `write` fails or panics, nothing is appended.
    pub(super) fn write(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let bytes = self.output.borrow_mut().begin();
        let mut draft = Draft {
            output: &self.output,
            finished_bytes: bytes.len(),
            bytes,
        };
        write(&mut draft.bytes)?;
        if self.observer.is_set() {
            self.observer.decide_last_line(&mut draft.bytes);
        }
        debug_assert!(
            draft.bytes.len() == draft.finished_bytes || draft.bytes.ends_with(b"\n"),
            "a message without its newline"
        );
        draft.finished_bytes = draft.bytes.len();
        Ok(())
    }

    /// Appends one message with the next number. The number is used up only if the message
    /// was written.
    pub(super) fn write_numbered(
        &self,
        write: impl FnOnce(&mut Vec<u8>, u64) -> Result<()>,
    ) -> Result<u64> {
        let msg_id = self.next_msg_id.get();
        self.next_msg_id.set(msg_id + 1);
        let mut number = Number {
            next_msg_id: &self.next_msg_id,
            msg_id,
            is_used: false,
        };
        self.write(|out| write(out, msg_id))?;
        number.is_used = true;
        Ok(msg_id)
    }

    /// Whether a message with this number was begun.
    pub(super) fn has_used(&self, msg_id: u64) -> bool {
        msg_id < self.next_msg_id.get()
    }

    /// Refuses a message that is no reply if too many bytes wait already.
    pub(super) fn check_room(&self) -> Result<()> {
        let held = self.output.borrow().len();
        if held < UNASKED_BYTES_MAX {
            return Ok(());
        }
        Err(Error::temporarily_unavailable(format!(
            "{held} bytes of this node's output have not been read yet; try again later"
        )))
    }
}

/// A message that is being written, in the block of the output buffer.
struct Draft<'a> {
    output: &'a RefCell<OutputBuffer>,
    bytes: Vec<u8>,
    /// The length up to which the block holds finished messages.
    finished_bytes: usize,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.finished_bytes);
        // A message that was written meanwhile is in the buffer already; it goes behind.
        self.output.borrow_mut().commit(&mut self.bytes);
    }
}

/// The number of a message that is being written.
struct Number<'a> {
    next_msg_id: &'a Cell<u64>,
    msg_id: u64,
    is_used: bool,
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        // A message that was written meanwhile may have the next number. Then this one is
        // left out: a gap does no harm, a number used twice would.
        if !self.is_used && self.next_msg_id.get() == self.msg_id + 1 {
            self.next_msg_id.set(self.msg_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(outbox: &Outbox, text: &[u8]) -> Result<u64> {
        outbox.write_numbered(|out, _| {
            out.extend_from_slice(text);
            Ok(())
        })
    }

    fn fail(out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"unfinis");
        Err(Error::crash("on purpose"))
    }

    #[test]
    fn a_message_that_fails_leaves_neither_bytes_nor_a_gap() {
        let outbox = Outbox::default();
        assert_eq!(write(&outbox, b"a\n"), Ok(0));
        assert!(outbox.write_numbered(|out, _| fail(out)).is_err());
        assert_eq!(write(&outbox, b"b\n"), Ok(1));
        assert_eq!(outbox.output().pending(), b"a\nb\n");
    }

    #[test]
    fn no_number_is_used_twice_if_a_message_fails_around_another() {
        let outbox = Outbox::default();
        let outer = outbox.write_numbered(|out, _| {
            assert_eq!(write(&outbox, b"inside\n"), Ok(1));
            fail(out)
        });
        assert!(outer.is_err());
        assert_eq!(write(&outbox, b"after\n"), Ok(2));
        assert_eq!(outbox.output().pending(), b"inside\nafter\n");
    }

    #[test]
    #[should_panic(expected = "a message without its newline")]
    #[cfg(debug_assertions)]
    fn a_line_that_does_not_end_is_found() {
        let _numbered = write(&Outbox::default(), b"half");
    }
}
