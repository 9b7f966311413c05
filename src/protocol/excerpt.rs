//! A safe look at a line from outside.

use std::fmt;

/// How many bytes of a line a person is shown.
pub(super) const EXCERPT_BYTES: usize = 80;

/// Shows the beginning of some bytes on one line of plain ASCII: control
/// characters and everything else that could move a terminal are escaped.
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
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}
