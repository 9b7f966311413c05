//! A whole conversation against a session: bytes cut anywhere, time, replies
//! that are late, doubled and forged, a reader that falls behind.
//!
//! An input that begins with a printable character is what stdin brings, as it
//! is; any other is a list of steps. Whatever happens: nothing panics; what is
//! said are valid messages to known names, numbered one after another; every
//! request is answered at most once, and exactly once in the end; what waits
//! is what the model says; memory stays in proportion to what came in.

mod grammar;
mod model;
mod node;

use super::input::Input;
use super::memory::Meter;
use eddyline::session::{Operation, OperationId, Outcome, Session, Settings, TcpEchoStats, Usage};
use eddyline::time::{Clock, VirtualClock};
use eddyline::wire::{Line, LineBuffer};
use eddyline::{Error, Node};
use grammar::INIT;
use model::Model;
use node::Probe;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Lines that one input may bring, whatever it says.
const LINES_MAX: usize = 500;

/// Bytes that one input may bring.
const TOTAL_BYTES_MAX: usize = 1 << 20;

/// Task polls in a turn of the node.
const POLLS: usize = 200;

/// What a session keeps whatever comes: two buffers of the wire, and little else.
const KEEP_BYTES: usize = 1 << 20;

/// What a handler that waits may cost besides its request.
const TASK_BYTES_MAX: usize = 16 << 10;

pub(crate) fn check(input: &[u8]) {
    let mut conversation = Conversation::new();
    if input
        .first()
        .is_some_and(|first| (b' '..=b'~').contains(first))
    {
        for piece in input.chunks(1 + input.len() % 97) {
            conversation.read(piece);
        }
        return conversation.finish(false);
    }
    let mut input = Input::new(input);
    if !input.byte().is_multiple_of(8) {
        conversation.read(INIT.as_bytes());
        conversation.read(b"\n");
    }
    while let Some(step) = input.step() {
        conversation.step(step, &mut input);
        if conversation.lines_heard > LINES_MAX || conversation.bytes_read > TOTAL_BYTES_MAX {
            break;
        }
    }
    conversation.finish(true);
}

struct Conversation {
    session: Session,
    clock: VirtualClock,
    lines: LineBuffer,
    /// What stdin holds while nobody reads it.
    backlog: VecDeque<u8>,
    model: Model,
    meter: Meter,
    operations: Vec<(OperationId, Operation)>,
    /// How much of what waits to be written was looked at.
    looked_at: usize,
    lines_heard: usize,
    bytes_read: usize,
    msg_ids: usize,
    tasks_max: usize,
    pending_max: usize,
    input_has_ended: bool,
}

impl Conversation {
    fn new() -> Conversation {
        let clock = VirtualClock::default();
        let shared: Rc<dyn Clock> = Rc::new(clock.clone());
        let log = |text: std::fmt::Arguments<'_>| {
            allocation_counter::opt_out(|| {
                let text = text.to_string();
                assert!(!text.contains("panicked"), "{text}");
            });
        };
        let mut meter = Meter::default();
        let mut made = None;
        meter.run(|| {
            let session = Session::new(Probe::new, Settings::default(), shared, log);
            made = Some((session, LineBuffer::default()));
        });
        let (session, lines) = made.expect("it was made");
        Conversation {
            session,
            clock,
            lines,
            backlog: VecDeque::new(),
            model: Model::default(),
            meter,
            operations: Vec::new(),
            looked_at: 0,
            lines_heard: 0,
            bytes_read: 0,
            msg_ids: 2,
            tasks_max: 0,
            pending_max: 0,
            input_has_ended: false,
        }
    }

    fn step(&mut self, step: u8, input: &mut Input<'_>) {
        match step % 16 {
            0..5 => {
                let mut line = self.request(input);
                line.push(b'\n');
                self.read_in_pieces(&line, step);
            }
            5 => {
                let mut line = self.request(input);
                grammar::mutate(input, &mut line);
                line.push(b'\n');
                self.read_in_pieces(&line, step);
            }
            6..9 => {
                let call = self.model.call(input.below(256));
                let call = call.as_ref().map(|(number, dest)| (*number, &**dest));
                let mut line = grammar::reply(input, call);
                line.push(b'\n');
                // Said twice, now and then.
                for _ in 0..=step / 240 {
                    self.read_in_pieces(&line, step);
                }
            }
            9 => self.read(input.take(usize::from(step))),
            10 => self.advance(input.byte().into()),
            11 => self.advance(input.word() as u64),
            12 => _ = self.run(1 + input.below(8)),
            13 => self.complete(input),
            14 => self.write(input.word() * usize::from(step)),
            _ => self.settle(),
        }
    }

    fn request(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        self.msg_ids += 1;
        grammar::request(input, self.msg_ids)
    }

    fn read_in_pieces(&mut self, bytes: &[u8], step: u8) {
        let piece = match step >> 4 {
            0..8 => bytes.len(),
            size => usize::from(size),
        };
        bytes
            .chunks(piece.max(bytes.len() / 8))
            .for_each(|piece| self.read(piece));
    }

    /// stdin has these bytes. They are read unless the node holds back.
    fn read(&mut self, bytes: &[u8]) {
        self.backlog.extend(bytes);
        self.pump();
    }

    /// Reads as the node does: whole lines, while its own reader keeps up.
    fn pump(&mut self) {
        while !self.session.is_congested() {
            if self.next_line(LineBuffer::next_line) {
                continue;
            }
            if self.backlog.is_empty() {
                return;
            }
            let (lines, backlog) = (&mut self.lines, &mut self.backlog);
            let mut count = 0;
            self.meter.run(|| {
                let space = lines.space();
                count = space.len().min(backlog.len());
                for (place, byte) in space.iter_mut().zip(backlog.drain(..count)) {
                    *place = byte;
                }
                lines.filled(count);
            });
            self.bytes_read += count;
        }
    }

    /// The session receives a line, if there is one.
    fn next_line(&mut self, next: impl FnOnce(&mut LineBuffer) -> Option<Line<'_>>) -> bool {
        let Some(Line::Whole(line)) = next(&mut self.lines) else {
            return false;
        };
        self.lines_heard += 1;
        self.model.hear(line);
        let session = &mut self.session;
        self.meter.run(|| session.receive(line));
        self.look();
        self.model.line_is_over();
        true
    }

    /// Reads what was said since the last look.
    fn look(&mut self) {
        let now_ms = self.now_ms();
        let output = self.session.output();
        let fresh = &output.pending()[self.looked_at..];
        assert!(fresh.is_empty() || fresh.ends_with(b"\n"), "half a message");
        for line in fresh.split_inclusive(|&byte| byte == b'\n') {
            self.model.said(&line[..line.len() - 1], now_ms);
        }
        self.looked_at = output.len();
        drop(output);
        self.pending_max = self.pending_max.max(self.looked_at);
        self.tasks_max = self.tasks_max.max(self.session.usage().tasks);
        // What a line brings is there as it came, as a request, and as a call;
        // each block may be half full, and twice there while it grows.
        let most = KEEP_BYTES
            + self.tasks_max * TASK_BYTES_MAX
            + 8 * self.bytes_read
            + 4 * self.pending_max;
        self.meter.assert_peak_at_most(most);
        let (least, most) = self.model.ignored;
        assert!(
            (least..=most).contains(&self.session.ignored_replies()),
            "ignored replies"
        );
    }

    /// Somebody reads `count` bytes of stdout.
    fn write(&mut self, count: usize) {
        let mut output = self.session.output();
        let count = count.min(output.len());
        let meter = &mut self.meter;
        meter.run(|| output.consume(count));
        drop(output);
        self.looked_at -= count;
        self.pump();
    }

    /// Polls tasks. Returns whether more are ready.
    fn run(&mut self, polls: usize) -> bool {
        let session = &mut self.session;
        let mut is_more = false;
        self.meter.run(|| is_more = session.run_tasks(polls));
        self.look();
        while let Some(operation) = self.session.next_operation() {
            self.operations.push(operation);
        }
        is_more
    }

    /// Runs every task as far as it goes.
    fn settle(&mut self) {
        while self.run(POLLS) {}
        self.model.settled();
        let usage = self.session.usage();
        assert_eq!(usage.calls_waiting, self.model.calls_waiting(), "{usage:?}");
        assert_eq!(usage.calls, usage.calls_waiting, "what ended was taken");
        assert_eq!(usage.operations, self.operations.len(), "{usage:?}");
        // Each task waits for one thing, or for a call and the end of its patience.
        let waits = usage.tasks + self.model.calls_that_may_lapse();
        assert_eq!(usage.timers, waits - usage.operations, "{usage:?}");
        assert!(!self.session.has_ready_tasks());
    }

    fn advance(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.expire();
    }

    fn expire(&mut self) {
        let now = self.clock.now();
        let session = &mut self.session;
        self.meter.run(|| session.expire(now));
        self.model.expire(self.now_ms());
        self.look();
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().as_nanos() / 1_000_000
    }

    /// Ends an operation as it should, as another one, or with an error.
    fn complete(&mut self, input: &mut Input<'_>) {
        if self.operations.is_empty() {
            return;
        }
        let at = input.below(self.operations.len());
        let (id, operation) = self.operations.swap_remove(at);
        let session = &mut self.session;
        // Inside, since what an operation holds came from there.
        self.meter.run(|| {
            let outcome = match (operation, input.byte()) {
                (_, 1..32) => Err(Error::timeout("no\necho")),
                (_, 32..48) => Ok(Outcome::Listening { port: 7 }),
                (Operation::Send { .. }, 48..80) => Ok(Outcome::Echoed {
                    data: input.take(8).to_vec(),
                }),
                (Operation::Start { port }, _) => Ok(Outcome::Listening { port }),
                (Operation::Send { data }, _) => Ok(Outcome::Echoed {
                    data: data.into_bytes(),
                }),
                (Operation::Stats, _) => Ok(Outcome::Stats(TcpEchoStats::default())),
            };
            session.complete_operation(id, outcome);
        });
        self.look();
    }

    /// Lets everything end that can.
    fn finish(mut self, may_end_input: bool) {
        self.write(usize::MAX);
        while !self.backlog.is_empty() {
            self.write(usize::MAX);
        }
        self.next_line(LineBuffer::finish);
        if self.model.has_name() {
            let dest = serde_json::to_string(self.model.node_id()).expect("a name is a string");
            let body = r#"{"type":"answer_kept"}"#;
            let line = format!("\n{{\"src\":\"c1\",\"dest\":{dest},\"body\":{body}}}\n");
            self.write(usize::MAX);
            self.read(line.as_bytes());
        }
        self.settle();
        self.input_has_ended = may_end_input && self.msg_ids % 2 == 1;
        if self.input_has_ended {
            self.session.end_input();
        }
        self.run_out();
        let usage = self.session.usage();
        if !self.input_has_ended {
            assert_eq!(usage, Usage::default());
        }
        self.write(usize::MAX);
        self.model.settle_accounts(self.input_has_ended);
        let (session, lines) = (self.session, self.lines);
        self.meter.run(|| drop((session, lines)));
        self.meter.assert_held_at_most(0);
    }

    /// From deadline to deadline, until nothing waits any more.
    fn run_out(&mut self) {
        let mut nothing_chosen = Input::new(&[]);
        loop {
            while !self.operations.is_empty() {
                self.complete(&mut nothing_chosen);
            }
            self.settle_at_the_end();
            match self.session.next_deadline() {
                Some(deadline) => {
                    assert!(deadline >= self.clock.now(), "a deadline in the past");
                    self.clock.advance_to(deadline);
                    self.expire();
                }
                None if self.operations.is_empty() => return,
                None => {}
            }
        }
    }

    /// After the end of the input the call table keeps what nobody will end.
    fn settle_at_the_end(&mut self) {
        if self.input_has_ended {
            while self.run(POLLS) {}
            self.model.settled();
        } else {
            self.settle();
        }
    }
}
