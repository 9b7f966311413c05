//! The outbox: the one place where messages leave a node.

use crate::protocol::{Error, Result};
use crate::wire::OutputBuffer;
use std::cell::{Cell, RefCell, RefMut};

/// How many bytes may wait for a slow reader before messages that nobody asked
/// for are refused (error 11): 8 MiB. Replies are never refused; reading stops
/// at the high watermark, so there are few. Timers fire without any input, and
/// without this bound a gossiping node with a dead reader would grow for ever.
pub(super) const UNASKED_BYTES_MAX: usize = 8 << 20;

/// Messages on their way out, and the counter that numbers them.
#[derive(Default)]
pub(crate) struct Outbox {
    output: RefCell<OutputBuffer>,
    next_msg_id: Cell<u64>,
}

impl Outbox {
    /// The bytes to write.
    pub(crate) fn output(&self) -> RefMut<'_, OutputBuffer> {
        self.output.borrow_mut()
    }

    /// Appends one message to the output, or nothing at all if `write` fails or
    /// panics.
    pub(super) fn write(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let bytes = self.output.borrow_mut().begin();
        let mut draft = Draft {
            output: &self.output,
            keep: bytes.len(),
            bytes,
        };
        write(&mut draft.bytes)?;
        draft.keep = draft.bytes.len();
        Ok(())
    }

    /// Appends a message with the next number, which is used up only if the
    /// message was written.
    pub(super) fn write_numbered(
        &self,
        write: impl FnOnce(&mut Vec<u8>, u64) -> Result<()>,
    ) -> Result<u64> {
        let msg_id = self.next_msg_id.get();
        self.next_msg_id.set(msg_id + 1);
        let mut number = Number {
            next: &self.next_msg_id,
            msg_id,
            is_used: false,
        };
        self.write(|out| write(out, msg_id))?;
        number.is_used = true;
        Ok(msg_id)
    }

    /// Refuses a message that is no reply when too much waits already.
    pub(super) fn may_send_unasked(&self) -> Result<()> {
        let held = self.output.borrow().len();
        if held < UNASKED_BYTES_MAX {
            return Ok(());
        }
        Err(Error::temporarily_unavailable(format!(
            "{held} bytes already wait for whoever reads this node's output"
        )))
    }
}

/// A message being written. Puts the bytes back however that ends: what was not
/// finished, because it failed or panicked, is cut off.
struct Draft<'a> {
    output: &'a RefCell<OutputBuffer>,
    bytes: Vec<u8>,
    keep: usize,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.keep);
        self.output.borrow_mut().commit(&mut self.bytes);
    }
}

/// The number of a message being written. Goes back if it was not used, unless a
/// message inside that message has taken the next one.
struct Number<'a> {
    next: &'a Cell<u64>,
    msg_id: u64,
    is_used: bool,
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        if !self.is_used && self.next.get() == self.msg_id + 1 {
            self.next.set(self.msg_id);
        }
    }
}
