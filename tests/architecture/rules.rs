//! The rooms, the arrows between them, and the code that breaks the rules.

use crate::paths::{Contents, NamedPath, contents};
use std::collections::{BTreeMap, BTreeSet};

/// A source file. Its name is the path below src.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Each room and the rooms that it may use besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("sys", &[]),
    ("time", &[]),
    ("random", &[]),
    ("memory", &[]),
    ("notices", &["time"]),
    ("wire", &["memory"]),
    ("protocol", &[]),
    ("task", &[]),
    ("diagram", &["protocol"]),
    ("reactor", &["source"]),
    ("tcp", &["source", "sys"]),
    (
        "node",
        &[
            "memory", "notices", "protocol", "random", "task", "time", "wire",
        ],
    ),
    (
        "session",
        &[
            "node", "notices", "protocol", "random", "task", "time", "wire",
        ],
    ),
    (
        "sim",
        &[
            "diagram", "session", "workload", "node", "protocol", "random", "time", "wire",
        ],
    ),
    ("workload", &["protocol", "random"]),
    ("engine", &["notices", "protocol", "random", "time", "wire"]),
    ("carrier", &["engine", "reactor", "source", "sys", "time"]),
    (
        "client",
        &[
            "carrier", "engine", "notices", "protocol", "random", "reactor", "sys", "time", "wire",
            "workload",
        ],
    ),
    (
        "harness",
        &[
            "carrier", "client", "diagram", "engine", "notices", "workload", "reactor", "source",
            "sys", "protocol", "random", "time", "wire",
        ],
    ),
    ("runtime", EVERYTHING),
    ("command_line", &["engine", "node", "protocol", "runtime"]),
    // Machinery of tests. No room may use it but in items that are compiled where
    // it is: `cfg(test)`, or `cfg(any(test, feature = "lab"))`.
    ("lab", EVERYTHING_AND_RUNTIME),
    // The same for its feature. Other files tell it of moments by the macro `look!`.
    ("microscope", EVERYTHING_AND_RUNTIME),
    // Documentation only.
    ("guide", &[]),
    ("inside", &[]),
];

const EVERYTHING: &[&str] = &[
    "source", "sys", "time", "random", "memory", "wire", "protocol", "task", "reactor", "tcp",
    "node", "session", "sim", "workload", "diagram", "harness", "engine", "carrier", "notices",
];

const EVERYTHING_AND_RUNTIME: &[&str] = &[
    "source", "sys", "time", "random", "memory", "wire", "protocol", "task", "reactor", "tcp",
    "node", "session", "sim", "workload", "diagram", "harness", "engine", "carrier", "notices",
    "runtime",
];

/// Crates that only some rooms may know.
const CRATES: [(&str, &[&str]); 5] = [
    ("mio", &["reactor", "runtime"]),
    ("ring", &["engine"]),
    ("rustls", &["engine"]),
    ("rustix", &["sys"]),
    (
        "serde_json",
        &[
            "protocol", "node", "session", "sim", "workload", "harness", "engine", "client", "main",
        ],
    ),
];

/// The files that may call the macro `look!`: a learner reads the others without it.
const LOOKED_AT: [&str; 4] = [
    "reactor/mod.rs",
    "runtime/event_loop.rs",
    "session/host.rs",
    "session/mod.rs",
];

/// Calls on sockets, as rustix names them.
const SOCKET_CALLS: [&str; 10] = [
    "accept_with",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "listen",
    "recv",
    "send",
    "shutdown",
    "socket_with",
];

/// A file is one idea and is read in one sitting. clippy.toml has the caps that
/// matter more: branches and nesting of a function.
const LINES_MAX: usize = 600;

pub(crate) fn violations(sources: &[Source]) -> Vec<String> {
    let contents: Vec<Contents> = sources.iter().map(|s| contents(&s.text)).collect();
    let front = front(sources, &contents);
    let test_files = test_files(sources, &contents);
    let of_the_binary = of_the_binary(sources, &contents);
    let mut found = Vec::new();
    for (source, contents) in sources.iter().zip(&contents) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{}: {lines} lines, over {LINES_MAX}", source.name));
        }
        if test_files.iter().any(|test| test.covers(&source.name)) {
            continue;
        }
        let mut file = File::new(&source.name);
        if of_the_binary.contains(file.room) && !is_room(file.room) {
            file.room = "main";
        }
        if !file.is_on_the_plan() {
            found.push(format!(
                "{}: the room `{}` has no arrows; draw them first",
                source.name, file.room
            ));
            continue;
        }
        for line in &contents.looks {
            if !LOOKED_AT.contains(&file.name) {
                let Source { name, .. } = source;
                found.push(format!(
                    "{name}:{line}: `look!` belongs in {LOOKED_AT:?} only"
                ));
            }
        }
        for path in &contents.paths {
            let complaint = file
                .arrow(path, &front)
                .or_else(|| file.foreign_crate(path))
                .or_else(|| file.standard_library(path))
                .or_else(|| file.seam(path));
            if let Some(complaint) = complaint {
                let Source { name, .. } = source;
                found.push(format!("{name}:{}: {complaint}", path.line));
            }
        }
    }
    found
}

/// The names that lib.rs re-exports, each with its room. A file that uses such a
/// name uses the room.
fn front(sources: &[Source], contents: &[Contents]) -> BTreeMap<String, String> {
    let lib = sources.iter().position(|source| source.name == "lib.rs");
    let paths = lib.map_or(&[][..], |at| &contents[at].paths);
    let mut front = BTreeMap::new();
    for path in paths {
        let mut segments = &path.segments[..];
        if matches!(segments[0].as_str(), "crate" | "self") {
            segments = &segments[1..];
        }
        if let [room, .., last] = segments
            && is_room(room)
        {
            let name = path.alias.as_ref().unwrap_or(last);
            front.insert(name.clone(), room.clone());
        }
    }
    front
}

/// Modules of the binary itself.
fn of_the_binary(sources: &[Source], contents: &[Contents]) -> BTreeSet<String> {
    let main = sources.iter().position(|source| source.name == "main.rs");
    main.map_or_else(BTreeSet::new, |at| contents[at].modules.clone())
}

/// A module that is compiled for tests only, by its path from src on.
struct TestModule(String);

impl TestModule {
    /// Whether a file belongs to the module, or to a module inside it.
    fn covers(&self, file: &str) -> bool {
        let rest = file.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

fn test_files(sources: &[Source], contents: &[Contents]) -> Vec<TestModule> {
    let mut files = Vec::new();
    for (source, contents) in sources.iter().zip(contents) {
        let parent = File::new(&source.name).module.join("/");
        for module in &contents.test_modules {
            let path = format!("{parent}/{module}");
            files.push(TestModule(path.trim_start_matches('/').to_owned()));
        }
    }
    files
}

fn is_room(name: &str) -> bool {
    ARROWS.iter().any(|(room, _)| *room == name)
}

/// The place of a file in the crate.
struct File<'a> {
    name: &'a str,
    /// The path of the file's module inside the crate.
    module: Vec<&'a str>,
    /// The first segment of the module's path; `lib` and `main` for the two roots.
    room: &'a str,
}

impl File<'_> {
    fn new(name: &str) -> File<'_> {
        let stem = name.trim_end_matches(".rs");
        let is_root = matches!(stem, "lib" | "main");
        let module: Vec<&str> = match stem.trim_end_matches("/mod") {
            _ if is_root => Vec::new(),
            stem => stem.split('/').collect(),
        };
        let room = module.first().copied().unwrap_or(stem);
        File { name, module, room }
    }

    fn is_on_the_plan(&self) -> bool {
        matches!(self.room, "lib" | "main") || is_room(self.room)
    }

    fn arrow(&self, path: &NamedPath, front: &BTreeMap<String, String>) -> Option<String> {
        let target = self.inside_the_crate(path)?;
        if self.room == "main" {
            let complaint = "the binary uses the library as `eddyline::` only";
            return is_room(target).then(|| complaint.to_owned());
        }
        // A macro or a nested module's own name is no room. A name that lib.rs
        // re-exports stands for its room.
        let room = front.get(target).map_or(target, String::as_str);
        let allowed = match ARROWS.iter().find(|(from, _)| *from == self.room) {
            Some((_, allowed)) => *allowed,
            None => return None,
        };
        if room == self.room || allowed.contains(&room) {
            return None;
        }
        let known = is_room(room);
        let why = if known {
            "must not know"
        } else {
            "finds no room"
        };
        Some(format!("`{}` {why} `{room}`", self.room))
    }

    /// The first segment behind the crate's root, if the path leads there.
    fn inside_the_crate<'p>(&self, path: &'p NamedPath) -> Option<&'p str> {
        let segments = &path.segments;
        let supers = segments.iter().take_while(|s| *s == "super").count();
        let at_root = match segments[0].as_str() {
            "crate" => 1,
            _ if supers > 0 && supers == self.module.len() => supers,
            _ => return None,
        };
        // `crate` alone stands in visibilities and in `use crate::{self}`.
        let target = segments.get(at_root)?;
        (target != "self").then_some(target)
    }

    fn foreign_crate(&self, path: &NamedPath) -> Option<String> {
        let (name, rooms) = CRATES.iter().find(|(name, _)| path.starts_with(&[name]))?;
        // A lone word may be anything: a variable, a field, a module.
        let is_alone = path.segments.len() == 1 && path.alias.is_none();
        if is_alone || rooms.contains(&self.room) {
            return None;
        }
        Some(format!("`{name}` belongs in {rooms:?} only"))
    }

    /// The simulated kernel replaces two files: the one of the calls on
    /// descriptors and the one of epoll. Such a call elsewhere would miss the
    /// tests' faults.
    fn seam(&self, path: &NamedPath) -> Option<String> {
        let names = |module: &[&str], names: &[&str]| {
            let rest = path
                .starts_with(module)
                .then(|| &path.segments[module.len()..]);
            rest.is_some_and(|rest| {
                rest.first()
                    .is_some_and(|name| names.contains(&name.as_str()))
            })
        };
        let calls = names(&["rustix", "io"], &["read", "write"])
            || names(&["rustix", "event"], &["poll"])
            || names(&["rustix", "net"], &SOCKET_CALLS);
        if calls && self.name != "sys/descriptor.rs" {
            return Some("calls on a descriptor go through `sys/descriptor.rs`".to_owned());
        }
        let polls = names(&["mio"], &["Poll", "Events"]) || names(&["mio", "unix"], &["SourceFd"]);
        if polls && self.name != "reactor/poller.rs" {
            return Some("epoll is asked through `reactor/poller.rs`".to_owned());
        }
        None
    }

    fn standard_library(&self, path: &NamedPath) -> Option<String> {
        const HIDES: [&str; 2] = ["self", "*"];
        let is_whole = |module: &str| {
            let prefix = ["std", module];
            let rest = path.starts_with(&prefix).then(|| &path.segments[2..])?;
            let hides = rest.iter().all(|s| HIDES.contains(&s.as_str()));
            hides.then_some(())
        };
        let names_clock = ["Instant", "SystemTime"]
            .iter()
            .any(|clock| path.starts_with(&["std", "time", clock]));
        if self.name != "time/clock.rs" && (names_clock || is_whole("time").is_some()) {
            return Some("time enters through `time/clock.rs` only".to_owned());
        }
        let names_socket = ["TcpStream", "TcpListener", "UdpSocket"]
            .iter()
            .any(|socket| path.contains(&["net", socket]));
        let is_mio = path.starts_with(&["mio", "net"]);
        if names_socket || is_mio || is_whole("net").is_some() {
            return Some("sockets are made by `sys`, from system calls".to_owned());
        }
        let names_stream = ["stdin", "stdout", "Stdin", "Stdout"]
            .iter()
            .any(|stream| path.contains(&["io", stream]));
        let starts_programs =
            path.contains(&["process", "Command"]) || is_whole("process").is_some();
        // A failed simulation may write its trace to a file. It runs in a test,
        // where no message comes from outside.
        // A run's files are written by `harness/store`, and histories are read there.
        // The measure of a node's process stands in /proc, under its number. A secret is read
        // before the protocol begins.
        let is_command_line = self.room == "command_line";
        let may_open = is_command_line
            || self.room == "sim"
            || self.name.starts_with("harness/store/")
            || self.name == "sys/usage.rs";
        let opens_files = path.starts_with(&["std", "fs"]) && !may_open;
        // The nodes of a test are programs that its command line names.
        let may_start = ["sys/child.rs", "sys/keeper.rs"].contains(&self.name);
        let starts_programs = starts_programs && !may_start;
        if opens_files || starts_programs {
            return Some("no message may lead to a file or a program".to_owned());
        }
        // The options are read, and answered, before the protocol begins.
        if names_stream && self.name != "options.rs" && !is_command_line {
            return Some("stdin and stdout belong to the protocol".to_owned());
        }
        None
    }
}

#[test]
fn no_rooms_form_a_circle() {
    // A room whose arrows all lead to rooms that are done is done as well.
    let mut left: Vec<_> = ARROWS.to_vec();
    let mut done: Vec<&str> = Vec::new();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(room, arrows)| {
            let is_done = arrows.iter().all(|to| done.contains(to));
            if is_done {
                done.push(room);
            }
            !is_done
        });
        assert!(left.len() < before, "these rooms form a circle: {left:?}");
    }
}

#[test]
fn the_architecture_page_has_each_room() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    let missing: Vec<&str> = (ARROWS.iter().map(|(room, _)| *room))
        .filter(|room| !page.contains(&format!("\n| `{room}` | ")))
        .collect();
    assert!(missing.is_empty(), "no row for the rooms {missing:?}");
}
