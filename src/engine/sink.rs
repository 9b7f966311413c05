//! The way out of a link.

use std::fmt;

/// Receives what a link finds.
pub(crate) trait Sink {
    /// A message for the node, without a newline.
    fn line(&mut self, line: &[u8]);
    /// A message that was longer than the node accepts.
    fn too_long(&mut self, excerpt: &[u8]);
    /// A line for people.
    fn log(&mut self, text: fmt::Arguments<'_>);
}
