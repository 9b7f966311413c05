//! What all of a node's handlers share: the way out, calls, timers, memory.
//!
//! One rule holds in this file: no author's code and no waker runs while one of
//! the cells is borrowed. Serialising works on a draft that was taken out of
//! its cell, and wakers are gathered first and woken after the borrow has ended.

use super::call_table::{CallTable, Entry, Progress};
use super::directory::{Directory, NameId};
use super::request::{Parts, Request};
use super::tcp_echo::Operations;
use crate::protocol::{
    Content, Envelope, Error, ErrorBody, Fields, Init, Numbers, Result, is_plain, write_fields,
    write_header, write_plain_header,
};
use crate::random::Random;
use crate::time::{Clock, Instant, TimerId, Wheel};
use crate::wire::OutputBuffer;
use serde::Serialize;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// How long a call waits unless it says otherwise.
const RPC_TIMEOUT: Duration = Duration::from_secs(1);

/// How many bytes may wait for a slow reader before messages that nobody asked
/// for are refused (error 11): 8 MiB. Replies are never refused; reading stops
/// at the high watermark, so there are few. Timers fire without any input, and
/// without this bound a gossiping node with a dead reader would grow for ever.
pub(super) const UNASKED_BYTES_MAX: usize = 8 << 20;

/// How many blocks of memory are kept for the next request or call.
const SPARES_MAX: usize = 1024;

/// A spare block larger than this is not kept.
const SPARE_BYTES_MAX: usize = 4 << 10;

/// What a session can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a call waits for its reply unless it says otherwise: 1 s.
    pub rpc_timeout: Duration,
    /// What the node's random numbers are drawn from: 0.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            rpc_timeout: RPC_TIMEOUT,
            seed: 0,
        }
    }
}

/// How much of everything is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Handlers and background tasks that have not ended.
    pub tasks: usize,
    /// Calls with an entry in the call table.
    pub calls: usize,
    /// Calls that wait for a reply or their expiry.
    pub calls_waiting: usize,
    /// Armed timers, those of waiting calls among them.
    pub timers: usize,
    /// Operations on sockets that have not ended.
    pub operations: usize,
}

/// What an armed timer does when it is due.
enum Timer {
    /// Ends a call with error 0.
    Call(u64),
    /// Wakes a task.
    Wake(Waker),
}

/// Where lines for a person go.
pub(crate) type Log = Box<dyn Fn(fmt::Arguments<'_>)>;
pub(crate) type Spawned = Pin<Box<dyn Future<Output = Result<()>>>>;

pub(crate) struct Core {
    settings: Settings,
    clock: Rc<dyn Clock>,
    log: Log,
    /// Set by the first `init`, before any handler runs.
    init: OnceCell<Init>,
    /// The node's name needs no escapes.
    is_plain: Cell<bool>,
    output: RefCell<OutputBuffer>,
    directory: RefCell<Directory>,
    calls: RefCell<CallTable>,
    wheel: RefCell<Wheel<Timer>>,
    /// Empty between turns; kept for its memory.
    due: Cell<Vec<Timer>>,
    next_msg_id: Cell<u64>,
    random: RefCell<Random>,
    spawned: RefCell<VecDeque<Spawned>>,
    pub(super) operations: RefCell<Operations>,
    input_ended: Cell<bool>,
    ignored_replies: Cell<u64>,
    spare_parts: RefCell<Vec<Rc<Parts>>>,
    spare_bytes: RefCell<Vec<Vec<u8>>>,
}

impl Core {
    pub(crate) fn new(settings: Settings, clock: Rc<dyn Clock>, log: Log) -> Core {
        let wheel = Wheel::new(clock.now());
        let random = Random::new(settings.seed);
        Core {
            settings,
            clock,
            log,
            init: OnceCell::new(),
            is_plain: Cell::new(false),
            output: RefCell::default(),
            directory: RefCell::default(),
            calls: RefCell::default(),
            wheel: RefCell::new(wheel),
            due: Cell::default(),
            next_msg_id: Cell::new(0),
            random: RefCell::new(random),
            spawned: RefCell::default(),
            operations: RefCell::default(),
            input_ended: Cell::new(false),
            ignored_replies: Cell::new(0),
            spare_parts: RefCell::default(),
            spare_bytes: RefCell::default(),
        }
    }

    // Identity.

    /// Gives the node its name; returns false if it has another one already.
    pub(crate) fn identify(&self, init: Init) -> bool {
        if let Some(known) = self.init.get() {
            return *known == init;
        }
        self.directory.borrow_mut().add_nodes(&init.node_ids);
        self.is_plain.set(is_plain(&init.node_id));
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

    pub(crate) fn output(&self) -> &RefCell<OutputBuffer> {
        &self.output
    }

    /// Appends one message to the output, or nothing at all if `write` fails or
    /// panics.
    fn emit(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        /// Puts the draft back however `write` ends.
        struct Draft<'a> {
            output: &'a RefCell<OutputBuffer>,
            bytes: Vec<u8>,
            keep: usize,
        }
        impl Drop for Draft<'_> {
            fn drop(&mut self) {
                self.bytes.truncate(self.keep);
                let bytes = std::mem::take(&mut self.bytes);
                self.output.borrow_mut().commit(bytes);
            }
        }
        let bytes = self.output.borrow_mut().begin();
        let mut draft = Draft {
            output: &self.output,
            keep: bytes.len(),
            bytes,
        };
        write(&mut draft.bytes)?;
        draft.keep = draft.bytes.len();
        Ok(())
    }

    /// Appends a message with the next number, which is used up only if the
    /// message was written.
    fn emit_numbered(&self, write: impl FnOnce(&mut Vec<u8>, u64) -> Result<()>) -> Result<u64> {
        let msg_id = self.next_msg_id.get();
        self.next_msg_id.set(msg_id + 1);
        let written = self.emit(|out| write(out, msg_id));
        if written.is_err() && self.next_msg_id.get() == msg_id + 1 {
            self.next_msg_id.set(msg_id);
        }
        written.map(|()| msg_id)
    }

    /// Sends the reply of type `kind` + `suffix` to a request. Nothing is sent
    /// if the sender wants none, or has one already.
    pub(crate) fn reply<T: Serialize + ?Sized>(
        &self,
        request: &Request,
        kind: (&str, &str),
        fields: &T,
    ) -> Result<()> {
        let Some(in_reply_to) = request.msg_id() else {
            return Ok(());
        };
        if request.answer() {
            self.log(format_args!(
                "a second reply to {:?} of {:?} was not sent: one is enough",
                request.kind(),
                request.src()
            ));
            return Ok(());
        }
        let written = self.emit_numbered(|out, msg_id| {
            let numbers = Numbers {
                msg_id: Some(msg_id),
                in_reply_to: Some(in_reply_to),
            };
            let addresses = (self.node_id(), request.src());
            if request.is_plain() && self.is_plain.get() {
                write_plain_header(out, addresses, kind, numbers);
            } else {
                write_header(out, addresses, kind, numbers);
            }
            write_fields(out, Fields::Typed(fields))
        });
        if written.is_err() {
            request.unanswer();
        }
        written.map(|_| ())
    }

    pub(crate) fn reply_error(&self, request: &Request, error: &Error) -> Result<()> {
        let body = ErrorBody {
            code: error.code,
            text: &error.text,
        };
        self.reply(request, ("error", ""), &body)
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
                .emit_numbered(|out, msg_id| write(out, &init.node_id, Some(msg_id)))
                .map(|_| ()),
            None => self.emit(|out| write(out, &envelope.dest, None)),
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
        self.may_send_unasked()?;
        self.emit(|out| {
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

    fn may_send_unasked(&self) -> Result<()> {
        let held = self.output.borrow().len();
        if held < UNASKED_BYTES_MAX {
            return Ok(());
        }
        Err(Error::temporarily_unavailable(format!(
            "{held} bytes already wait for whoever reads this node's output"
        )))
    }

    /// Sends a call's request, enters it and arms its timer.
    pub(super) fn begin_call(
        &self,
        dest: NameId,
        content: &Content,
        timeout: Duration,
    ) -> Result<u64> {
        self.may_send_unasked()?;
        let directory = self.directory.borrow();
        let name = directory.name(dest);
        let msg_id = self.emit_numbered(|out, msg_id| {
            content.write(out, self.node_id(), name, msg_id);
            Ok(())
        })?;
        let deadline = self.now() + timeout;
        let timer = self
            .wheel
            .borrow_mut()
            .insert(deadline, Timer::Call(msg_id));
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
            Some(Entry::Waiting { timer, .. }) => self.disarm(timer),
            Some(Entry::Ended(Ok(reply))) => self.recycle(reply),
            Some(Entry::Ended(Err(_))) | None => {}
        }
    }

    /// Gives a reply to the call that waits for it; counts it if none does.
    pub(crate) fn complete_call(&self, msg_id: u64, src: Option<NameId>, envelope: &Envelope<'_>) {
        let timer = src.and_then(|src| self.calls.borrow().awaited_from(msg_id, src));
        let Some(timer) = timer else {
            return self.ignore_reply();
        };
        self.disarm(timer);
        let outcome = if envelope.header.kind.as_deref() == Some("error") {
            Err(error_of(envelope.body))
        } else {
            let mut bytes = self.spare_bytes();
            bytes.extend_from_slice(envelope.body.as_bytes());
            Ok(bytes)
        };
        let waker = self.calls.borrow_mut().end(msg_id, outcome);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn ignore_reply(&self) {
        self.ignored_replies.set(self.ignored_replies.get() + 1);
    }

    pub(crate) fn ignored_replies(&self) -> u64 {
        self.ignored_replies.get()
    }

    // Time.

    /// The time now. Deadlines are counted from a fresh reading: one that was
    /// taken before a long handler would make its timers early.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn random(&self) -> &RefCell<Random> {
        &self.random
    }

    pub(super) fn arm_wake(&self, deadline: Instant, waker: &Waker) -> TimerId {
        let timer = Timer::Wake(waker.clone());
        self.wheel.borrow_mut().insert(deadline, timer)
    }

    /// Points a timer at another waker; false if it has fired.
    pub(super) fn rearm_wake(&self, timer: TimerId, waker: &Waker) -> bool {
        // Whatever is replaced is dropped last, when nothing is borrowed.
        let mut fresh = waker.clone();
        match self.wheel.borrow_mut().get_mut(timer) {
            Some(Timer::Wake(known)) => std::mem::swap(known, &mut fresh),
            _ => return false,
        }
        true
    }

    pub(super) fn disarm(&self, timer: TimerId) {
        // Taken out first: dropping a waker may run foreign code.
        let _disarmed = self.wheel.borrow_mut().cancel(timer);
    }

    /// When the next timer is due, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.borrow().next_deadline()
    }

    /// Fires every timer that is due at `now`: all are collected first, so that
    /// one which is armed anew at once waits for the next turn.
    pub(crate) fn expire(&self, now: Instant) {
        let mut due = self.due.take();
        self.wheel.borrow_mut().expire(now, &mut due);
        for timer in due.drain(..) {
            match timer {
                Timer::Wake(waker) => waker.wake(),
                Timer::Call(msg_id) => self.expire_call(msg_id),
            }
        }
        self.due.set(due);
    }

    fn expire_call(&self, msg_id: u64) {
        // After the end of the input no reply can come, and calls that wait end
        // without one.
        let dest = self.calls.borrow().dest(msg_id);
        let Some(dest) = dest.filter(|_| !self.input_ended.get()) else {
            return;
        };
        let text = {
            let directory = self.directory.borrow();
            let name = directory.name(dest);
            format!("no reply from {name:?} to message {msg_id} in time")
        };
        let waker = self
            .calls
            .borrow_mut()
            .end(msg_id, Err(Error::timeout(text)));
        waker.into_iter().for_each(Waker::wake);
    }

    // Tasks and memory.

    pub(crate) fn spawn(&self, task: Spawned) {
        self.spawned.borrow_mut().push_back(task);
    }

    pub(crate) fn next_spawned(&self) -> Option<Spawned> {
        self.spawned.borrow_mut().pop_front()
    }

    pub(crate) fn has_spawned(&self) -> bool {
        !self.spawned.borrow().is_empty()
    }

    pub(crate) fn end_input(&self) {
        self.input_ended.set(true);
    }

    pub(crate) fn new_request(&self, envelope: &Envelope<'_>, kind: &str) -> Request {
        let spare = self.spare_parts.borrow_mut().pop();
        Request::fill(spare.unwrap_or_default(), envelope, kind)
    }

    pub(crate) fn recycle_request(&self, request: Request) {
        if let Some(parts) = request.recycle() {
            let mut spares = self.spare_parts.borrow_mut();
            if spares.len() < SPARES_MAX {
                spares.push(parts);
            }
        }
    }

    pub(super) fn spare_bytes(&self) -> Vec<u8> {
        self.spare_bytes.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn recycle(&self, mut bytes: Vec<u8>) {
        let mut spares = self.spare_bytes.borrow_mut();
        if spares.len() < SPARES_MAX && bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            spares.push(bytes);
        }
    }

    /// How much is in use, but for the tasks, which the core does not know.
    pub(crate) fn usage(&self) -> Usage {
        let calls = self.calls.borrow();
        Usage {
            tasks: self.spawned.borrow().len(),
            calls: calls.len(),
            calls_waiting: calls.waiting(),
            timers: self.wheel.borrow().len(),
            operations: self.operations.borrow().len(),
        }
    }
}

/// The error that an `error` body carries.
fn error_of(body: &str) -> Error {
    match serde_json::from_str::<ErrorBody<Option<String>>>(body) {
        Ok(body) => Error::new(body.code, body.text.unwrap_or_default()),
        Err(why) => Error::crash(format!("an error reply without a usable code: {why}")),
    }
}
