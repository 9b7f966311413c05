//! Every public type is in an example of the documentation.
//!
//! Either an example names the type, wherever it stands, or the file of the type
//! has an example: a value of some types is only got from a method, and their
//! examples need not name them. Functions need no example each, since
//! `missing_docs` demands a sentence for each, and many are plain from their names.
//! The source is read as text; rustdoc checks that the examples compile.

use crate::rules::Source;
use std::collections::BTreeSet;

/// The public types that no example names, in files without an example.
fn without_example(sources: &[Source]) -> Vec<String> {
    let examples = sources.iter().flat_map(examples_of);
    let named: BTreeSet<&str> = examples.flat_map(names).collect();
    let library = sources
        .iter()
        .filter(|source| is_library(&source.name) && examples_of(source).is_empty());
    let types = library.flat_map(|source| {
        let types = public_types(&source.text);
        types.map(move |(line, name)| (&source.name, line, name))
    });
    types
        .filter(|(_, _, name)| !named.contains(name))
        .map(|(file, line, name)| format!("{file}:{line}: no example uses `{name}`"))
        .collect()
}

/// The lines of a file's examples.
fn examples_of(source: &Source) -> Vec<&str> {
    let mut found = Vec::new();
    let mut block = Block::None;
    for line in source.text.lines() {
        let line = line.trim_start();
        let Some(doc) = line.strip_prefix("///").or(line.strip_prefix("//!")) else {
            block = Block::None;
            continue;
        };
        let Some(language) = doc.trim().strip_prefix("```") else {
            if block == Block::Rust {
                found.push(doc);
            }
            continue;
        };
        block = match block {
            Block::None if is_rust(language) => Block::Rust,
            Block::None => Block::Other,
            Block::Rust | Block::Other => Block::None,
        };
    }
    found
}

/// The part of the documentation that a line belongs to.
#[derive(PartialEq, Eq)]
enum Block {
    None,
    Rust,
    Other,
}

fn is_rust(language: &str) -> bool {
    matches!(
        language,
        "" | "rust" | "no_run" | "rust,no_run" | "should_panic"
    )
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The public types of a file, before its tests: line and name.
fn public_types(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    (1..).zip(lines).filter_map(|(number, line)| {
        let item = line.trim_start().strip_prefix("pub ")?;
        let (kind, rest) = item.split_once(' ')?;
        let is_type = matches!(kind, "struct" | "enum" | "trait" | "type");
        is_type.then(|| (number, names(rest).next().unwrap_or(rest)))
    })
}

fn is_library(name: &str) -> bool {
    !matches!(name, "main.rs" | "options.rs")
}

#[test]
fn every_public_type_is_in_an_example() {
    let found = without_example(&super::sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_type_without_an_example_is_found() {
    let count = |text: &str| {
        let name = "wire/a.rs".to_owned();
        let text = text.to_owned();
        without_example(&[Source { name, text }]).len()
    };
    assert_eq!(count("/// Words about A.\npub struct A;"), 1);
    assert_eq!(
        count("/// ```\n/// let a = A::new();\n/// ```\npub struct A;"),
        0
    );
    assert_eq!(count("/// ```text\n/// A -> x\n/// ```\npub enum A {}"), 1);
    assert_eq!(count("pub trait A {}\npub type B = u8;"), 2);
    assert_eq!(
        count("pub fn f() {}\npub(crate) struct A;\n#[cfg(test)]\npub struct B;"),
        0
    );
    let [example, others] = [
        "//! ```\n//! A::f(); Clike\n//! ```",
        "pub struct A<T>(T);\npub struct C;",
    ];
    let source = |name: &str, text: &str| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let found = without_example(&[source("lib.rs", example), source("wire/b.rs", others)]);
    assert_eq!(found, ["wire/b.rs:2: no example uses `C`"]);
}
