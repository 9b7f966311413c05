//! Messages and errors of a server, and what becomes of them.

use super::credentials::Credentials;
use super::outgoing::is_from;
use super::sink::Sink;
use super::subject::{last_token, name_of};
use crate::notices::Topic;
use crate::protocol::Quote;

/// Hands a message out, if it comes from the name that its subject gives.
pub(super) fn deliver(subject: &[u8], payload: &mut [u8], sink: &mut impl Sink) {
    let Some(name) = name_of(last_token(subject)) else {
        let subject = String::from_utf8_lossy(subject);
        return sink.log(
            Topic::Sender,
            format_args!("refused: the subject {subject:?} names no sender"),
        );
    };
    if !is_from(payload, &name) {
        return sink.log(
            Topic::Sender,
            format_args!(
                "refused: a message whose src is not {}, the sender that its subject names",
                Quote(&name)
            ),
        );
    }
    // A line cannot have a newline. In JSON it can only be a blank.
    if let Some(first) = memchr::memchr(b'\n', payload) {
        let newlines = payload[first..].iter_mut().filter(|byte| **byte == b'\n');
        newlines.for_each(|byte| *byte = b' ');
    }
    sink.line(payload);
}

/// An error of the server. Some leave the connection as it is.
pub(super) fn complaint(
    text: &str,
    credentials: &Credentials,
    sink: &mut impl Sink,
) -> Result<(), String> {
    let stays = ["permissions violation", "invalid subject"];
    let lower = text.to_ascii_lowercase();
    if stays.iter().any(|beginning| lower.starts_with(beginning)) {
        sink.log(Topic::Server, format_args!("the NATS server says: {text}"));
        return Ok(());
    }
    match lower.starts_with("authorization violation") {
        true => Err(format!("it says: {text}: {}", credentials.doubt())),
        false => Err(format!("it says: {text}")),
    }
}
