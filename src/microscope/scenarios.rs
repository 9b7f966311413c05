//! The recordings that come with the project, one for each idea of the loop.
//!
//! Times are microseconds of virtual time. A call takes up to four of them.

use super::recording::Recording;
use super::scenario::{Act, PORT, Scenario};
use crate::lab::scene::Fault;
use crate::time::Instant;
use serde_json::json;
use std::time::Duration;

/// The names of the recordings, in the order in which a learner watches them.
pub const NAMES: [&str; 12] = [
    "echo",
    "flood",
    "lost-edge",
    "slot-reused",
    "slow-reader",
    "half-close",
    "call-outcomes",
    "reply-after-pause",
    "cascades",
    "wake",
    "no-descriptors",
    "end-of-stdin",
];

/// Makes one of the recordings that come with the project; `None` for a name that is not
/// among [`NAMES`]. It is the same on every machine.
pub fn record(name: &str) -> Option<Recording> {
    let scenario = match name {
        "echo" => echo(),
        "flood" => flood(),
        "lost-edge" => lost_edge(),
        "slot-reused" => slot_reused(),
        "slow-reader" => slow_reader(),
        "half-close" => half_close(),
        "call-outcomes" => call_outcomes(),
        "reply-after-pause" => reply_after_pause(),
        "cascades" => cascades(),
        "wake" => wake(),
        "no-descriptors" => no_descriptors(),
        "end-of-stdin" => end_of_stdin(),
        _ => return None,
    };
    Some(scenario.record())
}

pub(super) fn init() -> Act {
    line(
        "c0",
        &json!({"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": ["n1", "n2"]}),
    )
}

pub(super) fn line(src: &str, body: &serde_json::Value) -> Act {
    Act::Line(json!({"src": src, "dest": "n1", "body": body}).to_string())
}

pub(super) fn echo_of(msg_id: u64, text: &str) -> Act {
    line(
        "c1",
        &json!({"type": "echo", "msg_id": msg_id, "echo": text}),
    )
}

fn proxy(msg_id: u64) -> Act {
    let inner = json!({"type": "echo", "echo": msg_id});
    line(
        "c1",
        &json!({"type": "proxy", "msg_id": msg_id, "target": "n2", "inner": inner}),
    )
}

fn reply(call: u64) -> Act {
    line(
        "n2",
        &json!({"type": "echo_ok", "in_reply_to": call, "echo": call}),
    )
}

pub(super) fn nap(msg_id: u64, millis: u64) -> Act {
    line(
        "c1",
        &json!({"type": "nap", "msg_id": msg_id, "millis": millis}),
    )
}

pub(super) fn start_echo() -> Act {
    line(
        "c1",
        &json!({"type": "tcp_echo_start", "msg_id": 2, "port": PORT}),
    )
}

fn echo() -> Scenario {
    Scenario::new(
        "echo",
        "An echo",
        "A client sends init and then two echo requests, one by one. Watch one line go from the pipe through the line buffer to a handler, and its reply leave in one write at the end of the turn.",
    )
    .at(1_000, init())
    .at(2_000, echo_of(2, "hello"))
    .at(3_000, echo_of(3, "again"))
    .at(5_000, Act::End)
}

fn flood() -> Scenario {
    let mut scenario = Scenario::new(
        "flood",
        "A flood, and the bounds that keep it fair",
        "Stdin brings far more than one turn reads, while a TCP client and a timer want their share. Watch the bound end each visit: stdin is carried over, and the others are served in between.",
    )
    .at(1_000, init())
    .at(1_500, start_echo())
    .at(2_000, Act::Connect(1))
    .at(3_000, nap(3, 2));
    for number in 0..40 {
        scenario = scenario.at(4_000, echo_of(10 + number, &"f".repeat(8_000)));
    }
    Scenario {
        seed: 6,
        ..scenario
    }
    .at(4_000, Act::Send(1, 40_000))
    .at(4_050, Act::Send(1, 500))
    .at(20_000, Act::HalfClose(1))
    .at(30_000, Act::End)
}

fn lost_edge() -> Scenario {
    let mut scenario = Scenario::new(
        "lost-edge",
        "A lost edge, and the carry-over list against it",
        "The pipe is full before the loop looks, and the kernel tells that with one edge. One read does not empty it, and no second edge comes for bytes that are there already. Watch the flag stay set and the carry-over list bring stdin back.",
    )
    .at(1_000, init());
    for number in 0..12 {
        scenario = scenario.at(2_000, echo_of(10 + number, &"e".repeat(9_000)));
    }
    scenario
        .at(12_000, echo_of(99, "an edge again"))
        .at(14_000, Act::End)
}

fn slot_reused() -> Scenario {
    Scenario::new(
        "slot-reused",
        "A slot is used again, and an old event comes",
        "A client leaves, and the next one gets the same slot of the slab. Then the kernel tells an event of the first one. Watch the generation in the token tell them apart: the event is stale and is dropped.",
    )
    .at(1_000, init())
    .at(1_500, start_echo())
    .at(2_000, Act::Connect(1))
    .at(2_500, Act::Send(1, 10))
    .at(3_000, Act::Reset(1))
    .at(4_000, Act::Connect(2))
    .at(5_000, Act::Send(2, 20))
    .at(5_030, Act::Fault(Fault::StaleEvent))
    .at(5_050, Act::NoFault)
    .at(6_000, Act::Send(2, 30))
    .at(7_000, Act::HalfClose(2))
    .at(9_000, Act::End)
}

fn slow_reader() -> Scenario {
    let mut scenario = Scenario::new(
        "slow-reader",
        "A slow reader, and the watermarks",
        "The program behind stdout stops reading while requests go on. Watch the output buffer pass the high watermark: stdin is held, so the buffer stays bounded. When the reader is back and the buffer falls below the low watermark, stdin goes on without an edge.",
    )
    .at(1_000, init())
    .at(1_500, Act::Read(false));
    for number in 0..30 {
        scenario = scenario.at(
            2_000 + 200 * number,
            echo_of(10 + number, &"s".repeat(16_000)),
        );
    }
    scenario.at(20_000, Act::Read(true)).at(40_000, Act::End)
}

fn half_close() -> Scenario {
    let scenario = Scenario::new(
        "half-close",
        "Half-close with a rest to send",
        "A client of the TCP echo server sends a lot, reads nothing, and ends its direction. The server still owes it bytes. Watch the connection go from Open to Draining to HalfClosed with a rest, and close only when the last byte is sent.",
    );
    Scenario {
        seed: 16,
        ..scenario
    }
    .at(1_000, init())
    .at(1_500, start_echo())
    .at(2_000, Act::Connect(1))
    .at(2_000, Act::ClientReads(1, false))
    .at(3_000, Act::Send(1, 400_000))
    .at(8_000, Act::HalfClose(1))
    .at(12_000, Act::ClientReads(1, true))
    .at(20_000, Act::End)
}

fn call_outcomes() -> Scenario {
    let scenario = Scenario::new(
        "call-outcomes",
        "A call answered, one timed out, and a late reply",
        "Three requests make the node call n2, with a timeout of 50 ms. The first call gets its reply in time, and its timer is disarmed. The second and third get none. Watch the timers fire, and the reply that comes too late find no call.",
    );
    Scenario {
        rpc_timeout: Duration::from_millis(50),
        ..scenario
    }
    .at(1_000, init())
    .at(2_000, proxy(2))
    .at(3_000, proxy(3))
    .at(3_000, proxy(4))
    .at(12_000, reply(1))
    .at(80_000, reply(3))
    .at(90_000, Act::End)
}

fn reply_after_pause() -> Scenario {
    let scenario = Scenario::new(
        "reply-after-pause",
        "A reply after a pause",
        "The process stands still for 200 ms, as under a debugger or on a busy host, just before it reads the clock. Meanwhile the reply of a call arrives behind its back, and the call's timer of 50 ms is long overdue. Watch the loop hold the timer back for one more look at its input: the reply wins.",
    );
    Scenario {
        rpc_timeout: Duration::from_millis(50),
        stands_still: Some((Instant::from_millis(20), Duration::from_millis(200))),
        ..scenario
    }
    .at(1_000, init())
    .at(2_000, proxy(2))
    .at(2_500, nap(3, 20))
    .at(100_000, reply(1))
    .at(300_000, Act::End)
}

fn cascades() -> Scenario {
    let mut scenario = Scenario::new(
        "cascades",
        "The wheel cascades",
        "Handlers sleep until just before and just after the ticks 64 and 4096. Those are the numbers with a new digit in base 64. Watch on which level each timer is placed, and how a slot of a higher level empties into the lower ones when the wheel's time reaches it.",
    )
    .at(500, init());
    for (number, millis) in [61, 62, 63, 70, 4_093, 4_094, 4_095, 4_163, 4_165]
        .into_iter()
        .enumerate()
    {
        scenario = scenario.at(900, nap(10 + number as u64, millis));
    }
    scenario.at(5_000_000, Act::End)
}

fn wake() -> Scenario {
    let bell = |msg_id: u64| line("c1", &json!({"type": "bell", "msg_id": msg_id}));
    Scenario::new(
        "wake",
        "A wake from another thread",
        "A handler waits for something that another thread finishes. Watch the loop park before it waits: from then on a wake must end the wait. The second wake comes between the look at the ready queue and the wait. Without the parked flag it would be lost, and the loop would sleep on.",
    )
    .at(1_000, init())
    .at(2_000, bell(2))
    .at(5_000, Act::Ring)
    .at(6_000, bell(3))
    .at(6_003, Act::Ring)
    .at(9_000, Act::End)
}

fn no_descriptors() -> Scenario {
    let scenario = Scenario::new(
        "no-descriptors",
        "No descriptors left",
        "The process may open one more descriptor, and two clients come. Accepting the second one fails, and the kernel will tell no further edge for it. Watch the listener pause and a timer bring it back, until the first client has left.",
    );
    one_descriptor(scenario.at(1_000, init()))
}

/// The acts behind the init. An exhibit of the museum has the same.
pub(super) fn one_descriptor(scenario: Scenario) -> Scenario {
    scenario
        .at(1_500, start_echo())
        .at(2_000, Act::Descriptors(1))
        .at(2_500, Act::Connect(1))
        .at(3_000, Act::Send(1, 10))
        .at(3_500, Act::Connect(2))
        .at(250_000, Act::HalfClose(1))
        .at(260_000, Act::Send(2, 20))
        .at(400_000, Act::HalfClose(2))
        .at(500_000, Act::End)
}

fn end_of_stdin() -> Scenario {
    Scenario::new(
        "end-of-stdin",
        "The end of stdin",
        "Stdin ends while a call waits for its reply and an exchange over TCP is on its way. Watch the phases: the loop drains what can still end, writes every message, and only then the process ends.",
    )
    .at(1_000, init())
    .at(1_500, start_echo())
    .at(2_000, proxy(3))
    .at(3_000, line("c1", &json!({"type": "tcp_echo_send", "msg_id": 4, "data": "over tcp"})))
    .at(3_000, echo_of(5, "the last line"))
    .at(3_005, Act::End)
}
