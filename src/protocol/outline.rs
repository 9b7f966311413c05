//! An outline: where the fields of a body lie.
//!
//! The scan of a line comes past every field anyway. Noting down where saves a
//! second walk when the body is read as somebody's type: 700 instructions of a
//! short echo's 4,700, and more with its length.

use std::ops::Range;

/// How many fields are noted. Maelstrom's own messages have at most 6 (`cas`); a
/// body with more is walked again.
pub(super) const OUTLINE_FIELDS_MAX: usize = 6;

/// Where a field's key, between its quotes, and its value lie in the body.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    key: (u32, u32),
    value: (u32, u32),
}

/// The fields of a body, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outline {
    spans: [Span; OUTLINE_FIELDS_MAX],
    /// How many there are; more than fit if it is not to be relied on.
    len: u32,
}

impl Outline {
    /// An outline to be filled.
    pub(super) fn new() -> Outline {
        Outline::default()
    }

    /// An outline of nothing: whoever needs the fields must look for them.
    pub(crate) fn unknown() -> Outline {
        Outline {
            len: u32::MAX,
            ..Outline::default()
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

    /// As [`note`](Outline::note), with places in a text of any length.
    #[inline(always)]
    pub(super) fn note_ranges(&mut self, key: Range<usize>, value: Range<usize>) {
        // Lines are at most 16 MiB; of a longer text all places are given up.
        if u32::try_from(value.end).is_err() {
            return *self = Outline::unknown();
        }
        // Nothing lies behind the value's end, which fits.
        #[expect(clippy::cast_possible_truncation)]
        let pair = |range: Range<usize>| (range.start as u32, range.end as u32);
        self.note(pair(key), pair(value));
    }

    /// The key of the field of that number; `None` behind the last.
    #[inline(always)]
    pub(super) fn key<'a>(&self, body: &'a str, index: usize) -> Option<&'a str> {
        let (begin, end) = self.spans[..self.len as usize].get(index)?.key;
        body.get(begin as usize..end as usize)
    }

    /// Where the value of the field of that number lies in the body.
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
