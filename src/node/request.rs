//! A request: a received message that a handler answers.
//!
//! The session makes it and starts the handler with it; [`Context::reply`](super::Context::reply)
//! answers it. Read next: `received_message`, the message itself.

use super::received_message::{Answer, ReceivedMessage};
use super::reply_address::ReplyAddress;
use crate::protocol::{Result, Subject};
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
    /// One enum can stand for all requests. Then `match` needs no last arm for other types:
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde::Deserialize;
    /// # use serde_json::json;
    /// #[derive(Deserialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum Op {
    ///     Read { key: String },
    ///     Write { key: String, value: i64 },
    /// }
    ///
    /// # fn handle(cx: Context, request: Request) -> Result<()> {
    /// match request.body()? { // or error 10: this node does not know requests of type …
    ///     Op::Read { key } => cx.reply(&request, &json!({ "value": key.len() })),
    ///     Op::Write { key, value } => cx.reply(&request, &()),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 12 that names the field, if the body has another shape. Error 10, if it is an enum
    /// with `#[serde(tag = "type")]` that has no such type. With `?` they go to the caller.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        self.message.body(Subject::Request)
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
        self.message.answer.get() == Answer::Sent
    }

    /// Where the reply goes, for another node that sends it.
    ///
    /// The log no longer complains if this node sends no reply. It may still send one, for
    /// example if the other node cannot be reached. If the handler ends with an error, that
    /// error is sent: end with one only if the other node will not answer.
    ///
    /// [`ReplyAddress`] has an example.
    pub fn reply_to(&self) -> ReplyAddress {
        self.ignore();
        ReplyAddress::new(self.src(), self.msg_id())
    }

    /// Lets the request end without a reply: the log does not complain. It is for a node that
    /// loses messages on purpose, and for one that has nothing to say.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # fn handle(cx: Context, request: Request) -> Result<()> {
    /// if cx.random(|random| random.below(10) == 0) {
    ///     request.ignore(); // its sender will not hear from this node
    ///     return Ok(());
    /// }
    /// # cx.reply(&request, &())
    /// # }
    /// ```
    pub fn ignore(&self) {
        if self.message.answer.get() == Answer::Due {
            self.message.answer.set(Answer::Excused);
        }
    }

    /// Whether its sender waits for a reply that no node has promised or sent.
    pub(crate) fn is_due(&self) -> bool {
        self.msg_id().is_some() && self.message.answer.get() == Answer::Due
    }

    /// Whether a reply may still be sent.
    pub(crate) fn wants_reply(&self) -> bool {
        self.msg_id().is_some() && !self.is_answered()
    }

    /// A reference that does not keep it.
    pub(super) fn downgrade(&self) -> Weak<ReceivedMessage> {
        Rc::downgrade(&self.message)
    }

    /// Whether this is the only clone left.
    pub(crate) fn is_last_clone(&self) -> bool {
        Rc::strong_count(&self.message) == 1
    }

    /// Sets the state of the answer, and returns the one before.
    pub(super) fn replace_answer(&self, answer: Answer) -> Answer {
        self.message.answer.replace(answer)
    }
}
