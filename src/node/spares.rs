//! Memory that is used again, so that steady work allocates nothing.

use super::request::{Parts, Request};
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
    parts: RefCell<Vec<Rc<Parts>>>,
    bytes: RefCell<Vec<Vec<u8>>>,
}

impl Spares {
    /// A request in memory that an earlier one has left.
    pub(crate) fn request(&self, envelope: &Envelope<'_>, kind: &str) -> Request {
        let spare = self.parts.borrow_mut().pop();
        Request::fill(spare.unwrap_or_default(), envelope, kind)
    }

    /// Takes a request's memory back, unless somebody else still holds it.
    pub(crate) fn recycle_request(&self, request: Request) {
        if let Some(parts) = request.recycle() {
            let mut spares = self.parts.borrow_mut();
            if spares.len() < SPARES_MAX {
                spares.push(parts);
            }
        }
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
