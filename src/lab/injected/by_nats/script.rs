//! The script of a run: what a seed decides.

use crate::lab::draw;
use crate::lab::injected::request::{Answer, Request, Wanted};
use crate::lab::kernel::{Fault, Faults};
use crate::random::Random;
use crate::time::Instant;
use std::time::Duration;

/// When the faults end, those of the kernel and of the servers.
pub(super) const FAULTS_UNTIL: Instant = Instant::from_millis(8_000);

/// How late an answer may be if the process does not stand still: all faults of a run
/// together, a server that reads late among them.
const SLACK: Duration = Duration::from_millis(2_500);

/// The same if it does.
const LONG_SLACK: Duration = Duration::from_secs(20);

/// An event at the servers.
#[derive(Debug)]
pub(super) enum Event {
    /// A client has a request for the node.
    Ask(Request),
    /// A server dies: with resets, or with ends.
    Kill(usize, bool),
    /// It is back.
    Up(usize),
    /// The server says no more on the node's connection, after some bytes.
    Silence(&'static [u8]),
    /// The server says something.
    Say(&'static [u8]),
    /// The server reads nothing for so long.
    Stall(Duration),
}

pub(super) struct Script {
    pub(super) faults: Faults,
    pub(super) events: Vec<(Instant, Event)>,
    pub(super) slack: Duration,
    /// Nothing but the servers makes the node leave one.
    pub(super) is_faithful: bool,
    /// The source of the servers' random numbers.
    pub(super) random: Random,
}

impl Script {
    /// No faults and no events.
    pub(super) fn quiet() -> Script {
        Script {
            faults: Faults::none(),
            events: Vec::new(),
            slack: SLACK,
            is_faithful: true,
            random: Random::new(7),
        }
    }

    pub(super) fn draw(seed: u64) -> Script {
        let mut random = Random::new(seed);
        let faults = Faults::draw(&mut random, FAULTS_UNTIL);
        let stands_still = faults.has(Fault::Paused) || faults.has(Fault::Stopped);
        let mut events = Vec::new();
        let spread_ms = draw::one_of(&mut random, [300, 2_000, 7_500]);
        for msg_id in 0..10 + random.below(40) {
            let at = Instant::from_millis(random.below(spread_ms));
            let request = Request::new(wanted(&mut random), msg_id);
            events.push((at, Event::Ask(request)));
        }
        for _ in 0..random.below(7) {
            let at = Instant::from_millis(random.below(spread_ms));
            event(&mut random, at, &mut events);
        }
        Script {
            is_faithful: !stands_still && !faults.has(Fault::Reset),
            faults,
            events,
            slack: if stands_still { LONG_SLACK } else { SLACK },
            random,
        }
    }
}

fn event(random: &mut Random, at: Instant, events: &mut Vec<(Instant, Event)>) {
    const HALF: &[u8] = b"MSG eddyline.t.n1.c1 1 500\r\n{\"src\":\"c1\",\"dest\":";
    let event = match random.below(12) {
        0..4 => {
            let server = draw::index(random, 2);
            let down = draw::duration(random, Duration::from_secs(3));
            events.push((at + down, Event::Up(server)));
            Event::Kill(server, random.chance(0.5))
        }
        4 => Event::Silence(b""),
        5 => Event::Silence(HALF),
        6 => Event::Say(b"PING\r\n"),
        7 => Event::Say(b"INFO {\"headers\":true,\"max_payload\":1000000}\r\n+OK\r\n"),
        8 => Event::Say(b"-ERR 'Stale Connection'\r\n"),
        9 => Event::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        _ => Event::Stall(draw::duration(random, Duration::from_secs(1))),
    };
    events.push((at, event));
}

fn wanted(random: &mut Random) -> Wanted {
    match random.below(40) {
        0..14 => {
            let most = draw::one_of(random, [10, 300, 3_000, 30_000]);
            Wanted::Echo(draw::index(random, most))
        }
        14..30 => Wanted::Proxy(answer(random)),
        30..34 => Wanted::Nap(draw::one_of(random, [0, 7, 300, 1_500])),
        34 => Wanted::Spam(random.below(150), 5_000),
        35..37 => Wanted::Spam(random.below(20), 200),
        _ => Wanted::Unknown,
    }
}

/// How the other node answers a call, whose timeout is a second.
fn answer(random: &mut Random) -> Answer {
    let prompt = Duration::from_micros(random.below(100_000));
    let any = Duration::from_micros(random.below(1_200_000));
    match random.below(8) {
        0..3 => Answer::After(prompt),
        3 => Answer::Error(prompt),
        4 => Answer::Twice(prompt, prompt + any),
        5 => Answer::After(any),
        6 => Answer::Forged(prompt),
        _ => Answer::Never,
    }
}
