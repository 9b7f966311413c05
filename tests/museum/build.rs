//! Copies the library's rooms, and plants the bugs of `mutants/` in them.
//!
//! A planted text is `if crate::has("bug") { new } else { old }`. So what a mutant replaces
//! is an expression or whole statements.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "src/mutant.rs"]
mod mutant;

/// The rooms and files that the loop does not need.
const LEFT_OUT: [&str; 18] = [
    "bench_command",
    "call_command",
    "check_command",
    "client",
    "command_line",
    "diagram",
    "guide",
    "harness",
    "inside",
    "lib",
    "main",
    "options",
    "serve_command",
    "sim",
    "test_command",
    "values",
    "watch",
    "workload",
];

fn main() {
    let source = Path::new("../../src");
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap());
    println!("cargo:rerun-if-changed=../../src");
    println!("cargo:rerun-if-changed=mutants");
    for feature in ["lab", "microscope"] {
        println!("cargo:rustc-cfg=feature=\"{feature}\"");
    }
    let mut files = BTreeMap::new();
    let mut rooms = String::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().unwrap().to_str().unwrap();
        if !LEFT_OUT.contains(&room) {
            read(&path, &mut files);
            rooms += &format!("pub mod {room};\n");
        }
    }
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
    fs::write(out.join("rooms.rs"), rooms).unwrap();
}

type Files = BTreeMap<PathBuf, String>;

/// Reads a file, or all files of a folder.
fn read(path: &Path, files: &mut Files) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read(&entry.unwrap().path(), files);
        }
    } else {
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
