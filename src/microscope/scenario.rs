//! A scenario: a script that an actor plays to the loop on the simulated kernel.
//!
//! The actor is everything around the process: the program that writes its stdin and
//! reads its stdout, and the clients of its TCP echo server. The script says what it does
//! and when. No fault is drawn, so a seed only decides how many nanoseconds a call takes.

use super::outcome::{Ending, Outcome};
use super::recorder;
use super::recording::{Header, Recording};
use crate::lab::scene::{
    Actor, ActorId, Bell, Fault, Faults, FileId, Kernel, KernelClock, Received, Shape, Subject,
    install, uninstall, with,
};
use crate::random::Random;
use crate::runtime::{EventLoop, Options};
use crate::sys::{Input, Output, Streams};
use crate::time::Instant;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

/// How many turns a scenario may take: ten times what the longest one does.
const TURNS_MAX: usize = 2_000;

/// The port of the echo server.
pub(super) const PORT: u16 = 7000;

/// Something that the world does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Writes a line to stdin.
    Line(String),
    /// Closes stdin.
    End,
    /// Reads stdout no more, or again.
    Read(bool),
    /// The reader of stdout ends.
    Leave,
    /// A client connects to the echo server.
    Connect(u8),
    /// A client sends so many bytes.
    Send(u8, usize),
    /// A client reads no more, or again.
    ClientReads(u8, bool),
    /// A client half-closes.
    HalfClose(u8),
    /// A client closes with a reset.
    Reset(u8),
    /// Another thread wakes the tasks that wait for the bell.
    Ring,
    /// The process may open so many descriptors more than it has.
    Descriptors(usize),
    /// From now on this goes wrong, wherever it can.
    Fault(Fault),
    /// Nothing goes wrong from now on.
    NoFault,
}

/// A scenario.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) seed: u64,
    pub(super) rpc_timeout: Duration,
    /// When the process stands still before it reads the clock, and for how long.
    pub(super) stands_still: Option<(Instant, Duration)>,
    /// The kinds of files that stdin and stdout are.
    pub(super) shapes: [Shape; 2],
    /// stderr leads to where stdout leads.
    pub(super) shares_stdout: bool,
    /// The longest time that a system call takes, if it is not the usual one.
    pub(super) call_time: Option<Duration>,
    /// The recording tells in the end what the world has seen.
    pub(super) tells_outcome: bool,
    pub(super) turns_max: usize,
    pub(super) acts: Vec<(Duration, Act)>,
}

impl Scenario {
    pub(super) fn new(name: &'static str, title: &'static str, about: &'static str) -> Scenario {
        Scenario {
            name,
            title,
            about,
            seed: 1,
            rpc_timeout: Duration::from_secs(1),
            stands_still: None,
            shapes: [Shape::Pipe; 2],
            shares_stdout: false,
            call_time: None,
            tells_outcome: false,
            turns_max: TURNS_MAX,
            acts: Vec::new(),
        }
    }

    /// Does `act` at that time.
    pub(super) fn at(mut self, micros: u64, act: Act) -> Scenario {
        self.acts.push((Duration::from_micros(micros), act));
        self
    }

    /// Plays it to a new loop, and records that.
    pub(super) fn record(self) -> Recording {
        install(Kernel::new(Random::new(self.seed), Faults::none()));
        let outcome = Rc::new(RefCell::new(Outcome::default()));
        let bell = Rc::new(Bell::default());
        let [stdin, stdout, stderr] = with(|kernel| self.set_up(kernel, &bell, &outcome));
        let [stdin_shape, stdout_shape] = self.shapes;
        let streams = Streams {
            stdin: Input::simulated(stdin, stdin_shape),
            stdout: Output::simulated(stdout, stdout_shape),
            stderr: Some(Output::simulated(stderr, stdout_shape)),
        };
        recorder::start(Header {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            about: self.about.to_owned(),
            seed: Some(self.seed),
        });
        let options = Options {
            seed: Some(self.seed),
            rpc_timeout: self.rpc_timeout,
            ..Options::default()
        };
        let build = move |_: &crate::node::Context| Subject { bell: bell.clone() };
        let mut process = None;
        let ending = Ending::of(|| {
            let clock = Rc::new(KernelClock);
            let event_loop = process.insert(EventLoop::new(build, &options, streams, clock)?);
            for _ in 0..self.turns_max {
                if !event_loop.turn()? {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        if self.tells_outcome {
            let ended = with(|kernel| kernel.now());
            let failure = recorder::last_failure();
            process.take_if(|_| ending.is_over());
            with(Kernel::settle);
            let outcome = with(|kernel| outcome.borrow().tell(&ending, failure, ended, kernel));
            recorder::tell_outcome(outcome);
        }
        let recording = recorder::finish();
        drop(process);
        uninstall();
        recording.unwrap_or_else(|| unreachable!("it was started above"))
    }

    /// Opens the standard streams, and starts the world around them.
    fn set_up(
        &self,
        kernel: &mut Kernel,
        bell: &Rc<Bell>,
        outcome: &Rc<RefCell<Outcome>>,
    ) -> [RawFd; 3] {
        let actor = kernel.add_actor();
        let [stdin_shape, stdout_shape] = self.shapes;
        let (stdin, stdin_peer) = kernel.stream_in(stdin_shape, actor);
        let (stdout, stdout_peer) = kernel.stream_out(stdout_shape, actor);
        let mut outputs = vec![stdout_peer];
        let stderr = if self.shares_stdout {
            kernel.duplicate(stdout)
        } else {
            let (stderr, stderr_peer) = kernel.stream_out(Shape::Pipe, actor);
            outputs.push(stderr_peer);
            stderr
        };
        if let Some((at, length)) = self.stands_still {
            kernel.stand_still(at, length);
        }
        if let Some(most) = self.call_time {
            kernel.set_call_time(most);
        }
        let mut world = World {
            acts: self.acts.iter().cloned().collect(),
            bell: bell.clone(),
            stdin: stdin_peer,
            outputs,
            reads: true,
            outgoing: VecDeque::new(),
            ends: false,
            clients: BTreeMap::new(),
            resting: BTreeSet::new(),
            unsent: BTreeMap::new(),
            outcome: outcome.clone(),
        };
        if stdin_shape == Shape::File {
            // A file has all its lines when the process starts, and no writer.
            world.fill_file(kernel);
        }
        if kernel.blocks(stdin) {
            outcome.borrow_mut().shell = Some((kernel.duplicate(stdin), true));
        }
        kernel.start_actor(actor, Box::new(world));
        [stdin, stdout, stderr]
    }
}

/// The world around the process.
struct World {
    acts: VecDeque<(Duration, Act)>,
    bell: Rc<Bell>,
    stdin: FileId,
    /// stdout, and stderr if that leads elsewhere. None when their reader has gone.
    outputs: Vec<FileId>,
    reads: bool,
    /// Bytes that stdin is yet to take.
    outgoing: VecDeque<u8>,
    /// stdin is closed when they are written.
    ends: bool,
    clients: BTreeMap<u8, FileId>,
    /// Clients that do not read.
    resting: BTreeSet<u8>,
    /// How many bytes a client is yet to send.
    unsent: BTreeMap<u8, usize>,
    outcome: Rc<RefCell<Outcome>>,
}

impl World {
    /// Writes all lines into stdin at once.
    fn fill_file(&mut self, kernel: &mut Kernel) {
        for (_, act) in std::mem::take(&mut self.acts) {
            if let Act::Line(line) = act {
                let line = format!("{line}\n");
                self.outcome.borrow_mut().asked(&line);
                let _takes_all = kernel.peer_write(self.stdin, line.as_bytes());
            }
        }
    }

    fn perform(&mut self, act: Act, id: ActorId, kernel: &mut Kernel) {
        match act {
            Act::Line(line) => {
                self.outcome.borrow_mut().asked(&line);
                self.outgoing.extend(line.as_bytes());
                self.outgoing.push_back(b'\n');
            }
            Act::End => self.ends = true,
            Act::Read(reads) => self.reads = reads,
            Act::Leave => {
                self.outcome.borrow_mut().reader_left = true;
                for output in self.outputs.drain(..) {
                    kernel.peer_close(output);
                }
            }
            Act::Connect(client) => {
                self.outcome.borrow_mut().client(client);
                self.clients.insert(client, kernel.peer_connect(PORT, id));
            }
            Act::Send(client, bytes) => *self.unsent.entry(client).or_default() += bytes,
            Act::ClientReads(client, true) => _ = self.resting.remove(&client),
            Act::ClientReads(client, false) => _ = self.resting.insert(client),
            Act::HalfClose(client) => {
                self.outcome.borrow_mut().client(client).has_ended = true;
                kernel.peer_end(self.clients[&client]);
            }
            Act::Reset(client) => {
                if let Some(file) = self.clients.remove(&client) {
                    kernel.peer_reset(file);
                }
            }
            Act::Ring => self.bell.ring(),
            Act::Descriptors(more) => kernel.limit_descriptors(more),
            Act::Fault(fault) => {
                let mut faults = Faults::none();
                faults.add(fault, 1.0);
                kernel.set_faults(faults);
            }
            Act::NoFault => kernel.set_faults(Faults::none()),
        }
    }

    fn transfer(&mut self, kernel: &mut Kernel) {
        while !self.outgoing.is_empty() {
            let bytes = self.outgoing.make_contiguous();
            match kernel.peer_write(self.stdin, bytes) {
                Ok(count) => _ = self.outgoing.drain(..count),
                Err(_) => break,
            }
        }
        if self.ends && self.outgoing.is_empty() {
            self.ends = false;
            kernel.peer_close(self.stdin);
        }
        if self.reads {
            for (place, &output) in self.outputs.iter().enumerate() {
                while let Received::Bytes(bytes) = kernel.peer_read(output, 1 << 16) {
                    self.outcome.borrow_mut().output(place, &bytes);
                }
            }
        }
        for (client, &file) in &self.clients {
            if kernel.peer_is_connected(file) != Some(true) {
                let was_reset = kernel.peer_is_connected(file) == Some(false);
                self.outcome.borrow_mut().client(*client).was_reset |= was_reset;
                continue;
            }
            while let Some(&left @ 1..) = self.unsent.get(client) {
                match kernel.peer_write(file, &vec![b'x'; left]) {
                    Ok(count) => {
                        self.unsent.insert(*client, left - count);
                        self.outcome.borrow_mut().client(*client).sent += count;
                    }
                    Err(_) => break,
                }
            }
            if !self.resting.contains(client) {
                self.outcome.borrow_mut().client(*client).read(file, kernel);
            }
        }
    }
}

impl Actor for World {
    fn act(&mut self, id: ActorId, kernel: &mut Kernel) {
        let now = kernel.now().since(Instant::ZERO);
        while self.acts.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, act)) = self.acts.pop_front()
        {
            self.perform(act, id, kernel);
        }
        self.transfer(kernel);
        if let Some((at, _)) = self.acts.front() {
            kernel.schedule(id, *at - now);
        }
    }
}
