//! The bounds of a cluster of processes, with a shell as the node.

use super::*;
use crate::harness::progress::Progress;
use crate::protocol::ErrorCode;
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
fn a_node_that_answers_a_request_again_is_told_once() {
    let reply = message("c1", r#"{"type":"echo_ok","in_reply_to":1}"#);
    let three = format!(
        "read -r request; printf '%s\\n' {}",
        [reply.as_str(); 3].join(" ")
    );
    let mut bed = cluster(&three, |_| {});
    bed.boot();
    let client = bed.open_client();
    bed.request(client, 0, &Request::new("echo", &()), 1);
    while bed.servers[0].lines < 4 {
        let until = bed.clock.now() + Duration::from_secs(10);
        bed.turn(until);
    }
    bed.end_all();
    let [problem] = &bed.notes.problems[..] else {
        panic!("{:?}", bed.notes.problems);
    };
    let expected = "n0 sent 2 further replies to requests that had a reply already, first to request \
                    1 of c1.";
    assert!(problem.why.starts_with(expected), "{}", problem.why);
    assert_eq!(&*problem.node, "the tester", "it breaks no rule");
}

/// A cluster on NATS whose server is `/bin/sh` with this script.
fn with_server(script: &str) -> Processes {
    let mut bed = silent("true", |plan| plan.nats_server = Some("/bin/sh".into()));
    let broker = bed.broker.as_mut().unwrap();
    broker.arguments = ["-c", script].map(Into::into).into();
    bed
}

/// The same, and the script runs.
fn with_running_server(script: &str) -> Processes {
    let mut bed = with_server(script);
    let broker = bed.broker.as_mut().unwrap();
    broker.start(&mut bed.reactor, None).unwrap();
    bed
}

#[test]
fn a_program_that_is_no_nats_server_is_a_wrong_plan() {
    for (script, expected) in [
        ("exit 3", "it ended by itself, with exit status: 3. Is it a"),
        (
            "echo what? >&2; exit 3",
            "exit status: 3; its last words: what?. Is it a",
        ),
    ] {
        let mut bed = with_server(script);
        bed.boot();
        assert!(bed.notes.problems.is_empty(), "no node is blamed");
        let error = bed.finish().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let found = error.to_string();
        assert!(found.starts_with("the NATS server /bin/sh: "), "{found}");
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_server_that_ends_after_it_has_listened_breaks_the_run_off() {
    let mut bed = with_server("echo 'Listening for client connections on 127.0.0.1:1' >&2");
    bed.boot();
    assert!(bed.is_broken && bed.failure.is_none());
    let why = &bed.notes.problems[0].why;
    assert!(why.starts_with("nats-server: it ended by itself"), "{why}");
}

#[test]
fn a_server_that_floods_its_log_does_not_hold_a_turn_up() {
    let mut bed = with_running_server("exec yes >&2");
    for _ in 0..3 {
        let until = bed.clock.now() + Duration::from_secs(10);
        bed.turn(until);
    }
    assert!(!bed.is_broken);
}

#[test]
fn requests_without_a_server_end_at_once_and_are_lost() {
    let mut bed = with_running_server("exec sleep 60");
    bed.spawn(0).unwrap();
    let client = bed.open_client();
    bed.request(client, 0, &Request::new("echo", &()), 1);
    let Some(Happening::Undone {
        client: whose,
        msg_id: 1,
        error,
    }) = bed.happenings.pop_front()
    else {
        panic!("nothing ends the request");
    };
    assert_eq!(
        (whose, error.code),
        (client, ErrorCode::TemporarilyUnavailable)
    );
    assert_eq!(bed.statistics.lost, 1);
    // The loss of the connection ends those that are under way.
    bed.undo_requests();
    let Some(Happening::Undone {
        msg_id: 1, error, ..
    }) = bed.happenings.pop_front()
    else {
        panic!("nothing ends the request");
    };
    assert_eq!(error.code, ErrorCode::Timeout);
    // A receiver that is not there ends a request, and not an `init`, which is sent again.
    let absent = |dest: &str| {
        let body = r#"{"type":"error","in_reply_to":1,"code":1,"text":"away"}"#;
        format!(r#"{{"src":"n0","dest":"{dest}","body":{body}}}"#)
    };
    bed.take_undelivered(absent("c0").as_bytes());
    let Some(Happening::Undone { error, .. }) = bed.happenings.pop_front() else {
        panic!("nothing ends the request");
    };
    assert_eq!(
        (error.code, &*error.text),
        (ErrorCode::NodeNotFound, "away")
    );
    bed.clients[client].is_for_init = true;
    bed.take_undelivered(absent("c0").as_bytes());
    assert!(bed.happenings.is_empty());
    let silence = bed.silence_on_nats(0);
    assert!(
        silence.starts_with("it runs, and has not connected"),
        "{silence}"
    );
    bed.servers[0].absent_at = None;
    let silence = bed.silence_on_nats(0);
    assert!(silence.starts_with("it is connected to"), "{silence}");
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
