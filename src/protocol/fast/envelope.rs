//! The scan of a message: one pass over the line finds its six fields.
//!
//! The values of all other fields are skipped. The pass notes in an [`Outline`] where
//! each field of the body lies.

use super::outline::Outline;
use super::scan::{Refused, Scanner};
use crate::protocol::envelope::{Envelope, Header, Malformed, MsgId, ReplyTo};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, Refused>;

/// Finds what [`Header::parse`] finds.
pub(crate) fn parse_header(body: &str) -> std::result::Result<Header<'_>, Malformed> {
    let mut scanner = Scanner::new(body);
    let scanned = scan_header(&mut scanner, &mut Outline::new())
        .and_then(|(header, _)| scanner.end().map(|()| header));
    scanned.or_else(|Refused| Header::parse(body))
}

/// The first `src` of a line, as JSON text. The scan ends behind it: the rest may be no JSON.
/// `None` if the text up to there is none, or there is no `src`.
pub(crate) fn first_src(line: &str) -> Option<&str> {
    let mut scanner = Scanner::new(line);
    open_object(&mut scanner).ok()?;
    let mut is_first = true;
    while let Some(field) = scanner.next_field(is_first, ["\"src\":"]).ok()? {
        is_first = false;
        let begin = scanner.skip().ok()?;
        if field.name == 0 {
            return Some(scanner.since(begin));
        }
    }
    None
}

/// Finds the fields of a line, and notes in `outer` where the line's own fields lie.
#[inline(always)]
pub(super) fn scan<'a>(text: &'a str, mut outer: Option<&mut Outline>) -> Result<Envelope<'a>> {
    let mut scanner = Scanner::new(text);
    let scanner = &mut scanner;
    open_object(scanner)?;
    let (mut src, mut dest, mut body) = (None, None, None);
    let mut outline = Outline::new();
    let mut is_first = true;
    let names = ["\"src\":", "\"dest\":", "\"body\":"];
    while let Some(field) = scanner.next_field(is_first, names)? {
        is_first = false;
        scanner.peek();
        let value = scanner.position();
        match field.name {
            0 => set(&mut src, string(scanner)?.ok_or(Refused)?)?,
            1 => set(&mut dest, string(scanner)?.ok_or(Refused)?)?,
            2 => set(&mut body, scan_header(scanner, &mut outline)?)?,
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
    let (header, body) = body.ok_or(Refused)?;
    Ok(Envelope {
        src: src.ok_or(Refused)?,
        dest: dest.ok_or(Refused)?,
        body,
        header,
        line: text,
        outline,
    })
}

/// Reads a body. Returns its header and its text, and notes where its fields lie.
#[inline(always)]
fn scan_header<'a>(
    scanner: &mut Scanner<'a>,
    outline: &mut Outline,
) -> Result<(Header<'a>, &'a str)> {
    open_object(scanner)?;
    let begin = scanner.position() - 1;
    let (mut kind, mut msg_id, mut in_reply_to) = (None, None, None);
    let mut is_first = true;
    let names = ["\"type\":", "\"msg_id\":", "\"in_reply_to\":"];
    while let Some(field) = scanner.next_field(is_first, names)? {
        is_first = false;
        scanner.peek();
        let value = scanner.position();
        match field.name {
            0 => set(&mut kind, string(scanner)?)?,
            1 => set(&mut msg_id, MsgId::of(scanner.value()?))?,
            2 => set(&mut in_reply_to, ReplyTo::of(scanner.value()?))?,
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

#[inline(always)]
fn open_object(scanner: &mut Scanner<'_>) -> Result<()> {
    if scanner.take(b'{') {
        Ok(())
    } else {
        Err(Refused)
    }
}

/// Sets a field that may come once.
#[inline(always)]
fn set<T>(field: &mut Option<T>, value: T) -> Result<()> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refused),
    }
}

/// The text of a string; `None` for any other value.
#[inline(always)]
fn string<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>> {
    if scanner.take(b'"') {
        return Ok(scanner.string()?.text());
    }
    scanner.value()?;
    Ok(None)
}
