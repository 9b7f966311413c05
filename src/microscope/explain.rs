//! A recording as text, for the terminal.

use super::patch::apply;
use super::recording::Recording;
use super::sentence::thousands;
use serde_json::Value;
use std::fmt::Write as _;

/// Renders a recording: a heading for each turn, and a line or two for each event, with
/// what stands in the queue, the carry-over list, the wheel and the tasks afterwards.
///
/// ```
/// let recording = eddyline::microscope::record("echo").expect("it is one of `NAMES`");
/// let text = eddyline::microscope::explain(&recording);
/// assert!(text.contains("turn 1"));
/// ```
pub fn explain(recording: &Recording) -> String {
    let mut text = format!("{}\n{}\n", recording.title, recording.about);
    let mut state = Value::Null;
    let mut turn = 0;
    for event in &recording.events {
        if event.turn != turn {
            turn = event.turn;
            let _never_fails = writeln!(text, "\nturn {turn}, at {} ms", event.at);
        }
        let before = summary(&state);
        apply(&mut state, &event.set);
        let after = summary(&state);
        let at = event.at.as_f64().unwrap_or(0.0);
        let _never_fails = writeln!(text, "  {at:9.3} {:8} {}", event.step, event.text);
        if before != after && !after.is_empty() {
            let _never_fails = writeln!(text, "            [{after}]");
        }
    }
    if !recording.outcome.is_empty() {
        text.push_str("\nIn the end\n");
    }
    for sentence in &recording.outcome {
        let _never_fails = writeln!(text, "  {sentence}");
    }
    text
}

/// The parts of the state that change most.
fn summary(state: &Value) -> String {
    let mut parts = Vec::new();
    let name = |slot: &Value| {
        let slot = slot.as_str().unwrap_or_default();
        let name = state["reactor"]["slots"][slot]["name"].as_str();
        name.unwrap_or(slot).to_owned()
    };
    let queue: Vec<String> = array(&state["reactor"]["queue"]).map(name).collect();
    if !queue.is_empty() {
        parts.push(format!("queue: {}", queue.join(", ")));
    }
    let carried = array(&state["reactor"]["carried"]);
    let carried: Vec<String> = carried
        .map(|entry| {
            format!(
                "{} ({})",
                name(&entry[0]),
                entry[1].as_str().unwrap_or_default()
            )
        })
        .collect();
    if !carried.is_empty() {
        parts.push(format!("carried over: {}", carried.join(", ")));
    }
    let timers = state["wheel"]["timers"].as_object();
    let timers: Vec<String> = timers
        .into_iter()
        .flatten()
        .map(|(id, timer)| format!("{id} at {} ms", timer["deadline_ms"]))
        .collect();
    if !timers.is_empty() {
        parts.push(format!("timers: {}", timers.join(", ")));
    }
    let ready: Vec<&str> = array(&state["tasks"]["ready"])
        .filter_map(Value::as_str)
        .collect();
    if !ready.is_empty() {
        parts.push(format!("ready tasks: {}", ready.join(", ")));
    }
    let output = state["buffers"]["stdout"]["bytes"].as_u64().unwrap_or(0);
    if output > 0 {
        let congested = state["buffers"]["stdout"]["congested"] == true;
        let congested = if congested { ", congested" } else { "" };
        parts.push(format!("output: {} bytes{congested}", thousands(output)));
    }
    let lines = state["buffers"]["line buffer"]["bytes"]
        .as_u64()
        .unwrap_or(0);
    if lines > 0 {
        parts.push(format!("line buffer: {} bytes", thousands(lines)));
    }
    parts.extend(sources(state));
    parts.extend(files(&state["kernel"]["pipes"], |name| name.to_owned()));
    parts.extend(files(&state["kernel"]["sockets"], |slot| {
        name(&Value::from(slot))
    }));
    parts.join("; ")
}

/// The flags of stdin and of the sockets, and what connections hold.
fn sources(state: &Value) -> Vec<String> {
    let slots = state["reactor"]["slots"].as_object().into_iter().flatten();
    let told = slots.filter_map(|(slot, source)| {
        let connection = &state["connections"][slot];
        let flags: Vec<&str> = array(&source["ready"]).filter_map(Value::as_str).collect();
        let is_output = matches!(source["name"].as_str(), Some("stdout" | "stderr"));
        if is_output || flags.is_empty() && connection.is_null() {
            return None;
        }
        let mut text = format!("{}:", source["name"].as_str().unwrap_or_default());
        if let Some(word) = connection["state"].as_str() {
            let holds = connection["holds"].as_u64().unwrap_or(0);
            let _never_fails = write!(text, " {word}, holds {} bytes,", thousands(holds));
        }
        let flags = if flags.is_empty() {
            "no flag".to_owned()
        } else {
            format!("flags {}", flags.join(" and "))
        };
        let _never_fails = write!(text, " {flags}");
        Some(text)
    });
    told.collect()
}

/// The files of the kernel that hold bytes.
fn files(files: &Value, name: impl Fn(&str) -> String) -> Vec<String> {
    let files = files.as_object().into_iter().flatten();
    let told = files.filter_map(|(key, file)| {
        let size = |field: &str| file[field].as_u64().unwrap_or(0);
        let unread = size("bytes") + size("in");
        let unsent = size("out");
        let mut parts = Vec::new();
        if unread > 0 {
            parts.push(format!("{} bytes", thousands(unread)));
        }
        if unsent > 0 {
            parts.push(format!("{} bytes for the peer", thousands(unsent)));
        }
        match file["clients"].as_u64() {
            Some(1) => parts.push("1 client waits".to_owned()),
            Some(clients) => parts.push(format!("{clients} clients wait")),
            None => {}
        }
        if file["room"] == 0 {
            parts.push("no room".to_owned());
        }
        if file["ended"] == true {
            parts.push("the end".to_owned());
        }
        (!parts.is_empty()).then(|| format!("the kernel's {}: {}", name(key), parts.join(", ")))
    });
    told.collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
