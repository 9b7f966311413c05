//! The way out of a link.

use crate::notices::Topic;
use std::fmt;

/// Receives what a link finds.
pub(crate) trait Sink {
    /// A message for the node, without a newline.
    fn line(&mut self, line: &[u8]);
    /// The error in place of the reply to a call: its receiver is not there, or nothing was sent.
    /// For a node it is a message like any other.
    fn undelivered(&mut self, error: &[u8]) {
        self.line(error);
    }
    /// A message that was longer than the node accepts.
    fn too_long(&mut self, excerpt: &[u8]);
    /// A line for people.
    fn log(&mut self, topic: Topic, text: fmt::Arguments<'_>);
    /// A connection was lost, or an attempt has failed. The next attempt follows by itself.
    fn lost(&mut self, why: fmt::Arguments<'_>) {
        self.log(
            Topic::Connection,
            format_args!("{why}; another attempt follows"),
        );
    }
}
