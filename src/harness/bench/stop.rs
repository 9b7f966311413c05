//! The reasons for the end of a round without figures.

use std::io;

/// Why a round has no figures.
#[derive(Debug)]
pub(super) enum Stop {
    /// The node did something wrong.
    Node(String),
    /// The kernel refused what the bench itself needs.
    Tester(io::Error),
    /// A signal.
    Interrupted,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Tester(error)
    }
}
