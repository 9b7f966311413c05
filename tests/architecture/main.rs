//! The rules of the project's layout: which room may use which, which crates and
//! system calls only one room may use, no circles of files inside a room, an
//! example for each public type, plain English, and no dead names in the tables
//! of docs/RELIABILITY.md.
//!
//! The rules read the source as text. The compiler checks privacy, but not
//! direction: inside a crate any module may name any other.

mod circles;
mod examples;
mod language;
mod paths;
mod reliability;
mod rules;

use rules::{Source, violations};
use std::path::{Path, PathBuf};

/// The path, and the text, of every Rust file in a folder of this package.
fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                files.push((path, text));
            }
        }
    }
    files
}

/// Every Rust file under src.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files("src").into_iter();
    let mut sources: Vec<Source> = files
        .map(|(path, text)| {
            let name = path.strip_prefix(&root).expect("under src");
            let name = name.to_str().expect("UTF-8").to_owned();
            Source { name, text }
        })
        .collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}

#[test]
fn no_room_uses_what_it_must_not_know() {
    let sources = sources();
    assert!(!sources.is_empty(), "there are sources");
    let found = violations(&sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The rules' complaints about made-up sources.
fn judge(sources: &[(&str, &str)]) -> Vec<String> {
    let source = |&(name, text): &(&str, &str)| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    violations(&sources.iter().map(source).collect::<Vec<_>>())
}

#[track_caller]
fn assert_forbidden(name: &str, text: &str) {
    let found = judge(&[(name, text)]);
    assert_eq!(found.len(), 1, "{name}: {text}: {found:?}");
    assert!(found[0].contains(name), "{found:?}");
}

#[track_caller]
fn assert_allowed(name: &str, text: &str) {
    let found = judge(&[(name, text)]);
    assert!(found.is_empty(), "{name}: {text}: {found:?}");
}

#[test]
fn an_arrow_that_points_the_wrong_way_is_found() {
    assert_forbidden("session.rs", "use crate::reactor::Poll;");
    assert_forbidden("session/mod.rs", "use crate::reactor;");
    assert_forbidden("session/calls.rs", "fn f() { crate::runtime::run(); }");
    assert_forbidden("wire/line.rs", "use crate::{wire::output, sys};");
    assert_forbidden("wire/line.rs", "use crate::{self, sys as system};");
    assert_forbidden("tcp/mod.rs", "pub(crate) use crate::reactor::Token;");
    assert_forbidden("time/wheel.rs", "impl crate::task::Wake for Wheel {}");
    assert_forbidden("sim/net.rs", "type R = <crate::runtime::Runtime as X>::Y;");
}

#[test]
fn an_arrow_through_super_is_found() {
    assert_forbidden("wire/line.rs", "use super::super::sys::read;");
    assert_forbidden("wire/mod.rs", "use super::sys::read;");
    assert_forbidden("wire.rs", "use super::{sys, wire};");
    assert_allowed("wire/line.rs", "use super::sys::read;");
    assert_allowed("wire/line/deep.rs", "use super::super::sys;");
}

#[test]
fn an_arrow_through_the_names_of_lib_rs_is_found() {
    let front = ("lib.rs", "pub use runtime::{run, Options as Choice};");
    let found = judge(&[front, ("node/mod.rs", "use crate::run;")]);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = judge(&[front, ("node/mod.rs", "fn f(_: crate::Choice) {}")]);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = judge(&[front, ("runtime/mod.rs", "use crate::run;")]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_arrow_that_is_drawn_is_allowed() {
    assert_allowed(
        "session/mod.rs",
        "use crate::{node::{Node, calls}, time::Instant};",
    );
    assert_allowed(
        "tcp/connection.rs",
        "use crate::sys; fn f() { crate::tcp::g() }",
    );
    assert_allowed(
        "runtime/turn.rs",
        "use crate::{reactor, session, tcp, sys, wire};",
    );
    assert_allowed("lib.rs", "pub mod time; pub use crate::session::Session;");
}

#[test]
fn comments_strings_and_tests_are_not_arrows() {
    assert_allowed(
        "wire/a.rs",
        "// crate::sys\n/* crate::sys /* nested */ mio::Poll */",
    );
    assert_allowed("wire/a.rs", "/// See [`crate::sys`].\nfn f() {}");
    assert_allowed(
        "wire/a.rs",
        r##"const A: &str = "crate::sys \" mio::Poll";"##,
    );
    assert_allowed(
        "wire/a.rs",
        "const A: &str = r#\"crate::sys \" mio::Poll\"#;",
    );
    assert_allowed(
        "wire/a.rs",
        "#[cfg(test)]\nmod tests { use crate::sys; fn f() { {} } }",
    );
    assert_allowed("wire/a.rs", "#[cfg(test)] use crate::sys::pipe;");
    let file = ("wire/tests.rs", "use crate::sys;");
    let parent = ("wire/mod.rs", "#[cfg(test)]\nmod tests;");
    assert!(judge(&[file, parent]).is_empty());
    let parent = ("wire/mod.rs", "mod tests;");
    assert_eq!(judge(&[file, parent]).len(), 1);
    let file = ("wire/tests/deep.rs", "use crate::sys;");
    let parent = ("wire/mod.rs", "#[cfg(test)]\nmod tests;");
    assert!(judge(&[file, parent]).is_empty());
    let other = ("wire/tests_of_more.rs", "use crate::sys;");
    assert_eq!(judge(&[other, parent]).len(), 1);
}

#[test]
fn the_lab_is_seen_only_by_what_is_compiled_with_it() {
    assert_forbidden("sys/mod.rs", "pub(crate) use crate::lab::Descriptor;");
    assert_forbidden("runtime/mod.rs", "fn f() { crate::lab::kernel::with(g) }");
    let seam = r#"#[cfg(any(test, feature = "lab"))] use crate::lab::Descriptor;"#;
    assert_allowed("sys/mod.rs", seam);
    assert_forbidden("sys/mod.rs", &format!("{seam} use crate::lab::Shape;"));
    // Its files are machinery of tests, so their calls are not judged.
    let file = (
        "lab/kernel/tests.rs",
        "fn f() { rustix::event::poll(a, b) }",
    );
    let parent = r#"#[cfg(any(test, feature = "lab"))] pub mod lab;"#;
    assert!(judge(&[file, ("lib.rs", parent)]).is_empty());
    assert_eq!(judge(&[file, ("lib.rs", "pub mod lab;")]).len(), 1);
}

#[test]
fn the_microscope_is_told_of_moments_by_few_files() {
    let look = "fn f() { look!(crate::microscope::look(Moment::Clock, self.snapshot())); }";
    assert_allowed("runtime/event_loop.rs", look);
    assert_forbidden("runtime/stdin.rs", look);
    assert_forbidden(
        "runtime/event_loop.rs",
        "fn f() { crate::microscope::woken() }",
    );
    let behind = format!("{look} use crate::microscope::Moment;");
    assert_forbidden("runtime/event_loop.rs", &behind);
}

#[test]
fn a_system_call_outside_its_file_is_found() {
    assert_allowed("sys/descriptor.rs", "fn f() { rustix::io::read(a, b); }");
    assert_forbidden("sys/input.rs", "fn f() { rustix::io::read(a, b); }");
    assert_forbidden("sys/socket.rs", "use rustix::net::{AddressFamily, send};");
    assert_forbidden("sys/access.rs", "use rustix::event::poll;");
    assert_allowed("sys/access.rs", "use rustix::event::{PollFlags, epoll};");
    assert_forbidden("reactor/mod.rs", "use mio::{Interest, Poll};");
    assert_forbidden("reactor/slot.rs", "fn f() { mio::unix::SourceFd(&fd); }");
}

#[test]
fn code_after_a_lifetime_a_char_or_a_test_is_still_read() {
    assert_forbidden("wire/a.rs", "fn f<'a>(_: &'a str) { crate::sys::read() }");
    assert_forbidden(
        "wire/a.rs",
        "const Q: char = '\"'; use crate::sys; const P: char = '\"';",
    );
    assert_forbidden("wire/a.rs", r"const Q: char = '\''; use crate::sys;");
    assert_forbidden(
        "wire/a.rs",
        "#[cfg(test)] mod tests { fn f() {} } use crate::sys;",
    );
    assert_forbidden("wire/a.rs", "#[cfg(not(test))] use crate::sys;");
    let not_lab = r#"#[cfg(not(any(test, feature = "lab")))] use crate::sys;"#;
    assert_forbidden("wire/a.rs", not_lab);
}

#[test]
fn a_room_that_is_not_on_the_plan_is_found() {
    assert_forbidden("cellar/mod.rs", "fn f() {}");
    assert_forbidden("wire/a.rs", "use crate::cellar::wine;");
}

#[test]
fn the_binary_uses_the_library_from_outside() {
    assert_allowed(
        "main.rs",
        "use eddyline::{Node, Request}; use serde_json::Value;",
    );
    assert_forbidden("main.rs", "use crate::session::Session;");
    assert_forbidden("main.rs", "use mio::Poll;");
    let main = ("main.rs", "mod options; use options::Options;");
    let found = judge(&[
        main,
        ("options.rs", "use crate::options; use eddyline::run;"),
    ]);
    assert!(found.is_empty(), "{found:?}");
    let found = judge(&[main, ("options.rs", "use crate::session;")]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_crate_outside_its_room_is_found() {
    assert_allowed("reactor/poller.rs", "use mio::{Events, Poll};");
    assert_allowed("runtime/mod.rs", "fn f(_: mio::Token) {}");
    assert_forbidden("tcp/listener.rs", "use mio::Interest;");
    assert_forbidden("session/mod.rs", "fn f(_: ::mio::Token) {}");
    assert_allowed("sys/descriptor.rs", "use rustix::net::{bind, listen};");
    assert_forbidden("tcp/listener.rs", "use rustix::net;");
    assert_forbidden("reactor/poll.rs", "use rustix as raw;");
    assert_allowed("protocol/body.rs", "use serde_json::value::RawValue;");
    assert_forbidden("wire/output.rs", "use serde_json::to_writer;");
    assert_forbidden("runtime/mod.rs", "serde_json::from_str(line)");
}

#[test]
fn the_real_clock_outside_its_file_is_found() {
    assert_allowed("time/clock.rs", "use std::time::{Instant, SystemTime};");
    assert_allowed(
        "session/mod.rs",
        "use std::time::Duration; use crate::time::Instant;",
    );
    assert_forbidden("time/wheel.rs", "use std::time::{Duration, Instant};");
    assert_forbidden("session/mod.rs", "let now = std::time::SystemTime::now();");
    assert_forbidden("runtime/mod.rs", "use std::time;");
    assert_forbidden("runtime/mod.rs", "use std::time::*;");
}

#[test]
fn the_standard_library_s_sockets_and_streams_are_found() {
    assert_allowed("sys/socket.rs", "use std::net::{IpAddr, SocketAddr};");
    assert_forbidden("sys/socket.rs", "use std::net::{SocketAddr, TcpStream};");
    assert_forbidden("tcp/listener.rs", "use std::net; ");
    assert_forbidden("tcp/listener.rs", "let l = net::TcpListener::bind(a);");
    assert_forbidden("runtime/mod.rs", "use std::net::*;");
    assert_forbidden("runtime/mod.rs", "use mio::net::UnixStream;");
    assert_allowed(
        "runtime/mod.rs",
        "use std::io::{self, Result}; let e = io::stderr();",
    );
    assert_forbidden("runtime/mod.rs", "let input = io::stdin();");
    assert_forbidden("runtime/mod.rs", "use std::io::{self, stdout};");
    assert_forbidden("main.rs", "let out = std::io::stdout().lock();");
}

#[test]
fn a_room_that_opens_files_or_starts_programs_is_found() {
    assert_allowed("main.rs", "use std::process::ExitCode;");
    assert_forbidden("session/mod.rs", "use std::fs;");
    assert_forbidden("main.rs", "let f = std::fs::File::open(name);");
    assert_forbidden("node/mod.rs", "use std::process::{ExitCode, Command};");
    assert_forbidden("runtime/mod.rs", "use std::process;");
    assert_forbidden("main.rs", "process::Command::new(name).spawn()");
}

#[test]
fn a_file_that_cannot_be_read_in_one_sitting_is_found() {
    assert_allowed("wire/a.rs", &"\n".repeat(600));
    assert_forbidden("wire/a.rs", &"\n".repeat(601));
}
