//! A source file with texts replaced: a mutant, whose bug a test must find.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is a compile error here"
)]

use proc_macro::{TokenStream, TokenTree};

/// `mutate!("examples/echo.rs", "old" => "new", "older" => "newer")` expands to the items
/// of that file, with the texts replaced. A text that is not in the file exactly once
/// is a compile error: the source has changed, and the mutant must follow it. Texts have
/// no escapes.
#[proc_macro]
pub fn mutate(input: TokenStream) -> TokenStream {
    let mut texts = input.into_iter().filter_map(|token| match token {
        TokenTree::Literal(literal) => Some(literal.to_string().trim_matches('"').to_owned()),
        _ => None,
    });
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let path = format!("{root}/{}", texts.next().expect("a path"));
    let source = std::fs::read_to_string(&path).expect("a source file");
    // Comments of the file itself are only allowed at the start of a file.
    let lines = source.lines().filter(|line| !line.starts_with("//!"));
    let mut source: String = lines.flat_map(|line| [line, "\n"]).collect();
    while let Some(old) = texts.next() {
        let new = texts.next().expect("a text to put there");
        let count = source.matches(&old).count();
        assert!(count == 1, "{old:?} is {count} times in {path}, not once");
        source = source.replace(&old, &new);
    }
    // Makes cargo build the mutant again when the file changes.
    source.push_str(&format!("const _: &str = include_str!({path:?});"));
    source.parse().expect("Rust")
}
