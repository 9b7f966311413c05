//! The shape of a message: what stays the same from one line to the next.
//!
//! Whoever sends a thousand messages writes them with the same code: the same
//! keys in the same order, with the same blanks or none. Only values differ. So
//! a shape is a line with holes in it,
//!
//! ```text
//! {"id":▒▒,"src":"▒▒","dest":"▒▒","body":{"type":"▒▒▒▒","msg_id":▒▒▒▒,"echo":▒▒▒▒▒▒▒▒}}
//! ```
//!
//! and a line that has the same text around its holes, and in each of them a
//! value of the hole's kind, needs no scan: it is JSON because the first one was,
//! its fields are the same, and it is known where they lie. Nothing is guessed:
//! every byte is looked at, and a line that differs has another shape.
//!
//! JavaScript engines do this for objects (hidden classes, since Self in 1989).

use super::envelope::{Envelope, Header, MsgId, ReplyTo};
use super::outline::{OUTLINE_FIELDS_MAX, Outline};
use super::scan::{Scanner, plain_prefix};
use std::borrow::Cow;
use std::ops::Range;

/// How many holes a shape has at most: those of a body whose fields are noted,
/// and as many around it.
const HOLES_MAX: usize = 2 * OUTLINE_FIELDS_MAX;

/// How much text a shape has around its holes at most: 1 KiB. Maelstrom's own
/// messages have about 80 bytes; what has more is likely not to come again.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// A line with holes in it.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The text around the holes, without what separates its pieces.
    text: Vec<u8>,
    holes: Vec<Hole>,
    /// Which holes the envelope's and the header's values are.
    src: usize,
    dest: usize,
    kind: usize,
    msg_id: Option<usize>,
    in_reply_to: Option<usize>,
    /// Which holes are the body's.
    body: Range<usize>,
    /// How many bytes of the body lie before the value in its first hole, and
    /// behind the value in its last one.
    before_body_values: u32,
    behind_body_values: u32,
}

/// Where a value may differ.
#[derive(Debug, Clone, Copy)]
struct Hole {
    kind: Kind,
    /// Where the text before it ends in the shape's text.
    text_end: u16,
    /// How far before the value its key begins and ends.
    key: (u16, u16),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The inside of a string without escapes.
    Name,
    /// A number without fraction and exponent.
    Integer,
    /// Anything: whoever reads the field will see.
    Value,
}

/// Where a value begins and ends in a line, a string's quotes included.
type Place = (u32, u32);

impl Shape {
    /// Takes on the shape of a message whose line has the fields that `outer`
    /// notes. False if it has none that could come again; this is of no use then.
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
                "src" => self.src = self.add(line, &mut learned, Kind::Name, key, value)?,
                "dest" => self.dest = self.add(line, &mut learned, Kind::Name, key, value)?,
                "body" => self.learn_body(envelope, &mut learned, value)?,
                _ => _ = self.add(line, &mut learned, Kind::Value, key, value)?,
            }
        }
        self.text.extend_from_slice(&line.as_bytes()[learned..]);
        (self.text.len() <= TEXT_BYTES_MAX).then_some(())
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
                "type" => kind = Some(self.add(line, learned, Kind::Name, key, value)?),
                "msg_id" => {
                    self.msg_id = Some(self.add(line, learned, Kind::Integer, key, value)?);
                }
                "in_reply_to" => {
                    self.in_reply_to = Some(self.add(line, learned, Kind::Integer, key, value)?);
                }
                _ => _ = self.add(line, learned, Kind::Value, key, value)?,
            }
        }
        let values = values?;
        self.kind = kind?;
        self.body = first..self.holes.len();
        self.before_body_values = u32::try_from(values.start - body.start).ok()?;
        self.behind_body_values = u32::try_from(body.end - values.end).ok()?;
        Some(())
    }

    /// Adds a hole, and the text between `learned` and it. Returns which one it
    /// is; `None` if the value is not of that kind.
    fn add(
        &mut self,
        line: &str,
        learned: &mut usize,
        kind: Kind,
        key: Range<usize>,
        value: Range<usize>,
    ) -> Option<usize> {
        let hole = match kind {
            Kind::Name if line.as_bytes()[value.start] == b'"' => value.start + 1..value.end - 1,
            Kind::Name => return None,
            Kind::Integer | Kind::Value => value.clone(),
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

    /// Reads a line as a message of this shape; `None` if it has another one.
    #[inline(always)]
    pub(super) fn read<'a>(&self, line: &'a str) -> Option<Envelope<'a>> {
        // What is said of places below holds for lines whose length fits.
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
        let end = values.last()?.1 + self.behind_body_values;
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

    /// Finds where the values lie in a line of this shape.
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
            let quote = usize::from(matches!(hole.kind, Kind::Name));
            // The line's length fits.
            #[expect(clippy::cast_possible_truncation)]
            let found = ((begin - quote) as u32, (at + quote) as u32);
            *place = found;
        }
        (bytes[at..] == self.text[text_begin..]).then_some(())
    }
}

impl Kind {
    /// Where a value of this kind ends that begins at `begin`. What follows it
    /// is for the text behind the hole to say.
    #[inline(always)]
    fn end(self, line: &str, begin: usize) -> Option<usize> {
        match self {
            Kind::Name => Some(begin + plain_prefix(&line.as_bytes()[begin..])),
            Kind::Integer => integer_end(line.as_bytes(), begin),
            Kind::Value => {
                let mut scanner = Scanner::at(line, begin);
                // Blanks before it would be a part of the text.
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
