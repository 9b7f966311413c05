//! The envelope of a line as found by this package's parser, and as found by serde_json
//! in two passes.

use eddyline::protocol::{Envelope, MsgId, ReplyTo};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The parts of a message, found by either parser.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) src: String,
    pub(crate) dest: String,
    pub(crate) body: String,
    pub(crate) kind: Option<String>,
    pub(crate) msg_id: Result<Option<String>, ()>,
    pub(crate) in_reply_to: Result<Option<u64>, Strange>,
}

/// An `in_reply_to` that is not a possible `msg_id` of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strange {
    /// An integer that we never use as a `msg_id`.
    NotOurs,
    /// Another JSON value.
    NoInteger,
}

/// The parts as found by this package's parser.
pub(crate) fn scanned(line: &[u8]) -> Option<Found> {
    let envelope = Envelope::parse(line).ok()?;
    Some(Found {
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
    })
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

/// The parts as found by serde_json, with one pass over the line and one over the body.
pub(crate) fn parsed(line: &[u8]) -> Option<Found> {
    let text = std::str::from_utf8(line).ok()?;
    // serde accepts an array for a derived struct; the protocol does not.
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

/// Whether a JSON value is a number without a fraction and an exponent.
fn is_integer(raw: &str) -> bool {
    raw.chars().all(|c| c.is_ascii_digit() || c == '-')
}

fn from<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Checks that both parsers find the same parts, or that both refuse the line.
#[track_caller]
pub(crate) fn same(line: &[u8]) {
    let shown = line.escape_ascii();
    assert_eq!(scanned(line), parsed(line), "{shown}");
}
