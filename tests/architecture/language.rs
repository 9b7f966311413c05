//! Comments, documents, texts and names are in plain English.
//!
//! The rule keeps out two habits that make technical prose hard to read. A person
//! as the subject of a sentence about a machine ("whoever reads stdout" is "the
//! reader of stdout"), and a documentation comment that opens with "What" instead
//! of a noun ("What a turn leaves" is "Sources that a turn leaves").

use std::path::Path;

/// Words that have no place in the project.
const WORDS: [&str; 6] = ["who", "whom", "whoever", "nobody", "somebody", "anew"];

/// How a documentation comment must not begin.
const OPENINGS: [&str; 2] = ["What ", "What's "];

/// Lines that may use one of the words, because they are about a person or quote
/// another project: the file and a part of the line.
const ALLOWED: &[(&str, &str)] = &[];

/// This file, which has to name the words.
const RULE: &str = "tests/architecture/language.rs";

/// Folders that are made by tools, test inputs that tools found, and the copies of a
/// reader of the book.
const NOT_READ: [&str; 8] = [
    ".git",
    "target",
    "book/html",
    "book/mine",
    "node_modules",
    "corpora",
    "corpus",
    "artifacts",
];

const ENDINGS: [&str; 8] = ["rs", "md", "sh", "toml", "html", "js", "mjs", "svg"];

/// Files without an ending that are read too.
const NAMES: [&str; 3] = ["justfile", "run", "soak"];

/// The files of the project that people read: name and text.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_str().expect("UTF-8");
            if path.is_dir() {
                if !NOT_READ.iter().any(|end| path.ends_with(end)) {
                    folders.push(path);
                }
                continue;
            }
            let is_read = match name.rsplit_once('.') {
                Some((_, ending)) => ENDINGS.contains(&ending),
                None => NAMES.contains(&name),
            };
            if is_read {
                let text = std::fs::read_to_string(&path).expect("a text");
                let name = path.strip_prefix(root).expect("a path of the package");
                files.push((name.to_str().expect("UTF-8").to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The lines of a file that break the rule.
fn complaints(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_in_doc = false;
    for (number, line) in (1..).zip(text.lines()) {
        let is_allowed = |&(file, part): &(&str, &str)| file == name && line.contains(part);
        let mut complain = |habit: &str| {
            if !ALLOWED.iter().any(is_allowed) {
                found.push(format!("{name}:{number}: \"{habit}\" in: {}", line.trim()));
            }
        };
        // `_` does not belong to a word, so the rule holds for names as well.
        let words = line.split(|c: char| !c.is_alphabetic());
        for word in words.filter(|word| WORDS.contains(&word.to_lowercase().as_str())) {
            complain(word);
        }
        let doc = doc_comment(name, line);
        if let Some(doc) = doc
            && !is_in_doc
            && let Some(opening) = OPENINGS.iter().find(|opening| doc.starts_with(**opening))
        {
            complain(opening);
        }
        is_in_doc = doc.is_some();
    }
    found
}

/// The text of a line of a documentation comment.
fn doc_comment<'a>(name: &str, line: &'a str) -> Option<&'a str> {
    let line = line.trim_start();
    let doc = line.strip_prefix("///").or(line.strip_prefix("//!"))?;
    name.ends_with(".rs").then_some(doc.trim_start())
}

#[test]
fn no_file_has_the_habits_of_bad_prose() {
    let files = files();
    for name in [RULE, "book/src/introduction.md", "docs/microscope.html"] {
        assert!(files.iter().any(|(read, _)| read == name), "{name}");
    }
    let judged = files.iter().filter(|(name, _)| name != RULE);
    let found: Vec<String> = judged
        .flat_map(|(name, text)| complaints(name, text))
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_person_as_the_subject_is_found() {
    let count = |line: &str| complaints("a.rs", line).len();
    assert_eq!(count("// Whoever reads stdout is behind."), 1);
    assert_eq!(count("/// The node whom it calls, and who answers."), 2);
    assert_eq!(count("fn a_pipe_that_nobody_reads() {"), 1);
    assert_eq!(count("\"somebody has closed it\""), 1);
    assert_eq!(count("// Everything is measured anew."), 1);
    assert_eq!(count("// The whole of it; whose it is; renewed."), 0);
    let number = &complaints("docs/a.md", "\n\nSay who\n")[0];
    assert!(number.starts_with("docs/a.md:3:"), "{number}");
}

#[test]
fn a_documentation_comment_that_opens_with_what_is_found() {
    let count = |text: &str| complaints("a.rs", text).len();
    assert_eq!(count("/// What a turn leaves."), 1);
    assert_eq!(count("//! What a turn leaves.\n//! What it takes."), 1);
    assert_eq!(count("/// A turn.\n/// What it takes."), 0);
    assert_eq!(count("/// A.\nfn a() {}\n\n    /// What b takes."), 1);
    assert_eq!(count("// What a turn leaves."), 0);
    assert_eq!(complaints("a.md", "/// What a turn leaves.").len(), 0);
}
