//! The bounds of a cluster of processes, with a shell as the node.

use super::*;
use crate::harness::progress::Progress;
use crate::workload::faults::Latency;
use crate::workload::{Operation, Outcome, Phase, Request, Testbed};

/// A cluster of `/bin/sh` with this script behind its answer to `init`.
fn cluster(script: &str, change: impl FnOnce(&mut Plan)) -> Processes {
    let answer = r#"{"src":"n0","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;
    silent(&format!("echo '{answer}'; {script}"), change)
}

/// A cluster of `/bin/sh` with this script behind the `init`, which it does not answer.
fn silent(script: &str, change: impl FnOnce(&mut Plan)) -> Processes {
    let script = format!("read -r init; {script}; exec cat >/dev/null");
    let mut plan = Plan::new("/bin/sh".into());
    plan.arguments = vec!["-c".into(), script.into()];
    plan.nodes = vec!["n0".to_owned()];
    change(&mut plan);
    let progress = Progress::new(Box::new(std::io::sink()), false);
    Processes::new(&plan, progress).unwrap()
}

/// A message from n0 in a shell's quotes.
fn message(dest: &str, body: &str) -> String {
    format!(r#"'{{"src":"n0","dest":"{dest}","body":{body}}}'"#)
}

/// A command that writes ten lines at once.
fn ten_times(word: &str) -> String {
    format!("printf '%s\\n' {}", [word; 10].join(" "))
}

const READ: &str = r#"{"type":"read","msg_id":1,"key":"x"}"#;

/// Takes turns until the count has reached `end`. Checks that no turn adds more than one.
fn one_a_turn(bed: &mut Processes, end: u64, count: impl Fn(&Processes) -> u64) {
    let mut last = count(bed);
    while last < end {
        let until = bed.clock.now() + Duration::from_secs(10);
        bed.turn(until);
        let now = count(bed);
        assert!(now <= last + 1, "{last}, {now}");
        last = now;
    }
}

#[test]
fn a_turn_without_time_takes_one_line() {
    let ten = ten_times(&message("lin-kv", READ));
    let mut bed = cluster(&ten, |_| {});
    bed.work_max = Duration::ZERO;
    bed.boot();
    one_a_turn(&mut bed, 11, |bed| bed.servers[0].lines);
    assert_eq!(bed.statistics.with_services, 20);
}

#[test]
fn a_turn_without_time_delivers_one_message_that_is_due() {
    // The clock is read after a message of this length.
    let body = format!(r#"{{"type":"x","text":"{}"}}"#, "x".repeat(5_000));
    let ten = ten_times(&message("n0", &body));
    let mut bed = cluster(&ten, |plan| plan.latency = Latency::constant_ms(50));
    bed.boot();
    while bed.statistics.between_nodes < 10 {
        let until = bed.clock.now() + Duration::from_millis(10);
        bed.turn(until);
    }
    bed.work_max = Duration::ZERO;
    // With `init` and its answer.
    one_a_turn(&mut bed, 12, |bed| bed.statistics.delivered);
    assert_eq!(bed.in_flight_bytes, 0);
}

#[test]
fn a_reply_is_not_made_for_a_node_that_takes_none() {
    let mut bed = cluster("true", |_| {});
    bed.boot();
    let asked = |bed: &mut Processes| {
        let before = bed.next_message;
        bed.send(Address::Node(0), Address::Service(0), READ);
        bed.next_message - before
    };
    assert_eq!(asked(&mut bed), 2);
    bed.servers[0].process.as_mut().unwrap().is_deaf = true;
    assert_eq!(asked(&mut bed), 1);
    bed.end_process(0, End::Killed);
    assert_eq!(asked(&mut bed), 1);
}

/// Holds more and more, until the run is broken off. Checks the two steps, and what is told.
fn holds_more_and_more(bed: &mut Processes, what: &str, more: impl Fn(&mut Processes, usize)) {
    bed.held.max = 100_000;
    for step in 0..100 {
        more(bed, step);
        let was_full = bed.is_full;
        bed.look_at_memory();
        assert!(bed.is_full || bed.notes.doubts.is_empty());
        assert_eq!(bed.is_interrupted(), bed.is_full);
        if bed.is_broken {
            assert!(was_full, "it skipped a step");
            break;
        }
    }
    let [load, run] = &bed.notes.doubts[..] else {
        panic!("{:?}", bed.notes.doubts);
    };
    assert!(load.starts_with("the load ended early, because"), "{load}");
    assert!(run.starts_with("the run was broken off, because"), "{run}");
    for why in [load, run] {
        assert!(why.contains(what), "no {what:?} in {why}");
        assert!(why.contains("n0 has the largest part"), "{why}");
    }
    assert_eq!(bed.notes.problems.len(), 2);
}

#[test]
fn the_values_of_services_have_a_bound() {
    let mut bed = cluster("true", |_| {});
    bed.boot();
    holds_more_and_more(&mut bed, "0 KiB of messages that wait", |bed, step| {
        let value = "x".repeat(5_000);
        let body = format!(r#"{{"type":"write","key":{step},"value":"{value}"}}"#);
        // seq-kv keeps old values too.
        bed.send(Address::Node(0), Address::Service(step % 3), &body);
        if let Some(process) = &mut bed.servers[0].process {
            process.input = crate::wire::OutputBuffer::default();
        }
    });
    assert!(bed.services.held_bytes() > 90_000);
}

#[test]
fn the_replies_in_the_history_have_a_bound() {
    let mut bed = cluster("true", |_| {});
    bed.boot();
    holds_more_and_more(&mut bed, "0 KiB of values in services", |bed, _| {
        bed.note(&Operation {
            client: "c1".into(),
            node: 0,
            phase: Phase::Load,
            request: Request::new("read", &()),
            invoked: Duration::ZERO,
            completed: Duration::ZERO,
            outcome: Outcome::Ok("x".repeat(5_000).into()),
        });
    });
}

#[test]
fn messages_that_wait_for_all_nodes_have_a_bound() {
    let mut bed = cluster("exec sleep 60", |_| {});
    bed.boot();
    holds_more_and_more(&mut bed, "0 KiB of operations", |bed, _| {
        let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(5_000));
        bed.send(Address::Client(0), Address::Node(0), &body);
    });
}

#[test]
fn messages_on_their_way_have_a_bound() {
    let mut bed = cluster("true", |plan| plan.latency = Latency::constant_ms(1_000));
    bed.boot();
    bed.held.max = 10_000;
    let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000));
    bed.send(Address::Node(0), Address::Node(0), &body);
    bed.look_at_memory();
    assert!(bed.is_broken);
    assert_eq!(bed.notes.doubts.len(), 1);
}

#[test]
fn a_node_that_does_not_answer_init_is_told_how_many_lines_it_wrote() {
    for (lines, expected) in [
        (
            0,
            "has written no line to stdout. Does it flush after each line",
        ),
        (
            1,
            "1 line is on its stdout, and none is an `init_ok` with `dest` \"c0\"",
        ),
        (2, "2 lines are on its stdout, and none is an `init_ok`"),
    ] {
        let mut bed = silent(&format!("{}true", "echo no; ".repeat(lines)), |_| {});
        bed.start_node(0);
        while bed.servers[0].lines < lines as u64 {
            let until = bed.clock.now() + Duration::from_secs(10);
            bed.turn(until);
        }
        bed.check_init(0, 0);
        let last = &bed.notes.problems.last().unwrap().why;
        assert!(last.starts_with("`init` was not answered within 10s: "));
        assert!(last.contains(expected), "{last}");
    }
}
