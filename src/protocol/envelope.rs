//! Reading a message: the envelope and the body's header, borrowed from the line.
//!
//! Two passes of serde_json: one over the line, which proves that all of it is
//! JSON, and one over the body for its three header keys. The values of all
//! other keys are skipped without a limit on their depth.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A message as it came: who, to whom, and what.
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
    /// Who sent it.
    pub src: Cow<'a, str>,
    /// Who is to get it.
    pub dest: Cow<'a, str>,
    /// The body, a JSON object, byte for byte.
    pub body: &'a str,
    /// What the body says of itself.
    pub header: Header<'a>,
}

/// The keys of a body that the protocol itself gives a meaning.
#[derive(Debug)]
pub struct Header<'a> {
    /// `type`; `None` when it is missing or no string.
    pub kind: Option<Cow<'a, str>>,
    /// `msg_id`.
    pub msg_id: MsgId<'a>,
    /// `in_reply_to`.
    pub in_reply_to: ReplyTo,
}

/// A body's `msg_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsgId<'a> {
    /// There is none, or it is null: the sender wants no reply.
    Absent,
    /// A JSON integer, digits as they came: a number of any length goes back
    /// into `in_reply_to` as the sender wrote it.
    Integer(&'a str),
    /// Something else, which nobody could match a reply with.
    Invalid,
}

/// A body's `in_reply_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyTo {
    /// There is none, or it is null: not a reply.
    Absent,
    /// A reply to the message of that number. 0 is a number like any other.
    Call(u64),
    /// A reply to something that this node cannot have sent.
    Unknown,
}

/// Why a line is not a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

#[derive(Deserialize)]
struct EnvelopeFields<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct HeaderFields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    msg_id: Option<&'a RawValue>,
    #[serde(borrow)]
    in_reply_to: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Parses one line.
    ///
    /// # Errors
    /// When the line is not UTF-8, not a JSON object, or has no usable `src`,
    /// `dest` or `body`.
    pub fn parse(line: &'a [u8]) -> Result<Envelope<'a>, Malformed> {
        let text = std::str::from_utf8(line)
            .map_err(|error| Malformed(format!("not UTF-8 at byte {}", error.valid_up_to() + 1)))?;
        expect_object(text, "the line")?;
        let fields: EnvelopeFields<'a> = serde_json::from_str(text).map_err(|error| {
            // serde_json counts lines; there is one, so the column says it all.
            let text = error.to_string().replace(" at line 1 column ", " at byte ");
            Malformed(text)
        })?;
        let body = fields.body.get();
        expect_object(body, "`body`")?;
        Ok(Envelope {
            src: fields.src,
            dest: fields.dest,
            body,
            header: Header::parse(body)?,
        })
    }
}

impl<'a> Header<'a> {
    /// Parses the header keys of a body, which must be a JSON object.
    ///
    /// # Errors
    /// When `body` is not an object, or names a header key twice.
    pub fn parse(body: &'a str) -> Result<Header<'a>, Malformed> {
        expect_object(body, "the body")?;
        let fields: HeaderFields<'a> = serde_json::from_str(body)
            .map_err(|error| Malformed(format!("in the body: {error}")))?;
        Ok(Header {
            kind: fields.kind.and_then(|raw| string(raw.get())),
            msg_id: match fields.msg_id.map(RawValue::get) {
                None => MsgId::Absent,
                Some(raw) if is_integer(raw) => MsgId::Integer(raw),
                Some(_) => MsgId::Invalid,
            },
            in_reply_to: match fields.in_reply_to.map(RawValue::get) {
                None => ReplyTo::Absent,
                Some(raw) => raw.parse().map_or(ReplyTo::Unknown, ReplyTo::Call),
            },
        })
    }
}

/// serde's derived structs take an array for an object; the protocol does not.
fn expect_object(text: &str, what: &str) -> Result<(), Malformed> {
    let blank = [' ', '\t', '\r', '\n'];
    match text.trim_start_matches(blank).bytes().next() {
        Some(b'{') => Ok(()),
        Some(_) => Err(Malformed(format!("{what} is not a JSON object"))),
        None => Err(Malformed(format!("{what} is blank"))),
    }
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inside))
}

/// Whether a JSON number is an integer: no fraction and no exponent.
fn is_integer(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
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
        for id in ["1.0", "1e3", "\"1\"", "true", "[]"] {
            let body = format!(r#"{{"msg_id":{id}}}"#);
            assert_eq!(header(&body).msg_id, MsgId::Invalid, "{id}");
        }
        assert_eq!(header(r#"{"msg_id":null}"#).msg_id, MsgId::Absent);
        assert_eq!(header("{}").msg_id, MsgId::Absent);
    }

    #[test]
    fn a_reply_to_zero_is_a_reply() {
        let reply_to = |body| header(body).in_reply_to;
        assert_eq!(reply_to(r#"{"in_reply_to":0}"#), ReplyTo::Call(0));
        assert_eq!(reply_to(r#"{"in_reply_to":null}"#), ReplyTo::Absent);
        for strange in ["-1", "18446744073709551616", "1.0", "\"1\"", "{}"] {
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
    fn what_is_no_message_is_refused_with_a_reason() {
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
