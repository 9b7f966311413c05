//! Checks a whole conversation with a session: input cut anywhere, time, replies that
//! are late, doubled and forged, and a slow reader.
//!
//! If the first byte is a printable character, the input is used as stdin directly. Any
//! other input is a list of steps. The invariants:
//!
//! - No panic.
//! - The output is valid messages to known names, numbered in sequence.
//! - Every request is answered at most once, and exactly once in the end.
//! - The waiting calls, timers and operations are those of the model.
//! - Memory is proportional to the input.

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

/// The most lines of an input.
const LINES_MAX: usize = 500;

/// The most bytes that an input may send.
const TOTAL_BYTES_MAX: usize = 1 << 20;

/// Task polls in a turn of the node.
const POLLS: usize = 200;

/// The memory that a session keeps in any case: mostly its line and output buffers.
const KEEP_BYTES: usize = 1 << 20;

/// The most memory of a waiting handler, without its request.
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
        if conversation.lines_received > LINES_MAX || conversation.bytes_read > TOTAL_BYTES_MAX {
            break;
        }
    }
    conversation.finish(true);
}

struct Conversation {
    session: Session,
    clock: VirtualClock,
    lines: LineBuffer,
    /// Bytes on stdin that the node has not read.
    backlog: VecDeque<u8>,
    model: Model,
    meter: Meter,
    operations: Vec<(OperationId, Operation)>,
    /// How much of the pending output the model has read.
    output_read: usize,
    lines_received: usize,
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
        let (session, lines) = made.expect("`run` has called the closure");
        Conversation {
            session,
            clock,
            lines,
            backlog: VecDeque::new(),
            model: Model::default(),
            meter,
            operations: Vec::new(),
            output_read: 0,
            lines_received: 0,
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
                // Sent twice in some cases.
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

    /// Adds bytes to stdin. The node reads them unless it is congested.
    fn read(&mut self, bytes: &[u8]) {
        self.backlog.extend(bytes);
        self.pump();
    }

    /// Reads stdin as the node does: whole lines, until the session is congested.
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

    /// Delivers a line to the session. Returns whether there was one.
    fn next_line(&mut self, next: impl FnOnce(&mut LineBuffer) -> Option<Line<'_>>) -> bool {
        let Some(Line::Whole(line)) = next(&mut self.lines) else {
            return false;
        };
        self.lines_received += 1;
        self.model.receive(line);
        let session = &mut self.session;
        self.meter.run(|| session.receive(line));
        self.read_output();
        self.model.line_done();
        true
    }

    /// Gives new output to the model, and checks memory.
    fn read_output(&mut self) {
        let now_ms = self.now_ms();
        let output = self.session.output();
        let fresh = &output.pending()[self.output_read..];
        assert!(fresh.is_empty() || fresh.ends_with(b"\n"), "half a message");
        for line in fresh.split_inclusive(|&byte| byte == b'\n') {
            self.model.sent(&line[..line.len() - 1], now_ms);
        }
        self.output_read = output.len();
        drop(output);
        self.pending_max = self.pending_max.max(self.output_read);
        self.tasks_max = self.tasks_max.max(self.session.usage().tasks);
        // A line's bytes are in memory as input, as a request and as a call. Each block
        // may be half full, and exists twice while it grows.
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

    /// Reads `count` bytes of stdout.
    fn write(&mut self, count: usize) {
        let mut output = self.session.output();
        let count = count.min(output.len());
        let meter = &mut self.meter;
        meter.run(|| output.consume(count));
        drop(output);
        self.output_read -= count;
        self.pump();
    }

    /// Polls tasks. Returns whether more are ready.
    fn run(&mut self, polls: usize) -> bool {
        let session = &mut self.session;
        let mut is_more = false;
        self.meter.run(|| is_more = session.run_tasks(polls));
        self.read_output();
        while let Some(operation) = self.session.next_operation() {
            self.operations.push(operation);
        }
        is_more
    }

    /// Runs all tasks until none is ready, and checks the session's usage.
    fn settle(&mut self) {
        while self.run(POLLS) {}
        self.model.settled();
        let usage = self.session.usage();
        assert_eq!(usage.calls_waiting, self.model.calls_waiting(), "{usage:?}");
        assert_eq!(usage.calls, usage.calls_waiting, "an ended call is left");
        assert_eq!(usage.operations, self.operations.len(), "{usage:?}");
        // Each task waits for one timer, or for a call with its own timer as well.
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
        self.read_output();
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().as_nanos() / 1_000_000
    }

    /// Completes an operation with its own outcome, with another one, or with an error.
    fn complete(&mut self, input: &mut Input<'_>) {
        if self.operations.is_empty() {
            return;
        }
        let at = input.below(self.operations.len());
        let (id, operation) = self.operations.swap_remove(at);
        let session = &mut self.session;
        // Inside `run`, because the operation's memory was allocated inside.
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
        self.read_output();
    }

    /// Ends all tasks that can end, and does the last checks.
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
        self.model.check_accounts(self.input_has_ended);
        let (session, lines) = (self.session, self.lines);
        self.meter.run(|| drop((session, lines)));
        self.meter.assert_held_at_most(0);
    }

    /// Lets time pass from deadline to deadline, until no task waits.
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

    /// As [`settle`](Conversation::settle), but without the checks after the end of the
    /// input: the call table then keeps calls that cannot end.
    fn settle_at_the_end(&mut self) {
        if self.input_has_ended {
            while self.run(POLLS) {}
            self.model.settled();
        } else {
            self.settle();
        }
    }
}
