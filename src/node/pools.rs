//! The pools of a node: the memory of messages and of call bodies, used again.

use super::received_message::ReceivedMessage;
use super::request::Request;
use crate::memory::Pool;
use crate::protocol::Envelope;
use std::rc::Rc;

/// The blocks of a node that are not in use.
#[derive(Default)]
pub(crate) struct Pools {
    messages: Pool<Rc<ReceivedMessage>>,
    /// Replaces a message that is taken from a holder which is being dropped. It
    /// takes no memory.
    vacant: Rc<ReceivedMessage>,
    bodies: Pool<Vec<u8>>,
}

impl Pools {
    /// Keeps an envelope's message, in the memory of an earlier one.
    pub(crate) fn keep(&self, envelope: &Envelope<'_>) -> Rc<ReceivedMessage> {
        let mut message = self.messages.take();
        // A pooled message has no other holder.
        if let Some(message) = Rc::get_mut(&mut message) {
            message.fill(envelope);
        }
        message
    }

    /// Takes a message's memory back from a holder that is being dropped.
    pub(super) fn take_back(&self, message: &mut Rc<ReceivedMessage>) {
        self.recycle(std::mem::replace(message, self.vacant.clone()));
    }

    /// Takes a message's memory back, unless the message has another holder.
    pub(super) fn recycle(&self, message: Rc<ReceivedMessage>) {
        self.messages.give_back(message);
    }

    /// Takes a request's memory back, unless the request has another holder.
    pub(crate) fn recycle_request(&self, request: Request) {
        self.recycle(request.into_received());
    }

    /// An empty block for the body of a call.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bodies.take()
    }

    /// Takes the memory of a call's body back.
    pub(super) fn recycle_bytes(&self, bytes: Vec<u8>) {
        self.bodies.give_back(bytes);
    }
}
