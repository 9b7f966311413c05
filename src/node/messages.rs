//! The messages of a node that are no calls: replies, error replies, and messages that want no
//! reply. Each is written straight into the outbox.
//!
//! Read next: `outbox`.

use super::request::Request;
use super::shared::Shared;
use crate::protocol::{
    Envelope, Error, ErrorFields, Fields, Numbers, OwnHeader, Quote, ReplyKind, Result,
    write_body, write_fields, write_header, write_plain_header,
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
        if request.replace_answered(true) {
            self.log(format_args!(
                "a second reply to {} from {} was not sent",
                Quote(request.kind()),
                Quote(request.src())
            ));
            return Ok(());
        }
        // If serialising fails or panics, the caller still gets the error as its reply.
        let undo = UndoAnswer(request);
        self.outbox().write_numbered(|out, msg_id| {
            let begin = out.len();
            let numbers = (msg_id, in_reply_to);
            match self.front() {
                Some(front) if request.is_plain() => {
                    write_plain_header(out, front, request.src(), kind, numbers);
                }
                _ => self.write_reply_header(out, request.src(), kind.parts(), numbers),
            }
            match write_body(out, fields)? {
                None => Ok(()),
                Some(own) => self.apply_own_header(&own, out, begin, (request.src(), kind), numbers),
            }
        })?;
        std::mem::forget(undo);
        Ok(())
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

    /// Checks the header keys among the fields of a reply that was written at `begin`. If they
    /// give it another type, its header is written again.
    #[cold]
    fn apply_own_header(
        &self,
        own: &OwnHeader,
        out: &mut Vec<u8>,
        begin: usize,
        (dest, kind): (&str, ReplyKind<'_>),
        numbers: (u64, &str),
    ) -> Result<()> {
        if let Some(own_kind) = own.of_reply(kind, numbers)? {
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
            self.log(format_args!("an error reply could not be sent: {error}"));
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
            match write_body(out, Fields::Typed(fields))? {
                None => Ok(()),
                Some(own) => own.of_message(kind),
            }
        })
    }
}

/// Marks a request as unanswered again when it is dropped: its reply could not be written.
struct UndoAnswer<'a>(&'a Request);

impl Drop for UndoAnswer<'_> {
    fn drop(&mut self) {
        self.0.replace_answered(false);
    }
}
