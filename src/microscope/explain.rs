//! A recording as text, for the terminal.

use super::patch::apply;
use super::recording::Recording;
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
        let _never_fails = writeln!(text, "  {:8} {}", event.step, event.text);
        if before != after && !after.is_empty() {
            let _never_fails = writeln!(text, "           [{after}]");
        }
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
        parts.push(format!("output: {output} bytes"));
    }
    parts.join("; ")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
