//! What all of a node's handlers share: the way out, calls, timers, memory.
//!
//! One rule holds in this file: no author's code and no waker runs while one of
//! the cells is borrowed. Serialising works on a draft that was taken out of
//! its cell, and wakers are gathered first and woken after the borrow has ended.

use super::call_table::{CALLS_MAX, CallTable, Entry, Progress};
use super::directory::{Directory, NameId};
use super::operations::{Operation, OperationId, Operations, Outcome};
use super::outbox::Outbox;
use super::pools::Pools;
use super::request::Request;
use super::settings::Settings;
use super::spawned::{SPAWNED_MAX, Spawned, Task};
use super::timers::{Timer, Timers};
use super::update::Marks;
use super::usage::Usage;
use crate::protocol::{
    Content, Envelope, Error, ErrorBody, Fields, Init, Numbers, Quote, ReplyKind, Result, error_of,
    plain_front, write_fields, write_header, write_plain_header,
};
use crate::random::Random;
use crate::time::{Clock, Instant};
use serde::Serialize;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// Where lines for a person go.
pub(crate) type Log = Box<dyn Fn(fmt::Arguments<'_>)>;

pub(crate) struct Core {
    settings: Settings,
    log: Log,
    /// Set by the first `init`, before any handler runs.
    init: OnceCell<Init>,
    outbox: Outbox,
    /// How every message of this node begins, unless its name needs escapes.
    front: OnceCell<Option<String>>,
    directory: RefCell<Directory>,
    calls: RefCell<CallTable>,
    timers: Timers,
    random: RefCell<Random>,
    spawned: Spawned,
    pub(super) operations: RefCell<Operations>,
    /// Whose request is being begun.
    asker: Cell<Option<NameId>>,
    pub(super) marks: Marks,
    input_ended: Cell<bool>,
    ignored_replies: Cell<u64>,
    pools: Pools,
}

impl Core {
    pub(crate) fn new(settings: Settings, clock: Rc<dyn Clock>, log: Log) -> Core {
        let random = Random::new(settings.seed);
        Core {
            settings,
            log,
            init: OnceCell::new(),
            outbox: Outbox::default(),
            front: OnceCell::new(),
            directory: RefCell::default(),
            calls: RefCell::default(),
            timers: Timers::new(clock),
            random: RefCell::new(random),
            spawned: Spawned::default(),
            operations: RefCell::default(),
            asker: Cell::new(None),
            marks: Marks::default(),
            input_ended: Cell::new(false),
            ignored_replies: Cell::new(0),
            pools: Pools::default(),
        }
    }

    // Identity.

    /// Gives the node its name; returns false if it has another one already.
    pub(crate) fn identify(&self, init: Init) -> bool {
        if let Some(known) = self.init.get() {
            return known.is_same_cluster(&init);
        }
        self.directory.borrow_mut().add_nodes(&init);
        let _first = self.front.set(plain_front(&init.node_id));
        self.init.set(init).is_ok()
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
        (self.log)(text);
    }

    // The way out.

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Sends the reply of that type to a request. Nothing is sent if the sender
    /// wants none, or has one already.
    pub(crate) fn reply<T: Serialize + ?Sized>(
        &self,
        request: &Request,
        kind: ReplyKind<'_>,
        fields: &T,
    ) -> Result<()> {
        self.reply_fields(request, kind, Fields::Typed(fields))
    }

    pub(super) fn reply_fields<T: Serialize + ?Sized>(
        &self,
        request: &Request,
        kind: ReplyKind<'_>,
        fields: Fields<'_, T>,
    ) -> Result<()> {
        let Some(in_reply_to) = request.msg_id() else {
            return Ok(());
        };
        if request.answer() {
            self.log(format_args!(
                "a second reply to {} of {} was not sent: one is enough",
                Quote(request.kind()),
                Quote(request.src())
            ));
            return Ok(());
        }
        // Taken back if serialising fails or panics: then the caller is told that.
        let answer = Answer(request);
        self.outbox.write_numbered(|out, msg_id| {
            match self.front.get() {
                Some(Some(front)) if request.is_plain() => {
                    let numbers = (msg_id, in_reply_to);
                    write_plain_header(out, front, request.src(), kind, numbers);
                }
                _ => {
                    let numbers = Numbers {
                        msg_id: Some(msg_id),
                        in_reply_to: Some(in_reply_to),
                    };
                    let addresses = (self.node_id(), request.src());
                    write_header(out, addresses, kind.parts(), numbers);
                }
            }
            write_fields(out, fields)
        })?;
        std::mem::forget(answer);
        Ok(())
    }

    pub(crate) fn reply_error(&self, request: &Request, error: &Error) -> Result<()> {
        let body = ErrorBody {
            code: error.code,
            text: &error.text,
        };
        self.reply(request, ReplyKind::Error, &body)
    }

    /// Refuses a message that no handler saw. A node without a name takes the
    /// one it was called by, and numbers nothing: number 0 is `init_ok`'s.
    pub(crate) fn refuse(&self, envelope: &Envelope<'_>, in_reply_to: &str, error: &Error) {
        let body = ErrorBody {
            code: error.code,
            text: &error.text,
        };
        let write = |out: &mut Vec<u8>, src: &str, msg_id| {
            let numbers = Numbers {
                msg_id,
                in_reply_to: Some(in_reply_to),
            };
            write_header(out, (src, &envelope.src), ("error", ""), numbers);
            write_fields(out, Fields::Typed(&body))
        };
        let written = match self.init() {
            Some(init) => self
                .outbox
                .write_numbered(|out, msg_id| write(out, &init.node_id, Some(msg_id)))
                .map(|_| ()),
            None => self.outbox.write(|out| write(out, &envelope.dest, None)),
        };
        if let Err(error) = written {
            self.log(format_args!("a refusal could not be sent: {error}"));
        }
    }

    /// Sends a message that wants no reply.
    pub(crate) fn send<T: Serialize + ?Sized>(
        &self,
        dest: &str,
        kind: &str,
        fields: &T,
    ) -> Result<()> {
        self.find(dest)?;
        self.outbox.may_send_unasked()?;
        self.outbox.write(|out| {
            let numbers = Numbers::default();
            write_header(out, (self.node_id(), dest), (kind, ""), numbers);
            write_fields(out, Fields::Typed(fields))
        })
    }

    // Calls.

    /// The id of somebody who may be sent to, or error 1.
    pub(super) fn find(&self, name: &str) -> Result<NameId> {
        let found = self.directory.borrow_mut().find(name);
        found.ok_or_else(|| Error::node_not_found(name))
    }

    pub(crate) fn sender(&self, name: &str) -> Option<NameId> {
        self.directory.borrow_mut().sender(name)
    }

    /// The name behind an id, for a message to a person.
    pub(super) fn name(&self, id: NameId) -> String {
        self.directory.borrow().name(id).to_owned()
    }

    /// Sends a call's request, enters it and arms its timer.
    pub(super) fn begin_call(
        &self,
        dest: NameId,
        content: &Content,
        timeout: Duration,
    ) -> Result<u64> {
        self.outbox.may_send_unasked()?;
        if self.calls.borrow().len() >= CALLS_MAX {
            return Err(Error::temporarily_unavailable(format!(
                "{CALLS_MAX} calls of this node wait for their replies already; try again later"
            )));
        }
        let directory = self.directory.borrow();
        let name = directory.name(dest);
        let msg_id = self.outbox.write_numbered(|out, msg_id| {
            content.write(out, self.node_id(), name, msg_id);
            Ok(())
        })?;
        let deadline = self.timers.now() + timeout;
        let timer = self.timers.arm(deadline, Timer::Call(msg_id));
        self.calls.borrow_mut().insert(msg_id, dest, timer);
        Ok(msg_id)
    }

    pub(super) fn poll_call(&self, msg_id: u64, waker: &Waker) -> Progress {
        self.calls.borrow_mut().poll(msg_id, waker)
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

    /// Gives a reply to the call that waits for it; counts it if none does.
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
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn ignore_reply(&self) {
        self.ignored_replies.set(self.ignored_replies.get() + 1);
    }

    pub(crate) fn ignored_replies(&self) -> u64 {
        self.ignored_replies.get()
    }

    // Time.

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

    fn expire_call(&self, msg_id: u64) {
        // After the end of the input no reply can come, and calls that wait end
        // without one.
        let dest = self.calls.borrow().dest(msg_id);
        let Some(dest) = dest.filter(|_| !self.input_ended.get()) else {
            return;
        };
        let outcome = || {
            let directory = self.directory.borrow();
            let name = Quote(directory.name(dest));
            let text = format!("no reply from {name} to message {msg_id} in time");
            Err(Error::timeout(text))
        };
        let ended = self.calls.borrow_mut().end(msg_id, dest, outcome);
        let waker = ended.and_then(|(_expired, waker)| waker);
        waker.into_iter().for_each(Waker::wake);
    }

    // Operations.

    /// The next operation that a handler has asked for.
    pub(crate) fn next_operation(&self) -> Option<(OperationId, Operation)> {
        self.operations.borrow_mut().next()
    }

    /// Whether a handler has asked for an operation that nobody has taken.
    pub(crate) fn has_operations(&self) -> bool {
        self.operations.borrow().has_queued()
    }

    /// Says whose request is being begun: what it asks for at once is asked by him.
    pub(crate) fn set_asker(&self, asker: Option<NameId>) {
        self.asker.set(asker);
    }

    /// Takes an operation in, or refuses it with error 11.
    pub(super) fn submit(&self, operation: Operation) -> Result<OperationId> {
        let mut operations = self.operations.borrow_mut();
        operations.submit(operation, self.asker.get())
    }

    /// The number of the sender who has asked for an operation.
    pub(crate) fn asker(&self, id: OperationId) -> Option<u32> {
        self.operations.borrow().asker(id).map(NameId::number)
    }

    /// Gives an operation its outcome.
    pub(crate) fn complete_operation(&self, id: OperationId, outcome: Result<Outcome>) {
        let waker = self.operations.borrow_mut().complete(id, outcome);
        waker.into_iter().for_each(Waker::wake);
    }

    // Tasks and memory.

    /// Takes a task in, or drops it and says so.
    pub(crate) fn spawn(&self, task: Task) {
        // Dropped when nothing is borrowed: it is the author's.
        if self.spawned.push(task).is_err() {
            self.spawned.count_dropped();
        }
    }

    /// Takes a task in, or drops it: error 11.
    pub(crate) fn try_spawn(&self, task: Task) -> Result<()> {
        let pushed = self.spawned.push(task);
        pushed.map_err(|(_dropped, error)| error)
    }

    pub(crate) fn next_spawned(&self) -> Option<Task> {
        let dropped = self.spawned.take_dropped();
        if dropped > 0 {
            self.log(format_args!(
                "background tasks were dropped: {dropped}, for {SPAWNED_MAX} waited to start already"
            ));
        }
        self.spawned.pop()
    }

    pub(crate) fn has_spawned(&self) -> bool {
        self.spawned.len() > 0
    }

    pub(crate) fn end_input(&self) {
        self.input_ended.set(true);
    }

    pub(super) fn input_has_ended(&self) -> bool {
        self.input_ended.get()
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// How much is in use, but for the tasks, which the core does not know.
    pub(crate) fn usage(&self) -> Usage {
        let calls = self.calls.borrow();
        Usage {
            tasks: self.spawned.len(),
            calls: calls.len(),
            calls_waiting: calls.waiting(),
            timers: self.timers.len(),
            operations: self.operations.borrow().len(),
        }
    }
}

/// A request being answered.
struct Answer<'a>(&'a Request);

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        self.0.unanswer();
    }
}
