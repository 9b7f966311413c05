//! The code of an event: which function runs, and which of its lines.
//!
//! The source is embedded, and a line is found by its text. So a line that moves takes
//! its events along, and a test finds a text that no line has any more.

use serde_json::{Value, json};

/// The file whose functions are the steps of the turn.
const FILE: &str = "src/runtime/event_loop.rs";
const SOURCE: &str = include_str!("../runtime/event_loop.rs");

/// The functions that are shown.
const FUNCTIONS: [&str; 8] = [
    "turn",
    "wait",
    "deliver",
    "expire",
    "run_tasks",
    "advance_to_the_end",
    "flush",
    "close_finished",
];

/// The function and the text of the line that an event runs.
fn text(kind: &str, about: &Value, step: &str) -> (&'static str, &'static str) {
    match (kind, step) {
        ("park", _) => ("wait", "self.has_tasks_or_parks()"),
        ("wait", _) => ("wait", "self.reactor.wait(timeout)"),
        ("clock", _) => ("turn", "self.clock.now()"),
        ("served" | "line" | "polled" | "asked", "deliver") => ("deliver", source(about)),
        ("fired" | "cascade", _) => ("expire", "self.session.expire(due_by)"),
        ("held back", _) => ("expire", "self.looks.due_by("),
        ("polled" | "line" | "asked", "tasks") => ("run_tasks", "self.session.run_tasks("),
        ("phase", _) => ("advance_to_the_end", "self.enter(next)"),
        ("closed", _) => ("close_finished", ".close_finished("),
        _ => ("flush", "self.outputs.flush("),
    }
}

/// The arm of `deliver` that serves a source.
fn source(about: &Value) -> &'static str {
    let name = about["name"].as_str().unwrap_or("stdin");
    match name.split(' ').next() {
        Some("listener") => "Source::Listener(_)",
        Some("connection") => "Source::Connection(",
        Some("exchange") => "Source::Exchange(send)",
        _ => "Source::Stdin(_)",
    }
}

/// The function that runs, and its line from 0.
pub(super) fn place(kind: &str, about: &Value, step: &str) -> (String, usize) {
    let (function, text) = text(kind, about, step);
    let lines = body(function).map(|(_, lines)| lines).unwrap_or_default();
    let line = lines.iter().position(|line| line.contains(text));
    (function.to_owned(), line.unwrap_or(0))
}

/// Where a function begins, from 1, and its lines, without those of the microscope.
fn body(function: &str) -> Option<(usize, Vec<&'static str>)> {
    let head = format!("fn {function}(");
    let mut lines = SOURCE.lines().enumerate().skip_while(|(_, line)| {
        let is_head = line
            .trim_start()
            .trim_start_matches("pub(crate) ")
            .starts_with(&head);
        !is_head
    });
    let (first, head) = lines.next()?;
    let mut found = vec![head];
    let mut is_look = false;
    for (_, line) in lines {
        is_look |= line.trim_start().starts_with("look!(");
        if !is_look {
            found.push(line.strip_prefix("    ").unwrap_or(line));
        }
        is_look &= !line.trim_end().ends_with(");");
        if line == "    }" {
            break;
        }
    }
    if let Some(head) = found.first_mut() {
        *head = head.strip_prefix("    ").unwrap_or(head);
    }
    Some((first + 1, found))
}

/// The functions, for the page.
pub(super) fn functions() -> Value {
    let mut functions = json!({});
    for name in FUNCTIONS {
        if let Some((first_line, lines)) = body(name) {
            functions[name] = json!({
                "file": FILE, "first_line": first_line, "text": lines.join("\n"),
            });
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_its_line() {
        let sources = ["stdin", "listener", "connection 5", "exchange 6"];
        let served = sources.map(|name| ("served", json!({ "name": name }), "deliver"));
        let others = [
            ("park", "wait"),
            ("wait", "wait"),
            ("clock", "clock"),
            ("fired", "expire"),
            ("held back", "expire"),
            ("polled", "tasks"),
            ("phase", "phase"),
            ("closed", "close"),
            ("flushed", "flush"),
        ];
        let others = others.map(|(kind, step)| (kind, json!({}), step));
        for (kind, about, step) in served.into_iter().chain(others) {
            let (function, text) = text(kind, &about, step);
            let (_, lines) = body(function).expect(function);
            assert!(
                lines.iter().any(|line| line.contains(text)),
                "{function}: {text}"
            );
            assert!(
                !lines.iter().any(|line| line.contains("look!")),
                "{function}"
            );
        }
    }
}
