//! Reading a message: the envelope and the body's header, borrowed from the line.
//!
//! One pass proves that all of the line is JSON and picks out the six fields
//! that the protocol gives a meaning; the values of all others are skipped,
//! without a limit on their depth. serde_json would need two, one for the line
//! and one for the body, and takes three times as long.

use super::outline::Outline;
use super::scan::{Problem, Scanner};
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
    /// The whole line, in which all that was borrowed lies.
    pub(crate) line: &'a str,
    /// Where the body's fields are.
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
    /// There is none, or it is null: the sender wants no reply.
    Absent,
    /// A JSON integer, digits as they came: a number of any length goes back
    /// into `in_reply_to` as the sender wrote it.
    Integer(&'a str),
    /// Something else, which nobody could match a reply with.
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
    /// There is none, or it is null: not a reply.
    Absent,
    /// A reply to the message of that number. 0 is a number like any other.
    Call(u64),
    /// An integer, but no number of anything that this node can have sent.
    Unknown,
    /// Something else, which is nobody's number.
    Invalid,
}

/// Why a line is not a message.
///
/// ```
/// let why = eddyline::protocol::Envelope::parse(b"{}").unwrap_err();
/// assert_eq!(why.to_string(), "missing field `src`");
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Why a scan ended early. Names are those of fields.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Json(Problem),
    Blank(&'static str),
    NoObject(&'static str),
    NoString(&'static str),
    Duplicate(&'static str),
    Missing(&'static str),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::Json(problem)
    }
}

impl Trouble {
    /// In words, with the byte where the scanner stopped: it counts from 0, people from 1.
    #[cold]
    fn at(self, position: usize) -> Malformed {
        let byte = position + 1;
        Malformed(match self {
            Trouble::Json(problem) => format!("{problem} at byte {byte}"),
            Trouble::Blank(what) => format!("{what} is blank"),
            Trouble::NoObject(what) => format!("{what} is not a JSON object"),
            Trouble::NoString(name) => format!("`{name}`: expected a string at byte {byte}"),
            Trouble::Duplicate(name) => format!("duplicate field `{name}` before byte {byte}"),
            Trouble::Missing(name) => format!("missing field `{name}`"),
        })
    }
}

impl<'a> Envelope<'a> {
    /// Parses one line.
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
        Envelope::scan(Envelope::text(line)?, None)
    }

    /// The line as text.
    pub(super) fn text(line: &'a [u8]) -> Result<&'a str, Malformed> {
        std::str::from_utf8(line)
            .map_err(|error| Malformed(format!("not UTF-8 at byte {}", error.valid_up_to() + 1)))
    }

    /// Parses a line, and notes in `outer` where its own fields lie.
    pub(super) fn scan(
        text: &'a str,
        outer: Option<&mut Outline>,
    ) -> Result<Envelope<'a>, Malformed> {
        let mut scanner = Scanner::new(text);
        Envelope::scan_fields(&mut scanner, outer).map_err(|trouble| trouble.at(scanner.position()))
    }

    #[inline(always)]
    fn scan_fields(
        scanner: &mut Scanner<'a>,
        mut outer: Option<&mut Outline>,
    ) -> Result<Envelope<'a>, Trouble> {
        open_object(scanner, "the line")?;
        let (mut src, mut dest, mut body) = (None, None, None);
        let mut outline = Outline::new();
        let mut is_first = true;
        let names = ["\"src\":", "\"dest\":", "\"body\":"];
        while let Some(field) = scanner.next_field(is_first, names)? {
            is_first = false;
            scanner.peek();
            let value = scanner.position();
            match field.name {
                0 => set(&mut src, "src", string(scanner, "src")?)?,
                1 => set(&mut dest, "dest", string(scanner, "dest")?)?,
                2 => {
                    let header = Header::scan(scanner, "`body`", &mut outline)?;
                    set(&mut body, "body", header)?;
                }
                _ => _ = scanner.skip()?,
            }
            match (&mut outer, field.key) {
                (None, _) => {}
                (Some(outer), Some((from, to))) => {
                    outer.note_ranges(from..to, value..scanner.position());
                }
                (Some(outer), None) => **outer = Outline::unknown(),
            }
        }
        scanner.end()?;
        let src = src.ok_or(Trouble::Missing("src"))?;
        let dest = dest.ok_or(Trouble::Missing("dest"))?;
        let (header, body) = body.ok_or(Trouble::Missing("body"))?;
        Ok(Envelope {
            src,
            dest,
            body,
            header,
            line: scanner.since(0),
            outline,
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
        let mut scanner = Scanner::new(body);
        let scanned = Header::scan(&mut scanner, "the body", &mut Outline::new())
            .and_then(|(header, _)| scanner.end().map(|()| header).map_err(Trouble::from));
        scanned.map_err(|trouble| trouble.at(scanner.position()))
    }

    /// Reads a body; returns its header and the whole of it.
    #[inline(always)]
    fn scan(
        scanner: &mut Scanner<'a>,
        what: &'static str,
        outline: &mut Outline,
    ) -> Result<(Header<'a>, &'a str), Trouble> {
        open_object(scanner, what)?;
        let begin = scanner.position() - 1;
        let (mut kind, mut msg_id, mut in_reply_to) = (None, None, None);
        let mut is_first = true;
        let names = ["\"type\":", "\"msg_id\":", "\"in_reply_to\":"];
        while let Some(field) = scanner.next_field(is_first, names)? {
            is_first = false;
            scanner.peek();
            let value = scanner.position();
            match field.name {
                0 => set(&mut kind, "type", any_string(scanner)?)?,
                1 => set(&mut msg_id, "msg_id", MsgId::of(scanner.value()?))?,
                2 => {
                    let reply_to = ReplyTo::of(scanner.value()?);
                    set(&mut in_reply_to, "in_reply_to", reply_to)?;
                }
                _ => _ = scanner.skip()?,
            }
            match field.key {
                Some((from, to)) => outline.note_ranges(
                    from - begin..to - begin,
                    value - begin..scanner.position() - begin,
                ),
                None => *outline = Outline::unknown(),
            }
        }
        let header = Header {
            kind: kind.flatten(),
            msg_id: msg_id.unwrap_or(MsgId::Absent),
            in_reply_to: in_reply_to.unwrap_or(ReplyTo::Absent),
        };
        Ok((header, scanner.since(begin)))
    }
}

impl<'a> MsgId<'a> {
    #[inline(always)]
    fn of(raw: &'a str) -> MsgId<'a> {
        match raw {
            "null" => MsgId::Absent,
            _ if is_integer(raw) => MsgId::Integer(raw),
            _ => MsgId::Invalid,
        }
    }
}

impl ReplyTo {
    #[inline(always)]
    pub(super) fn of(raw: &str) -> ReplyTo {
        match raw {
            "null" => ReplyTo::Absent,
            _ => match raw.parse() {
                Ok(number) => ReplyTo::Call(number),
                Err(_) if is_integer(raw) => ReplyTo::Unknown,
                Err(_) => ReplyTo::Invalid,
            },
        }
    }
}

#[inline(always)]
fn open_object(scanner: &mut Scanner<'_>, what: &'static str) -> Result<(), Trouble> {
    if scanner.take(b'{') {
        return Ok(());
    }
    let is_blank = scanner.peek().is_none();
    Err(if is_blank {
        Trouble::Blank(what)
    } else {
        Trouble::NoObject(what)
    })
}

/// Sets a field that may come once.
#[inline(always)]
fn set<T>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), Trouble> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Trouble::Duplicate(name)),
    }
}

/// The text of a field that must be a string.
#[inline(always)]
fn string<'a>(scanner: &mut Scanner<'a>, name: &'static str) -> Result<Cow<'a, str>, Trouble> {
    if !scanner.take(b'"') {
        return Err(Trouble::NoString(name));
    }
    scanner
        .string()?
        .text()
        .ok_or(Trouble::Json(Problem::Surrogate))
}

/// The text of a string; `None` for any other value.
#[inline(always)]
fn any_string<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Trouble> {
    if scanner.take(b'"') {
        return Ok(scanner.string()?.text());
    }
    scanner.value()?;
    Ok(None)
}

/// Whether a JSON number is an integer: no fraction and no exponent.
#[inline(always)]
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
