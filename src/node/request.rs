//! A request: a message that asks this node for something.

use crate::protocol::{Envelope, MsgId, Outline, Result, parse_outlined};
use serde::Deserialize;
use std::cell::Cell;
use std::ops::Range;
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
    parts: Rc<Parts>,
}

/// What a request is made of: its line, and where the parts lie in it.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The line, and behind it what the line has only with escapes.
    text: String,
    /// Sender and type stand in the line as they are, without escapes.
    is_plain: bool,
    src: Range<usize>,
    kind: Range<usize>,
    msg_id: Option<Range<usize>>,
    body: Range<usize>,
    outline: Outline,
    answered: Cell<bool>,
}

/// A request's memory larger than this is not kept for the next one.
const KEEP_BYTES: usize = 4 << 10;

impl Request {
    /// Fills `parts` from an envelope of type `kind`. Nobody else may hold them.
    pub(crate) fn fill(mut parts: Rc<Parts>, envelope: &Envelope<'_>, kind: &str) -> Request {
        if let Some(parts) = Rc::get_mut(&mut parts) {
            parts.fill(envelope, kind);
        }
        Request { parts }
    }

    /// Gives the memory back if nobody else holds the request.
    pub(crate) fn recycle(mut self) -> Option<Rc<Parts>> {
        let parts = Rc::get_mut(&mut self.parts)?;
        parts.text.clear();
        parts.text.shrink_to(KEEP_BYTES);
        Some(self.parts)
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
        &self.parts.text[self.parts.src.clone()]
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
        &self.parts.text[self.parts.kind.clone()]
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
        let range = self.parts.msg_id.clone()?;
        Some(&self.parts.text[range])
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
        &self.parts.text[self.parts.body.clone()]
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
        parse_outlined(self.raw_body(), &self.parts.outline, || self.kind())
    }

    /// Whether sender and type need no escapes as JSON strings.
    pub(crate) fn is_plain(&self) -> bool {
        self.parts.is_plain
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.parts.text.len()
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
        self.parts.answered.get()
    }

    /// Whether nobody but the session holds it any more.
    pub(crate) fn is_last_handle(&self) -> bool {
        Rc::strong_count(&self.parts) == 1
    }

    /// Takes back that it was answered: the reply could not be written.
    pub(crate) fn unanswer(&self) {
        self.parts.answered.set(false);
    }

    /// Marks it as answered; returns whether it was already.
    pub(crate) fn answer(&self) -> bool {
        self.parts.answered.replace(true)
    }
}

impl Parts {
    fn fill(&mut self, envelope: &Envelope<'_>, kind: &str) {
        let line = envelope.line;
        // One copy of the line is less work than one of each part.
        self.text.clear();
        self.text.push_str(line);
        self.src = self.place(line, &envelope.src);
        self.kind = self.place(line, kind);
        self.is_plain = self.text.len() == line.len();
        self.msg_id = match envelope.header.msg_id {
            MsgId::Integer(digits) => Some(self.place(line, digits)),
            MsgId::Absent | MsgId::Invalid => None,
        };
        self.body = self.place(line, envelope.body);
        self.outline = envelope.outline;
        self.answered.set(false);
    }

    /// Where `part` lies in the copy of `line`, if it was borrowed from it;
    /// otherwise it is appended.
    #[inline(always)]
    fn place(&mut self, line: &str, part: &str) -> Range<usize> {
        let offset = part.as_ptr().addr().wrapping_sub(line.as_ptr().addr());
        if offset <= line.len() && part.len() <= line.len() - offset {
            return offset..offset + part.len();
        }
        let begin = self.text.len();
        self.text.push_str(part);
        begin..self.text.len()
    }
}
