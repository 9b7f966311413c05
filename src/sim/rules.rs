//! The rules that Maelstrom does not forgive a node to break, and the check of its lines.

use super::address::{Address, AddressBook};
use crate::time::Instant;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A rule that a node has broken.
///
/// ```
/// # fn test(cluster: &eddyline::sim::Cluster) {
/// for violation in cluster.violations() {
///     eprintln!("{violation}"); // at 1.2s n0: `dest`: no node, service or client is called "n9": …
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it happened.
    pub at: Instant,
    /// The name of the node.
    pub node: String,
    /// The line that broke the rule; empty if no line did.
    pub line: String,
    /// The rule, and how it was broken.
    pub why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?} {}: {}", self.at, self.node, self.why)?;
        if self.line.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.line)
    }
}

/// The keys that Maelstrom accepts at the top of a node's message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outline<'a> {
    #[serde(borrow, rename = "src")]
    _src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default, rename = "id")]
    _id: Option<i64>,
}

/// Finds the destination of a line that the server `src` has written, or the rule that the
/// line breaks.
pub(super) fn destination(
    book: &AddressBook,
    src: Address,
    line: &[u8],
) -> Result<Address, String> {
    let dest = match quick_dest(line, book.name(src)) {
        Some(dest) => Cow::Borrowed(dest),
        None => {
            let outline: Outline<'_> = serde_json::from_slice(line)
                .map_err(|error| format!("the line is no message: {error}"))?;
            if !outline.body.get().starts_with('{') {
                return Err("`body` is not an object".to_owned());
            }
            outline.dest
        }
    };
    let known = book.find(&dest);
    known.ok_or_else(|| format!("`dest`: no node, service or client is called {dest:?}"))
}

/// The `dest` of a line in the form that this crate's own writer gives it, from
/// a node of that name. Such a line needs no further check: the writer cannot
/// write other keys at the top, and the receiver parses the whole line anyway.
fn quick_dest<'a>(line: &'a [u8], src: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(b"{\"src\":\"")?;
    let rest = rest.strip_prefix(src.as_bytes())?;
    let rest = rest.strip_prefix(b"\",\"dest\":\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    let (dest, rest) = rest.split_at(end);
    let body = rest.strip_prefix(b"\",\"body\":")?;
    if !body.starts_with(b"{\"type\":") || !body.ends_with(b"}}") {
        return None;
    }
    std::str::from_utf8(dest).ok()
}
