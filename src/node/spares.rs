//! Memory that is used again, so that steady work allocates nothing.

use super::received::Received;
use super::request::Request;
use crate::protocol::Envelope;
use std::cell::RefCell;
use std::rc::Rc;

/// How many blocks of each kind are kept. Beyond it, what a burst took is given
/// back.
const SPARES_MAX: usize = 1024;

/// A block larger than this is not kept, so that a few long lines do not hold
/// their memory for ever.
const SPARE_BYTES_MAX: usize = 4 << 10;

/// The blocks that are not in use.
#[derive(Default)]
pub(crate) struct Spares {
    received: RefCell<Vec<Rc<Received>>>,
    /// What is left with a holder that is dropped: taking it costs no memory.
    vacant: Rc<Received>,
    bytes: RefCell<Vec<Vec<u8>>>,
}

impl Spares {
    /// Keeps an envelope's message, in memory that an earlier one has left.
    pub(crate) fn keep(&self, envelope: &Envelope<'_>) -> Rc<Received> {
        let spare = self.received.borrow_mut().pop();
        let mut received = spare.unwrap_or_default();
        // Nobody else holds what was taken back.
        if let Some(received) = Rc::get_mut(&mut received) {
            received.fill(envelope);
        }
        received
    }

    /// Takes a message's memory back from a holder that is being dropped.
    pub(super) fn take_back(&self, message: &mut Rc<Received>) {
        self.recycle(std::mem::replace(message, self.vacant.clone()));
    }

    /// Takes a message's memory back, unless somebody else still holds it.
    pub(super) fn recycle(&self, mut received: Rc<Received>) {
        if let Some(message) = Rc::get_mut(&mut received) {
            message.clear();
            let mut spares = self.received.borrow_mut();
            if spares.len() < SPARES_MAX {
                spares.push(received);
            }
        }
    }

    /// Takes a request's memory back, unless somebody else still holds it.
    pub(crate) fn recycle_request(&self, request: Request) {
        self.recycle(request.into_received());
    }

    /// An empty block of bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn recycle_bytes(&self, mut bytes: Vec<u8>) {
        let mut spares = self.bytes.borrow_mut();
        if spares.len() < SPARES_MAX && bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            spares.push(bytes);
        }
    }
}
