//! The parent: the program that has started the node.
//!
//! It writes the lines of the plan to stdin, reads stdout, answers calls as node n2,
//! and closes stdin as the plan's ending says.

use super::ledger::Ledger;
use super::plan::{Ending, Line, Plan, Reader, Stderr};
use super::request::Answer;
use crate::lab::draw;
use crate::lab::kernel::{Actor, ActorId, FileId, Kernel, Received, Shape};
use crate::random::Random;
use crate::time::Instant;
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// How long the parent waits for a missing answer before it gives up: longer than
/// all faults and the timeouts after them.
const PATIENCE: Duration = Duration::from_secs(200);

/// The time between the last answer and the end of stdin. The node can close its
/// connections in it.
const GRACE: Duration = Duration::from_millis(500);

/// How often the parent looks at what signals no news: a file, the bell, the clients.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The start of a diagnostic, where stderr and stdout are the same file.
const DIAGNOSTIC: &[u8] = b"eddyline: ";

/// The note that the ledger takes when the last byte of a line is in the pipe.
enum Meaning {
    Request(u64),
    Reply(u64),
    Nothing,
}

pub(super) struct Parent {
    ledger: Rc<RefCell<Ledger>>,
    random: Random,
    ending: Ending,
    stdin: FileId,
    stdout: FileId,
    stdout_is_file: bool,
    stdin_is_file: bool,
    shares_stderr: bool,
    reader: Reader,
    lines: VecDeque<(Duration, Line)>,
    next_line: Instant,
    /// Replies of the other node, by the time at which they are written. With each,
    /// the request that it is good for, if any.
    replies: BTreeMap<(Instant, u64), (Option<u64>, Vec<u8>)>,
    /// Bytes that stdin is yet to take, and the lengths of the lines in them.
    outgoing: VecDeque<u8>,
    meanings: VecDeque<(usize, Meaning)>,
    partial: Vec<u8>,
    stalled_until: Instant,
    /// When the parent closes stdout, resets stdin, or closes stdin.
    closing: Option<Instant>,
    gives_up: Instant,
    stdin_closed: bool,
    stdout_closed: bool,
    ends_with_newline: bool,
    next_number: u64,
}

impl Parent {
    pub(super) fn new(
        plan: &mut Plan,
        ledger: Rc<RefCell<Ledger>>,
        (stdin, stdout): (FileId, FileId),
    ) -> Parent {
        let mut random = plan.random.fork();
        let leaves = matches!(plan.ending, Ending::ReaderGone | Ending::WriterReset);
        let closing = Duration::from_micros(random.below(2_000_000));
        Parent {
            ledger,
            ending: plan.ending,
            stdin,
            stdout,
            stdout_is_file: plan.stdout == Shape::File,
            stdin_is_file: plan.stdin == Shape::File,
            shares_stderr: plan.stderr == Stderr::Shared,
            reader: plan.reader,
            lines: std::mem::take(&mut plan.lines).into(),
            next_line: Instant::ZERO,
            replies: BTreeMap::new(),
            outgoing: VecDeque::new(),
            meanings: VecDeque::new(),
            partial: Vec::new(),
            stalled_until: Instant::ZERO,
            closing: leaves.then_some(Instant::ZERO + closing),
            gives_up: Instant::ZERO + PATIENCE,
            stdin_closed: false,
            stdout_closed: false,
            ends_with_newline: random.chance(0.7),
            next_number: 0,
            random,
        }
    }

    /// Writes all lines of a regular file, before the process starts.
    pub(super) fn fill_file(&mut self, kernel: &mut Kernel) {
        if self.stdin_is_file {
            self.prepare(kernel.now());
            while !self.outgoing.is_empty() {
                self.write(kernel);
            }
        }
    }

    fn push(&mut self, mut line: Vec<u8>, meaning: Meaning, newline: bool) {
        if newline {
            line.push(b'\n');
        }
        self.outgoing.extend(&line);
        self.meanings.push_back((line.len(), meaning));
    }

    /// Moves the lines and replies that are due to the outgoing bytes.
    fn prepare(&mut self, now: Instant) {
        let early = self.ending == Ending::Early;
        while self.next_line <= now
            && let Some((_, line)) = self.lines.pop_front()
        {
            let is_last = self.lines.is_empty();
            // Only the last line can do without its newline.
            let newline = !(is_last && early) || self.ends_with_newline;
            match line {
                Line::Request(request) => {
                    let (bytes, msg_id) = (request.line(), request.msg_id);
                    self.ledger.borrow_mut().requests.insert(msg_id, request);
                    self.push(bytes, Meaning::Request(msg_id), newline);
                }
                Line::Noise(bytes) => self.push(bytes, Meaning::Nothing, newline),
            }
            let gap = self.lines.front().map_or(Duration::ZERO, |line| line.0);
            // A file has all lines at once.
            self.next_line = if self.stdin_is_file { now } else { now + gap };
            self.gives_up = now + PATIENCE;
        }
        if early && self.lines.is_empty() {
            return;
        }
        while let Some((&key, _)) = self.replies.first_key_value()
            && key.0 <= now
        {
            if let Some((of, bytes)) = self.replies.remove(&key) {
                let meaning = of.map_or(Meaning::Nothing, Meaning::Reply);
                self.push(bytes, meaning, true);
            }
        }
    }

    /// Writes to stdin. Returns false if it is full; the kernel signals when it is not.
    fn write(&mut self, kernel: &mut Kernel) -> bool {
        while !self.outgoing.is_empty() {
            let most = draw::one_of(&mut self.random, [7, 300, 4_096, 70_000]);
            let bytes = self.outgoing.make_contiguous();
            let chunk = &bytes[..bytes.len().min(most)];
            let Ok(count) = kernel.peer_write(self.stdin, chunk) else {
                return false;
            };
            self.outgoing.drain(..count);
            let mut left = count;
            while let Some((bytes, meaning)) = self.meanings.front_mut() {
                if *bytes > left {
                    *bytes -= left;
                    break;
                }
                left -= *bytes;
                let mut ledger = self.ledger.borrow_mut();
                match *meaning {
                    Meaning::Request(msg_id) => ledger.written(msg_id, kernel.now()),
                    Meaning::Reply(of) => ledger.reply_written(of, kernel.now()),
                    Meaning::Nothing => {}
                }
                drop(ledger);
                self.meanings.pop_front();
            }
            if self.random.chance(0.3) {
                break;
            }
        }
        true
    }

    fn read(&mut self, kernel: &mut Kernel) {
        while !self.stdout_closed && kernel.now() >= self.stalled_until {
            let most = 1 + draw::index(&mut self.random, 100_000);
            match kernel.peer_read(self.stdout, most) {
                Received::Bytes(bytes) => self.received(&bytes, kernel.now()),
                Received::Nothing => return,
                Received::End | Received::Reset => {
                    self.stdout_closed = true;
                    if !self.ledger.borrow().has_ended {
                        let text = "stdout was closed while the process lives";
                        self.ledger.borrow_mut().error(text.to_owned());
                    }
                }
            }
            if self.reader == Reader::Stalls && self.random.chance(0.1) {
                let millis = draw::one_of(&mut self.random, [1, 30, 900]);
                self.stalled_until = kernel.now() + Duration::from_millis(millis);
            }
        }
    }

    /// Whether the parent is still writing, and so does not read.
    fn writes_first(&self, may_write: bool) -> bool {
        let writes = !self.lines.is_empty() || !self.outgoing.is_empty();
        self.reader == Reader::WritesFirst && may_write && writes
    }

    fn received(&mut self, bytes: &[u8], now: Instant) {
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        for line in partial.split_inclusive(|&byte| byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) if self.shares_stderr && line.starts_with(DIAGNOSTIC) => {}
                Some(line) => self.message(line, now),
                None => self.partial = line.to_vec(),
            }
        }
    }

    fn message(&mut self, line: &[u8], now: Instant) {
        let call = self.ledger.borrow_mut().receive(line, now);
        let Some((of, msg_id, answer)) = call else {
            return;
        };
        let good = json!({ "src": "n2", "dest": "n1",
            "body": { "type": "work_ok", "in_reply_to": msg_id, "of": of } });
        let mut reply = |after: Duration, of: Option<u64>, line: &serde_json::Value| {
            self.next_number += 1;
            let key = (now + after, self.next_number);
            self.replies
                .insert(key, (of, line.to_string().into_bytes()));
        };
        match answer {
            Answer::Never => {}
            Answer::After(after) => reply(after, Some(of), &good),
            Answer::Twice(after, again) => {
                reply(after, Some(of), &good);
                reply(again, None, &good);
            }
            Answer::Forged(after) => {
                let mut forged = good.clone();
                forged["src"] = json!("c3");
                forged["body"]["of"] = json!(0);
                reply(after / 2, None, &forged);
                reply(after, Some(of), &good);
            }
            Answer::Error(after) => {
                let error = json!({ "src": "n2", "dest": "n1", "body": {
                    "type": "error", "in_reply_to": msg_id, "code": 21, "text": "no" } });
                reply(after, Some(of), &error);
            }
        }
    }

    /// Whether to close stdin now.
    fn is_over(&mut self, now: Instant) -> bool {
        let said = self.lines.is_empty() && self.outgoing.is_empty();
        match self.ending {
            Ending::Early => said,
            // The end of stdin makes the node write, and so notice the closed stdout.
            Ending::ReaderGone => self.stdout_closed && now >= self.stalled_until,
            Ending::WriterReset => false,
            Ending::Orderly => {
                let ledger = self.ledger.borrow();
                let done = said && ledger.all_answered() && ledger.clients == 0;
                drop(ledger);
                // A client may begin after the others have closed.
                let closing = done.then(|| self.closing.unwrap_or(now + GRACE));
                self.closing = closing;
                closing.is_some_and(|closing| closing <= now)
            }
        }
    }

    fn end(&mut self, kernel: &mut Kernel) {
        let now = kernel.now();
        if !self.stdin_closed && now >= self.gives_up {
            self.gives_up = Instant::MAX;
            let ledger = &mut *self.ledger.borrow_mut();
            let (open, clients) = (ledger.unanswered(), ledger.clients);
            ledger.error(format!(
                "the parent gave up; without answers: {open:?}; open clients: {clients}"
            ));
        }
        if self.ending == Ending::ReaderGone
            && !self.stdout_closed
            && self.closing.is_some_and(|closing| closing <= now)
        {
            self.stdout_closed = true;
            kernel.peer_close(self.stdout);
            self.stalled_until = now + Duration::from_secs(5);
        }
        if self.ending == Ending::WriterReset
            && !self.stdin_closed
            && self.closing.is_some_and(|closing| closing <= now)
        {
            self.stdin_closed = true;
            kernel.peer_reset(self.stdin);
        }
        if !self.stdin_closed && self.is_over(now) {
            self.stdin_closed = true;
            kernel.peer_close(self.stdin);
        }
    }

    /// When to act next, if nothing is signalled before.
    fn next_look(&self, now: Instant) -> Option<Duration> {
        let mut times = vec![];
        if !self.stdin_closed {
            times.push(self.gives_up);
            times.extend(self.closing);
            if !self.lines.is_empty() {
                times.push(self.next_line);
            }
            times.extend(self.replies.keys().map(|key| key.0).next());
        }
        if !self.stdout_closed || self.ending == Ending::ReaderGone && !self.stdin_closed {
            times.push(self.stalled_until);
        }
        let mut after = times
            .into_iter()
            .filter(|&at| at > now)
            .map(|at| at.since(now))
            .min();
        let ledger = self.ledger.borrow();
        let polls = self.stdout_is_file || ledger.clients > 0 || ledger.waits_for_bell();
        if polls && !ledger.has_ended {
            after = Some(after.map_or(LOOK_AGAIN, |after| after.min(LOOK_AGAIN)));
        }
        after
    }
}

impl Actor for Parent {
    fn act(&mut self, id: ActorId, kernel: &mut Kernel) {
        let now = kernel.now();
        self.stdin_closed |= self.ledger.borrow().has_ended;
        self.prepare(now);
        let may_write = !self.stdin_closed && self.write(kernel);
        if !self.writes_first(may_write) {
            self.ledger.borrow_mut().clock_pauses = kernel.clock_pauses().to_vec();
            self.read(kernel);
        }
        let bell = self.ledger.borrow().bell.clone();
        if bell.is_awaited() && self.random.chance(0.3) {
            bell.ring();
        }
        let was_open = !self.stdin_closed;
        self.end(kernel);
        if was_open && self.stdin_closed {
            // A parent that writes first begins to read now.
            kernel.schedule(id, Duration::ZERO);
        } else if may_write && !self.outgoing.is_empty() {
            // The write was cut short by choice: no signal will come.
            kernel.schedule(id, Duration::from_micros(1 + self.random.below(50)));
        } else if let Some(after) = self.next_look(now) {
            kernel.schedule(id, after);
        }
    }
}
