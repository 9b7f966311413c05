//! The checks of a line and of its header, before anything is done with it.

use crate::protocol::{Envelope, Error, Header, MsgId, ReplyTo};

/// Whether a message is an `init`, and not a reply of that name.
#[inline(always)]
pub(super) fn is_init(envelope: &Envelope<'_>) -> bool {
    let is_reply = matches!(
        envelope.header.in_reply_to,
        ReplyTo::Call(_) | ReplyTo::Unknown
    );
    envelope.header.kind.as_deref() == Some("init") && !is_reply
}

/// The error for a request with a malformed header.
#[inline(always)]
pub(super) fn malformed(header: &Header<'_>) -> Option<Error> {
    let text = if header.kind.is_none() {
        "field `type`: missing or not a string"
    } else if header.msg_id == MsgId::Invalid {
        "field `msg_id`: not an integer"
    } else if header.in_reply_to == ReplyTo::Invalid {
        "field `in_reply_to`: not an integer"
    } else {
        return None;
    };
    Some(Error::malformed_request(text))
}
