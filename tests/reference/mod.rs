//! Three readings of a line: one of this file's own, the library's plain parser, and
//! the parser of `protocol/fast/`.

use eddyline::protocol::{Envelope, MsgId, Parser, ReplyTo};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The parts of a message.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) src: String,
    pub(crate) dest: String,
    pub(crate) body: String,
    pub(crate) kind: Option<String>,
    pub(crate) msg_id: Result<Option<String>, ()>,
    pub(crate) in_reply_to: Result<Option<u64>, Strange>,
}

/// An `in_reply_to` that is not the number of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strange {
    /// An integer that numbers no message of ours.
    NotOurs,
    /// Any other value.
    NoInteger,
}

/// The parts as a parser of the library found them.
fn found(envelope: Envelope<'_>) -> Found {
    Found {
        src: envelope.src.into_owned(),
        dest: envelope.dest.into_owned(),
        body: envelope.body.to_owned(),
        kind: envelope.header.kind.map(Cow::into_owned),
        msg_id: match envelope.header.msg_id {
            MsgId::Absent => Ok(None),
            MsgId::Integer(digits) => Ok(Some(digits.to_owned())),
            MsgId::Invalid => Err(()),
        },
        in_reply_to: match envelope.header.in_reply_to {
            ReplyTo::Absent => Ok(None),
            ReplyTo::Call(number) => Ok(Some(number)),
            ReplyTo::Unknown => Err(Strange::NotOurs),
            ReplyTo::Invalid => Err(Strange::NoInteger),
        },
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    msg_id: Option<&'a RawValue>,
    #[serde(borrow)]
    in_reply_to: Option<&'a RawValue>,
}

/// An independent reading of a line: a pass of serde_json over the line, and one over
/// the body.
pub(crate) fn parsed(line: &[u8]) -> Option<Found> {
    let text = std::str::from_utf8(line).ok()?;
    // Derived structs take arrays for objects; the protocol does not.
    let is_object = |text: &str| text.trim_ascii_start().starts_with('{');
    let line: Line = Some(text).filter(|text| is_object(text)).and_then(from)?;
    let raw = line.body.get();
    let body: Body = Some(raw).filter(|text| is_object(text)).and_then(from)?;
    Some(Found {
        src: line.src.into_owned(),
        dest: line.dest.into_owned(),
        body: raw.to_owned(),
        kind: body.kind.and_then(|kind| from(kind.get())),
        msg_id: match body.msg_id.map(RawValue::get) {
            None => Ok(None),
            Some(raw) if !is_integer(raw) => Err(()),
            Some(raw) => Ok(Some(raw.to_owned())),
        },
        in_reply_to: match body.in_reply_to.map(RawValue::get) {
            None => Ok(None),
            Some(raw) if !is_integer(raw) => Err(Strange::NoInteger),
            Some("-0") => Err(Strange::NotOurs),
            Some(raw) => from(raw).map(Some).ok_or(Strange::NotOurs),
        },
    })
}

/// Whether a JSON value is a number without fraction and exponent.
fn is_integer(raw: &str) -> bool {
    raw.chars().all(|c| c.is_ascii_digit() || c == '-')
}

fn from<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Checks that the plain parser finds what this file finds, and that the parser of
/// `protocol/fast/`, without a memory, finds what the plain parser finds.
#[track_caller]
pub(crate) fn same(line: &[u8]) {
    let shown = line.escape_ascii();
    let plain = Envelope::parse(line).map(found);
    assert_eq!(plain.as_ref().ok(), parsed(line).as_ref(), "{shown}");
    let fast = Parser::default().parse(line).map(found);
    assert_eq!(fast, plain, "{shown}");
}

/// Checks that a parser with a memory finds what the plain parser finds in each line,
/// down to the text of the error. Where the body's fields lie must be what a parser
/// without a memory says.
#[track_caller]
pub(crate) fn same_with_a_memory<'a>(lines: impl IntoIterator<Item = &'a [u8]>) {
    let mut parser = Parser::default();
    for line in lines {
        let shown = line.escape_ascii();
        let mut forgetful = Parser::default();
        let (fast, scanned) = (parser.parse(line), forgetful.parse(line));
        assert_eq!(format!("{fast:?}"), format!("{scanned:?}"), "{shown}");
        let plain = Envelope::parse(line).map(found);
        assert_eq!(fast.map(found), plain, "{shown}");
    }
}
