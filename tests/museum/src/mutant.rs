//! A mutant as a text file: why it is wrong, the fact that it forgets, the sign by which
//! a test finds it, and its changes.
//!
//! ```text
//! # A sentence or more about the bug.
//! exhibit = exhibit-03
//! fact = edges
//! sign = what shows in the recording
//! @@ file src/runtime/stdin.rs
//! @@ replace
//! the old text
//! @@ with
//! the new text
//! ```

use std::fs;
use std::path::Path;

/// A planted bug.
pub struct Mutant {
    pub name: String,
    /// Why it is wrong, told when the fact was named.
    pub why: String,
    pub exhibit: String,
    /// The key of the fact.
    pub fact: String,
    /// How it shows in the recording. `tests/museum.rs` looks for it.
    pub sign: String,
    pub changes: Vec<Change>,
}

/// A change of a file.
pub struct Change {
    pub file: String,
    /// The text that goes; `None` if the new one is put at the end of the file.
    pub old: Option<String>,
    pub new: String,
}

/// All mutants in a folder, by their exhibits.
pub fn all(folder: &Path) -> Vec<Mutant> {
    let entries = fs::read_dir(folder).expect("a folder of mutants");
    let mut mutants: Vec<Mutant> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy();
            parse(&name, &fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    mutants.sort_by(|one, other| one.exhibit.cmp(&other.exhibit));
    mutants
}

fn parse(name: &str, text: &str) -> Mutant {
    let mut mutant = Mutant {
        name: name.to_owned(),
        why: String::new(),
        exhibit: String::new(),
        fact: String::new(),
        sign: String::new(),
        changes: Vec::new(),
    };
    let mut file = String::new();
    let mut old: Option<String> = None;
    for part in format!("\n{text}").split("\n@@ ") {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        match head.split_once(' ').unwrap_or((head, "")) {
            ("file", path) => file = path.to_owned(),
            ("replace", _) => old = Some(body.trim_end_matches('\n').to_owned()),
            ("with", _) => mutant.changes.push(Change {
                file: file.clone(),
                old: old.take(),
                new: body.trim_end_matches('\n').to_owned(),
            }),
            ("append", path) => mutant.changes.push(Change {
                file: path.to_owned(),
                old: None,
                new: body.trim_end_matches('\n').to_owned(),
            }),
            _ => read_head(&mut mutant, part),
        }
    }
    mutant
}

fn read_head(mutant: &mut Mutant, head: &str) {
    for line in head.lines() {
        match (line.strip_prefix("# "), line.split_once(" = ")) {
            (Some(text), _) => mutant.why = format!("{} {text}", mutant.why).trim().to_owned(),
            (None, Some(("exhibit", name))) => mutant.exhibit = name.to_owned(),
            (None, Some(("sign", text))) => mutant.sign = text.to_owned(),
            (None, Some(("fact", key))) => mutant.fact = key.to_owned(),
            _ => {}
        }
    }
}
