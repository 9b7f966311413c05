//! The shape of a message: the text that stays the same from one line to the next.
//!
//! A program writes all its messages with the same code: with the same keys in the
//! same order, and the same blanks or none. Only values differ. So a shape is a line
//! with holes in it:
//!
//! ```text
//! {"id":▒▒,"src":"▒▒","dest":"▒▒","body":{"type":"▒▒▒▒","msg_id":▒▒▒▒,"echo":▒▒▒▒▒▒▒▒}}
//! ```
//!
//! A line matches if it has the same text around its holes, and in each hole a value
//! of the hole's kind. Such a line needs no scan. It is JSON because the learned line
//! was, it has the same fields, and their places are known. Every byte is compared
//! or checked, so nothing is guessed: a line that differs does not match.
//!
//! JavaScript engines do this for objects (hidden classes, since Self in 1989).

use super::outline::{OUTLINE_FIELDS_MAX, Outline};
use super::scan::{Scanner, plain_prefix};
use crate::protocol::envelope::{Envelope, Header, MsgId, ReplyTo};
use std::borrow::Cow;
use std::ops::Range;

/// How many holes a shape has at most: one for each field that an outline notes of
/// the body, and as many for the line's own fields.
const HOLES_MAX: usize = 2 * OUTLINE_FIELDS_MAX;

/// How much text a shape has around its holes at most: 1 KiB. Maelstrom's own
/// messages have about 80 bytes. A line with more is not likely to come again.
const SHAPE_BYTES_MAX: usize = 1 << 10;

/// A line with holes in it.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The pieces of text around the holes, one after another.
    text: Vec<u8>,
    holes: Vec<Hole>,
    /// The holes of the envelope's and the header's values, by their index.
    src: usize,
    dest: usize,
    kind: usize,
    msg_id: Option<usize>,
    in_reply_to: Option<usize>,
    /// The holes of the body's fields.
    body: Range<usize>,
    /// How many bytes of the body lie before its first value, and after its last one.
    before_body_values: u32,
    after_body_values: u32,
}

/// Where a value may differ.
#[derive(Debug, Clone, Copy)]
struct Hole {
    kind: HoleKind,
    /// Where the text before the hole ends in the shape's text.
    text_end: u16,
    /// How far before the value its key begins and ends.
    key: (u16, u16),
}

#[derive(Debug, Clone, Copy)]
enum HoleKind {
    /// The inside of a string without escapes.
    Name,
    /// A number without a fraction and an exponent.
    Integer,
    /// Any JSON value.
    Value,
}

/// Where a value begins and ends in a line. A string's quotes count to it.
type Place = (u32, u32);

impl Shape {
    /// Learns the shape of a message whose line has the fields that `outer` notes.
    /// Returns false if the message cannot have a shape; this one must not be used then.
    pub(super) fn learn(&mut self, envelope: &Envelope<'_>, outer: &Outline) -> bool {
        self.text.clear();
        self.holes.clear();
        (self.msg_id, self.in_reply_to) = (None, None);
        self.learn_fields(envelope, outer).is_some()
    }

    fn learn_fields(&mut self, envelope: &Envelope<'_>, outer: &Outline) -> Option<()> {
        let line = envelope.line;
        let mut learned = 0;
        for (key, value) in outer.places()? {
            match &line[key.clone()] {
                "src" => self.src = self.add(line, &mut learned, HoleKind::Name, key, value)?,
                "dest" => self.dest = self.add(line, &mut learned, HoleKind::Name, key, value)?,
                "body" => self.learn_body(envelope, &mut learned, value)?,
                _ => _ = self.add(line, &mut learned, HoleKind::Value, key, value)?,
            }
        }
        self.text.extend_from_slice(&line.as_bytes()[learned..]);
        (self.text.len() <= SHAPE_BYTES_MAX).then_some(())
    }

    fn learn_body(
        &mut self,
        envelope: &Envelope<'_>,
        learned: &mut usize,
        body: Range<usize>,
    ) -> Option<()> {
        let line = envelope.line;
        let first = self.holes.len();
        let mut values: Option<Range<usize>> = None;
        let mut kind = None;
        for (key, value) in envelope.outline.places()? {
            let [key, value] = [key, value].map(|at| body.start + at.start..body.start + at.end);
            values = Some(values.map_or(value.start, |values| values.start)..value.end);
            match &line[key.clone()] {
                "type" => kind = Some(self.add(line, learned, HoleKind::Name, key, value)?),
                "msg_id" => {
                    self.msg_id = Some(self.add(line, learned, HoleKind::Integer, key, value)?);
                }
                "in_reply_to" => {
                    self.in_reply_to =
                        Some(self.add(line, learned, HoleKind::Integer, key, value)?);
                }
                _ => _ = self.add(line, learned, HoleKind::Value, key, value)?,
            }
        }
        let values = values?;
        self.kind = kind?;
        self.body = first..self.holes.len();
        self.before_body_values = u32::try_from(values.start - body.start).ok()?;
        self.after_body_values = u32::try_from(body.end - values.end).ok()?;
        Some(())
    }

    /// Adds a hole, and the text between `learned` and it. Returns the hole's index,
    /// or `None` if the value is not of that kind.
    fn add(
        &mut self,
        line: &str,
        learned: &mut usize,
        kind: HoleKind,
        key: Range<usize>,
        value: Range<usize>,
    ) -> Option<usize> {
        let hole = match kind {
            HoleKind::Name if line.as_bytes()[value.start] == b'"' => {
                value.start + 1..value.end - 1
            }
            HoleKind::Name => return None,
            HoleKind::Integer | HoleKind::Value => value.clone(),
        };
        if kind.end(line, hole.start)? != hole.end || self.holes.len() == HOLES_MAX {
            return None;
        }
        self.text
            .extend_from_slice(&line.as_bytes()[*learned..hole.start]);
        *learned = hole.end;
        let before = |at: usize| u16::try_from(value.start - at).ok();
        self.holes.push(Hole {
            kind,
            text_end: u16::try_from(self.text.len()).ok()?,
            key: (before(key.start)?, before(key.end)?),
        });
        Some(self.holes.len() - 1)
    }

    /// Reads a line as a message of this shape; `None` if the line has another shape.
    #[inline(always)]
    pub(super) fn read<'a>(&self, line: &'a str) -> Option<Envelope<'a>> {
        // Places are 32 bits wide.
        u32::try_from(line.len()).ok()?;
        let mut places = [(0, 0); HOLES_MAX];
        self.find(line, &mut places)?;
        let string = |(begin, end): Place| line.get(begin as usize + 1..end as usize - 1);
        let number = |(begin, end): Place| line.get(begin as usize..end as usize);
        let msg_id = match self.msg_id {
            Some(hole) => MsgId::Integer(number(places[hole])?),
            None => MsgId::Absent,
        };
        let in_reply_to = match self.in_reply_to {
            Some(hole) => ReplyTo::of(number(places[hole])?),
            None => ReplyTo::Absent,
        };
        let values = &places[self.body.clone()];
        let begin = values.first()?.0 - self.before_body_values;
        let end = values.last()?.1 + self.after_body_values;
        let mut outline = Outline::new();
        for (hole, value) in self.holes[self.body.clone()].iter().zip(values) {
            let at = value.0 - begin;
            let key = (at - u32::from(hole.key.0), at - u32::from(hole.key.1));
            outline.note(key, (at, value.1 - begin));
        }
        Some(Envelope {
            src: Cow::Borrowed(string(places[self.src])?),
            dest: Cow::Borrowed(string(places[self.dest])?),
            body: line.get(begin as usize..end as usize)?,
            header: Header {
                kind: Some(Cow::Borrowed(string(places[self.kind])?)),
                msg_id,
                in_reply_to,
            },
            line,
            outline,
        })
    }

    /// Finds where the values lie in a line of this shape; `None` if it has another.
    #[inline(always)]
    fn find(&self, line: &str, places: &mut [Place; HOLES_MAX]) -> Option<()> {
        let bytes = line.as_bytes();
        let (mut at, mut text_begin) = (0, 0);
        for (hole, place) in self.holes.iter().zip(places) {
            let text = &self.text[text_begin..hole.text_end as usize];
            if !bytes.get(at..)?.starts_with(text) {
                return None;
            }
            text_begin = hole.text_end as usize;
            let begin = at + text.len();
            at = hole.kind.end(line, begin)?;
            let quote = usize::from(matches!(hole.kind, HoleKind::Name));
            // The line's length fits, so each place in it does.
            #[expect(clippy::cast_possible_truncation)]
            let found = ((begin - quote) as u32, (at + quote) as u32);
            *place = found;
        }
        (bytes[at..] == self.text[text_begin..]).then_some(())
    }
}

impl HoleKind {
    /// Where a value of this kind ends that begins at `begin`. The comparison with the
    /// text after the hole checks that nothing else follows the value.
    #[inline(always)]
    fn end(self, line: &str, begin: usize) -> Option<usize> {
        match self {
            HoleKind::Name => Some(begin + plain_prefix(&line.as_bytes()[begin..])),
            HoleKind::Integer => integer_end(line.as_bytes(), begin),
            HoleKind::Value => {
                let mut scanner = Scanner::at(line, begin);
                // Blanks before the value belong to the text around the hole.
                let is_next = scanner.skip().ok()? == begin;
                is_next.then_some(scanner.position())
            }
        }
    }
}

/// Where a JSON integer ends.
#[inline(always)]
fn integer_end(bytes: &[u8], begin: usize) -> Option<usize> {
    let first = begin + usize::from(bytes.get(begin) == Some(&b'-'));
    let mut end = first;
    while bytes.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    let is_zero_led = end > first + 1 && bytes[first] == b'0';
    (end > first && !is_zero_led).then_some(end)
}
