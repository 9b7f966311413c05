//! Messages of the node: the way of each, its `PUB`, and the error in place of one that the
//! server would not take.

use super::subject::Subjects;
use crate::protocol::{
    Envelope, Error, ErrorFields, Fields, MsgId, Numbers, after_byte_order_mark, first_src,
    write_fields, write_header,
};
use std::borrow::Cow;
use std::io::Write as _;

/// The longest line of a `PUB`: 4 KiB, nats-server's own limit. A longer one would end the
/// connection. It has two names in it, or four.
pub(super) const CONTROL_LINE_BYTES_MAX: usize = 4096;

/// Where the `src` of a line is looked for first: in 64 bytes, which have it unless the body
/// comes first. To check 1 KiB for UTF-8 would take 700 instructions.
const FRONT_BYTES: usize = 64;

/// The parts of a line of this node that decide its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way<'a> {
    pub(super) src: Cow<'a, str>,
    pub(super) dest: Cow<'a, str>,
    pub(super) msg_id: Option<&'a str>,
    pub(super) in_reply_to: Option<Cow<'a, str>>,
}

impl<'a> Way<'a> {
    /// Reads a line. A node writes its header first and in this order, so most lines are
    /// read without parsing the rest of them.
    pub(super) fn of(line: &'a [u8]) -> Option<Way<'a>> {
        plain(line).or_else(|| parsed(line))
    }

    /// The number of a call: a message that wants a reply and is none.
    pub(super) fn call(&self) -> Option<&'a str> {
        self.msg_id.filter(|_| self.in_reply_to.is_none())
    }

    /// The error in place of a message of this way that was not sent.
    ///
    /// | the message | it is told to | as |
    /// |---|---|---|
    /// | a call | its author | error 11 in place of the reply |
    /// | a reply | the caller | error 13 in its place |
    /// | neither | people | a line on stderr |
    pub(super) fn replacement(&self, why: &str) -> Replacement<'_> {
        let (src, dest) = (&*self.src, &*self.dest);
        if let Some(number) = self.call() {
            let error = Error::temporarily_unavailable(format!("nothing was sent: {why}"));
            return Replacement::Reply(error_line((dest, src), None, number, &error));
        }
        let Some(number) = &self.in_reply_to else {
            return Replacement::None;
        };
        let error = Error::crash(format!("the reply was not sent: {why}"));
        let msg_id = self.msg_id.and_then(|number| number.parse().ok());
        let line = error_line((src, dest), msg_id, number, &error);
        let way = Way {
            src: src.into(),
            dest: dest.into(),
            msg_id: self.msg_id,
            in_reply_to: Some(Cow::Borrowed(number)),
        };
        Replacement::Message(way, line)
    }
}

/// See the table at [`Way::replacement`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Replacement<'a> {
    /// A line for this node.
    Reply(Vec<u8>),
    /// A message of this node, with its way.
    Message(Way<'a>, Vec<u8>),
    None,
}

/// Appends the `PUB` of a message. `Err` says why the server would not take it, and then
/// nothing is appended.
pub(super) fn push_message(
    out: &mut Vec<u8>,
    subjects: &Subjects,
    way: &Way<'_>,
    line: &[u8],
    max_payload: usize,
) -> Result<(), String> {
    let bytes = line.len();
    if bytes > max_payload {
        return Err(format!(
            "a message of {bytes} bytes is over the server's limit of {max_payload}"
        ));
    }
    let begin = out.len();
    out.extend_from_slice(b"PUB ");
    subjects.push_message(out, &way.dest, &way.src);
    if let Some(number) = way.call() {
        out.push(b' ');
        subjects.push_bounce(out, &way.src, number, &way.dest);
    }
    let _infallible = write!(out, " {bytes}\r\n");
    if out.len() - begin > CONTROL_LINE_BYTES_MAX {
        out.truncate(begin);
        return Err("the names are too long for a subject".to_owned());
    }
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn plain(line: &[u8]) -> Option<Way<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    let (src, rest) = text(line.strip_prefix("{\"src\":\"")?)?;
    let (dest, rest) = text(rest.strip_prefix(",\"dest\":\"")?)?;
    let (_kind, rest) = text(rest.strip_prefix(",\"body\":{\"type\":\"")?)?;
    let (msg_id, rest) = match rest.strip_prefix(",\"msg_id\":") {
        Some(rest) => digits(rest).map(|(number, rest)| (Some(number), rest))?,
        None => (None, rest),
    };
    let in_reply_to = match rest.strip_prefix(",\"in_reply_to\":") {
        Some(rest) => Some(Cow::Borrowed(digits(rest)?.0)),
        None => None,
    };
    Some(Way {
        src: src.into(),
        dest: dest.into(),
        msg_id,
        in_reply_to,
    })
}

/// The text up to its quote, and what follows. `None` if it has escapes.
fn text(rest: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
    let behind = rest[end..].strip_prefix('"')?;
    Some((&rest[..end], behind))
}

fn digits(rest: &str) -> Option<(&str, &str)> {
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    (len > 0).then(|| rest.split_at(len))
}

fn parsed(line: &[u8]) -> Option<Way<'_>> {
    let envelope = Envelope::parse(line).ok()?;
    let header = envelope.header;
    Some(Way {
        src: envelope.src,
        dest: envelope.dest,
        msg_id: match header.msg_id {
            MsgId::Integer(number) => Some(number),
            MsgId::Absent | MsgId::Invalid => None,
        },
        in_reply_to: in_reply_to(envelope.body),
    })
}

/// The number that a body answers, as text: it may be longer than 64 bits.
fn in_reply_to(body: &str) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Answers<'a> {
        #[serde(borrow)]
        in_reply_to: Option<&'a serde_json::value::RawValue>,
    }
    let Answers { in_reply_to } = serde_json::from_str(body).ok()?;
    in_reply_to.map(|number| Cow::Borrowed(number.get()))
}

/// Whether a message comes from the name that its subject gives.
///
/// | the first `src` of the line | it comes from there |
/// |---|---|
/// | is the name | yes. A second `src` makes a line malformed |
/// | is another text without escapes | no |
/// | has escapes, or cannot be found | as serde_json reads the whole line |
///
/// A line that is no message passes: the session refuses it, and says why. A byte order mark
/// is skipped, as the session skips it in front of its first line. The scan ends
/// with the first `src`, which most programs write in front of the body, and it needs no
/// second parser where a body comes first.
pub(super) fn is_from(line: &[u8], name: &str) -> bool {
    let line = after_byte_order_mark(line).unwrap_or(line);
    let front = &line[..line.len().min(FRONT_BYTES)];
    match plain_src(front).or_else(|| plain_src(line)) {
        Some(src) => src == name,
        None => Envelope::parse(line).map_or(true, |envelope| envelope.src == name),
    }
}

/// The first `src` of a line or of its beginning, if it is a text without escapes.
fn plain_src(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line)
        .or_else(|error| std::str::from_utf8(&line[..error.valid_up_to()]));
    let src = first_src(text.ok()?)?;
    let src = src.strip_prefix('"')?.strip_suffix('"')?;
    (!src.contains('\\')).then_some(src)
}

/// A line with an error that answers message `in_reply_to`, without its newline.
pub(super) fn error_line(
    (src, dest): (&str, &str),
    msg_id: Option<u64>,
    in_reply_to: &str,
    error: &Error,
) -> Vec<u8> {
    let mut line = Vec::new();
    let numbers = Numbers {
        msg_id,
        in_reply_to: Some(in_reply_to),
    };
    write_header(&mut line, (src, dest), ("error", ""), numbers);
    let written = write_fields(&mut line, Fields::Typed(&ErrorFields(error)));
    debug_assert!(written.is_ok(), "an error always serialises");
    line.pop();
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_and_any_other_have_the_same_way() {
        for (line, expected) in [
            (
                r#"{"src":"n1","dest":"c1","body":{"type":"echo_ok","msg_id":3,"in_reply_to":2,"x":1}}"#,
                ("c1", Some("3"), Some("2"), None),
            ),
            (
                r#"{"src":"n1","dest":"n2","body":{"type":"ping","msg_id":3}}"#,
                ("n2", Some("3"), None, Some("3")),
            ),
            (
                r#"{"src":"n1","dest":"n2","body":{"type":"tell"}}"#,
                ("n2", None, None, None),
            ),
            (
                r#"{"src":"n1","dest":"c1","body":{"type":"a","in_reply_to":-7}}"#,
                ("c1", None, Some("-7"), None),
            ),
            (
                r#"{"src":"n1","dest":"a\"b","body":{"type":"x","msg_id":1}}"#,
                ("a\"b", Some("1"), None, Some("1")),
            ),
            (
                r#"{"src":"n1","dest":"c1","body":{"type":"\n","msg_id":1,"in_reply_to":18446744073709551616}}"#,
                ("c1", Some("1"), Some("18446744073709551616"), None),
            ),
        ] {
            let way = Way::of(line.as_bytes()).unwrap();
            let found = (
                &*way.dest,
                way.msg_id,
                way.in_reply_to.as_deref(),
                way.call(),
            );
            assert_eq!(found, expected, "{line}");
            if let Some(plain) = plain(line.as_bytes()) {
                assert_eq!(plain, parsed(line.as_bytes()).unwrap());
            }
        }
        assert_eq!(Way::of(b"no message"), None);
    }

    #[test]
    fn a_message_must_come_from_its_subject() {
        let from_c1 = |line: &str| is_from(line.as_bytes(), "c1");
        for line in [
            r#"{"src":"c1","dest":"n1","body":{}}"#,
            r#" { "src" : "c1" , "dest":"n1","body":{}}"#,
            r#"{"id":4,"src":"c1","dest":"n1","body":{}}"#,
            r#"{"dest":"n1","src":"c1","body":{}}"#,
            r#"{"body":{"src":"n2","x":["}",{"src":"n2"}]},"dest":"n1","src":"c1"}"#,
            r#"{"\u0073rc":"\u00631","dest":"n1","body":{}}"#,
            &format!(
                r#"{{"body":{{"x":"{}"}},"dest":"n1","src":"c1"}}"#,
                "ä".repeat(1000)
            ),
            // The session refuses these.
            r#"{"src":"c1","src":"n2","dest":"n1","body":{}}"#,
            r#"{"src":"c1",nonsense"#,
            r#"{"dest":"n1","body":{}}"#,
            r#"{"src":1,"dest":"n1","body":{}}"#,
            "nonsense",
        ] {
            assert!(from_c1(line), "{line}");
        }
        let far = format!(
            r#"{{"body":{{"x":"{}"}},"dest":"n1","src":"SRC"}}"#,
            "ä".repeat(1000)
        );
        for forged in ["n2", "c11", "c", "", "\\u00632", "c1\\\""] {
            for line in [
                r#"{"src":"SRC","dest":"n1","body":{"src":"c1"}}"#,
                r#"{"id":4,"src":"SRC","dest":"n1","body":{}}"#,
                r#"{"body":{"src":"c1"},"dest":"n1","src":"SRC"}"#,
                r#"{"\u0073rc":"SRC","dest":"n1","body":{"src":"c1"}}"#,
                "\u{feff}{\"src\":\"SRC\",\"dest\":\"n1\",\"body\":{}}",
                &far,
            ] {
                let line = line.replace("SRC", forged);
                assert!(!from_c1(&line), "{line}");
            }
        }
        assert!(is_from(br#"{"src":"a\"b","dest":"n1","body":{}}"#, "a\"b"));
        assert!(!is_from(
            br#"{"src":"a","b","dest":"n1","body":{}}"#,
            "a\",\"b"
        ));
        assert!(
            is_from(b"{\"src\":\"c1\",\xff", "c1"),
            "no UTF-8: refused too"
        );
    }
}
