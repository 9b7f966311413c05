//! The recordings that come with the project.

use super::patch::apply;
use super::{NAMES, Recording, explain, page, record};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// The most that a recording of 200 turns may take: half a megabyte.
const BYTES_PER_TURN: u64 = 2_500;

fn file(name: &str, end: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/recordings");
    folder.join(format!("{name}.{end}"))
}

/// The recordings in the repository are those that the code makes. `EDDYLINE_BLESS=1`
/// writes them after a change that is meant.
#[test]
fn each_recording_is_current() {
    for name in NAMES {
        let fresh = record(name).unwrap().to_json();
        let path = file(name, "json");
        if std::env::var_os("EDDYLINE_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &fresh).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        let differs = committed
            .lines()
            .zip(fresh.lines())
            .find(|(old, new)| old != new);
        let is_current = committed == fresh;
        assert!(
            is_current,
            "docs/recordings/{name}.json is not what the code records; the first difference: \
             {differs:#?}\nif the change is meant, write the recordings with EDDYLINE_BLESS=1 \
             cargo test --lib is_current"
        );
    }
}

/// The page in the repository has these recordings, and the page's present parts.
#[test]
fn the_page_is_current() {
    let recordings: Vec<Recording> = NAMES.iter().filter_map(|name| record(name)).collect();
    let fresh = page(&recordings);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/microscope.html");
    if std::env::var_os("EDDYLINE_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == fresh,
        "docs/microscope.html is not the page that the code makes; write it with \
         EDDYLINE_BLESS=1 cargo test --lib is_current"
    );
}

#[test]
fn a_recording_is_small_and_is_made_again_from_its_text() {
    for name in NAMES {
        let recording = record(name).unwrap();
        let text = recording.to_json();
        assert!(
            text.len() as u64 <= BYTES_PER_TURN * recording.turns().max(20),
            "{name}"
        );
        assert_eq!(Recording::from_json(&text).unwrap().to_json(), text);
    }
    assert!(record("unknown").is_none());
}

/// The state after each event, as a page computes it.
fn states(recording: &Recording) -> Vec<Value> {
    let mut state = json!({});
    let mut states = Vec::new();
    for event in &recording.events {
        apply(&mut state, &event.set);
        states.push(state.clone());
    }
    states
}

fn kinds<'a>(recording: &'a Recording, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let events = recording.events.iter();
    events
        .filter(move |event| event.kind == kind)
        .map(|event| &event.about)
}

#[test]
fn a_flood_is_carried_over_and_others_are_served_between() {
    let recording = record("flood").unwrap();
    let served: Vec<&str> = kinds(&recording, "served")
        .filter_map(|about| about["name"].as_str())
        .collect();
    let last_of_stdin = served.iter().rposition(|name| *name == "stdin").unwrap();
    let first_of_flood = kinds(&recording, "served")
        .position(|about| about["reason"] == "bound reached")
        .unwrap();
    let between = &served[first_of_flood..last_of_stdin];
    assert!(
        between.iter().any(|name| name.starts_with("connection")),
        "{served:?}"
    );
}

#[test]
fn after_a_lost_edge_stdin_is_served_without_an_edge() {
    let recording = record("lost-edge").unwrap();
    let wait = kinds(&recording, "wait")
        .find(|about| about["reason"] == "carried over")
        .unwrap();
    assert_eq!(wait["edges"], json!([]));
}

#[test]
fn an_old_event_is_stale_while_its_slot_has_a_new_source() {
    let recording = record("slot-reused").unwrap();
    let stale: u64 = kinds(&recording, "wait")
        .filter_map(|about| about["stale"].as_u64())
        .sum();
    assert!(stale > 0);
    let generations = |state: &Value| state["reactor"]["slots"]["4"]["generation"].clone();
    let mut all: Vec<Value> = states(&recording).iter().map(generations).collect();
    all.dedup();
    assert_eq!(
        all.iter().filter(|generation| generation.is_u64()).count(),
        2
    );
}

#[test]
fn a_slow_reader_holds_stdin_back_and_lets_it_go_on() {
    let recording = record("slow-reader").unwrap();
    let states = states(&recording);
    assert!(
        states
            .iter()
            .any(|state| state["buffers"]["stdout"]["congested"] == true)
    );
    let resumed = states.iter().any(|state| {
        state["reactor"]["carried"]
            .to_string()
            .contains("backpressure over")
    });
    assert!(resumed);
}

#[test]
fn a_half_closed_connection_sends_its_rest() {
    let recording = record("half-close").unwrap();
    let mut words: Vec<String> = states(&recording)
        .iter()
        .filter_map(|state| {
            state["connections"]["4"]["state"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    words.dedup();
    let wanted = ["Open", "Draining", "HalfClosed with a rest", "Closed"];
    let mut found = words.iter();
    assert!(
        wanted.iter().all(|word| found.any(|other| other == word)),
        "{words:?}"
    );
}

#[test]
fn a_call_is_answered_and_others_time_out() {
    let recording = record("call-outcomes").unwrap();
    let polled: Vec<String> = kinds(&recording, "polled")
        .map(|about| about["woken_by"].to_string())
        .collect();
    assert!(
        polled.iter().any(|by| by.contains("the reply to call 1")),
        "{polled:?}"
    );
    for call in [2, 3] {
        let timeout = format!("the timeout of call {call}");
        assert!(polled.iter().any(|by| by.contains(&timeout)), "{polled:?}");
    }
    let last = states(&recording).pop().unwrap();
    assert_eq!(last["ignored_replies"], 1);
}

#[test]
fn a_reply_that_came_in_a_pause_beats_its_timer() {
    let recording = record("reply-after-pause").unwrap();
    let held = kinds(&recording, "held back")
        .next()
        .expect("the timer is held back");
    assert!(held["now_ms"].as_f64() > Some(200.0));
    let fired: Vec<&Value> = kinds(&recording, "fired").collect();
    assert!(
        fired.iter().all(|about| about["owner"] != "call 1"),
        "{fired:?}"
    );
}

#[test]
fn timers_cascade_from_level_1_and_from_level_2() {
    let recording = record("cascades").unwrap();
    let from: Vec<&Value> = kinds(&recording, "cascade")
        .map(|about| &about["from"])
        .collect();
    assert!(from.contains(&&json!([1, 1])), "{from:?}");
    assert!(from.contains(&&json!([2, 1])), "{from:?}");
    let owners: Vec<&Value> = kinds(&recording, "fired")
        .map(|about| &about["owner"])
        .collect();
    let distinct: std::collections::BTreeSet<String> =
        owners.iter().map(ToString::to_string).collect();
    assert_eq!(
        distinct.len(),
        9,
        "each sleep belongs to its own task: {owners:?}"
    );
}

#[test]
fn a_wake_that_comes_before_the_wait_ends_it() {
    let recording = record("wake").unwrap();
    let woken: Vec<&Value> = kinds(&recording, "wait")
        .filter(|about| about["woken"] == true)
        .collect();
    assert_eq!(woken.len(), 2);
    assert!(woken[0]["waited_ms"].as_f64() > Some(1.0));
    assert!(
        woken[1]["waited_ms"].as_f64() < Some(0.01),
        "it came before the wait: {woken:?}"
    );
}

#[test]
fn without_descriptors_the_listener_is_retried_by_a_timer() {
    let recording = record("no-descriptors").unwrap();
    let retried = states(&recording).iter().any(|state| {
        state["reactor"]["carried"]
            .to_string()
            .contains("retry due")
    });
    assert!(retried);
    let names: Vec<&str> = kinds(&recording, "closed")
        .filter_map(|about| about["name"].as_str())
        .collect();
    let connections = names
        .iter()
        .filter(|name| name.starts_with("connection"))
        .count();
    assert_eq!(connections, 2, "{names:?}");
}

#[test]
fn at_the_end_of_stdin_the_phases_follow_each_other() {
    let recording = record("end-of-stdin").unwrap();
    let phases: Vec<&str> = kinds(&recording, "phase")
        .filter_map(|about| about["to"].as_str())
        .collect();
    assert_eq!(phases.first(), Some(&"draining"));
    assert_eq!(phases.last(), Some(&"ended"));
}

#[test]
fn an_explanation_has_each_turn_and_each_sentence() {
    let recording = record("echo").unwrap();
    let text = explain(&recording);
    for turn in 1..=recording.turns() {
        assert!(text.contains(&format!("turn {turn}, at ")), "{text}");
    }
    assert!(
        recording
            .events
            .iter()
            .all(|event| text.contains(&event.text) && !event.text.is_empty())
    );
}

#[test]
fn a_file_that_is_no_recording_is_refused_with_the_reason() {
    let error = Recording::from_json("{}").unwrap_err().to_string();
    assert!(error.contains("it is no recording"), "{error}");
    let text = record("echo")
        .unwrap()
        .to_json()
        .replacen("\"format\": 1", "\"format\": 9", 1);
    let error = Recording::from_json(&text).unwrap_err().to_string();
    assert!(error.contains("format is 9"), "{error}");
}
