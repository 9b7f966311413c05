//! Every public item has an example in its documentation.
//!
//! Read as text, like the walls: `unreachable_pub` sees to it that what is called
//! `pub` can be reached from outside, and rustdoc to it that examples compile.

use crate::rules::Source;

/// The public items, and the items of public traits, whose documentation has
/// no example.
pub(crate) fn without_example(sources: &[Source]) -> Vec<String> {
    let library = sources.iter().filter(|source| is_library(&source.name));
    library.flat_map(without_example_in).collect()
}

fn without_example_in(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut docs = Docs::default();
    let mut is_in_attribute = false;
    let mut trait_indent = None;
    for (number, line) in source.text.lines().enumerate() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with("#[cfg(test)]") {
            break; // tests are the end of a file
        }
        if let Some(doc) = text.strip_prefix("///") {
            docs.read(doc.trim());
            continue;
        }
        is_in_attribute |= text.starts_with("#[");
        if is_in_attribute {
            is_in_attribute = !text.ends_with(']');
            continue;
        }
        if trait_indent == Some(indent) && text.starts_with('}') {
            trait_indent = None;
        }
        let is_of_trait = trait_indent.is_some_and(|outer| indent == outer + 4);
        let needs_one = is_public_item(text) || (is_of_trait && is_item(text));
        if needs_one && !docs.has_example {
            let (name, line) = (&source.name, number + 1);
            found.push(format!("{name}:{line}: no example: {text}"));
        }
        if text.starts_with("pub trait ") {
            trait_indent = Some(indent);
        }
        docs = Docs::default();
    }
    found
}

/// The comment that leads up to an item.
#[derive(Default)]
struct Docs {
    is_in_block: bool,
    has_example: bool,
}

impl Docs {
    fn read(&mut self, line: &str) {
        let Some(language) = line.strip_prefix("```") else {
            return;
        };
        let is_rust = matches!(language, "" | "no_run" | "should_panic");
        self.has_example |= is_rust && !self.is_in_block;
        self.is_in_block = !self.is_in_block;
    }
}

fn is_library(name: &str) -> bool {
    !matches!(name, "main.rs" | "options.rs")
}

fn is_public_item(text: &str) -> bool {
    text.strip_prefix("pub ").is_some_and(is_item)
}

fn is_item(text: &str) -> bool {
    let kinds = [
        "fn ", "const ", "async ", "struct ", "enum ", "trait ", "type ",
    ];
    kinds.iter().any(|kind| text.starts_with(kind))
}
