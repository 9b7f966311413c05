//! The state that everything on one node shares: output, names, calls, timers, operations,
//! spawned tasks and recycled memory.
//!
//! The author's side holds it in an `Rc` inside every [`Context`](super::Context), call and
//! sleep. The session calls it with its input: replies, the passing of time, outcomes.
//!
//! Invariants:
//! - No author's code and no waker runs while one of the cells is borrowed. Either may call
//!   back into this file, and a second borrow would panic. Serialising works on a draft that
//!   was taken out of its cell. Wakers are taken out first, and are woken or dropped after the
//!   borrow has ended.
//! - The call table, the timers and the numbers of the outbox agree:
//!   see [`assert_invariants`](Shared::assert_invariants).
//!
//! Read next: `messages` and `outbox` for how a message leaves, `call_table` for the calls in
//! flight.

use super::call_table::{CALLS_MAX, CallTable, Entry};
use super::directory::{Directory, NameId};
use super::log::Log;
use super::marks::Marks;
use super::observer::{Hook, Observer};
use super::operations::{Operation, OperationId, Operations, Outcome};
use super::outbox::Outbox;
use super::pools::Pools;
use super::received_message::ReceivedMessage;
use super::settings::{Settings, Usage};
use super::timers::Timers;
use super::waits::Waits;
use crate::notices::Topic;
use crate::protocol::{Content, Envelope, Error, Init, Quote, Result, error_of, plain_front};
use crate::random::Random;
use crate::task::{Inline, Threads, catch};
use crate::time::{Clock, Instant};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// How many tasks may wait to start: 131,072, as many as may run at once.
///
/// A turn starts a bounded number of them, and none while as many run as may. A loop that
/// spawns without a pause reaches the bound. Without it, that loop would fill the memory.
pub const SPAWNED_MAX: usize = 1 << 17;

/// A task that runs beside the handlers.
pub(crate) type Task = Pin<Box<dyn Future<Output = Result<()>>>>;

/// The state that is shared by all that runs on one node.
pub(crate) struct Shared {
    settings: Settings,
    log: Log,
    /// Set by the first `init`, before any handler runs.
    init: OnceCell<Init>,
    outbox: Outbox,
    /// The beginning of every message of this node, unless its name needs escapes.
    front: OnceCell<Option<String>>,
    directory: RefCell<Directory>,
    calls: RefCell<CallTable>,
    timers: Timers,
    random: RefCell<Random>,
    /// Tasks that have not started, in the order in which they were spawned.
    spawned: RefCell<VecDeque<Task>>,
    /// Tasks that were dropped since the last log line about such tasks.
    tasks_dropped: Cell<u64>,
    operations: RefCell<Operations>,
    waits: Waits,
    /// The sender of the request whose handler is being polled for the first time.
    requester: Cell<Option<NameId>>,
    marks: Marks,
    input_ended: Cell<bool>,
    ignored_replies: Cell<u64>,
    pools: Pools,
    threads: RefCell<Rc<dyn Threads>>,
    /// Steps since the invariants were checked last.
    steps_unchecked: Cell<usize>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, clock: Rc<dyn Clock>, log: Log) -> Shared {
        let random = Random::new(settings.seed);
        Shared {
            settings,
            log,
            init: OnceCell::new(),
            outbox: Outbox::default(),
            front: OnceCell::new(),
            directory: RefCell::default(),
            calls: RefCell::default(),
            timers: Timers::new(clock),
            random: RefCell::new(random),
            spawned: RefCell::default(),
            tasks_dropped: Cell::new(0),
            operations: RefCell::default(),
            waits: Waits::default(),
            requester: Cell::new(None),
            marks: Marks::default(),
            input_ended: Cell::new(false),
            ignored_replies: Cell::new(0),
            pools: Pools::default(),
            threads: RefCell::new(Rc::new(Inline)),
            steps_unchecked: Cell::new(0),
        }
    }

    // Identity.

    /// Gives the node its identity, or returns error 22 if it has another one already.
    pub(crate) fn identify(&self, init: Init) -> Result<()> {
        let known = self.init.get_or_init(|| {
            self.directory.borrow_mut().add_nodes(&init);
            let _first = self.front.set(plain_front(&init.node_id));
            init.clone()
        });
        if known.is_same_cluster(&init) {
            return Ok(());
        }
        let own = Quote(self.node_id());
        Err(Error::precondition_failed(format!(
            "this node is {own} already, and this init gives another name or cluster"
        )))
    }

    pub(crate) fn init(&self) -> Option<&Init> {
        self.init.get()
    }

    pub(crate) fn node_id(&self) -> &str {
        self.init().map_or("", |init| &init.node_id)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn log(&self, text: fmt::Arguments<'_>) {
        self.log.line(text);
    }

    /// Logs a line that a peer can cause.
    pub(crate) fn notice(&self, topic: Topic, text: fmt::Arguments<'_>) {
        self.log.notice(topic, text);
    }

    pub(crate) fn log_book(&self) -> &Log {
        &self.log
    }

    /// The id of a name that may be sent to, or error 1.
    pub(super) fn find(&self, name: &str) -> Result<NameId> {
        let found = self.directory.borrow_mut().find(name);
        found.ok_or_else(|| Error::node_not_found(name))
    }

    /// The id of the sender of a message, which may be sent to from now on.
    pub(crate) fn sender(&self, name: &str) -> Option<NameId> {
        self.directory.borrow_mut().sender(name)
    }

    /// The name with this id.
    pub(super) fn name(&self, id: NameId) -> String {
        self.directory.borrow().name(id).to_owned()
    }

    // Output.

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The beginning of every message of this node. `None` before `init`, and if the node's
    /// name needs escapes.
    pub(super) fn front(&self) -> Option<&str> {
        self.front.get()?.as_deref()
    }

    pub(crate) fn observer(&self) -> &Observer {
        self.outbox.observer()
    }

    /// Sets the author's function that sees each message.
    pub(super) fn observe(&self, hook: Hook) {
        let clock = self.timers.clock().clone();
        self.observer().set(hook, clock, self.log.clone());
    }

    // Calls.

    /// Sends a call's request, arms its timer and enters both in the table. `waker` is woken
    /// when the call has ended.
    pub(super) fn begin_call(
        &self,
        dest: NameId,
        content: &Content,
        timeout: Duration,
        waker: &Waker,
    ) -> Result<u64> {
        self.outbox.check_room()?;
        if self.calls.borrow().len() >= CALLS_MAX {
            return Err(Error::temporarily_unavailable(format!(
                "{CALLS_MAX} calls of this node are waiting for replies already; try again later"
            )));
        }
        // Cloned, because an observer may use the directory.
        let name = self.directory.borrow().shared_name(dest);
        let msg_id = self.outbox.write_numbered(|out, msg_id| {
            content.write(out, self.node_id(), &name, msg_id);
            Ok(())
        })?;
        let deadline = self.timers.now() + timeout;
        let timer = self.timers.arm_call(deadline, msg_id);
        let waker = waker.clone();
        let slot = self.waits.polled_slot();
        let mut calls = self.calls.borrow_mut();
        calls.insert(msg_id, dest, timer, waker, slot);
        Ok(msg_id)
    }

    /// The outcome of a call, if it has ended; it is taken out of the table. Otherwise
    /// `waker` is woken when it has.
    pub(super) fn poll_call(
        &self,
        msg_id: u64,
        waker: &Waker,
    ) -> Poll<Result<Rc<ReceivedMessage>>> {
        if let Some(outcome) = self.calls.borrow_mut().take_outcome(msg_id) {
            return Poll::Ready(outcome);
        }
        let waker = waker.clone();
        let slot = self.waits.polled_slot();
        let _replaced = self.calls.borrow_mut().set_waker(msg_id, waker, slot);
        Poll::Pending
    }

    /// Cleans up after a call whose future was dropped.
    pub(super) fn abandon_call(&self, msg_id: u64) {
        let removed = self.calls.borrow_mut().remove(msg_id);
        match removed {
            Some(Entry::Waiting { timer, .. }) => self.timers.disarm(timer),
            Some(Entry::Ended(Ok(reply))) => self.pools.recycle(reply),
            Some(Entry::Ended(Err(_))) | None => {}
        }
    }

    /// Gives a reply to the call that waits for it. Counts the reply if there is none.
    ///
    /// Not inlined: it would make the frame of every message larger.
    #[inline(never)]
    pub(crate) fn complete_call(&self, msg_id: u64, src: Option<NameId>, envelope: &Envelope<'_>) {
        let outcome = || match envelope.header.kind.as_deref() {
            Some("error") => Err(error_of(envelope.body)),
            _ => Ok(self.pools.keep(envelope)),
        };
        let ended = src.and_then(|src| self.calls.borrow_mut().end(msg_id, src, outcome));
        let Some((timer, waker)) = ended else {
            return self.ignore_reply();
        };
        self.timers.disarm(timer);
        waker.wake();
    }

    pub(crate) fn ignore_reply(&self) {
        self.ignored_replies.set(self.ignored_replies.get() + 1);
    }

    pub(crate) fn ignored_replies(&self) -> u64 {
        self.ignored_replies.get()
    }

    /// Ends a call whose timer has fired with error 0.
    fn expire_call(&self, msg_id: u64) {
        if self.input_ended.get() {
            // No reply can come, and error 0 would blame the other node. The entry goes,
            // and the call's future stays pending.
            let _removed = self.calls.borrow_mut().lose(msg_id);
            return;
        }
        let Some(dest) = self.calls.borrow().dest(msg_id) else {
            return;
        };
        let outcome = || {
            let directory = self.directory.borrow();
            let name = Quote(directory.name(dest));
            let text = format!("no reply from {name} to message {msg_id} in time");
            Err(Error::timeout(text))
        };
        let ended = self.calls.borrow_mut().end(msg_id, dest, outcome);
        if let Some((_fired, waker)) = ended {
            waker.wake();
        }
    }

    // Time and random numbers.

    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Fires every timer that is due at `now`.
    pub(crate) fn expire(&self, now: Instant) {
        self.timers.expire(now, |msg_id| self.expire_call(msg_id));
    }

    pub(crate) fn random(&self) -> &RefCell<Random> {
        &self.random
    }

    // Operations.

    /// The next operation that a handler has submitted.
    pub(crate) fn next_operation(&self) -> Option<(OperationId, Operation)> {
        self.operations.borrow_mut().next()
    }

    /// Whether `next_operation` would return an operation.
    pub(crate) fn has_operations(&self) -> bool {
        self.operations.borrow().has_queued()
    }

    /// The number of operations without an outcome.
    pub(crate) fn operations_in_flight(&self) -> usize {
        self.operations.borrow().in_flight()
    }

    /// Names the sender whose operations are submitted until the next call.
    pub(crate) fn set_requester(&self, requester: Option<NameId>) {
        self.requester.set(requester);
    }

    /// Takes an operation in, or refuses it with error 11.
    pub(super) fn submit(&self, operation: Operation) -> Result<OperationId> {
        let mut operations = self.operations.borrow_mut();
        operations.submit(operation, self.requester.get())
    }

    /// The sender of the request that an operation was submitted for, as a number.
    pub(crate) fn requester(&self, id: OperationId) -> Option<u32> {
        self.operations.borrow().requester(id).map(NameId::number)
    }

    /// The outcome of an operation, if it has one. Otherwise `waker` is woken when it has.
    pub(super) fn poll_operation(&self, id: OperationId, waker: &Waker) -> Poll<Result<Outcome>> {
        if let Some(outcome) = self.operations.borrow_mut().take_outcome(id) {
            return Poll::Ready(outcome);
        }
        let waker = waker.clone();
        let _replaced = self.operations.borrow_mut().set_waker(id, waker);
        Poll::Pending
    }

    /// Cleans up after an operation whose future was dropped.
    pub(super) fn abandon_operation(&self, id: OperationId) {
        let _abandoned = self.operations.borrow_mut().abandon(id);
    }

    /// Gives an operation its outcome.
    pub(crate) fn complete_operation(&self, id: OperationId, outcome: Result<Outcome>) {
        let waker = self.operations.borrow_mut().complete(id, outcome);
        waker.into_iter().for_each(Waker::wake);
    }

    // Spawned tasks.

    /// Counts a task that was dropped because too many wait to start, for the log.
    pub(super) fn count_dropped_task(&self) {
        self.tasks_dropped.set(self.tasks_dropped.get() + 1);
    }

    /// The error for the author of a task that was dropped because too many wait to start.
    pub(super) fn too_many_spawned() -> Error {
        Error::temporarily_unavailable(format!(
            "{SPAWNED_MAX} tasks are waiting to start already; try again later"
        ))
    }

    /// Logs the error of a task that nothing awaits.
    pub(crate) fn log_failed_task(&self, error: &Error) {
        self.notice(
            Topic::Failure,
            format_args!("a background task failed: {error}"),
        );
    }

    /// Takes a task in. If too many wait to start, drops it and returns error 11.
    pub(crate) fn try_spawn(&self, task: Task) -> Result<()> {
        if self.spawned.borrow().len() >= SPAWNED_MAX {
            return Err(Shared::too_many_spawned());
        }
        self.spawned.borrow_mut().push_back(task);
        Ok(())
    }

    /// The next task to start.
    pub(crate) fn next_spawned(&self) -> Option<Task> {
        let dropped = self.tasks_dropped.take();
        if dropped > 0 {
            // One line for all of them: a loop that spawns too many drops thousands.
            let what = "background tasks were dropped";
            let why = "were waiting to start already";
            self.notice(
                Topic::Bound,
                format_args!("{dropped} {what}: {SPAWNED_MAX} {why}"),
            );
        }
        self.spawned.borrow_mut().pop_front()
    }

    /// Drops the tasks that have not started, each in a `catch` of its own: their destructors
    /// may panic. Tasks that these spawn are dropped too, but not without end.
    pub(crate) fn drop_spawned(&self) {
        for _ in 0..SPAWNED_MAX {
            let task = self.spawned.borrow_mut().pop_front();
            let Some(task) = task else { return };
            let _panic_at_the_end = catch(|| drop(task));
        }
    }

    pub(crate) fn has_spawned(&self) -> bool {
        !self.spawned.borrow().is_empty()
    }

    // The end of input, and access to the parts.

    pub(crate) fn end_input(&self) {
        self.input_ended.set(true);
    }

    pub(super) fn input_has_ended(&self) -> bool {
        self.input_ended.get()
    }

    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn call_table(&self) -> std::cell::Ref<'_, CallTable> {
        self.calls.borrow()
    }

    /// How many spawned tasks have not started.
    #[cfg(any(test, feature = "microscope"))]
    pub(crate) fn spawned(&self) -> usize {
        self.spawned.borrow().len()
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// The slots of the tasks that wait for replies. Reads every entry.
    pub(crate) fn callers(&self) -> HashSet<u32> {
        self.calls.borrow().callers().collect()
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(crate) fn set_threads(&self, threads: Rc<dyn Threads>) {
        let _replaced = self.threads.replace(threads);
    }

    pub(super) fn threads(&self) -> Rc<dyn Threads> {
        self.threads.borrow().clone()
    }

    /// How much is in use. The tasks that run are not counted: the session's host has them.
    pub(crate) fn usage(&self) -> Usage {
        let calls = self.calls.borrow();
        Usage {
            tasks: self.spawned.borrow().len(),
            calls: calls.len(),
            calls_waiting: calls.waiting(),
            timers: self.timers.len(),
            operations: self.operations.borrow().len(),
        }
    }

    /// In builds with debug assertions, checks the invariants after a step of the session.
    /// A check reads every entry, so there is one for as many steps as there are entries.
    pub(crate) fn end_step(&self) {
        if cfg!(debug_assertions) {
            let steps = self.steps_unchecked.get() + 1;
            self.steps_unchecked.set(steps);
            if steps > self.calls.borrow().len() + self.operations.borrow().len() {
                self.steps_unchecked.set(0);
                self.assert_invariants();
            }
        }
    }

    /// Checks the tables, and the calls against timers and outbox. Reads every entry.
    fn assert_invariants(&self) {
        self.operations.borrow().assert_invariants();
        let calls = self.calls.borrow();
        calls.assert_invariants();
        for (msg_id, timer) in calls.timers() {
            assert!(
                self.timers.is_armed_for(timer, msg_id),
                "call {msg_id} waits without its timer"
            );
            assert!(
                self.outbox.has_used(msg_id),
                "call {msg_id} waits, and no request has that number"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::RPC_TIMEOUT;
    use super::*;
    use crate::protocol::Fields;
    use crate::time::VirtualClock;

    fn content() -> Content {
        Content::new(Vec::new(), "ping", Fields::Typed(&())).expect("a body without fields")
    }

    /// A node with one call in flight, and the call's number.
    fn with_a_call() -> (Shared, u64) {
        let clock = Rc::new(VirtualClock::default());
        let log = Log::new(|_| {}, clock.clone());
        let shared = Shared::new(Settings::default(), clock, log);
        let dest = shared.find("lin-kv").expect("a service");
        let msg_id = shared.begin_call(dest, &content(), RPC_TIMEOUT, Waker::noop());
        shared.assert_invariants();
        (shared, msg_id.expect("room for a call"))
    }

    fn timer(shared: &Shared) -> crate::time::TimerId {
        let calls = shared.calls.borrow();
        calls.timers().next().expect("a waiting call").1
    }

    #[test]
    #[should_panic(expected = "waits without its timer")]
    fn a_waiting_call_without_its_timer_is_found() {
        let (shared, _) = with_a_call();
        shared.timers.disarm(timer(&shared));
        shared.assert_invariants();
    }

    #[test]
    #[should_panic(expected = "waits without its timer")]
    fn a_waiting_call_with_the_timer_of_another_is_found() {
        let (shared, msg_id) = with_a_call();
        let other = shared.timers.arm_call(Instant::ZERO, msg_id + 1);
        let dest = shared.find("lin-kv").expect("a service");
        shared.abandon_call(msg_id);
        let waker = Waker::noop().clone();
        let mut calls = shared.calls.borrow_mut();
        calls.insert(msg_id, dest, other, waker, 0);
        drop(calls);
        shared.assert_invariants();
    }

    #[test]
    #[should_panic(expected = "no request has that number")]
    fn a_waiting_call_whose_number_was_not_sent_is_found() {
        let (shared, msg_id) = with_a_call();
        let timer = shared.timers.arm_call(Instant::ZERO, msg_id + 1);
        let dest = shared.find("lin-kv").expect("a service");
        let waker = Waker::noop().clone();
        let mut calls = shared.calls.borrow_mut();
        calls.insert(msg_id + 1, dest, timer, waker, 0);
        drop(calls);
        shared.assert_invariants();
    }

    #[test]
    fn a_call_that_expires_after_the_end_of_input_leaves_no_entry_and_no_error() {
        let (shared, msg_id) = with_a_call();
        shared.end_input();
        shared.expire(Instant::ZERO + RPC_TIMEOUT);
        assert_eq!(shared.usage(), Usage::default());
        assert!(shared.poll_call(msg_id, Waker::noop()).is_pending());
        shared.assert_invariants();
        assert_eq!(shared.callers().len(), 1, "its task waits in vain");
        shared.abandon_call(msg_id);
        assert!(shared.callers().is_empty());
    }
}
