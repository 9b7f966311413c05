//! A message that was received. Requests and replies are views of it.

use crate::memory::{Recycle, held_bytes_max};
use crate::protocol::{Envelope, MsgId, Outline, Result, Subject, parse_outlined};
use serde::Deserialize;
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

/// A copy of a line, and where its parts lie in it. Its memory is used again: see
/// [`Pools`](super::pools::Pools).
#[derive(Debug, Default)]
pub(crate) struct ReceivedMessage {
    /// The line. The names that have escapes in it follow it without them.
    text: String,
    /// Sender and type have no escapes in the line.
    is_plain: bool,
    src: Range<usize>,
    kind: Range<usize>,
    msg_id: Option<Range<usize>>,
    body: Range<usize>,
    outline: Outline,
    /// Whether a reply is still due. Only requests use it.
    pub(super) answer: Cell<Answer>,
}

/// The answer that a request's sender gets from this node.
///
/// ```text
///             reply, error
///   due ─────────────────────────> sent
///    │                              ^
///    └─ reply_to, ignore ─> excused ┘ reply, error
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Answer {
    /// If the handler ends without it, the log says so.
    #[default]
    Due,
    /// Another node sends it, or none does. An error of the handler is still sent.
    Excused,
    /// There will be no second one.
    Sent,
}

impl Recycle for Rc<ReceivedMessage> {
    fn recycle(&mut self, bytes_max: usize) -> bool {
        let Some(message) = Rc::get_mut(self) else {
            return false;
        };
        message.text.clear();
        message.text.shrink_to(bytes_max);
        true
    }
}

impl ReceivedMessage {
    /// Replaces the message by the one of an envelope.
    pub(super) fn fill(&mut self, envelope: &Envelope<'_>) {
        let line = envelope.line;
        self.text.clear();
        if self.text.capacity() > held_bytes_max(line.len()) {
            self.text.shrink_to(line.len());
        }
        // One copy of the line is less work than a copy of each part.
        self.text.push_str(line);
        self.src = self.place(line, &envelope.src);
        self.kind = self.place(line, envelope.header.kind.as_deref().unwrap_or_default());
        self.is_plain = self.text.len() == line.len();
        self.msg_id = match envelope.header.msg_id {
            MsgId::Integer(digits) => Some(self.place(line, digits)),
            MsgId::Absent | MsgId::Invalid => None,
        };
        self.body = self.place(line, envelope.body);
        self.outline = envelope.outline;
        self.answer.set(Answer::Due);
    }

    /// Where `part` lies in the copy of `line`. If it was not borrowed from `line`, it
    /// is appended.
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

    /// The sender's name.
    #[inline]
    pub(super) fn src(&self) -> &str {
        &self.text[self.src.clone()]
    }

    /// The body's `type`; empty if it has none.
    #[inline]
    pub(super) fn kind(&self) -> &str {
        &self.text[self.kind.clone()]
    }

    /// The body's `msg_id`, digits as they came.
    #[inline]
    pub(super) fn msg_id(&self) -> Option<&str> {
        let range = self.msg_id.clone()?;
        Some(&self.text[range])
    }

    /// The body as JSON text, byte for byte as it came.
    #[inline]
    pub(super) fn raw_body(&self) -> &str {
        &self.text[self.body.clone()]
    }

    /// The body as a type of the author's, or error 12. `subject` says how it was received.
    #[inline]
    pub(super) fn body<'a, T: Deserialize<'a>>(
        &'a self,
        subject: fn(&'a str) -> Subject<'a>,
    ) -> Result<T> {
        parse_outlined(self.raw_body(), &self.outline, || subject(self.kind()))
    }

    /// Whether sender and type need no escapes as JSON strings.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// How many bytes of memory its text takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.text.capacity()
    }
}
