//! Text from outside, quoted in texts for people.
//!
//! A message may contain anything, of any length up to the line's limit: 16 MiB by
//! default. So errors and log lines show its beginning.

use std::fmt::{self, Write as _};

/// How many bytes of a line a person is shown.
const EXCERPT_BYTES: usize = 80;

/// How many bytes of a name are quoted: 256, as many as a remembered sender's name
/// may have. Escapes can make them six times as long.
const QUOTE_BYTES_MAX: usize = 256;

/// How many bytes a text about a wrong value has at most: 4 KiB. serde's own texts
/// have about a hundred; an author's may list every value that would have been right.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 10;

/// Shows the beginning of some bytes on one line of plain ASCII. Control characters
/// and all other bytes that could move a terminal's cursor are escaped.
///
/// ```
/// use eddyline::protocol::Excerpt;
///
/// assert_eq!(Excerpt(b"a\x1b[2Jb").to_string(), r"`a\x1b[2Jb`");
/// ```
pub struct Excerpt<'a>(pub &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(EXCERPT_BYTES)];
        write!(f, "`{}`", shown.escape_ascii())?;
        write_length(f, shown.len(), self.0.len())
    }
}

/// Shows a name as `{:?}` does. Of a long name it shows the beginning and the length.
pub(crate) struct Quote<'a>(pub(crate) &'a str);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = beginning(self.0, QUOTE_BYTES_MAX);
        write!(f, "{shown:?}")?;
        write_length(f, shown.len(), self.0.len())
    }
}

/// Shows the beginning of a JSON value, which is text already, and its length.
pub(super) struct JsonExcerpt<'a>(pub(super) &'a str);

impl fmt::Display for JsonExcerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = beginning(self.0, EXCERPT_BYTES);
        f.write_str(shown)?;
        write_length(f, shown.len(), self.0.len())
    }
}

/// Says how long a text is that was not shown whole.
fn write_length(f: &mut fmt::Formatter<'_>, shown: usize, whole: usize) -> fmt::Result {
    if shown < whole {
        write!(f, "… ({whole} bytes)")?;
    }
    Ok(())
}

/// The beginning of `text`: whole characters, `bytes_max` bytes at most.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The end of `text`: whole characters, `bytes_max` bytes at most.
fn end(text: &str, bytes_max: usize) -> &str {
    let mut begin = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    &text[begin..]
}

/// Formats `text`. Of one longer than about `bytes_max` the middle is left out: the beginning
/// of an error names the value, the end says which values would be right. The copy
/// takes no more memory than that.
pub(super) fn cut(text: impl fmt::Display, bytes_max: usize) -> String {
    let mut cut = Cut {
        half: bytes_max / 2,
        head: String::new(),
        tail: String::new(),
        is_cut: false,
    };
    // `Cut` accepts every write. If the text's own `Display` fails, its beginning is kept.
    let _as_far_as_it_came = write!(cut, "{text}");
    if cut.is_cut {
        cut.head.push('…');
    }
    cut.head + &cut.tail
}

/// The first and the last bytes that are written.
struct Cut {
    /// How many bytes each part has at most.
    half: usize,
    head: String,
    tail: String,
    /// There was text between head and tail.
    is_cut: bool,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_head = self.tail.is_empty() && !self.is_cut;
        let room = if is_head {
            self.half - self.head.len()
        } else {
            0
        };
        let first = beginning(text, room);
        self.head.push_str(first);
        let rest = &text[first.len()..];
        let last = end(rest, self.half);
        self.tail.push_str(last);
        let dropped = self.tail.len() - end(&self.tail, self.half).len();
        self.tail.drain(..dropped);
        self.is_cut |= dropped > 0 || last.len() < rest.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whole_and_a_longer_one_is_cut() {
        let name = "é".repeat(QUOTE_BYTES_MAX / 2);
        assert_eq!(Quote(&name).to_string(), format!("{name:?}"));
        assert_eq!(Quote("a\"\u{7f}").to_string(), r#""a\"\u{7f}""#);
        let long = format!("x{name}");
        let shown = format!("{:?}… (257 bytes)", &long[..QUOTE_BYTES_MAX - 1]);
        assert_eq!(Quote(&long).to_string(), shown);
    }

    #[test]
    fn the_middle_of_a_long_text_is_left_out() {
        assert_eq!(cut("012345", 6), "012345");
        assert_eq!(cut("0123456", 6), "012…456");
        let pieces = format_args!("{}{}{}{}", "01", "2345", "6", "789");
        assert_eq!(cut(pieces, 6), "012…789");
        assert_eq!(cut(pieces, 10), "0123456789");
        let one_by_one = format_args!("{}{}{}{}{}", 0, 1, 2, 3, 4);
        assert_eq!(cut(one_by_one, 4), "01…34");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("éé", 4), "éé");
        assert_eq!(cut("ééé", 4), "é…é");
        assert_eq!(cut("ééé", 3), "…");
    }
}
