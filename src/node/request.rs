//! A request: a received message that a handler answers.
//!
//! The session makes it and starts the handler with it; [`Context::reply`](super::Context::reply)
//! answers it. Read next: `received_message`, the message itself.

use super::received_message::ReceivedMessage;
use crate::protocol::Result;
use serde::Deserialize;
use std::rc::{Rc, Weak};

/// A message for a handler.
///
/// It owns a copy of the line, in memory that is used again for later requests. Clones share
/// it. The values that [`body`](Request::body) returns may borrow from it.
///
/// A request may be kept, and answered after its handler has ended:
///
/// ```
/// # use eddyline::{Context, Request, Result};
/// # use std::cell::RefCell;
/// fn later(cx: &Context, queue: &RefCell<Vec<Request>>, request: Request) {
///     queue.borrow_mut().push(request);
/// }
///
/// fn now(cx: &Context, queue: &RefCell<Vec<Request>>) -> Result<()> {
///     queue.take().iter().try_for_each(|request| cx.reply(request, &()))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    message: Rc<ReceivedMessage>,
}

impl Request {
    pub(crate) fn new(message: Rc<ReceivedMessage>) -> Request {
        Request { message }
    }

    /// The message, whose memory is used again.
    pub(super) fn into_received(self) -> Rc<ReceivedMessage> {
        self.message
    }

    /// The sender's name.
    #[inline]
    pub fn src(&self) -> &str {
        self.message.src()
    }

    /// The body's `type`.
    #[inline]
    pub fn kind(&self) -> &str {
        self.message.kind()
    }

    /// The body's `msg_id`, with the digits that were received: a JSON integer of any length.
    /// Without one the sender wants no reply.
    #[inline]
    pub fn msg_id(&self) -> Option<&str> {
        self.message.msg_id()
    }

    /// The whole body as JSON text, byte for byte as it was received.
    #[inline]
    pub fn raw_body(&self) -> &str {
        self.message.raw_body()
    }

    /// The body as a type of yours. Fields may borrow from the request
    /// (`&str` where the text has no escapes, `Cow<str>`, `&RawValue`).
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde::Deserialize;
    /// #[derive(Deserialize)]
    /// struct Add {
    ///     delta: i64,
    /// }
    ///
    /// # fn handle(cx: Context, request: Request) -> Result<()> {
    /// let Add { delta } = request.body()?; // or error 12: malformed "add": field `delta`: …
    /// # cx.reply(&request, &())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 12 that names the field, if the body has another shape. With `?` it goes to the
    /// caller.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        self.message.body()
    }

    /// Whether sender and type need no escapes as JSON strings.
    pub(crate) fn is_plain(&self) -> bool {
        self.message.is_plain()
    }

    /// The bytes of memory that its text takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.message.held_bytes()
    }

    /// Whether a reply to it was sent.
    pub fn is_answered(&self) -> bool {
        self.message.answered.get()
    }

    /// A reference that does not keep it.
    pub(super) fn downgrade(&self) -> Weak<ReceivedMessage> {
        Rc::downgrade(&self.message)
    }

    /// Whether this is the only clone left.
    pub(crate) fn is_last_clone(&self) -> bool {
        Rc::strong_count(&self.message) == 1
    }

    /// Sets whether a reply was sent, and returns whether one was sent before.
    pub(super) fn replace_answered(&self, is_answered: bool) -> bool {
        self.message.answered.replace(is_answered)
    }
}
