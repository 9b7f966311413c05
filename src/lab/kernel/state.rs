//! The kernel's state: files, the table of descriptors, time, and what is to come.

use super::channel::{Channel, Pace};
use super::epoll::Epoll;
use super::faults::{Fault, Faults};
use super::pauses::Pauses;
use super::sockets::Standing;
use super::trace::Trace;
use crate::random::Random;
use crate::time::Instant;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::time::Duration;

/// The first number that is not a standard stream's: the table begins here.
const FIRST_FD: RawFd = 3;

/// How long a call takes at most, in nanoseconds.
const CALL_NANOS_MAX: u64 = 4_000;

/// Longest delay of an edge, of bytes held back and of room squeezed away.
const DELAY_MAX: Duration = Duration::from_millis(15);

/// Longest delay of bytes on the network.
const LATENCY_MAX: Duration = Duration::from_millis(5);

/// What a file is called; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(pub(super) usize);

/// Who acts at the other ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActorId(usize);

/// Somebody at the other end of the process's pipes and connections.
pub(crate) trait Actor {
    /// Does something, whenever a file of its own has news or a time has come
    /// that it asked for.
    fn act(&mut self, id: ActorId, kernel: &mut Kernel);
}

/// What is going to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    /// The reader of a channel sees it up to this byte.
    Arrive(usize, u64),
    /// The reader of a channel sees that it has ended.
    End(usize),
    /// There is room in a channel again.
    Relax(usize),
    /// A connection reaches the port that it was sent to.
    Knock(FileId, u16),
    /// The answer reaches who knocked.
    Answer(FileId, Result<(), Errno>),
    /// A reset reaches this file.
    Reset(FileId),
    Act(ActorId),
}

/// What a descriptor leads to.
#[derive(Debug)]
pub(super) struct File {
    pub(super) kind: Kind,
    pub(super) incoming: Option<usize>,
    pub(super) outgoing: Option<usize>,
    /// SO_ERROR.
    pub(super) error: Option<Errno>,
    /// Descriptors that lead here.
    pub(super) references: usize,
    /// Who is told of its news; the process itself, through epoll, if nobody.
    pub(super) owner: Option<ActorId>,
    /// Its description is shared and blocks: a call that cannot go on would wait.
    pub(super) blocks: bool,
    /// Goes over the network, which can lose it.
    pub(super) is_remote: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Pipe,
    Socket(Standing),
    /// A regular file: what is left to read, and what was written.
    Regular(VecDeque<u8>, Vec<u8>),
}

/// A simulated kernel. See the module's page.
pub(crate) struct Kernel {
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) trace: Trace,
    pub(super) files: Vec<File>,
    pub(super) channels: Vec<Channel>,
    pub(super) table: BTreeMap<RawFd, FileId>,
    pub(super) epoll: Epoll,
    /// Who listens on which port.
    pub(super) ports: BTreeMap<u16, FileId>,
    descriptors_max: usize,
    pub(super) pauses: Pauses,
    to_come: BTreeMap<(Instant, u64), Happening>,
    next_number: u64,
    actors: Vec<Option<Box<dyn Actor>>>,
    /// When each acts next: once, however often it was asked for.
    acts: Vec<Option<(Instant, u64)>>,
    violations: Vec<String>,
    /// Counts whatever brings the process further: bytes, descriptors, real
    /// events, time that was waited for. Who turns without is spinning.
    pub(super) progress: u64,
    /// Events of descriptors that were taken out of epoll.
    pub(super) stale_events: u64,
}

impl Kernel {
    pub(crate) fn new(mut random: Random, faults: Faults) -> Kernel {
        Kernel {
            now: Instant::ZERO,
            random: random.fork(),
            faults,
            trace: Trace::new(),
            files: Vec::new(),
            channels: Vec::new(),
            table: BTreeMap::new(),
            epoll: Epoll::default(),
            ports: BTreeMap::new(),
            descriptors_max: usize::MAX,
            pauses: Pauses::default(),
            to_come: BTreeMap::new(),
            next_number: 0,
            actors: Vec::new(),
            acts: Vec::new(),
            violations: Vec::new(),
            progress: 0,
            stale_events: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress
    }

    pub(crate) fn stale_events(&self) -> u64 {
        self.stale_events
    }

    /// How many descriptors the process has.
    pub(crate) fn open_descriptors(&self) -> usize {
        self.table.len()
    }

    /// Lets the process have `more` descriptors than it has now (RLIMIT_NOFILE).
    pub(crate) fn limit_descriptors(&mut self, more: usize) {
        self.descriptors_max = self.table.len() + more;
    }

    /// What a kernel would not say, but a person should hear of: calls that would
    /// have waited, descriptors closed while they were watched.
    pub(crate) fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    pub(crate) fn has_violations(&self) -> bool {
        !self.violations.is_empty()
    }

    /// From now on these go wrong.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Lets happen whatever is still to come, without faults.
    pub(crate) fn settle(&mut self) {
        self.faults.stop();
        while let Some(next) = self.next_happening() {
            self.advance_to(next);
        }
    }

    pub(crate) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    pub(crate) fn add_actor(&mut self) -> ActorId {
        self.actors.push(None);
        self.acts.push(None);
        ActorId(self.actors.len() - 1)
    }

    /// Brings an actor to life; it acts at once, and then whenever there is news.
    pub(crate) fn start_actor(&mut self, id: ActorId, actor: Box<dyn Actor>) {
        self.actors[id.0] = Some(actor);
        self.schedule(id, Duration::ZERO);
    }

    /// Has the actor act in `after`, unless it does so earlier. Whoever has acted
    /// asks anew for whatever else it waits for.
    pub(crate) fn schedule(&mut self, id: ActorId, after: Duration) {
        if let Some(key) = self.acts[id.0] {
            if key.0 <= self.now + after {
                return;
            }
            self.to_come.remove(&key);
        }
        self.acts[id.0] = Some(self.happen(after, Happening::Act(id)));
    }

    pub(super) fn happen(&mut self, after: Duration, happening: Happening) -> (Instant, u64) {
        self.next_number += 1;
        let key = (self.now + after, self.next_number);
        self.to_come.insert(key, happening);
        key
    }

    /// A delay for a fault.
    pub(super) fn delay(&mut self) -> Duration {
        self.below(DELAY_MAX)
    }

    /// How long bytes are under way between two sockets.
    pub(super) fn latency(&mut self) -> Duration {
        if self.faults.fires(Fault::Latency, self.now) {
            self.below(LATENCY_MAX)
        } else {
            Duration::from_nanos(self.random.below(40_000))
        }
    }

    pub(super) fn below(&mut self, max: Duration) -> Duration {
        let nanos = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random.below(nanos))
    }

    /// What every call begins with: time passes, and the world goes on meanwhile.
    pub(super) fn enter(&mut self) {
        let mut took = Duration::from_nanos(self.random.below(CALL_NANOS_MAX));
        if self.faults.fires(Fault::Paused, self.now) {
            took = self.pause();
        }
        self.advance_to(self.now + took);
    }

    /// Lets time pass until `until`, and everything happen that is due by then.
    pub(super) fn advance_to(&mut self, until: Instant) {
        while let Some((&key, &happening)) = self.to_come.first_key_value()
            && key.0 <= until
        {
            self.to_come.remove(&key);
            self.now = self.now.max(key.0);
            self.perform(happening);
        }
        self.now = self.now.max(until);
    }

    /// When something will happen next.
    pub(super) fn next_happening(&self) -> Option<Instant> {
        self.to_come.first_key_value().map(|(&(at, _), _)| at)
    }

    fn perform(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive(channel, total) => {
                if self.channels[channel].arrive(total, self.now)
                    && let Some(reader) = self.channels[channel].reader
                {
                    self.wake(reader, EventFlags::IN);
                }
            }
            Happening::End(channel) => {
                self.channels[channel].has_end_arrived = true;
                if let Some(reader) = self.channels[channel].reader {
                    self.wake(reader, EventFlags::all());
                }
            }
            Happening::Relax(channel) => {
                self.channels[channel].relax();
                self.tell_room(channel);
            }
            Happening::Knock(file, port) => self.knock(file, port),
            Happening::Answer(file, answer) => self.answer(file, answer),
            Happening::Reset(file) => self.reset(file),
            Happening::Act(id) => {
                self.acts[id.0] = None;
                if let Some(mut actor) = self.actors[id.0].take() {
                    actor.act(id, self);
                    self.actors[id.0] = Some(actor);
                }
            }
        }
    }

    /// News of a file reach whoever it belongs to.
    pub(super) fn wake(&mut self, file: FileId, news: EventFlags) {
        match self.files[file.0].owner {
            Some(actor) => {
                let after = Duration::from_nanos(self.random.below(30_000));
                self.schedule(actor, after);
            }
            None => {
                let late = self.faults.fires(Fault::LateEdge, self.now);
                let after = if late { self.delay() } else { Duration::ZERO };
                self.epoll.edge(file, news, self.now + after);
            }
        }
    }

    /// Tells the writer of a channel that there is room, if it is to be told.
    pub(super) fn tell_room(&mut self, channel: usize) {
        let channel = &mut self.channels[channel];
        if channel.owes_room && channel.is_writable() {
            channel.owes_room = false;
            if let Some(writer) = channel.writer {
                self.wake(writer, EventFlags::OUT);
            }
        }
    }

    pub(super) fn add_file(&mut self, kind: Kind, owner: Option<ActorId>) -> FileId {
        self.files.push(File {
            kind,
            incoming: None,
            outgoing: None,
            error: None,
            references: 0,
            owner,
            blocks: false,
            is_remote: false,
        });
        FileId(self.files.len() - 1)
    }

    pub(super) fn add_channel(
        &mut self,
        pace: Pace,
        capacity: usize,
        from: FileId,
        to: FileId,
    ) -> usize {
        self.channels.push(Channel::new(pace, capacity, from, to));
        let channel = self.channels.len() - 1;
        self.files[from.0].outgoing = Some(channel);
        self.files[to.0].incoming = Some(channel);
        channel
    }

    /// EMFILE, when the process has all the descriptors that it may have.
    pub(super) fn has_free_number(&self) -> Result<(), Errno> {
        match self.table.len() < self.descriptors_max {
            true => Ok(()),
            false => Err(Errno::MFILE),
        }
    }

    /// Gives a file the lowest number that is free.
    pub(super) fn open(&mut self, file: FileId) -> Result<RawFd, Errno> {
        self.has_free_number()?;
        let mut fd = FIRST_FD;
        for &taken in self.table.keys() {
            if taken != fd {
                break;
            }
            fd += 1;
        }
        self.table.insert(fd, file);
        self.files[file.0].references += 1;
        self.progress += 1;
        Ok(fd)
    }

    pub(super) fn file_of(&mut self, fd: RawFd) -> Result<FileId, Errno> {
        let file = self.table.get(&fd).copied();
        file.ok_or_else(|| {
            self.violation(format!("a call on descriptor {fd}, which is not open"));
            Errno::BADF
        })
    }
}
