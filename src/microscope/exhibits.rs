//! The exhibits of the bug museum: one scenario for each fact that a loop must respect.
//!
//! Here they are played to the sound loop. The package in `tests/museum/` is a copy of
//! this library with bugs planted in it, and plays the same scenarios to those. A reader
//! compares the two recordings, so nothing here names a bug.

use super::recording::Recording;
use super::scenario::{Act, Scenario};
use super::scenarios::{echo_of, init, line, nap, one_descriptor, start_echo};
use crate::lab::scene::{Fault, Shape};
use serde_json::json;
use std::time::Duration;

/// An exhibit: its name, and the world that is played to the loop.
struct Exhibit {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    play: fn(Scenario) -> Scenario,
}

/// All exhibits, in the order of the museum's rooms.
const EXHIBITS: [Exhibit; 19] = [
    exhibit(
        "exhibit-01",
        "Four lines at once",
        "A client writes init, and a millisecond later three echo requests with one write. Then the world is silent.",
        lines_at_once,
    ),
    exhibit(
        "exhibit-02",
        "A big client that stops sending",
        "A client of the TCP echo server sends 400,000 bytes and ends its direction. It reads nothing until 12 ms, and then everything.",
        big_client,
    ),
    exhibit(
        "exhibit-03",
        "Ten large requests",
        "stdin is a socket. Ten requests with 9,000 bytes each come at once. Then the world is silent.",
        large_requests,
    ),
    exhibit(
        "exhibit-04",
        "A reader that leaves",
        "The program behind stdout ends at 3 ms. A request comes after that. stdin stays open.",
        reader_leaves,
    ),
    exhibit(
        "exhibit-05",
        "A nap of five milliseconds",
        "A handler sleeps for 5 ms, and nothing else happens until stdin ends. Each system call is slow, up to 150 µs.",
        nap_of_five,
    ),
    exhibit(
        "exhibit-06",
        "A last request",
        "A client sends init, then a last request, and closes stdin at once. The pipe has both when the loop looks.",
        last_request,
    ),
    exhibit(
        "exhibit-07",
        "Two clients",
        "Two TCP clients come. The first one sends 10 bytes and leaves at 250 ms. The second one sends 20 bytes at 260 ms.",
        one_descriptor,
    ),
    exhibit(
        "exhibit-08",
        "A slow reader",
        "The program behind stdout does not read until 20 ms. Meanwhile requests with 60,000 bytes each go on. Then it reads everything, and stdin ends.",
        slow_reader,
    ),
    exhibit(
        "exhibit-09",
        "Three lines",
        "The process is started with \"< lines.txt\". The file has three lines.",
        file_as_stdin,
    ),
    exhibit(
        "exhibit-10",
        "One client after the other",
        "A TCP client comes, sends 10 bytes and leaves. The next one comes at 4 ms, sends 20 bytes at 6 ms, and leaves at 8 ms.",
        one_after_the_other,
    ),
    exhibit(
        "exhibit-11",
        "A flood, and a client",
        "A flood of 100 messages with 60,000 bytes each, which need no answer, comes on stdin at 60 ms. At the same time a client of the TCP echo server sends 500 bytes. The machine is slow: a system call takes up to 2 ms.",
        flood,
    ),
    exhibit(
        "exhibit-12",
        "stdin closes",
        "A client sends init and one echo request. A millisecond after the answer it closes stdin.",
        stdin_closes,
    ),
    exhibit(
        "exhibit-13",
        "A pipeline that ends",
        "A shell has started the process in a pipeline. The program behind stdout ends at 4 ms.",
        shell,
    ),
    exhibit(
        "exhibit-14",
        "A request, and an echo",
        "A client sends a request of the type nested, whose handler sends a message more while it makes the body of its answer. A millisecond later comes an echo.",
        message_within,
    ),
    exhibit(
        "exhibit-15",
        "The end, and a reader that rests",
        "The program behind stdout rests until 20 ms. Six requests with 30,000 bytes each come, and stdin ends. Then it reads everything.",
        end_with_output,
    ),
    exhibit(
        "exhibit-16",
        "Eight bytes over TCP",
        "A handler is asked to send 8 bytes over TCP, and to answer with the echo of them.",
        refused,
    ),
    exhibit(
        "exhibit-17",
        "A small client",
        "A client of the TCP echo server connects at 2 ms, and sends 10 bytes at 3 ms.",
        small_client,
    ),
    exhibit(
        "exhibit-18",
        "A line that is no message",
        "The process is started with \"2>&1\". The program behind stdout rests until 20 ms. Five requests with 16,000 bytes each come, and at 5 ms a line that is no message.",
        shared_pipe,
    ),
    exhibit(
        "exhibit-19",
        "A reader with pauses",
        "The program behind stdout does not read between 1.5 ms and 20 ms. Six requests with 30,000 bytes each come meanwhile.",
        reader_with_pauses,
    ),
];

const fn exhibit(
    name: &'static str,
    title: &'static str,
    about: &'static str,
    play: fn(Scenario) -> Scenario,
) -> Exhibit {
    Exhibit {
        name,
        title,
        about,
        play,
    }
}

/// The names of the exhibits of the bug museum, in their order.
pub fn exhibits() -> impl Iterator<Item = &'static str> {
    EXHIBITS.iter().map(|exhibit| exhibit.name)
}

/// Records the sound loop in the world of an exhibit; `None` for a name that is not among
/// [`exhibits`].
///
/// ```
/// use eddyline::microscope::{explain, record_exhibit};
///
/// let recording = record_exhibit("exhibit-01").expect("it is one of `exhibits`");
/// assert!(explain(&recording).contains("In the end"));
/// ```
pub fn record_exhibit(name: &str) -> Option<Recording> {
    let exhibit = EXHIBITS.iter().find(|exhibit| exhibit.name == name)?;
    let scenario = Scenario::new(exhibit.name, exhibit.title, exhibit.about);
    let scenario = Scenario {
        tells_outcome: true,
        turns_max: 60,
        ..scenario
    };
    Some((exhibit.play)(scenario.at(1_000, init())).record())
}

fn lines_at_once(scenario: Scenario) -> Scenario {
    let requests = (2..5).map(|number| (number, format!("number {number}")));
    requests.fold(scenario, |scenario, (number, text)| {
        scenario.at(2_000, echo_of(number, &text))
    })
}

fn big_client(scenario: Scenario) -> Scenario {
    Scenario {
        seed: 16,
        ..scenario
    }
    .at(1_500, start_echo())
    .at(2_000, Act::Connect(1))
    .at(2_000, Act::ClientReads(1, false))
    .at(3_000, Act::Send(1, 400_000))
    .at(8_000, Act::HalfClose(1))
    .at(12_000, Act::ClientReads(1, true))
    .at(20_000, Act::End)
}

fn large_requests(scenario: Scenario) -> Scenario {
    let scenario = Scenario {
        shapes: [Shape::Socket, Shape::Pipe],
        ..scenario
    };
    (10..20).fold(scenario, |scenario, number| {
        scenario.at(2_000, echo_of(number, &"e".repeat(9_000)))
    })
}

fn reader_leaves(scenario: Scenario) -> Scenario {
    scenario
        .at(2_000, echo_of(2, "heard"))
        .at(3_000, Act::Leave)
        .at(4_000, echo_of(3, "unheard"))
}

fn nap_of_five(scenario: Scenario) -> Scenario {
    Scenario {
        call_time: Some(Duration::from_micros(150)),
        ..scenario
    }
    .at(2_000, nap(2, 5))
    .at(20_000, Act::End)
}

fn last_request(scenario: Scenario) -> Scenario {
    scenario
        .at(2_000, echo_of(2, "the last one"))
        .at(2_000, Act::End)
}

fn slow_reader(scenario: Scenario) -> Scenario {
    let scenario = scenario.at(1_500, Act::Read(false));
    let scenario = (0..12).fold(scenario, |scenario, number| {
        scenario.at(
            2_000 + 500 * number,
            echo_of(10 + number, &"s".repeat(60_000)),
        )
    });
    Scenario {
        turns_max: 200,
        ..scenario
    }
    .at(20_000, Act::Read(true))
    .at(40_000, Act::End)
}

fn file_as_stdin(scenario: Scenario) -> Scenario {
    Scenario {
        shapes: [Shape::File, Shape::Pipe],
        ..scenario
    }
    .at(0, echo_of(2, "from a file"))
    .at(0, echo_of(3, "from a file too"))
}

fn one_after_the_other(scenario: Scenario) -> Scenario {
    Scenario {
        seed: 4,
        ..scenario
    }
    .at(1_500, start_echo())
    .at(2_000, Act::Connect(1))
    .at(2_500, Act::Send(1, 10))
    .at(3_000, Act::HalfClose(1))
    .at(4_000, Act::Connect(2))
    .at(5_000, Act::Fault(Fault::StaleEvent))
    .at(5_000, echo_of(3, "meanwhile"))
    .at(5_008, Act::NoFault)
    .at(6_000, Act::Send(2, 20))
    .at(8_000, Act::HalfClose(2))
    .at(10_000, Act::End)
}

fn flood(scenario: Scenario) -> Scenario {
    let scenario = scenario
        .at(20_000, start_echo())
        .at(40_000, Act::Connect(1));
    let noise = line(
        "n2",
        &json!({"type": "noise", "in_reply_to": 99, "text": "f".repeat(60_000)}),
    );
    let scenario = (0..100).fold(scenario, |scenario, _| scenario.at(60_000, noise.clone()));
    Scenario {
        call_time: Some(Duration::from_millis(2)),
        turns_max: 200,
        ..scenario
    }
    .at(60_000, Act::Send(1, 500))
    .at(400_000, Act::End)
}

fn stdin_closes(scenario: Scenario) -> Scenario {
    scenario.at(2_000, echo_of(2, "hello")).at(3_000, Act::End)
}

fn shell(scenario: Scenario) -> Scenario {
    Scenario {
        shapes: [Shape::GatedPipe, Shape::Pipe],
        ..scenario
    }
    .at(2_000, echo_of(2, "hello"))
    .at(4_000, Act::Leave)
}

fn message_within(scenario: Scenario) -> Scenario {
    scenario
        .at(2_000, line("c1", &json!({"type": "nested", "msg_id": 2})))
        .at(3_000, echo_of(3, "still here"))
        .at(5_000, Act::End)
}

fn end_with_output(scenario: Scenario) -> Scenario {
    let scenario = scenario.at(1_500, Act::Read(false));
    let scenario = (10..16).fold(scenario, |scenario, number| {
        scenario.at(
            2_000 + 100 * (number - 10),
            echo_of(number, &"o".repeat(30_000)),
        )
    });
    scenario.at(4_000, Act::End).at(20_000, Act::Read(true))
}

fn refused(scenario: Scenario) -> Scenario {
    scenario
        .at(1_500, start_echo())
        .at(2_000, Act::Fault(Fault::ConnectRefused))
        .at(
            2_500,
            line(
                "c1",
                &json!({"type": "tcp_echo_send", "msg_id": 3, "data": "over tcp"}),
            ),
        )
        .at(9_000, Act::End)
}

fn small_client(scenario: Scenario) -> Scenario {
    scenario
        .at(1_500, start_echo())
        .at(2_000, Act::Connect(1))
        .at(3_000, Act::Send(1, 10))
}

fn shared_pipe(scenario: Scenario) -> Scenario {
    let scenario = Scenario {
        shares_stdout: true,
        ..scenario
    }
    .at(1_500, Act::Read(false));
    let scenario = (10..15).fold(scenario, |scenario, number| {
        scenario.at(2_000, echo_of(number, &"p".repeat(16_000)))
    });
    scenario
        .at(5_000, Act::Line("not a message".to_owned()))
        .at(20_000, Act::Read(true))
        .at(30_000, Act::End)
}

fn reader_with_pauses(scenario: Scenario) -> Scenario {
    let scenario = scenario.at(1_500, Act::Read(false));
    let scenario = (10..16).fold(scenario, |scenario, number| {
        scenario.at(
            2_000 + 300 * (number - 10),
            echo_of(number, &"w".repeat(30_000)),
        )
    });
    scenario.at(20_000, Act::Read(true)).at(30_000, Act::End)
}
