//! The way of a message: the parts of a line of the node that decide it.

use crate::protocol::{
    Envelope, Error, ErrorFields, Fields, MsgId, Numbers, write_fields, write_header,
};
use std::borrow::Cow;

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

/// Whether a message comes from the name that its subject gives. A line that is no
/// message passes: the session refuses it, and says why.
pub(super) fn is_from(line: &[u8], name: &str) -> bool {
    if has_plain_src(line, name) {
        return true;
    }
    Envelope::parse(line).map_or(true, |envelope| envelope.src == name)
}

/// Whether the first key of a line is `src`, with this name. A second `src` behind it
/// would make the line malformed.
fn has_plain_src(line: &[u8], name: &str) -> bool {
    let after = |rest: &'_ [u8], token: &[u8]| -> Option<usize> {
        let blank = rest.len() - rest.trim_ascii_start().len();
        rest[blank..]
            .starts_with(token)
            .then_some(blank + token.len())
    };
    let mut at = 0;
    for token in [&b"{"[..], b"\"src\"", b":", b"\""] {
        match after(&line[at..], token) {
            Some(len) => at += len,
            None => return false,
        }
    }
    let rest = line[at..].strip_prefix(name.as_bytes());
    rest.is_some_and(|rest| rest.first() == Some(&b'"')) && !name.contains(['"', '\\'])
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
        assert!(from_c1(r#"{"src":"c1","dest":"n1","body":{}}"#));
        assert!(from_c1(r#" { "src" : "c1" , "dest":"n1","body":{}}"#));
        assert!(from_c1(r#"{"id":4,"dest":"n1","src":"c1","body":{}}"#));
        assert!(from_c1(r#"{"\u0073rc":"\u00631","dest":"n1","body":{}}"#));
        for forged in ["n2", "c11", "c", ""] {
            assert!(!from_c1(&format!(
                r#"{{"src":"{forged}","dest":"n1","body":{{}}}}"#
            )));
        }
        assert!(!from_c1(r#"{"dest":"n1","src":"n2","body":{"src":"c1"}}"#));
        // The session refuses these two.
        assert!(from_c1(r#"{"src":"c1","src":"n2","dest":"n1","body":{}}"#));
        assert!(from_c1("nonsense"));
        assert!(is_from(br#"{"src":"a\"b","dest":"n1","body":{}}"#, "a\"b"));
        assert!(!has_plain_src(
            br#"{"src":"a","b","dest":"n1","body":{}}"#,
            "a\",\"b"
        ));
    }
}
