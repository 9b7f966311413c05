//! Names in texts: as they are, unless they are no names any more.

use std::fmt::{self, Write as _};

/// How many bytes of a name are quoted: 256, as many as a sender's may have that
/// is remembered. Nobody reads more of one, and escaped it may be six times as long.
pub(super) const QUOTE_BYTES_MAX: usize = 256;

/// Shows a name as `{:?}` does, and of a longer one the beginning and how long it is.
/// What came in a message may be a "name" of 16 MiB.
pub(crate) struct Quote<'a>(pub(crate) &'a str);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = beginning(self.0, QUOTE_BYTES_MAX);
        write!(f, "{shown:?}")?;
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// The beginning of `text`: whole characters, and `bytes_max` bytes at most.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What `text` shows, cut at `bytes_max`: no more memory is taken for it,
/// however much it would show.
pub(super) fn cut(text: impl fmt::Display, bytes_max: usize) -> String {
    let mut cut = Cut {
        text: String::new(),
        bytes_max,
        is_cut: false,
    };
    // It takes everything; what fails is the text's own `Display`.
    let _as_far_as_it_came = write!(cut, "{text}");
    if cut.is_cut {
        cut.text.push('…');
    }
    cut.text
}

struct Cut {
    text: String,
    bytes_max: usize,
    is_cut: bool,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.is_cut {
            let fits = beginning(text, self.bytes_max - self.text.len());
            self.text.push_str(fits);
            self.is_cut = fits.len() < text.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whole_and_what_is_longer_is_cut() {
        let name = "é".repeat(QUOTE_BYTES_MAX / 2);
        assert_eq!(Quote(&name).to_string(), format!("{name:?}"));
        assert_eq!(Quote("a\"\u{7f}").to_string(), r#""a\"\u{7f}""#);
        let long = format!("x{name}");
        let shown = format!("{:?}… (257 bytes)", &long[..QUOTE_BYTES_MAX - 1]);
        assert_eq!(Quote(&long).to_string(), shown);
    }

    #[test]
    fn a_text_is_cut_between_characters_and_nothing_follows_the_cut() {
        assert_eq!(cut("éé", 4), "éé");
        assert_eq!(cut("éé", 3), "é…");
        assert_eq!(cut(format_args!("{}{}", "éé", "x"), 3), "é…");
    }
}
