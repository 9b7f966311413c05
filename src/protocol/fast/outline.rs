//! The outline of a body: where its fields lie.
//!
//! The scan of a line passes every field anyway. Noting its place saves a second
//! walk when the body is read as the author's type: 700 instructions of a short
//! echo's 4,700, and more of a longer one's.

use std::ops::Range;

/// How many fields are noted. Maelstrom's own messages have at most 6 (`cas`). A
/// body with more is walked a second time.
pub(super) const OUTLINE_FIELDS_MAX: usize = 6;

/// Where a field's key and value lie in the body. The key's quotes do not count to it.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    key: (u32, u32),
    value: (u32, u32),
}

/// The fields of a body, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outline {
    spans: [Span; OUTLINE_FIELDS_MAX],
    /// How many there are. More than fit: the outline is not whole.
    len: u32,
}

impl Outline {
    /// An outline to be filled.
    pub(super) fn new() -> Outline {
        Outline::default()
    }

    /// An outline that says nothing: a reader has to find the fields itself.
    pub(crate) const fn unknown() -> Outline {
        let none = Span {
            key: (0, 0),
            value: (0, 0),
        };
        Outline {
            spans: [none; OUTLINE_FIELDS_MAX],
            len: u32::MAX,
        }
    }

    /// Notes one field by where its key and its value begin and end.
    #[inline(always)]
    pub(super) fn note(&mut self, key: (u32, u32), value: (u32, u32)) {
        if let Some(span) = self.spans.get_mut(self.len as usize) {
            *span = Span { key, value };
        }
        self.len = self.len.saturating_add(1);
    }

    /// As [`note`](Outline::note), with places that may lie beyond 4 GiB.
    #[inline(always)]
    pub(super) fn note_ranges(&mut self, key: Range<usize>, value: Range<usize>) {
        // No line is that long by default. Of such a text no place is noted.
        if u32::try_from(value.end).is_err() {
            return *self = Outline::unknown();
        }
        // The value's end is the largest of the four numbers, and it fits.
        #[expect(clippy::cast_possible_truncation)]
        let pair = |range: Range<usize>| (range.start as u32, range.end as u32);
        self.note(pair(key), pair(value));
    }

    /// The key of the field with that number; `None` past the last field.
    #[inline(always)]
    pub(super) fn key<'a>(&self, body: &'a str, index: usize) -> Option<&'a str> {
        let (begin, end) = self.spans[..self.len as usize].get(index)?.key;
        body.get(begin as usize..end as usize)
    }

    /// Where the value of the field with that number lies in the body.
    #[inline(always)]
    pub(super) fn value(&self, index: usize) -> Option<Range<usize>> {
        let (begin, end) = self.spans.get(index)?.value;
        Some(begin as usize..end as usize)
    }

    /// Where the keys and the values lie; `None` unless every field was noted.
    pub(super) fn places(&self) -> Option<impl Iterator<Item = (Range<usize>, Range<usize>)>> {
        let spans = self.spans.get(..self.len as usize)?;
        let range = |(begin, end): (u32, u32)| begin as usize..end as usize;
        Some(
            spans
                .iter()
                .map(move |span| (range(span.key), range(span.value))),
        )
    }

    /// Whether every field was noted.
    pub(super) fn is_whole(&self) -> bool {
        self.len as usize <= OUTLINE_FIELDS_MAX
    }
}
