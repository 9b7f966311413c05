//! The messages of a node that are no calls: replies, error replies, and messages that want no
//! reply. Each is written straight into the outbox.
//!
//! Read next: `outbox`.

use super::received_message::Answer;
use super::reply_address::ReplyAddress;
use super::request::Request;
use super::shared::Shared;
use crate::notices::Topic;
use crate::protocol::{
    Envelope, Error, ErrorFields, Fields, Numbers, OwnHeader, Quote, ReplyKind, Result, write_body,
    write_fields, write_header, write_plain_header,
};
use serde::Serialize;

impl Shared {
    /// Sends a reply. Nothing is sent if the request wants none, or has one already.
    pub(crate) fn reply<T: Serialize + ?Sized>(
        &self,
        request: &Request,
        kind: ReplyKind<'_>,
        fields: &T,
    ) -> Result<()> {
        self.reply_fields(request, kind, Fields::Typed(fields))
    }

    pub(super) fn reply_fields<T: Serialize + ?Sized>(
        &self,
        request: &Request,
        kind: ReplyKind<'_>,
        fields: Fields<'_, T>,
    ) -> Result<()> {
        let Some(in_reply_to) = request.msg_id() else {
            return Ok(());
        };
        let before = request.replace_answer(Answer::Sent);
        if before == Answer::Sent {
            let (kind, src) = (Quote(request.kind()), Quote(request.src()));
            self.notice(
                Topic::Unsent,
                format_args!("a second reply to {kind} from {src} was not sent"),
            );
            return Ok(());
        }
        // If serialising fails or panics, the caller still gets the error as its reply.
        let undo = UndoAnswer(request, before);
        self.write_reply(request, in_reply_to, kind, fields)?;
        std::mem::forget(undo);
        Ok(())
    }

    /// Sends a reply to a request of which only the address is known.
    pub(super) fn reply_to<T: Serialize + ?Sized>(
        &self,
        address: &ReplyAddress,
        kind: ReplyKind<'_>,
        fields: &T,
    ) -> Result<()> {
        let Some(in_reply_to) = address.number() else {
            return Ok(());
        };
        self.outbox().check_room()?;
        self.write_reply(address, in_reply_to, kind, Fields::Typed(fields))
    }

    /// Writes a reply. `in_reply_to` is the asker's number.
    fn write_reply<A: Asker, T: Serialize + ?Sized>(
        &self,
        asker: &A,
        in_reply_to: &str,
        kind: ReplyKind<'_>,
        fields: Fields<'_, T>,
    ) -> Result<()> {
        let written = self.outbox().write_numbered(|out, msg_id| {
            let numbers = (msg_id, in_reply_to);
            match self.front() {
                Some(front) if asker.is_plain() => {
                    write_plain_header(out, front, asker.name(), kind, numbers);
                }
                _ => self.write_reply_header(out, asker.name(), kind.parts(), numbers),
            }
            // Name and number are looked up again there: to keep them at hand for it would
            // cost every reply 20 instructions.
            write_body(out, fields, |own, out| {
                self.apply_own_header(own, out, asker, kind, msg_id)
            })
        });
        written.map(|_msg_id| ())
    }

    fn write_reply_header(
        &self,
        out: &mut Vec<u8>,
        dest: &str,
        kind: (&str, &str),
        (msg_id, in_reply_to): (u64, &str),
    ) {
        let numbers = Numbers {
            msg_id: Some(msg_id),
            in_reply_to: Some(in_reply_to),
        };
        write_header(out, (self.node_id(), dest), kind, numbers);
    }

    /// Checks the header keys among the fields of the reply that `out` ends with. If they give
    /// it another type, its header is written again.
    #[cold]
    fn apply_own_header(
        &self,
        own: &OwnHeader,
        out: &mut Vec<u8>,
        asker: &dyn Asker,
        kind: ReplyKind<'_>,
        msg_id: u64,
    ) -> Result<()> {
        let dest = asker.name();
        let numbers = (msg_id, asker.number().unwrap_or_default());
        if let Some(own_kind) = own.of_reply(kind, numbers)? {
            let line_end = out.iter().rposition(|&byte| byte == b'\n');
            let begin = line_end.map_or(0, |end| end + 1);
            let mut header = Vec::new();
            self.write_reply_header(&mut header, dest, kind.parts(), numbers);
            let fields = out.split_off(begin + header.len());
            out.truncate(begin);
            self.write_reply_header(out, dest, (&own_kind, ""), numbers);
            out.extend_from_slice(&fields);
        }
        Ok(())
    }

    pub(crate) fn reply_error(&self, request: &Request, error: &Error) -> Result<()> {
        self.reply(request, ReplyKind::Error, &ErrorFields(error))
    }

    /// Sends an error reply to a message that no handler has seen. A node without a name
    /// answers under the name that the message was sent to, and without a `msg_id`: number 0
    /// belongs to `init_ok`.
    pub(crate) fn refuse(&self, envelope: &Envelope<'_>, in_reply_to: &str, error: &Error) {
        let write = |out: &mut Vec<u8>, src: &str, msg_id| {
            let numbers = Numbers {
                msg_id,
                in_reply_to: Some(in_reply_to),
            };
            write_header(out, (src, &envelope.src), ("error", ""), numbers);
            write_fields(out, Fields::Typed(&ErrorFields(error)))
        };
        let written = match self.init() {
            Some(init) => self
                .outbox()
                .write_numbered(|out, msg_id| write(out, &init.node_id, Some(msg_id)))
                .map(|_| ()),
            None => self.outbox().write(|out| write(out, &envelope.dest, None)),
        };
        if let Err(error) = written {
            self.notice(
                Topic::Unsent,
                format_args!("an error reply could not be sent: {error}"),
            );
        }
    }

    /// Sends a message that wants no reply.
    pub(crate) fn send<T: Serialize + ?Sized>(
        &self,
        dest: &str,
        kind: &str,
        fields: &T,
    ) -> Result<()> {
        self.find(dest)?;
        self.outbox().check_room()?;
        self.outbox().write(|out| {
            let numbers = Numbers::default();
            write_header(out, (self.node_id(), dest), (kind, ""), numbers);
            write_body(out, Fields::Typed(fields), |own, _| own.of_message(kind))
        })
    }
}

/// The sender of a request, as a reply needs it.
trait Asker {
    fn name(&self) -> &str;
    fn number(&self) -> Option<&str>;
    /// Whether the name and the request's type are known to need no escapes.
    fn is_plain(&self) -> bool;
}

impl Asker for Request {
    // Without this the table of methods gets the code, and each reply calls it there.
    #[inline(always)]
    fn name(&self) -> &str {
        self.src()
    }

    fn number(&self) -> Option<&str> {
        self.msg_id()
    }

    #[inline(always)]
    fn is_plain(&self) -> bool {
        Request::is_plain(self)
    }
}

impl Asker for ReplyAddress {
    fn name(&self) -> &str {
        ReplyAddress::name(self)
    }

    fn number(&self) -> Option<&str> {
        ReplyAddress::number(self)
    }

    fn is_plain(&self) -> bool {
        false
    }
}

/// Puts a request's state back when it is dropped: its reply could not be written.
struct UndoAnswer<'a>(&'a Request, Answer);

impl Drop for UndoAnswer<'_> {
    fn drop(&mut self) {
        self.0.replace_answer(self.1);
    }
}
