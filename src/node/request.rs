//! A request: a message that asks this node for something.

use super::received_message::ReceivedMessage;
use crate::protocol::Result;
use serde::Deserialize;
use std::rc::Rc;

/// A message for a handler.
///
/// It owns a copy of the line's essential parts, in memory that is used again
/// for later requests; clones share it. What [`body`](Request::body) returns
/// may borrow from it.
///
/// A request may be kept and answered later, after its handler has ended.
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

    /// The memory, for the next one.
    pub(super) fn into_received(self) -> Rc<ReceivedMessage> {
        self.message
    }

    /// Who sent it.
    ///
    /// ```
    /// # fn note(cx: eddyline::Context, request: eddyline::Request) {
    /// let is_from_a_peer = cx.peers().any(|peer| peer == request.src());
    /// # }
    /// ```
    #[inline]
    pub fn src(&self) -> &str {
        self.message.src()
    }

    /// The body's `type`.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # fn handle(cx: Context, request: Request) -> Result<()> {
    /// match request.kind() {
    ///     "ping" => cx.reply(&request, &()),
    ///     _ => cx.not_supported(&request),
    /// }
    /// # }
    /// ```
    #[inline]
    pub fn kind(&self) -> &str {
        self.message.kind()
    }

    /// The body's `msg_id`, digits as they came: a JSON integer of any length.
    /// Without one the sender wants no reply.
    ///
    /// ```
    /// # fn note(cx: eddyline::Context, request: eddyline::Request) {
    /// let key = request.msg_id().map(|msg_id| (request.src().to_owned(), msg_id.to_owned()));
    /// # }
    /// ```
    #[inline]
    pub fn msg_id(&self) -> Option<&str> {
        self.message.msg_id()
    }

    /// The whole body as JSON text, byte for byte as it came.
    ///
    /// ```
    /// # fn note(cx: eddyline::Context, request: eddyline::Request) {
    /// cx.log(format_args!("{} asks {}", request.src(), request.raw_body()));
    /// # }
    /// ```
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
    /// Error 12 that names the field, when the body has another shape. With `?`
    /// it goes to the caller.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        self.message.body()
    }

    /// Whether sender and type need no escapes as JSON strings.
    pub(crate) fn is_plain(&self) -> bool {
        self.message.is_plain()
    }

    /// How many bytes of memory its text has.
    pub(crate) fn held_bytes(&self) -> usize {
        self.message.held_bytes()
    }

    /// Whether a reply to it was sent.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # fn handle(cx: Context, request: Request) -> Result<()> {
    /// cx.reply(&request, &())?;
    /// assert!(request.is_answered() || request.msg_id().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_answered(&self) -> bool {
        self.message.answered.get()
    }

    /// Whether nobody but the session holds it any more.
    pub(crate) fn is_last_handle(&self) -> bool {
        Rc::strong_count(&self.message) == 1
    }

    /// Takes back that it was answered: the reply could not be written.
    pub(crate) fn unanswer(&self) {
        self.message.answered.set(false);
    }

    /// Marks it as answered; returns whether it was already.
    pub(crate) fn answer(&self) -> bool {
        self.message.answered.replace(true)
    }
}
