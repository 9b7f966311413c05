//! A plan: everything that a seed decides about a run.

use super::request::{Answer, Request, Wanted};
use crate::lab::draw;
use crate::lab::kernel::{Fault, Faults, Shape};
use crate::random::Random;
use crate::time::Instant;
use std::time::Duration;

/// When the faults end.
const FAULTS_UNTIL: Instant = Instant::from_millis(20_000);

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// stdin is closed when every request is answered and every client has ended.
    Orderly,
    /// stdin is closed after the last request.
    Early,
    /// The reader of stdout closes it, at some time.
    ReaderGone,
    /// stdin, a socket, is reset.
    WriterReset,
}

/// The other end of stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stderr {
    Read,
    NeverRead,
    Closed,
    /// stderr is the same file as stdout.
    Shared,
}

/// The kind of request that is most frequent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Mixed,
    /// Enough output to reach the high watermark when the reader stalls.
    Echoes,
    /// Calls of a process that is stopped now and then: replies come meanwhile, and
    /// deadlines pass.
    Calls,
}

/// How the parent reads stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Prompt,
    /// With long breaks.
    Stalls,
    /// Not before everything is written to stdin, or stdin is full.
    WritesFirst,
}

/// How a client of the echo server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Sends, half-closes, reads to the end.
    Polite,
    /// The same, but reads late and little.
    Slow,
    /// Sends and does not read. Closes when it can send no more.
    NeverReads,
    /// Resets the connection at some time.
    Resets,
    /// Closes without reading.
    Leaves,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) stdin: Shape,
    pub(super) stdout: Shape,
    pub(super) stderr: Stderr,
    pub(super) faults: Faults,
    pub(super) ending: Ending,
    /// How many descriptors the process may have beside those that it starts with;
    /// `None` for plenty.
    pub(super) spare_descriptors: Option<usize>,
    pub(super) reader: Reader,
    /// When the process stands still between a wait and the clock, and how long.
    pub(super) stands_still: Option<(Instant, Duration)>,
    /// With how many bytes each sends.
    pub(super) clients: Vec<(Manner, usize)>,
    /// Each with the gap before it.
    pub(super) lines: Vec<(Duration, Line)>,
    /// The source of the actors' random numbers.
    pub(super) random: Random,
}

#[derive(Debug)]
pub(super) enum Line {
    Request(Request),
    /// A line that gets no answer.
    Noise(Vec<u8>),
}

impl Plan {
    pub(super) fn draw(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let ending = match random.below(8) {
            0..4 => Ending::Orderly,
            4..6 => Ending::Early,
            6 => Ending::ReaderGone,
            _ => Ending::WriterReset,
        };
        let stdin = match (ending, random.below(8)) {
            (Ending::WriterReset, _) | (_, 0) => Shape::Socket,
            (Ending::Early, 1) => Shape::File,
            (_, 2) => Shape::GatedPipe,
            _ => Shape::Pipe,
        };
        let stdout = match random.below(8) {
            0 => Shape::Socket,
            1 => Shape::File,
            2 => Shape::GatedPipe,
            _ => Shape::Pipe,
        };
        let stderr = match random.below(6) {
            0 => Stderr::NeverRead,
            1 => Stderr::Closed,
            2 => Stderr::Shared,
            _ => Stderr::Read,
        };
        let spare_descriptors = random.chance(0.2).then(|| 2 + draw::index(&mut random, 8));
        let clients = (0..random.below(7)).map(|_| client(&mut random)).collect();
        let load = match random.below(20) {
            0 => Load::Echoes,
            1..4 => Load::Calls,
            _ => Load::Mixed,
        };
        let reader = match (load, random.below(10)) {
            (Load::Mixed, 0..2) | (Load::Echoes, 0..5) => Reader::Stalls,
            (Load::Mixed, 2) | (Load::Echoes, _) => Reader::WritesFirst,
            (Load::Mixed | Load::Calls, _) => Reader::Prompt,
        };
        let mut faults = Faults::draw(&mut random, FAULTS_UNTIL);
        if load == Load::Calls {
            // There are fewer waits than calls in a run, so stops need a higher rate.
            let (fault, rate) = match random.chance(0.7) {
                true => (Fault::Stopped, 0.3),
                false => (Fault::Paused, 0.1),
            };
            faults.add(fault, rate);
        }
        Plan {
            seed,
            stdin,
            stdout,
            stderr,
            faults,
            ending,
            spare_descriptors,
            reader,
            stands_still: None,
            clients,
            lines: lines(&mut random, load),
            random,
        }
    }

    /// Hundreds of sends at once, with few descriptors.
    #[cfg(test)]
    pub(super) fn sends(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let mut requests = vec![
            (Duration::ZERO, Wanted::Init),
            (Duration::ZERO, Wanted::Start),
        ];
        for _ in 0..40 + random.below(260) {
            let wanted = match random.below(20) {
                0 => Wanted::Stats,
                1 => Wanted::Echo(size(&mut random)),
                _ => Wanted::Send(draw::index(&mut random, 2_000)),
            };
            requests.push((Duration::ZERO, wanted));
        }
        let mut plan = Plan::quiet(requests);
        plan.seed = seed;
        plan.spare_descriptors = random.chance(0.8).then(|| 3 + draw::index(&mut random, 70));
        if random.chance(0.3) {
            plan.ending = Ending::Early;
        }
        let (fault, rate) = draw::one_of(
            &mut random,
            [
                (Fault::Latency, 1.0),
                (Fault::LateEdge, 0.2),
                (Fault::AcceptOutOfResources, 0.2),
                (Fault::AcceptOutOfResources, 0.0),
            ],
        );
        plan.faults.add(fault, rate);
        plan.random = random;
        plan
    }

    /// Pipes, no faults, and the given requests, each after its gap.
    #[cfg(test)]
    pub(super) fn quiet(requests: Vec<(Duration, Wanted)>) -> Plan {
        let numbered = (0..).zip(requests);
        let line = |(id, (gap, wanted))| (gap, Line::Request(Request::new(wanted, id)));
        Plan {
            seed: 0,
            stdin: Shape::Pipe,
            stdout: Shape::Pipe,
            stderr: Stderr::Read,
            faults: Faults::none(),
            ending: Ending::Orderly,
            spare_descriptors: None,
            reader: Reader::Prompt,
            stands_still: None,
            clients: Vec::new(),
            lines: numbered.map(line).collect(),
            random: Random::new(0),
        }
    }

    /// Whether every `tcp_echo_send` and every client must succeed.
    pub(super) fn network_is_sound(&self) -> bool {
        const HARM: [Fault; 9] = [
            Fault::Paused,
            Fault::Stopped,
            Fault::Reset,
            Fault::AcceptAborted,
            Fault::SocketOutOfResources,
            Fault::ListenFailed,
            Fault::ConnectRefused,
            Fault::ConnectSlow,
            Fault::RegisterFailed,
        ];
        // One for the listener, and two for a send. Clients could take them.
        let enough = |spare| spare >= 3 && self.clients.is_empty();
        let enough = self.spare_descriptors.is_none_or(enough);
        let accepts = !self.faults.always(Fault::AcceptOutOfResources);
        accepts && enough && !HARM.iter().any(|&fault| self.faults.has(fault))
    }

    /// Whether the node must keep its own deadlines.
    pub(super) fn is_punctual(&self) -> bool {
        let stands_still = self.faults.has(Fault::Paused) || self.faults.has(Fault::Stopped);
        self.lateness().is_some() && !stands_still && self.stands_still.is_none()
    }

    /// How late the node may see a reply that is in the pipe, with all faults of the
    /// run together. `None` for any time.
    pub(super) fn lateness(&self) -> Option<Duration> {
        // A few calls of the loop, and the time until an actor acts.
        const LEAST: Duration = Duration::from_micros(200);
        const HARM: [(Fault, Duration); 3] = [
            // Until the bytes have settled, and one more delay.
            (Fault::BytesWithheld, Duration::from_millis(35)),
            (Fault::LateEdge, Duration::from_millis(15)),
            (Fault::Latency, Duration::from_millis(5)),
        ];
        if self.reader != Reader::Prompt || self.ending != Ending::Orderly {
            return None;
        }
        let harm = HARM.iter().filter(|&&(fault, _)| self.faults.has(fault));
        Some(harm.fold(LEAST, |sum, &(_, lateness)| sum + lateness))
    }
}

/// A number of bytes: mostly few, sometimes many.
fn size(random: &mut Random) -> usize {
    let most = draw::one_of(
        random,
        [10, 10, 100, 300, 300, 1_000, 3_000, 5_000, 9_000, 70_000],
    );
    draw::index(random, most)
}

fn client(random: &mut Random) -> (Manner, usize) {
    let manner = match random.below(8) {
        0..3 => Manner::Polite,
        3..5 => Manner::Slow,
        5 => Manner::NeverReads,
        6 => Manner::Resets,
        _ => Manner::Leaves,
    };
    (manner, size(random) * 4)
}

fn lines(random: &mut Random, load: Load) -> Vec<(Duration, Line)> {
    let count = match load {
        Load::Echoes => 30 + random.below(20),
        Load::Mixed | Load::Calls => 5 + random.below(45),
    };
    let mut lines = Vec::new();
    let init = Request::new(Wanted::Init, 0);
    lines.push((Duration::ZERO, Line::Request(init)));
    if random.chance(0.7) {
        let start = Request::new(Wanted::Start, 1);
        lines.push((Duration::ZERO, Line::Request(start)));
    }
    let longest_gap_us = draw::one_of(random, [0, 50, 2_000, 60_000]);
    for msg_id in 2..count {
        let gap = Duration::from_micros(random.below(longest_gap_us));
        let wanted = match (load, random.below(20)) {
            (_, 0) => {
                lines.push((gap, Line::Noise(noise(random))));
                continue;
            }
            (Load::Echoes, 1..12) => Wanted::Echo(draw::index(random, 60_000)),
            (Load::Calls, 1..16) => Wanted::Proxy(answer(random)),
            _ => wanted(random),
        };
        let line = Line::Request(Request::new(wanted, msg_id));
        lines.push((gap, line));
    }
    lines
}

fn wanted(random: &mut Random) -> Wanted {
    match random.below(24) {
        0..8 => Wanted::Echo(size(random)),
        8..13 => Wanted::Proxy(answer(random)),
        13..17 => Wanted::Send(size(random)),
        17..19 => Wanted::Stats,
        19 => Wanted::Start,
        20 => Wanted::Nap(draw::one_of(random, [0, 1, 7, 300])),
        21 => Wanted::Bell,
        22 => Wanted::Spam(random.below(20), size(random) / 20),
        _ => Wanted::Unknown,
    }
}

/// How the other node answers a call, whose timeout is a second.
fn answer(random: &mut Random) -> Answer {
    let prompt = Duration::from_micros(random.below(100_000));
    match random.below(11) {
        0..4 => Answer::After(prompt),
        4 => Answer::Error(prompt),
        5 => Answer::Twice(
            prompt,
            prompt + Duration::from_micros(random.below(1_200_000)),
        ),
        6 => Answer::After(Duration::from_micros(900_000 + random.below(300_000))),
        // Just before the timeout.
        7 => Answer::After(Duration::from_micros(999_900 - random.below(20_000))),
        8 => Answer::Forged(prompt),
        9 => Answer::After(Duration::from_micros(random.below(900_000))),
        _ => Answer::Never,
    }
}

fn noise(random: &mut Random) -> Vec<u8> {
    let noise: &[&[u8]] = &[
        b"",
        b"no message",
        b"{\"src\":\"c1\",\"dest\":\"n1\"}",
        b"{\"src\":\"c1\",\"dest\":\"n9\",\"body\":{\"type\":\"echo\",\"msg_id\":1}}",
        b"{\"src\":\"n2\",\"dest\":\"n1\",\"body\":{\"type\":\"x\",\"in_reply_to\":99999}}",
        b"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"absent\"}}",
        b"\xff\xfe\x00",
    ];
    noise[draw::index(random, noise.len())].to_vec()
}
