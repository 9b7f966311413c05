//! What a session knows of itself.

use crate::node::Context;

/// ```text
///              init                       end of input
///   nameless ────────> running ──────────────────────────> (the owner stops it)
///                       │   ^
///                       └───┘ init again: the same identity only
/// ```
pub(super) enum State {
    /// No `init` has come: every request is refused.
    Nameless,
    /// The node is built.
    Running(Context),
}
