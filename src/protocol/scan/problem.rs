//! What can be wrong with JSON text.

use std::fmt;

/// What is wrong with the text, where the scanner stopped.
///
/// As wide as a word: of a `Result` with a narrower error the compiler copies the
/// bytes behind the tag by moves that straddle how they were stored, and the
/// processor then waits for the stores. A tenth of an echo's time went there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(in crate::protocol) enum Problem {
    Cut,
    Value,
    Literal,
    Digit,
    LeadingZero,
    Control,
    Escape,
    Surrogate,
    Key,
    Colon,
    CommaOrBrace,
    CommaOrBracket,
    Trailing,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Cut => "the JSON is cut off",
            Problem::Value => "expected a value",
            Problem::Literal => "expected `true`, `false` or `null`",
            Problem::Digit => "expected a digit",
            Problem::LeadingZero => "a number with a leading zero",
            Problem::Control => "a control character in a string",
            Problem::Escape => "a bad escape in a string",
            Problem::Surrogate => "half of a surrogate pair in a string",
            Problem::Key => "expected a key in quotes",
            Problem::Colon => "expected `:`",
            Problem::CommaOrBrace => "expected `,` or `}`",
            Problem::CommaOrBracket => "expected `,` or `]`",
            Problem::Trailing => "trailing characters behind the JSON",
        })
    }
}
