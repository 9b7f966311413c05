//! A scenario: a script that an actor plays to the loop on the simulated kernel.
//!
//! The actor is everything around the process: the program that writes its stdin and
//! reads its stdout, and the clients of its TCP echo server. The script says what it does
//! and when. No fault is drawn, so a seed only decides how many nanoseconds a call takes.

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
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// epoll begins to tell events of removed sources, or ends it.
    StaleEvents(bool),
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
        let (seed, rpc_timeout) = (self.seed, self.rpc_timeout);
        install(Kernel::new(Random::new(seed), Faults::none()));
        let bell = Rc::new(Bell::default());
        let streams = with(|kernel| {
            let actor = kernel.add_actor();
            let (stdin, stdin_peer) = kernel.stream_in(Shape::Pipe, actor);
            let (stdout, stdout_peer) = kernel.stream_out(Shape::Pipe, actor);
            let (stderr, stderr_peer) = kernel.stream_out(Shape::Pipe, actor);
            if let Some((at, length)) = self.stands_still {
                kernel.stand_still(at, length);
            }
            let world = World {
                acts: self.acts.into(),
                bell: bell.clone(),
                stdin: stdin_peer,
                outputs: [stdout_peer, stderr_peer],
                reads: true,
                outgoing: VecDeque::new(),
                ends: false,
                clients: BTreeMap::new(),
                resting: BTreeSet::new(),
                unsent: BTreeMap::new(),
            };
            kernel.start_actor(actor, Box::new(world));
            Streams {
                stdin: Input::simulated(stdin, Shape::Pipe),
                stdout: Output::simulated(stdout, Shape::Pipe),
                stderr: Some(Output::simulated(stderr, Shape::Pipe)),
            }
        });
        recorder::start(Header {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            about: self.about.to_owned(),
            seed: Some(seed),
        });
        let options = Options {
            seed: Some(seed),
            rpc_timeout,
            ..Options::default()
        };
        let build = move |_: &crate::node::Context| Subject { bell: bell.clone() };
        if let Ok(mut event_loop) = EventLoop::new(build, &options, streams, Rc::new(KernelClock)) {
            for _ in 0..TURNS_MAX {
                if !matches!(event_loop.turn(), Ok(true)) {
                    break;
                }
            }
        }
        let recording = recorder::finish();
        uninstall();
        recording.unwrap_or_else(|| unreachable!("it was started above"))
    }
}

/// The world around the process.
struct World {
    acts: VecDeque<(Duration, Act)>,
    bell: Rc<Bell>,
    stdin: FileId,
    /// stdout and stderr.
    outputs: [FileId; 2],
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
}

impl World {
    fn perform(&mut self, act: Act, id: ActorId, kernel: &mut Kernel) {
        match act {
            Act::Line(line) => {
                self.outgoing.extend(line.as_bytes());
                self.outgoing.push_back(b'\n');
            }
            Act::End => self.ends = true,
            Act::Read(reads) => self.reads = reads,
            Act::Connect(client) => {
                self.clients.insert(client, kernel.peer_connect(PORT, id));
            }
            Act::Send(client, bytes) => *self.unsent.entry(client).or_default() += bytes,
            Act::ClientReads(client, true) => _ = self.resting.remove(&client),
            Act::ClientReads(client, false) => _ = self.resting.insert(client),
            Act::HalfClose(client) => kernel.peer_end(self.clients[&client]),
            Act::Reset(client) => {
                if let Some(file) = self.clients.remove(&client) {
                    kernel.peer_reset(file);
                }
            }
            Act::Ring => self.bell.ring(),
            Act::Descriptors(more) => kernel.limit_descriptors(more),
            Act::StaleEvents(begin) => {
                let mut faults = Faults::none();
                if begin {
                    faults.add(Fault::StaleEvent, 1.0);
                }
                kernel.set_faults(faults);
            }
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
            for output in self.outputs {
                while matches!(kernel.peer_read(output, 1 << 16), Received::Bytes(_)) {}
            }
        }
        for (client, &file) in &self.clients {
            if kernel.peer_is_connected(file) != Some(true) {
                continue;
            }
            while let Some(&left @ 1..) = self.unsent.get(client) {
                match kernel.peer_write(file, &vec![b'x'; left]) {
                    Ok(count) => _ = self.unsent.insert(*client, left - count),
                    Err(_) => break,
                }
            }
            if !self.resting.contains(client) {
                while matches!(kernel.peer_read(file, 1 << 16), Received::Bytes(_)) {}
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
