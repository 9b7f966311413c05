//! The order of a turn, on a kernel that follows a script.

use order::script::Script;
use order::{CHUNK_BYTES, Loop, READS_PER_TURN};
use std::time::Duration;

/// Makes turns until nothing is left to wait for.
#[track_caller]
fn run(script: Script) -> Loop<Script> {
    let mut node = Loop::new(script);
    for _ in 0..10_000 {
        node.turn().unwrap();
        if node.kernel.is_over {
            return node;
        }
    }
    panic!("10,000 turns, and the script is not over");
}

/// The time at which a line was written.
#[track_caller]
fn written_at(node: &Loop<Script>, line: &str) -> Duration {
    let written = &node.kernel.written;
    let found = written.iter().find(|(_, text)| text.contains(line));
    found
        .unwrap_or_else(|| panic!("{line} is not in {written:?}"))
        .0
}

#[test]
fn a_reply_that_has_arrived_beats_its_timeout() {
    // Both in one turn: the deadline has come, and the reply has.
    let node = run(Script::new(&[(0, "ask a 50"), (50, "reply a")]));
    assert_eq!(node.kernel.said(), "a?\na ok\n");
}

#[test]
fn a_reply_that_comes_too_late_is_ignored() {
    let node = run(Script::new(&[(0, "ask a 50"), (60, "reply a")]));
    assert_eq!(node.kernel.said(), "a?\na timeout\n");
}

#[test]
fn an_answer_leaves_in_the_turn_of_its_cause() {
    let node = run(Script::new(&[(10, "ask a 50"), (20, "reply a")]));
    let delay = written_at(&node, "a ok") - Duration::from_millis(20);
    assert!(
        delay < Duration::from_millis(1),
        "the answer lay for {delay:?}"
    );
}

#[test]
fn a_timeout_leaves_in_the_turn_in_which_it_fires() {
    let node = run(Script::new(&[(0, "ask a 50"), (500, "ask b 1000")]));
    let written = written_at(&node, "a timeout");
    assert!(
        written < Duration::from_millis(52),
        "written at {written:?}"
    );
}

#[test]
fn a_turn_writes_once() {
    let line = format!("{:<99}\n", "noise");
    let noise = line.repeat(CHUNK_BYTES / line.len());
    let input = format!("ask a 1\n{noise}\nask b 1\n{noise}\nask c 1");
    let mut node = Loop::new(Script::new(&[(0, &input)]));
    node.turn().unwrap();
    let writes = &node.kernel.written;
    assert_eq!(writes.len(), 1, "three reads, three answers: {writes:?}");
    assert_eq!(node.kernel.said(), "a?\nb?\nc?\n");
}

#[test]
fn a_deadline_costs_one_wait() {
    let node = run(Script::new(&[(0, "ask a 50")]));
    // For the line, for the deadline, and one that has nothing to wait for.
    assert_eq!(node.kernel.waits, 3);
}

#[test]
fn after_a_pause_the_input_comes_first() {
    // The wait for the deadline brings nothing. Then the process is stopped for 200 ms,
    // and the reply arrives meanwhile.
    let mut script = Script::new(&[(0, "ask a 50"), (60, "reply a")]);
    script.pause = Some(Duration::from_millis(200));
    let node = run(script);
    assert_eq!(node.kernel.said(), "a?\na ok\n");
}

#[test]
fn a_late_timer_is_held_back_for_one_turn_only() {
    let mut script = Script::new(&[(0, "ask a 50")]);
    script.delay = Duration::from_millis(100); // so each turn is late
    let mut node = Loop::new(script);
    for _ in 0..4 {
        node.turn().unwrap();
    }
    assert_eq!(
        node.asks.waiting(),
        0,
        "the question has no reply and no timeout"
    );
}

#[test]
fn a_flood_of_input_leaves_room_for_timers() {
    let noise = "noise\n".repeat(200_000);
    let node = run(Script::new(&[(0, &format!("ask a 1\n{noise}"))]));
    let fired = written_at(&node, "a timeout");
    assert!(
        fired < Duration::from_millis(2),
        "1 ms was asked for: {fired:?}"
    );
}

#[test]
fn input_that_a_turn_leaves_needs_no_edge() {
    let bytes = (READS_PER_TURN + 2) * CHUNK_BYTES;
    let noise = "noise\n".repeat(bytes / 6);
    let node = run(Script::new(&[(0, &format!("{noise}ask a 1"))]));
    assert_eq!(node.kernel.said(), "a?\na timeout\n");
}
