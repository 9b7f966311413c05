//! The recorder: makes events of moments and snapshots.
//!
//! It is found through a thread-local variable, as the simulated kernel is. So the loop
//! need not carry it, and a loop on another thread is not recorded.
//!
//! Invariants:
//! - An event's `set` is the difference between the state after the event before it and
//!   its own. So the differences add up to every state.
//! - The recorder reads no clock that the loop reads: a recorded run is the same run.
//!
//! Read next: `sentence`, the words of an event.

use super::calls;
use super::code;
use super::expiry;
use super::moment::Moment;
use super::patch::difference;
use super::recording::{Event, Header, Recording};
use super::sentence;
use crate::reactor::{reason_words, words};
use crate::runtime::LoopSnapshot;
use crate::session::SessionSnapshot;
use crate::source::{Next, Readiness};
use crate::time::{Clock, Instant, MonotonicClock};
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// How many events a recording has at most: 20,000, which a browser still steps through.
/// Later ones are dropped, and the recording says so.
const EVENTS_MAX: usize = 20_000;

/// How many lines and polls of one served source, or of one step, are events of their
/// own. The others are only counted: a flood would bury the turn.
const DETAILS_MAX: usize = 6;

/// How much of a message an event shows, in characters.
const TEXT_CHARS_MAX: usize = 200;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

struct Recorder {
    header: Header,
    clock: Option<MonotonicClock>,
    state: Value,
    events: Vec<Event>,
    dropped: usize,
    outcome: Vec<String>,
    turn: u64,
    /// The edges that the kernel has told since the wait began.
    edges: Vec<(String, Vec<&'static str>)>,
    is_woken: bool,
    wait: Option<(Value, &'static str, u64)>,
    /// The last line that was received, until its fate is known.
    line: Option<Value>,
    /// A line is being received: a poll is its consequence.
    is_receiving: bool,
    /// Messages that were asked for or written, and are not events yet.
    said: Vec<(&'static str, Value)>,
    /// How many bytes of the output buffer were looked at.
    output_seen: usize,
    details: usize,
    details_left_out: usize,
    /// Which event woke each ready task.
    woken_by: BTreeMap<String, String>,
    /// The event that is being made: the cause of wakes.
    cause: String,
    /// The task that each call or timer belongs to.
    owners: BTreeMap<String, String>,
    /// The names of the sources by their descriptors.
    descriptors: calls::Descriptors,
}

/// Whether this thread is being recorded.
pub(crate) fn is_on() -> bool {
    IS_ON.get()
}

/// Starts a recording of the loop on this thread.
pub(crate) fn start(header: Header) {
    let is_simulated = crate::lab::is_simulated();
    RECORDER.set(Some(Recorder {
        header,
        clock: (!is_simulated).then(MonotonicClock::start),
        state: json!({}),
        events: Vec::new(),
        dropped: 0,
        outcome: Vec::new(),
        turn: 0,
        edges: Vec::new(),
        is_woken: false,
        wait: None,
        line: None,
        is_receiving: false,
        said: Vec::new(),
        output_seen: 0,
        details: 0,
        details_left_out: 0,
        woken_by: BTreeMap::new(),
        cause: String::new(),
        owners: BTreeMap::new(),
        descriptors: BTreeMap::new(),
    }));
    if is_simulated {
        let _before_the_recording = crate::lab::take_calls();
    }
    IS_ON.set(true);
}

/// Ends the recording of this thread; `None` if there is none.
pub(crate) fn finish() -> Option<Recording> {
    IS_ON.set(false);
    let recorder = RECORDER.take()?;
    Some(Recording::new(
        recorder.header,
        recorder.clock.is_none(),
        recorder.events,
        recorder.dropped,
        recorder.outcome,
    ))
}

/// The last call of the run, if it has failed and no event has told of it.
pub(super) fn last_failure() -> Option<String> {
    let calls = crate::lab::take_calls();
    RECORDER.with_borrow(|recorder| {
        let recorder = recorder.as_ref()?;
        calls::last_failure(&calls, &recorder.descriptors)
    })
}

/// How the run has ended.
pub(super) fn tell_outcome(outcome: Vec<String>) {
    with(|recorder| recorder.outcome = outcome);
}

fn with(act: impl FnOnce(&mut Recorder)) {
    RECORDER.with_borrow_mut(|recorder| recorder.as_mut().map(act));
}

/// The kernel has told of an edge.
pub(crate) fn edge(slot: usize, readiness: Readiness) {
    with(|recorder| recorder.edges.push((slot.to_string(), words(readiness))));
}

/// A wake has ended the wait.
pub(crate) fn woken() {
    with(|recorder| recorder.is_woken = true);
}

/// A line was received.
pub(crate) fn received(line: &[u8]) {
    with(|recorder| {
        recorder.line = Some(message("in", line));
        recorder.is_receiving = true;
    });
}

/// The fate of the line that was received is decided.
pub(crate) fn dispatched(session: SessionSnapshot) {
    with(|recorder| {
        let mut state = recorder.state_with(&session);
        recorder.name_owners(&mut state);
        recorder.show_line(state);
        recorder.show_said("deliver");
        recorder.is_receiving = false;
    });
}

/// The bytes in the output buffer.
pub(crate) fn said(pending: &[u8]) {
    with(|recorder| {
        let fresh = pending.get(recorder.output_seen..).unwrap_or_default();
        for line in fresh
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            recorder.said.push(("line", message("out", line)));
        }
        recorder.output_seen = pending.len();
    });
}

/// The author's code asks for a message while another one is being written down.
pub(crate) fn asked(kind: &str, src: &str, dest: &str) {
    let about = json!({ "type": kind, "src": src, "dest": dest });
    with(|recorder| recorder.said.push(("asked", about)));
}

/// A task was polled.
pub(crate) fn polled(slot: u32, is_request: bool, session: SessionSnapshot) {
    with(|recorder| recorder.polled(&slot.to_string(), is_request, &session));
}

/// A moment of a turn has come.
pub(crate) fn look(moment: Moment, snapshot: LoopSnapshot) {
    with(|recorder| recorder.look(moment, &snapshot));
}

/// A message as data of an event.
fn message(direction: &str, line: &[u8]) -> Value {
    let text = String::from_utf8_lossy(line);
    let message: Value = serde_json::from_str(&text).unwrap_or_default();
    let excerpt = match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    };
    let mut about = json!({ "direction": direction, "text": excerpt });
    for (key, value) in [
        ("type", &message["body"]["type"]),
        ("src", &message["src"]),
        ("dest", &message["dest"]),
        ("in_reply_to", &message["body"]["in_reply_to"]),
    ] {
        if !value.is_null() {
            about[key] = value.clone();
        }
    }
    about
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn millis(at: Instant) -> Value {
    // Whole microseconds: a recording need not show more, and the text stays short.
    json!(at.as_nanos() / 1_000)
        .as_f64()
        .map_or(Value::Null, |micros| json!(micros / 1_000.0))
}

impl Recorder {
    fn now(&self) -> Instant {
        match &self.clock {
            Some(clock) => clock.now(),
            None => crate::lab::simulated_now(),
        }
    }

    fn look(&mut self, moment: Moment, snapshot: &LoopSnapshot) {
        let mut state = value(snapshot);
        self.name_owners(&mut state);
        self.descriptors.clone_from(&snapshot.descriptors);
        match moment {
            Moment::Waits { timeout, reason } => self.waits(state, timeout, reason),
            Moment::Waited { turn } => self.waited(turn, state),
            Moment::Clock => {
                let now = self.now();
                self.event("clock", "clock", json!({ "now_ms": millis(now) }), state);
            }
            Moment::Served {
                token,
                readiness,
                progress,
            } => {
                let slot = token.index().to_string();
                let name = &self.state["reactor"]["slots"][&slot]["name"];
                let mut about = json!({
                    "source": slot,
                    "name": name,
                    "ready": words(readiness),
                    "bytes": progress.received_bytes,
                    "used_up": words(progress.used_up),
                });
                match progress.next {
                    Next::Wait => about["next"] = json!("wait"),
                    Next::CarryOver(reason) => {
                        about["next"] = json!("carry over");
                        about["reason"] = json!(reason_words(reason));
                    }
                    Next::Finished(()) => about["next"] = json!("finished"),
                }
                self.tell_connection(&slot, &state, &mut about);
                self.show_said("deliver");
                self.cause = about["name"].as_str().unwrap_or_default().to_owned();
                self.event("deliver", "served", about, state);
                self.end_details();
            }
            Moment::Expired { due_by, now } => self.expired(due_by, now, state),
            Moment::Flushed => self.flushed(state),
            Moment::Phase => {
                let about = json!({ "from": self.state["phase"], "to": state["phase"] });
                self.event("phase", "phase", about, state);
            }
            Moment::Closed => self.closed(state),
        }
    }

    /// How the state machine over a socket has changed.
    fn tell_connection(&self, slot: &str, state: &Value, about: &mut Value) {
        let (before, after) = (
            &self.state["connections"][slot],
            &state["connections"][slot],
        );
        if after.is_null() {
            return;
        }
        if before["state"] != after["state"] && !before.is_null() {
            about["states"] = json!([before["state"], after["state"]]);
        }
        about["held_before"] = before["holds"].clone();
        about["holds"] = after["holds"].clone();
        about["unread"] = state["kernel"]["sockets"][slot]["in"].clone();
    }

    /// Before the wait: the turn begins, and the loop may park.
    fn waits(&mut self, state: Value, timeout: Option<std::time::Duration>, reason: &'static str) {
        self.end_details();
        self.cause = "its operation on a socket".to_owned();
        self.note_wakes(&state);
        self.turn += 1;
        self.edges.clear();
        self.is_woken = false;
        let timeout = timeout.map_or(Value::Null, |timeout| {
            // mio rounds up to whole milliseconds.
            json!(timeout.as_nanos().div_ceil(1_000_000))
        });
        let is_parked = state["tasks"]["parked"] == json!(true);
        if is_parked && timeout != json!(0) {
            self.event("wait", "park", json!({}), state);
        }
        self.wait = Some((timeout, reason, self.now().as_nanos()));
    }

    fn waited(&mut self, turn: u64, state: Value) {
        self.turn = turn;
        let (timeout, reason, began) = self.wait.take().unwrap_or((Value::Null, "none", 0));
        let waited = self.now().as_nanos().saturating_sub(began);
        let stale = |state: &Value| state["reactor"]["stale"].as_u64().unwrap_or(0);
        let dropped = dropped(&self.edges, &state);
        let mut about = json!({
            "timeout_ms": timeout,
            "reason": reason,
            "waited_ms": millis(Instant::from_nanos(waited)),
            "edges": std::mem::take(&mut self.edges),
            "woken": self.is_woken,
            "stale": stale(&state) - stale(&self.state).min(stale(&state)),
        });
        if !dropped.is_empty() {
            about["dropped"] = json!(dropped);
        }
        self.cause = if self.is_woken {
            "another thread".to_owned()
        } else {
            "the wait".to_owned()
        };
        self.event("wait", "wait", about, state);
    }

    /// The last state, with what the session has changed.
    fn state_with(&self, session: &SessionSnapshot) -> Value {
        let mut state = self.state.clone();
        if let (Value::Object(state), Value::Object(fresh)) = (&mut state, value(session)) {
            state.extend(fresh);
        }
        state["buffers"]["stdout"] = value(&session.output);
        state
    }

    fn polled(&mut self, slot: &str, is_request: bool, session: &SessionSnapshot) {
        let step = if self.is_receiving {
            "deliver"
        } else {
            "tasks"
        };
        let mut state = self.state_with(session);
        let line = self.line.take();
        let task = |state: &Value| state["tasks"]["slots"][slot].clone();
        let (before, after) = (task(&self.state), task(&state));
        let known = if is_request { &after } else { &before };
        let name = match (known["name"].as_str(), &line) {
            (Some(name), _) => name.to_owned(),
            (None, Some(line)) if is_request => handler(line),
            (None, _) => "background task".to_owned(),
        };
        let woken_by = self.woken_by.remove(slot).unwrap_or_else(|| {
            let why = if is_request { "its request" } else { "spawn" };
            why.to_owned()
        });
        self.adopt(slot, &state);
        self.name_owners(&mut state);
        if let Some(line) = line {
            let state = self.state.clone();
            self.detail("deliver", "line", line, state);
        }
        let result = if after.is_null() { "ended" } else { "pending" };
        let about = json!({
            "task": slot, "name": name, "woken_by": woken_by, "result": result,
        });
        self.cause = format!("task {slot}");
        self.detail(step, "polled", about, state);
        self.show_said(step);
    }

    /// Calls and sleeps that have appeared in a poll belong to the polled task.
    fn adopt(&mut self, slot: &str, state: &Value) {
        let timers = state["wheel"]["timers"].as_object().into_iter().flatten();
        let sleeps = timers.filter(|(_, timer)| timer["owner"] == "sleep");
        let sleeps = sleeps.map(|(id, _)| format!("timers {id}"));
        let calls = state["calls"].as_object().into_iter().flatten();
        let calls = calls.map(|(id, _)| format!("calls {id}"));
        for id in sleeps.chain(calls) {
            self.owners.entry(id).or_insert_with(|| slot.to_owned());
        }
    }

    /// Writes the owners of sleeps, and what each task waits for, into a state.
    fn name_owners(&self, state: &mut Value) {
        let mut waits: BTreeMap<String, String> = BTreeMap::new();
        for (id, slot) in &self.owners {
            if let Some(timer) = id.strip_prefix("timers ") {
                let armed = state["wheel"]["timers"].get_mut(timer);
                if let Some(armed) = armed.filter(|armed| armed["owner"] == "sleep") {
                    armed["owner"] = json!(format!("sleep of task {slot}"));
                    waits.insert(slot.clone(), format!("timer {timer}"));
                }
            } else if let Some(call) = id.strip_prefix("calls ")
                && state["calls"][call]["state"] == "waiting"
            {
                waits.insert(slot.clone(), format!("call {call}"));
            }
        }
        if let Some(slots) = state["tasks"]["slots"].as_object_mut() {
            for (slot, task) in slots {
                if let Some(wait) = waits.get(slot)
                    && task["state"] == "waiting"
                {
                    task["waits_for"] = json!(wait);
                }
            }
        }
    }

    fn expired(&mut self, due_by: Instant, now: Instant, state: Value) {
        let now_ms = now.as_nanos() / 1_000_000;
        let changes = expiry::changes(&self.state, &state, now_ms);
        for change in changes {
            if let Some(cause) = change.wakes_as {
                self.cause = cause;
            }
            self.event("expire", change.kind, change.about, change.state);
        }
        let due = expiry::due(&state, now_ms);
        if due_by < now && !due.is_empty() {
            let about = json!({
                "timers": due, "due_by_ms": millis(due_by), "now_ms": millis(now),
            });
            self.event("expire", "held back", about, state);
        }
    }

    fn flushed(&mut self, state: Value) {
        self.end_details();
        let bytes = |state: &Value| state["buffers"]["stdout"]["bytes"].as_u64().unwrap_or(0);
        // The host's last poll has shown every message, so all of them were seen.
        let left = bytes(&state);
        let written = u64::try_from(self.output_seen)
            .unwrap_or(0)
            .max(bytes(&self.state));
        self.output_seen = usize::try_from(left).unwrap_or(0);
        if written > 0 {
            self.show_said("flush");
            let about =
                json!({ "output": "stdout", "bytes": written - left.min(written), "left": left });
            self.event("flush", "flushed", about, state);
        }
    }

    fn closed(&mut self, state: Value) {
        let slots = self.state["reactor"]["slots"].as_object();
        let gone = slots.into_iter().flatten().filter(|(slot, before)| {
            state["reactor"]["slots"][*slot]["generation"] != before["generation"]
        });
        let gone: Vec<(String, Value)> = gone
            .map(|(slot, before)| (slot.clone(), before["name"].clone()))
            .collect();
        for (slot, name) in gone {
            let about = json!({ "source": slot, "name": name });
            self.event("close", "closed", about, state.clone());
        }
    }

    /// A line that has started no handler: a reply, or a message that was refused.
    fn show_line(&mut self, state: Value) {
        if let Some(line) = self.line.take() {
            self.cause = match &line["in_reply_to"] {
                Value::Number(number) => format!("the reply to call {number}"),
                _ => "a line".to_owned(),
            };
            self.detail("deliver", "line", line, state);
        }
    }

    fn show_said(&mut self, step: &'static str) {
        for (kind, about) in std::mem::take(&mut self.said) {
            let state = self.state.clone();
            self.detail(step, kind, about, state);
        }
    }

    /// An event of which a flood would have thousands.
    fn detail(&mut self, step: &'static str, kind: &'static str, about: Value, state: Value) {
        self.details += 1;
        if self.details > DETAILS_MAX {
            self.details_left_out += 1;
            return self.note_wakes(&state);
        }
        self.event(step, kind, about, state);
    }

    fn end_details(&mut self) {
        let left_out = std::mem::take(&mut self.details_left_out);
        self.details = 0;
        if left_out > 0
            && let Some(event) = self.events.last_mut()
        {
            event.about["more"] = json!(left_out);
            event.text = sentence::with_more(&event.text, left_out);
        }
    }

    fn event(&mut self, step: &'static str, kind: &'static str, mut about: Value, state: Value) {
        self.note_wakes(&state);
        if self.clock.is_none() {
            calls::tell(&crate::lab::take_calls(), &self.descriptors, &mut about);
        }
        if self.events.len() >= EVENTS_MAX {
            self.dropped += 1;
            return;
        }
        let set = difference(&self.state, &state).unwrap_or(Value::Object(Map::new()));
        self.events.push(Event {
            turn: self.turn,
            step: step.into(),
            kind: kind.into(),
            at: millis(self.now()),
            code: code::place(kind, &about, step),
            text: sentence::of(kind, &about, &state),
            about,
            set,
        });
        self.state = state;
    }

    /// Remembers which event made which tasks ready.
    fn note_wakes(&mut self, state: &Value) {
        let ready = state["tasks"]["ready"].as_array();
        for slot in ready.into_iter().flatten().filter_map(Value::as_str) {
            let cause = &self.cause;
            self.woken_by
                .entry(slot.to_owned())
                .or_insert_with(|| cause.clone());
        }
    }
}

/// Flags of connections that were told and do not stand in their slots.
fn dropped(edges: &[(String, Vec<&'static str>)], state: &Value) -> Vec<String> {
    let mut dropped = Vec::new();
    for (slot, words) in edges {
        let source = &state["reactor"]["slots"][slot];
        if state["connections"][slot].is_null() {
            continue;
        }
        let kept: Vec<&str> = source["ready"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let name = source["name"].as_str().unwrap_or_default();
        let gone = words.iter().filter(|word| !kept.contains(word));
        dropped.extend(gone.map(|word| format!("{name} {word}")));
    }
    dropped
}

fn handler(line: &Value) -> String {
    let part = |key: &str| line[key].as_str().unwrap_or("?").to_owned();
    format!("handler of {} from {}", part("type"), part("src"))
}
