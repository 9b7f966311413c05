//! Copies the library's rooms, and plants the bugs of `mutants/` in them.
//!
//! A planted text is `if crate::has("bug") { new } else { old }`. So what a mutant replaces
//! is an expression or whole statements.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "src/mutant.rs"]
mod mutant;

/// The rooms that the loop needs.
const ROOMS: [&str; 15] = [
    "client",
    "engine",
    "lab",
    "memory",
    "microscope",
    "node",
    "protocol",
    "random",
    "reactor",
    "runtime",
    "session",
    "source",
    "sys",
    "task",
    "tcp",
];
const MORE_ROOMS: [&str; 2] = ["time", "wire"];

fn main() {
    let source = Path::new("../../src");
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap());
    println!("cargo:rerun-if-changed=../../src");
    println!("cargo:rerun-if-changed=mutants");
    for feature in ["lab", "microscope"] {
        println!("cargo:rustc-cfg=feature=\"{feature}\"");
    }
    let mut files = BTreeMap::new();
    let rooms = || ROOMS.into_iter().chain(MORE_ROOMS);
    for room in rooms() {
        read(&source.join(format!("{room}.rs")), &mut files);
        read(&source.join(room), &mut files);
    }
    // Maelstrom's services need the workloads, which are no part of the loop.
    let clients = text(&mut files, "client/mod.rs");
    let lines = clients.lines().filter(|line| !line.contains("services"));
    *clients = lines.map(|line| format!("{line}\n")).collect();
    for mutant in mutant::all(Path::new("mutants")) {
        plant(&mutant, &mut files);
    }
    // The microscope shows the loop's own source.
    let turn = fs::read_to_string(source.join("runtime/event_loop.rs")).unwrap();
    files.insert("turn_as_it_is.rs".into(), turn.into());
    let code = text(&mut files, "microscope/code.rs");
    *code = code.replace("../runtime/event_loop.rs", "../turn_as_it_is.rs");
    for (path, content) in files {
        let path = out.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let items: Vec<String> = rooms().map(|room| format!("pub mod {room};\n")).collect();
    fs::write(out.join("rooms.rs"), items.concat()).unwrap();
}

type Files = BTreeMap<PathBuf, String>;

/// Reads a file, or all files of a folder.
fn read(path: &Path, files: &mut Files) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read(&entry.unwrap().path(), files);
        }
    } else if path.exists() {
        let name = path.strip_prefix("../../src").unwrap().to_owned();
        files.insert(name, fs::read_to_string(path).unwrap());
    }
}

fn text<'a>(files: &'a mut Files, path: &str) -> &'a mut String {
    let found = files.get_mut(Path::new(path));
    found.unwrap_or_else(|| panic!("there is no {path}"))
}

fn plant(mutant: &mutant::Mutant, files: &mut Files) {
    for change in &mutant.changes {
        let content = text(files, change.file.strip_prefix("src/").unwrap());
        let Some(old) = &change.old else {
            content.push_str(&change.new);
            continue;
        };
        let (name, new) = (&mutant.name, &change.new);
        let count = content.matches(old.as_str()).count();
        assert!(
            count == 1,
            "{name}: this text is {count} times in {}, not once:\n{old}",
            change.file
        );
        let bare = |text: &str| text.trim_end_matches(',').to_owned();
        let comma = if old.ends_with(',') { "," } else { "" };
        let (new, kept) = (bare(new), bare(old));
        let planted = format!("if crate::has({name:?}) {{ {new} }} else {{ {kept} }}");
        let planted = match kept.ends_with([';', '}']) {
            true => planted,
            false => format!("({planted}){comma}"),
        };
        *content = content.replacen(old.as_str(), &planted, 1);
    }
}
