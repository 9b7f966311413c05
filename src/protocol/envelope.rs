//! A message as it came: the envelope, and the header of its body.
//!
//! The parser of this file is the plain one. It uses serde_json: one pass over the
//! line for the envelope, and one over the body for the header. It decides which
//! lines are messages, and the texts of its errors are the ones that people see.
//!
//! A session does not call it for each line, because it takes three times as long as
//! the [`Parser`](super::Parser) of `fast/`. That one finds exactly what this one
//! finds (`tests/envelope_differential.rs` compares them) and calls this one for the
//! reason when it refuses a line.
//!
//! Read next: `body.rs` for the author's own fields.

use super::fast::Outline;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A message as it came: its sender, its receiver and its body.
///
/// ```
/// use eddyline::protocol::{Envelope, MsgId};
///
/// let line = br#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hi"}}"#;
/// let envelope = Envelope::parse(line)?;
/// assert_eq!(envelope.src, "c1");
/// assert_eq!(envelope.header.kind.as_deref(), Some("echo"));
/// assert_eq!(envelope.header.msg_id, MsgId::Integer("2"));
/// assert_eq!(envelope.body, r#"{"type":"echo","msg_id":2,"echo":"hi"}"#);
/// # Ok::<(), eddyline::protocol::Malformed>(())
/// ```
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The sender's name.
    pub src: Cow<'a, str>,
    /// The receiver's name.
    pub dest: Cow<'a, str>,
    /// The body, a JSON object, byte for byte as it came.
    pub body: &'a str,
    /// The keys of the body that the protocol gives a meaning.
    pub header: Header<'a>,
    /// The whole line. All borrowed parts lie in it.
    pub(crate) line: &'a str,
    /// A shortcut for reading the body: where its fields lie. The plain parser
    /// leaves it unknown.
    pub(crate) outline: Outline,
}

/// The keys of a body that the protocol itself gives a meaning.
///
/// ```
/// use eddyline::protocol::{Header, ReplyTo};
///
/// let header = Header::parse(r#"{"type":"echo_ok","in_reply_to":0}"#)?;
/// assert_eq!(header.kind.as_deref(), Some("echo_ok"));
/// assert_eq!(header.in_reply_to, ReplyTo::Call(0));
/// # Ok::<(), eddyline::protocol::Malformed>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// `type`; `None` when it is missing or not a string.
    pub kind: Option<Cow<'a, str>>,
    /// `msg_id`.
    pub msg_id: MsgId<'a>,
    /// `in_reply_to`.
    pub in_reply_to: ReplyTo,
}

/// A body's `msg_id`.
///
/// ```
/// use eddyline::protocol::{Header, MsgId};
///
/// assert_eq!(Header::parse(r#"{"msg_id":7}"#)?.msg_id, MsgId::Integer("7"));
/// assert_eq!(Header::parse(r#"{"msg_id":null}"#)?.msg_id, MsgId::Absent);
/// assert_eq!(Header::parse(r#"{"msg_id":"7"}"#)?.msg_id, MsgId::Invalid);
/// # Ok::<(), eddyline::protocol::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsgId<'a> {
    /// It is missing or null: the sender wants no reply.
    Absent,
    /// A JSON integer, as text: a number of any length goes back into
    /// `in_reply_to` with the digits that the sender wrote.
    Integer(&'a str),
    /// Any other value. No reply could be matched with it.
    Invalid,
}

/// A body's `in_reply_to`.
///
/// ```
/// use eddyline::protocol::{Header, ReplyTo};
///
/// assert_eq!(Header::parse(r#"{"in_reply_to":7}"#)?.in_reply_to, ReplyTo::Call(7));
/// assert_eq!(Header::parse(r#"{}"#)?.in_reply_to, ReplyTo::Absent);
/// assert_eq!(Header::parse(r#"{"in_reply_to":-7}"#)?.in_reply_to, ReplyTo::Unknown);
/// assert_eq!(Header::parse(r#"{"in_reply_to":"7"}"#)?.in_reply_to, ReplyTo::Invalid);
/// # Ok::<(), eddyline::protocol::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyTo {
    /// It is missing or null: the message is not a reply.
    Absent,
    /// A reply to the message with that number. 0 is a number like any other.
    Call(u64),
    /// An integer that cannot be the number of a message of this node.
    Unknown,
    /// Any other value.
    Invalid,
}

/// Why a line is not a message.
///
/// ```
/// let why = eddyline::protocol::Envelope::parse(b"{}").unwrap_err();
/// assert_eq!(why.to_string(), "missing field `src` at byte 2");
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<serde_json::Error> for Malformed {
    /// serde_json names a line and a column. A message has one line, and a column is
    /// a byte of it.
    fn from(error: serde_json::Error) -> Malformed {
        let text = error.to_string();
        let place = format!(" at line 1 column {}", error.column());
        Malformed(match text.strip_suffix(&place) {
            Some(what) => format!("{what} at byte {}", error.column()),
            None => text,
        })
    }
}

/// An envelope's fields as JSON. Other fields are ignored.
#[derive(Deserialize)]
struct EnvelopeJson<'a> {
    #[serde(borrow)]
    src: &'a RawValue,
    dest: &'a RawValue,
    body: &'a RawValue,
}

/// A header's fields as JSON; null is the same as a missing one.
#[derive(Deserialize)]
struct HeaderJson<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    msg_id: Option<&'a RawValue>,
    in_reply_to: Option<&'a RawValue>,
}

/// A string, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    /// Parses one line, in the plain way. For many lines use a
    /// [`Parser`](super::Parser), which is faster.
    ///
    /// ```
    /// use eddyline::protocol::Envelope;
    ///
    /// let envelope = Envelope::parse(br#"{"src":"c1","dest":"n1","body":{"type":"ping"}}"#)?;
    /// assert_eq!(envelope.dest, "n1");
    /// assert!(Envelope::parse(b"[1]").is_err());
    /// # Ok::<(), eddyline::protocol::Malformed>(())
    /// ```
    ///
    /// # Errors
    /// When the line is not UTF-8, not a JSON object, or has no usable `src`,
    /// `dest` or `body`.
    pub fn parse(line: &'a [u8]) -> Result<Envelope<'a>, Malformed> {
        let line = std::str::from_utf8(line)
            .map_err(|error| Malformed(format!("not UTF-8 at byte {}", error.valid_up_to() + 1)))?;
        let EnvelopeJson { src, dest, body } = object(line, "the line")?;
        let header = object(body.get(), "`body`")?;
        Ok(Envelope {
            src: name(src, "src")?,
            dest: name(dest, "dest")?,
            body: body.get(),
            header: Header::of(&header),
            line,
            outline: Outline::unknown(),
        })
    }
}

impl<'a> Header<'a> {
    /// Parses the header keys of a body, which must be a JSON object.
    ///
    /// ```
    /// use eddyline::protocol::Header;
    ///
    /// assert_eq!(Header::parse(r#"{"type":"ping"}"#)?.kind.as_deref(), Some("ping"));
    /// assert!(Header::parse(r#"{"type":"ping","type":"pong"}"#).is_err());
    /// # Ok::<(), eddyline::protocol::Malformed>(())
    /// ```
    ///
    /// # Errors
    /// When `body` is not an object, or names a header key twice.
    pub fn parse(body: &'a str) -> Result<Header<'a>, Malformed> {
        object(body, "the body").map(|json| Header::of(&json))
    }

    fn of(json: &HeaderJson<'a>) -> Header<'a> {
        let number = |json: Option<&'a RawValue>| json.map_or("null", RawValue::get);
        Header {
            kind: json.kind.and_then(text),
            msg_id: MsgId::of(number(json.msg_id)),
            in_reply_to: ReplyTo::of(number(json.in_reply_to)),
        }
    }
}

impl<'a> MsgId<'a> {
    /// A JSON value as a `msg_id`.
    #[inline(always)]
    pub(super) fn of(json: &'a str) -> MsgId<'a> {
        match json {
            "null" => MsgId::Absent,
            _ if is_integer(json) => MsgId::Integer(json),
            _ => MsgId::Invalid,
        }
    }
}

impl ReplyTo {
    /// A JSON value as an `in_reply_to`.
    #[inline(always)]
    pub(super) fn of(json: &str) -> ReplyTo {
        match json {
            "null" => ReplyTo::Absent,
            _ => match json.parse() {
                Ok(number) => ReplyTo::Call(number),
                Err(_) if is_integer(json) => ReplyTo::Unknown,
                Err(_) => ReplyTo::Invalid,
            },
        }
    }
}

/// Reads a JSON object; `what` names it in the error. serde's derived code would
/// take an array as well.
fn object<'a, T: Deserialize<'a>>(json: &'a str, what: &str) -> Result<T, Malformed> {
    let first = json.trim_ascii_start().bytes().next();
    match first {
        Some(b'{') => Ok(serde_json::from_str(json)?),
        Some(_) => Err(Malformed(format!("{what} is not a JSON object"))),
        None => Err(Malformed(format!("{what} is blank"))),
    }
}

/// The name in an envelope's field.
fn name<'a>(json: &'a RawValue, field: &str) -> Result<Cow<'a, str>, Malformed> {
    text(json).ok_or_else(|| Malformed(format!("`{field}`: expected a string")))
}

/// The text of a string; `None` for any other value, and for an escaped half of a
/// surrogate pair, which is JSON and no text.
fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    let text: serde_json::Result<Text<'_>> = serde_json::from_str(json.get());
    text.ok().map(|Text(text)| text)
}

/// Whether a JSON value is a number without a fraction and an exponent.
#[inline(always)]
fn is_integer(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is a JSON integer: without blanks and without a leading zero.
pub(crate) fn is_json_integer(text: &str) -> bool {
    is_integer(text) && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// U+FEFF in UTF-8. At the start of a text it says only that the text is Unicode.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rest of a line that begins with one byte order mark.
pub(crate) fn after_byte_order_mark(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(BYTE_ORDER_MARK)?;
    (!rest.starts_with(BYTE_ORDER_MARK)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: &str) -> Header<'_> {
        Header::parse(body).unwrap()
    }

    fn refused(line: &[u8]) -> String {
        Envelope::parse(line).unwrap_err().to_string()
    }

    #[test]
    fn numbers_are_kept_digit_for_digit() {
        for id in ["0", "-0", "-7", "9007199254740993", "18446744073709551616"] {
            let body = format!(r#"{{"msg_id":{id}}}"#);
            assert_eq!(header(&body).msg_id, MsgId::Integer(id));
        }
        for id in ["1.0", "1e3", "\"1\"", "\"\"", "true", "[]", "{}"] {
            let body = format!(r#"{{"msg_id":{id},"in_reply_to":{id}}}"#);
            assert_eq!(header(&body).msg_id, MsgId::Invalid, "{id}");
            assert_eq!(header(&body).in_reply_to, ReplyTo::Invalid, "{id}");
        }
        assert_eq!(header(r#"{"msg_id":null}"#).msg_id, MsgId::Absent);
        assert_eq!(header("{}").msg_id, MsgId::Absent);
    }

    #[test]
    fn a_reply_to_zero_is_a_reply() {
        let reply_to = |body| header(body).in_reply_to;
        assert_eq!(reply_to(r#"{"in_reply_to":0}"#), ReplyTo::Call(0));
        assert_eq!(reply_to(r#"{"in_reply_to":null}"#), ReplyTo::Absent);
        for strange in ["-1", "-0", "18446744073709551616"] {
            let body = format!(r#"{{"in_reply_to":{strange}}}"#);
            assert_eq!(header(&body).in_reply_to, ReplyTo::Unknown, "{strange}");
        }
    }

    #[test]
    fn a_type_may_be_escaped_and_must_be_a_string() {
        let kind = |body| header(body).kind.map(Cow::into_owned);
        assert_eq!(
            kind(r#"{"\u0074ype":"e\u0063ho"}"#),
            Some("echo".to_owned())
        );
        assert_eq!(kind(r#"{"type":""}"#), Some(String::new()));
        assert_eq!(kind(r#"{"type":5}"#), None);
        assert_eq!(kind(r#"{"type":"\ud800"}"#), None);
        assert_eq!(kind("{}"), None);
    }

    #[test]
    fn a_line_that_is_not_a_message_is_refused_with_a_reason() {
        assert_eq!(refused(b""), "the line is blank");
        assert_eq!(refused(b" \t\r"), "the line is blank");
        assert_eq!(refused(b"[]"), "the line is not a JSON object");
        assert_eq!(refused(b"{\"src\":\"\xff"), "not UTF-8 at byte 9");
        assert!(refused(b"{}").contains("missing field `src`"));
        assert!(refused(br#"{"src":"a","dest":5,"body":{}}"#).contains("expected a string"));
        let array = br#"{"src":"a","dest":"b","body":[]}"#;
        assert_eq!(refused(array), "`body` is not a JSON object");
        let twice = br#"{"src":"a","dest":"b","dest":"c","body":{}}"#;
        assert!(refused(twice).contains("duplicate field `dest`"));
        assert!(refused(br#"{"src":"a","dest":"b","body":{}} x"#).contains("trailing"));
    }

    #[test]
    fn the_reason_names_the_byte() {
        let refused = |line: &str| refused(line.as_bytes());
        assert_eq!(refused(r#"{"src":1,}"#), "trailing comma at byte 10");
        assert_eq!(refused("{\"src\" 1}"), "expected `:` at byte 8");
        assert!(refused(r#"{"src":"a""#).ends_with("at byte 10"));
    }

    #[test]
    fn depth_has_no_limit() {
        let depth = 100_000;
        let line = format!(
            r#"{{"src":"a","dest":"b","body":{{"x":{}{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        assert!(Envelope::parse(line.as_bytes()).is_ok());
    }
}
