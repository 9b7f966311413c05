//! Checks the real binary, over pipes, under more load than fits: unread output,
//! unanswered calls, endless lines. Memory stays bounded, and no message is lost.

mod support;

use serde_json::Value;
use std::collections::HashMap;
use support::{Launch, Node, client, number_after};

const MIB: usize = 1 << 20;

#[track_caller]
fn assert_peak_below(node: &Node, mib: usize) {
    let peak = node.process().peak_memory();
    assert!(peak < mib * MIB, "{peak} bytes are {mib} MiB or more");
}

#[test]
fn a_hundred_mebibytes_of_unread_echoes_stay_in_bounded_memory() {
    const PAYLOAD: usize = 4096;
    const LINES: usize = 100 * MIB / PAYLOAD;
    // A batch is larger than all pipes and buffers together.
    const BATCH: usize = 4096;
    let payload = "x".repeat(PAYLOAD);
    let batch = |from: usize| -> Vec<u8> {
        let line = |id: usize| {
            client(&format!(
                r#"{{"type":"echo","msg_id":{id},"echo":"{payload}"}}"#
            ))
        };
        let ids = from..(from + BATCH).min(LINES);
        ids.flat_map(|id| (line(id) + "\n").into_bytes()).collect()
    };

    let mut node = Launch::new().ready();
    let input = batch(0);
    let taken = node.write_until_stalled(&input);
    assert!(taken < input.len(), "the node reads on with unread output");
    assert_peak_below(&node, 32);

    // Now the test reads. No reply is missing, and they are in order.
    let mut expected = 0;
    node.write(&input[taken..]);
    for from in (BATCH..LINES).step_by(BATCH) {
        while let Some(line) = node.line_at_hand() {
            assert_echo(&line, &mut expected, PAYLOAD);
        }
        node.write(&batch(from));
    }
    while expected < LINES {
        let line = node.line();
        assert_echo(&line, &mut expected, PAYLOAD);
    }
    assert_peak_below(&node, 32);
    node.finish_quietly();
}

#[track_caller]
fn assert_echo(line: &str, expected: &mut usize, payload: usize) {
    let id = number_after(line, "in_reply_to");
    assert_eq!(id, Some(*expected as u64), "{line:.200}");
    assert!(line.len() > payload, "{line:.200}");
    *expected += 1;
}

#[test]
fn end_of_input_flushes_all_output_to_a_slow_reader() {
    let mut node = Launch::new().ready();
    let echo = client(&format!(
        r#"{{"type":"echo","msg_id":1,"echo":"{}"}}"#,
        "y".repeat(100_000)
    ));
    let input = (echo + "\n").repeat(100);
    let taken = node.write_until_stalled(input.as_bytes());
    node.write(&input.as_bytes()[taken..]);
    let ending = node.finish();
    assert_eq!(ending.stdout.len(), 100);
    assert!(ending.stdout.iter().all(|line| line.ends_with("}}")));
}

#[test]
fn fifty_thousand_calls_to_silent_nodes_each_end_once() {
    const CALLS: usize = 50_000;
    const FIRST: u64 = 100;
    const LAST: u64 = FIRST + CALLS as u64 - 1;
    // Long enough that all calls wait at the same time, even on a slow machine.
    let mut node = Launch::new().rpc_timeout_ms(5_000).ready();
    let mut input = Vec::new();
    for id in FIRST..=LAST {
        let target = if id % 2 == 0 { "n2" } else { "n3" };
        let body = format!(
            r#"{{"type":"proxy","msg_id":{id},"target":"{target}","inner":{{"type":"read"}}}}"#
        );
        input.extend_from_slice((client(&body) + "\n").as_bytes());
    }
    node.write(&input);
    let mut requests = 0;
    let mut ended: HashMap<u64, u32> = HashMap::new();
    while requests < CALLS || ended.len() < CALLS {
        let message = node.reply();
        let body = &message["body"];
        if body["type"] == "read" {
            requests += 1;
            continue;
        }
        assert_eq!(body["type"], "error", "{message}");
        assert_eq!(body["code"], 0, "{message}");
        let id = body["in_reply_to"].as_u64().expect("an integer");
        assert!((FIRST..=LAST).contains(&id), "{message}");
        *ended.entry(id).or_default() += 1;
    }
    node.check();
    assert_eq!(requests, CALLS);
    assert!(ended.values().all(|&times| times == 1));
    assert_peak_below(&node, 64);
    node.finish_quietly();
}

#[test]
fn a_line_of_256_mebibytes_is_reported_once_and_the_next_is_answered() {
    let mut node = Launch::new().ready();
    node.write(br#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":""#);
    let chunk = vec![b'x'; MIB];
    for _ in 0..256 {
        node.write(&chunk);
    }
    node.write(b"\"}}\n");
    node.check();
    assert_peak_below(&node, 64);
    let report = node.stderr_line();
    assert!(report.len() < 1_000, "{} bytes", report.len());
    node.finish_quietly();
}

#[test]
fn an_endless_line_without_a_newline_ends_with_the_input() {
    let mut node = Launch::new().ready();
    let chunk = vec![b'x'; MIB];
    for _ in 0..64 {
        node.write(&chunk);
    }
    let ending = node.finish();
    assert!(ending.stdout.is_empty());
    assert_eq!(ending.stderr.len(), 1, "{:.300?}", ending.stderr);
}

#[test]
fn an_echo_of_15_mebibytes_comes_back_whole() {
    let mut node = Launch::new().ready();
    let value: String = (0..)
        .map(|n: u32| format!("{n:07} "))
        .take(15 << 17)
        .collect();
    node.send(&client(&format!(
        r#"{{"type":"echo","msg_id":2,"echo":"{value}"}}"#
    )));
    let reply: Value = node.reply();
    assert_eq!(reply["body"]["type"], "echo_ok");
    assert!(reply["body"]["echo"] == value, "the echo differs");
    node.check();
    node.finish_quietly();
}

#[test]
fn a_flood_of_blank_lines_is_never_answered() {
    let mut node = Launch::new().ready();
    node.write("\n".repeat(1_000_000).as_bytes());
    node.check();
    assert_peak_below(&node, 32);
    assert!(node.finish().stdout.is_empty());
}

/// A malformed line of pseudo-random bytes, the same in every run.
fn garbage(state: &mut u64) -> Vec<u8> {
    let mut line = vec![b'#'];
    for _ in 0..8 {
        // xorshift64
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let bytes = state.to_le_bytes();
        line.extend(bytes.into_iter().filter(|&byte| byte != b'\n'));
    }
    line.push(b'\n');
    line
}

const SEED: u64 = 0x2545_f491_4f6c_dd1d;

#[test]
fn a_flood_of_malformed_lines_is_reported_line_by_line() {
    // The test reads the diagnostics of a batch before it sends the next one. Another
    // test checks a slow reader of stderr.
    const BATCHES: usize = 100;
    const BATCH: usize = 200;
    let mut state = SEED;
    let mut node = Launch::new().ready();
    for _ in 0..BATCHES {
        let batch: Vec<u8> = (0..BATCH).flat_map(|_| garbage(&mut state)).collect();
        node.write(&batch);
        for _ in 0..BATCH {
            node.stderr_line();
        }
    }
    node.check();
    assert_peak_below(&node, 32);
    node.finish_quietly();
}

#[test]
fn an_unread_stderr_does_not_stop_the_node() {
    const LINES: usize = 20_000;
    let mut state = SEED;
    let mut node = Launch::new().ready();
    node.leave_stderr_unread();
    let flood: Vec<u8> = (0..LINES).flat_map(|_| garbage(&mut state)).collect();
    node.write(&flood);
    node.check();
    assert_peak_below(&node, 32);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn lines_dropped_because_stderr_is_full_are_counted() {
    const LINES: usize = 20_000;
    let mut state = SEED;
    let mut node = Launch::new().ready();
    let flood: Vec<u8> = (0..LINES).flat_map(|_| garbage(&mut state)).collect();
    node.write(&flood);
    node.check();
    let ending = node.finish();
    assert!(ending.stdout.is_empty());
    let dropped = |line: &String| {
        let count = line.strip_prefix("eddyline: ")?;
        let count = count.strip_suffix(" lines were dropped: stderr was not read")?;
        Some(count.parse::<usize>().expect("a count"))
    };
    let lines = ending.stderr.iter();
    let reported: usize = lines.map(|line| dropped(line).unwrap_or(1)).sum();
    assert_eq!(reported, LINES);
}
