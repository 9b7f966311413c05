//! A mistake in a command line.

use std::fmt;

/// The mistake in a command line, as text for a person.
///
/// ```
/// let error = eddyline::command_line::CommandLine::parse(["--frobnicate"]).unwrap_err();
/// assert!(error.to_string().contains("--frobnicate"));
/// ```
#[derive(Debug)]
pub struct UsageError(String);

impl UsageError {
    pub(super) fn new(text: impl Into<String>) -> UsageError {
        UsageError(text.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> UsageError {
        UsageError::new(error.to_string())
    }
}
