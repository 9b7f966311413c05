//! The state of the kernel, and the passage of time.
//!
//! [`Kernel`] holds everything. Its calls are in the files that the
//! [page of this folder](super) lists. Each call begins with
//! [`begin_call`](Kernel::begin_call), which lets time pass.

use super::agenda::{Agenda, Happening, Place};
use super::channel::{Channel, Pace};
use super::faults::{Fault, Faults};
use super::file::{ActorId, ChannelId, File, FileId, Kind, SocketState};
use super::pauses::Pauses;
use super::trace::Trace;
use super::watches::Watches;
use crate::lab::draw;
use crate::random::Random;
use crate::time::Instant;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The first number that is not a standard stream's: the table begins here.
const FIRST_FD: RawFd = 3;

/// The longest time that a call takes, in nanoseconds, unless a scenario has slow calls.
const CALL_NANOS_MAX: u64 = 4_000;

/// The longest delay of an edge, and of bytes and room that a fault withholds.
const DELAY_MAX: Duration = Duration::from_millis(15);

/// The longest delay of bytes on the network.
const LATENCY_MAX: Duration = Duration::from_millis(5);

/// A program at the other end of the process's pipes and connections.
pub(crate) trait Actor {
    /// Called when a file of this actor has news, or at a time for which it has
    /// asked with [`Kernel::schedule`].
    fn act(&mut self, id: ActorId, kernel: &mut Kernel);
}

/// An actor, and when it acts next. It is on the agenda once at most.
#[derive(Default)]
struct Stage {
    /// `None` before it has started, and while it acts.
    actor: Option<Box<dyn Actor>>,
    next_act: Option<Place>,
}

/// A simulated kernel. See the page of this folder.
pub(crate) struct Kernel {
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) trace: Trace,
    pub(super) files: Vec<File>,
    pub(super) channels: Vec<Channel>,
    /// The descriptors of the process.
    pub(super) table: BTreeMap<RawFd, FileId>,
    descriptors_max: usize,
    /// The longest time that a call takes, in nanoseconds.
    call_nanos_max: u64,
    /// How much a connection holds in one direction, unless that is drawn.
    pub(super) buffer_bytes: Option<usize>,
    pub(super) watches: Watches,
    /// The token of the waker, and its flag: set means that the wait ends.
    pub(super) waker: Option<(u64, Arc<AtomicBool>)>,
    /// The listening socket of each port.
    pub(super) ports: BTreeMap<u16, FileId>,
    pub(super) pauses: Pauses,
    pub(super) agenda: Agenda,
    actors: Vec<Stage>,
    violations: Vec<String>,
    /// Counts everything that brings the process further: bytes, descriptors, real
    /// events, time that it waited for. A loop that turns without it is spinning.
    pub(super) progress: u64,
    /// Made-up events for watches that were removed.
    pub(super) stale_events: u64,
}

/// For the code around a run.
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
            descriptors_max: usize::MAX,
            call_nanos_max: CALL_NANOS_MAX,
            buffer_bytes: None,
            watches: Watches::default(),
            waker: None,
            ports: BTreeMap::new(),
            pauses: Pauses::default(),
            agenda: Agenda::default(),
            actors: Vec::new(),
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

    /// Replaces the faults that can happen from now on.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
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

    /// Gives connections that begin from now on buffers of this size.
    #[cfg(test)]
    pub(crate) fn set_buffer_bytes(&mut self, bytes: usize) {
        self.buffer_bytes = Some(bytes);
    }

    /// Lets the process have `more` descriptors than it has now (RLIMIT_NOFILE).
    pub(crate) fn limit_descriptors(&mut self, more: usize) {
        self.descriptors_max = self.table.len() + more;
    }

    /// Mistakes of the process on which a real kernel keeps silent: calls that
    /// would have waited, descriptors that were closed while they were watched.
    pub(crate) fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    pub(crate) fn has_violations(&self) -> bool {
        !self.violations.is_empty()
    }

    pub(super) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    /// Performs everything that is on the agenda, without further faults.
    pub(crate) fn settle(&mut self) {
        self.faults.stop();
        while let Some(next) = self.agenda.next_time() {
            self.advance_to(next);
        }
    }

    /// A place for an actor, which can own files before it starts.
    pub(crate) fn add_actor(&mut self) -> ActorId {
        self.actors.push(Stage::default());
        ActorId(self.actors.len() - 1)
    }

    /// Starts an actor: it acts at once, and then whenever there is news.
    pub(crate) fn start_actor(&mut self, id: ActorId, actor: Box<dyn Actor>) {
        self.actors[id.0].actor = Some(actor);
        self.schedule(id, Duration::ZERO);
    }

    /// Has the actor act in `after`, unless it is to act earlier. An actor that has
    /// acted must ask again for every time that it still waits for.
    pub(crate) fn schedule(&mut self, id: ActorId, after: Duration) {
        if let Some(place) = self.actors[id.0].next_act {
            if place.0 <= self.now + after {
                return;
            }
            self.agenda.remove(place);
        }
        self.actors[id.0].next_act = Some(self.add_happening(after, Happening::ActorActs(id)));
    }

    /// Has the process stand still when it reads the clock at `at` or later.
    pub(crate) fn stand_still(&mut self, at: Instant, length: Duration) {
        self.pauses.planned = Some((at, length));
    }

    /// Makes calls slower, so that what a turn does can be told by the clock.
    #[cfg(any(test, feature = "microscope"))]
    pub(crate) fn set_call_time(&mut self, most: Duration) {
        self.call_nanos_max = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    }

    /// When each pause before a reading of the clock began and ended.
    pub(crate) fn clock_pauses(&self) -> &[(Instant, Instant)] {
        &self.pauses.at_clock
    }
}

/// Time.
impl Kernel {
    /// Every call begins with this: time passes, and the world goes on meanwhile.
    pub(super) fn begin_call(&mut self) {
        let mut took = Duration::from_nanos(self.random.below(self.call_nanos_max));
        if self.faults.fires(Fault::Paused, self.now) {
            took = self.pauses.draw(self.now, &mut self.random);
        }
        self.advance_to(self.now + took);
    }

    /// Reads the clock. That is no system call and takes no time, but a process can
    /// stand still just before it.
    pub(super) fn read_clock(&mut self) -> Instant {
        let pause = match self.pauses.take_planned(self.now) {
            Some(length) => Some(length),
            None if self.faults.fires(Fault::Paused, self.now) => {
                Some(self.pauses.draw(self.now, &mut self.random))
            }
            None => None,
        };
        if let Some(length) = pause {
            self.pauses.at_clock.push((self.now, self.now + length));
            self.advance_to(self.now + length);
        }
        self.now
    }

    /// Lets time pass until `until`, and performs what is due by then.
    pub(super) fn advance_to(&mut self, until: Instant) {
        while let Some((at, happening)) = self.agenda.take_due(until) {
            self.now = self.now.max(at);
            self.perform(happening);
        }
        self.now = self.now.max(until);
    }

    fn perform(&mut self, happening: Happening) {
        match happening {
            Happening::BytesArrive(channel, total) => {
                let channel = &mut self.channels[channel.0];
                if channel.arrive(total, self.now)
                    && let Some(reader) = channel.reader
                {
                    self.signal(reader, EventFlags::IN);
                }
            }
            Happening::EndArrives(channel) => {
                let channel = &mut self.channels[channel.0];
                channel.has_end_arrived = true;
                if let Some(reader) = channel.reader {
                    self.signal(reader, EventFlags::all());
                }
            }
            Happening::RoomReturns(channel) => {
                self.channels[channel.0].return_room();
                self.signal_room(channel);
            }
            Happening::ConnectArrives(file, port) => self.connect_arrives(file, port),
            Happening::ConnectAnswered(file, answer) => self.connect_answered(file, answer),
            Happening::ResetArrives(file) => self.reset_arrives(file),
            Happening::ActorActs(id) => {
                self.actors[id.0].next_act = None;
                if let Some(mut actor) = self.actors[id.0].actor.take() {
                    actor.act(id, self);
                    self.actors[id.0].actor = Some(actor);
                }
            }
        }
    }

    pub(super) fn add_happening(&mut self, after: Duration, happening: Happening) -> Place {
        self.agenda.add(self.now + after, happening)
    }

    /// The delay that a fault causes.
    pub(super) fn delay(&mut self) -> Duration {
        draw::duration(&mut self.random, DELAY_MAX)
    }

    /// How long bytes are under way between two sockets.
    pub(super) fn latency(&mut self) -> Duration {
        if self.faults.fires(Fault::Latency, self.now) {
            draw::duration(&mut self.random, LATENCY_MAX)
        } else {
            Duration::from_nanos(self.random.below(40_000))
        }
    }

    /// Tells the owner of a file that it has news: an actor acts soon, the process
    /// gets an edge.
    pub(super) fn signal(&mut self, file: FileId, news: EventFlags) {
        match self.files[file.0].owner {
            Some(actor) => {
                let after = Duration::from_nanos(self.random.below(30_000));
                self.schedule(actor, after);
            }
            None => {
                let is_late = self.faults.fires(Fault::LateEdge, self.now);
                let after = if is_late {
                    self.delay()
                } else {
                    Duration::ZERO
                };
                self.watches.edge(file, news, self.now + after);
            }
        }
    }

    /// Tells the writer of a channel that there is room, if it is owed this news.
    pub(super) fn signal_room(&mut self, channel: ChannelId) {
        let channel = &mut self.channels[channel.0];
        if channel.owes_edge && channel.is_writable() {
            channel.owes_edge = false;
            if let Some(writer) = channel.writer {
                self.signal(writer, EventFlags::OUT);
            }
        }
    }
}

/// Files and descriptors.
impl Kernel {
    pub(super) fn add_file(&mut self, kind: Kind, owner: Option<ActorId>) -> FileId {
        self.files.push(File::new(kind, owner));
        FileId(self.files.len() - 1)
    }

    pub(super) fn add_channel(
        &mut self,
        pace: Pace,
        capacity: usize,
        from: FileId,
        to: FileId,
    ) -> ChannelId {
        self.channels.push(Channel::new(pace, capacity, from, to));
        let channel = ChannelId(self.channels.len() - 1);
        self.files[from.0].outgoing = Some(channel);
        self.files[to.0].incoming = Some(channel);
        channel
    }

    pub(super) fn set_socket(&mut self, file: FileId, state: SocketState) {
        self.files[file.0].kind = Kind::Socket(state);
    }

    /// EMFILE, when the process has all the descriptors that it may have.
    pub(super) fn check_table(&self) -> Result<(), Errno> {
        if self.table.len() < self.descriptors_max {
            Ok(())
        } else {
            Err(Errno::MFILE)
        }
    }

    /// Gives a file a descriptor: the lowest number that is free.
    pub(super) fn open(&mut self, file: FileId) -> Result<RawFd, Errno> {
        self.check_table()?;
        let mut fd = FIRST_FD;
        for &taken in self.table.keys() {
            if taken != fd {
                break;
            }
            fd += 1;
        }
        self.table.insert(fd, file);
        self.files[file.0].descriptors += 1;
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

    /// Writes a call and its answer into the trace.
    pub(super) fn note(&mut self, call: &'static str, on: RawFd, answer: &Result<usize, Errno>) {
        let answer = match answer {
            Ok(count) => i64::try_from(*count).unwrap_or(i64::MAX),
            Err(errno) => -i64::from(errno.raw_os_error()),
        };
        self.trace.note(self.now, call, i64::from(on), answer);
    }

    /// EINTR, when that fault happens.
    pub(super) fn interrupted(&mut self) -> Result<(), Errno> {
        if self.faults.fires(Fault::Interrupted, self.now) {
            Err(Errno::INTR)
        } else {
            Ok(())
        }
    }

    /// One of the errors that a fault can cause.
    pub(super) fn one_of(&mut self, errnos: &[Errno]) -> Errno {
        errnos[draw::index(&mut self.random, errnos.len())]
    }
}
