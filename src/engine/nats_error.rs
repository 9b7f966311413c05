//! A mistake in the settings of NATS.

use std::fmt;

/// Why servers, a cluster or credentials cannot be used. The text says so, without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsError(String);

impl NatsError {
    pub(super) fn new(text: impl Into<String>) -> NatsError {
        NatsError(text.into())
    }
}

impl fmt::Display for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NatsError {}
