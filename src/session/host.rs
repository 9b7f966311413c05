//! The host: an author's node, and the tasks that run its handlers.
//!
//! The session does not know the node's type and calls it through the trait [`Host`]. All
//! tasks of a host are one type of future, [`run_job`], so that they fit into recycled slots.
//!
//! Invariants:
//! - `held_bytes` is the memory of the requests whose handlers have not ended.
//! - At most [`TASKS_MAX`] tasks run. Requests beyond it are refused; spawned tasks wait.
//! - Of two kinds of ready tasks, spawned and woken ones, neither starves the other.
//!
//! Read next: `task::Executor`, the slots and their wakers.

#[cfg(any(test, feature = "microscope"))]
use super::snapshot::{self, SessionSnapshot};
use super::stopwatch::{self, Stopwatch};
use crate::node::{Context, Node, Request, Shared, Task, too_many_timers};
use crate::notices::Topic;
use crate::protocol::{Error, Quote, Result};
use crate::task::{Executor, Finished, Panic, Polled, ReadyQueue, catch};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// How many tasks may run at once: 131,072. A request beyond it is refused with error 11.
///
/// At about a kilobyte for a waiting proxy, this bounds the memory that requests to a silent
/// node can take.
pub const TASKS_MAX: usize = 1 << 17;

/// How many bytes of memory the requests of waiting handlers may take: 64 MiB. A request
/// beyond it is refused with error 11: a few long lines weigh as much as many tasks.
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// The node, its tasks, and no types of the author's.
pub(super) trait Host {
    /// Builds the node.
    fn build(&mut self, cx: &Context) -> Result<(), Box<Panic>>;
    /// Begins the node's setup and polls it at once. `init` is answered by the session, with
    /// the [end](Host::setup_end) of the setup.
    fn set_up(&mut self, shared: &Shared, cx: &Context, init: Request);
    /// Takes the end of the setup, if it has ended.
    fn setup_end(&mut self) -> Option<SetupEnd>;
    /// Starts the node's background task and polls it at once.
    fn start(&mut self, shared: &Shared, cx: &Context);
    /// Starts a request's handler and polls it at once.
    fn handle(&mut self, shared: &Shared, cx: &Context, request: Request);
    /// Ends a batch of requests: the time until the next one is not a handler's.
    fn rest(&mut self, shared: &Shared);
    /// Polls up to `polls` tasks that are ready. Returns whether more are.
    fn run(&mut self, shared: &Shared, polls: usize) -> bool;
    /// Whether a task is ready to be polled.
    fn is_ready(&self, shared: &Shared) -> bool;
    /// The number of tasks that have not ended.
    fn tasks(&self) -> usize;
    /// The number of requests whose reply is due, and whose handlers have not ended.
    fn unanswered(&self) -> usize;
    /// Whether a request may get its reply without another line.
    ///
    /// | a handler waits for | it goes on |
    /// |---|---|
    /// | a sleep or a closure of `unblock`, also beside calls | yes |
    /// | calls, with or without retries | no |
    /// | anything else that holds its waker: an author's thread, a task, a channel | yes |
    /// | calls, and anything else but sleeps and closures | no |
    /// | nothing that holds its waker | no |
    ///
    /// Background tasks count as handlers if a request was kept and may be answered.
    fn may_go_on(&self, shared: &Shared) -> bool;
    /// The queue of woken tasks.
    fn ready_queue(&self) -> &Arc<ReadyQueue>;
    #[cfg(any(test, feature = "microscope"))]
    fn snapshot(&self, shared: &Shared) -> SessionSnapshot;
}

/// The work of a task.
enum Job<N> {
    Handle(Rc<N>, Context, Request),
    Background(Task),
}

/// The result of a job. The error is boxed, so that the result is one word and is returned in
/// a register. Three copies of the space for an error would take a twentieth of an echo.
type JobResult = std::result::Result<(), Box<Error>>;

/// How a setup has ended, with the `init` that it belongs to.
pub(super) struct SetupEnd {
    pub(super) init: Request,
    /// The author's error, or error 13 for a panic.
    pub(super) result: Result<()>,
}

async fn run_job<N: Node>(job: Job<N>) -> JobResult {
    let result = match job {
        Job::Handle(node, cx, request) => node.handle(cx, request).await,
        Job::Background(task) => task.await,
    };
    result.map_err(Box::new)
}

/// The kinds of ready tasks.
#[derive(Clone, Copy)]
enum ReadyKind {
    /// Spawned, and polled never.
    Spawned,
    /// Woken by a waker.
    Woken,
}

struct TypedHost<N, B, R, F: Future> {
    build: B,
    /// `run_job`, whose future has a type that only inference can name.
    run_job: R,
    /// Each handler comes with its request, which is needed again if the handler fails.
    /// Declared, and so dropped, before the node: the last task would drop the node with
    /// itself, and if the destructors of both panicked, the process would abort.
    executor: Executor<F, Option<Request>>,
    node: Option<Rc<N>>,
    /// The slot of the setup while it runs. Its payload is the `init`.
    setup_slot: Option<u32>,
    setup_end: Option<SetupEnd>,
    held_bytes: usize,
    /// The kind whose turn it is to be polled.
    next: ReadyKind,
    stopwatch: Stopwatch,
}

/// A host for the node that `build` makes. It sets `polled` to the slot of each task that it
/// polls.
pub(super) fn host<N: Node>(
    build: impl Fn(&Context) -> N + 'static,
    polled: Rc<Cell<u32>>,
) -> Box<dyn Host> {
    boxed(build, run_job::<N>, polled)
}

fn boxed<N, B, R, F>(build: B, run_job: R, polled: Rc<Cell<u32>>) -> Box<dyn Host>
where
    N: Node,
    B: Fn(&Context) -> N + 'static,
    R: Fn(Job<N>) -> F + 'static,
    F: Future<Output = JobResult> + 'static,
{
    Box::new(TypedHost {
        build,
        run_job,
        executor: Executor::with_polled(polled),
        node: None,
        setup_slot: None,
        setup_end: None,
        held_bytes: 0,
        next: ReadyKind::Spawned,
        stopwatch: Stopwatch::default(),
    })
}

impl<N, B, R, F> TypedHost<N, B, R, F>
where
    R: Fn(Job<N>) -> F,
    F: Future<Output = JobResult>,
{
    /// Whether another task may start.
    fn has_room(&self) -> bool {
        self.executor.len() < TASKS_MAX
    }

    /// Whether a task is ready to be polled.
    fn has_ready(&self, shared: &Shared) -> bool {
        shared.has_spawned() && self.has_room() || !self.executor.ready_queue().is_empty()
    }

    /// Starts the next spawned task and polls it. Returns its kind, or `None` without one.
    fn start_spawned(&mut self, shared: &Shared) -> Option<ReadyKind> {
        if !shared.has_spawned() || !self.has_room() {
            return None;
        }
        let task = shared.next_spawned()?;
        self.start_task(shared, task);
        Some(ReadyKind::Spawned)
    }

    /// Starts a background task and polls it.
    fn start_task(&mut self, shared: &Shared, task: Task) {
        let future = (self.run_job)(Job::Background(task));
        shared.timers().task_begins();
        self.stopwatch.begin(shared);
        let started = self.executor.start(None, future);
        if self.stopwatch.is_alone() {
            self.stopwatch.ended(shared, stopwatch::Polled::Background);
        }
        match started {
            Some(Finished { payload, outcome }) => end(shared, payload, outcome),
            None => self.end_if_overrun(shared),
        }
        look!(snapshot::polled(&self.executor, shared, false));
    }

    /// Polls the task that was woken first. Returns its kind, or `None` without one.
    fn poll_woken(&mut self, shared: &Shared) -> Option<ReadyKind> {
        let woken = self.executor.next_woken()?;
        shared.timers().task_begins();
        self.stopwatch.begin(shared);
        let polled = self.executor.poll_woken(woken);
        if self.stopwatch.is_alone() {
            let payload = match &polled {
                Polled::Finished(finished) => Some(&finished.payload),
                Polled::Pending | Polled::Nothing => self.executor.polled(),
            };
            self.stopwatch.ended(shared, of(payload));
        }
        match polled {
            Polled::Nothing => return None,
            Polled::Pending => self.end_if_overrun(shared),
            Polled::Finished(Finished { payload, outcome }) => {
                self.held_bytes -= payload.as_ref().map_or(0, Request::held_bytes);
                match self.setup_slot {
                    None => end(shared, payload, outcome),
                    Some(slot) => self.end_beside_setup(shared, slot, payload, outcome),
                }
            }
        }
        look!(snapshot::polled(&self.executor, shared, false));
        Some(ReadyKind::Woken)
    }

    /// Ends the task that was just polled, which may be the setup in that slot.
    #[cold]
    #[inline(never)]
    fn end_beside_setup(
        &mut self,
        shared: &Shared,
        slot: u32,
        payload: Option<Request>,
        outcome: Result<JobResult, Box<Panic>>,
    ) {
        if slot == self.executor.polled_slot() {
            self.setup_slot = None;
            self.setup_end = payload.map(|init| setup_end(init, outcome));
        } else {
            end(shared, payload, outcome);
        }
    }

    /// Polls up to `polls` tasks that are ready. Returns whether more are.
    fn poll_ready(&mut self, shared: &Shared, polls: usize) -> bool {
        for _ in 0..polls {
            // The kinds take turns. A kind without a ready task leaves its poll to the other.
            let polled = match self.next {
                ReadyKind::Spawned => self
                    .start_spawned(shared)
                    .or_else(|| self.poll_woken(shared)),
                ReadyKind::Woken => self
                    .poll_woken(shared)
                    .or_else(|| self.start_spawned(shared)),
            };
            self.next = match polled {
                Some(ReadyKind::Spawned) => ReadyKind::Woken,
                Some(ReadyKind::Woken) | None => ReadyKind::Spawned,
            };
            if polled.is_none() {
                return false;
            }
        }
        self.has_ready(shared)
    }

    /// Ends the task that was just polled with error 11 if it waits for a timer that it did
    /// not get. A sleep returns no error, so the task would wait for ever.
    fn end_if_overrun(&mut self, shared: &Shared) {
        if shared.timers().task_overran() {
            self.end_overrun(shared);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_overrun(&mut self, shared: &Shared) {
        if let Some(payload) = self.executor.drop_polled() {
            let outcome = Ok(Err(Box::new(too_many_timers())));
            self.held_bytes -= payload.as_ref().map_or(0, Request::held_bytes);
            match self.setup_slot {
                None => end(shared, payload, outcome),
                Some(slot) => self.end_beside_setup(shared, slot, payload, outcome),
            }
        }
    }
}

impl<N, B, R, F> Host for TypedHost<N, B, R, F>
where
    N: Node,
    B: Fn(&Context) -> N,
    R: Fn(Job<N>) -> F,
    F: Future<Output = JobResult>,
{
    fn build(&mut self, cx: &Context) -> Result<(), Box<Panic>> {
        let shared = cx.shared();
        self.stopwatch.rest(shared);
        self.stopwatch.begin(shared);
        let built = catch(|| (self.build)(cx));
        self.stopwatch.ended(shared, stopwatch::Polled::Building);
        let replaced = self.node.replace(Rc::new(built?));
        let _panic_in_drop = catch(|| drop(replaced));
        Ok(())
    }

    fn set_up(&mut self, shared: &Shared, cx: &Context, init: Request) {
        let Some(node) = self.node.clone() else {
            return;
        };
        let (cx, bytes) = (cx.clone(), init.held_bytes());
        let setup = Job::Background(Box::pin(async move { node.setup(cx).await }));
        let future = (self.run_job)(setup);
        shared.timers().task_begins();
        match self.executor.start(Some(init.clone()), future) {
            Some(Finished { outcome, .. }) => self.setup_end = Some(setup_end(init, outcome)),
            None => {
                self.setup_slot = Some(self.executor.polled_slot());
                self.held_bytes += bytes;
                self.end_if_overrun(shared);
            }
        }
    }

    fn setup_end(&mut self) -> Option<SetupEnd> {
        self.setup_end.take()
    }

    fn start(&mut self, shared: &Shared, cx: &Context) {
        let Some(node) = self.node.clone() else {
            return;
        };
        let cx = cx.clone();
        let task = async move {
            if let Err(error) = node.start(cx.clone()).await {
                let shared = cx.shared();
                shared
                    .log_book()
                    .task_failure(format_args!("the background task `start` failed: {error}"));
            }
            Ok(())
        };
        self.start_task(shared, Box::pin(task));
    }

    fn handle(&mut self, shared: &Shared, cx: &Context, request: Request) {
        let Some(node) = &self.node else {
            return;
        };
        if !self.has_room() {
            let error = Error::temporarily_unavailable(format!(
                "{TASKS_MAX} requests are being handled already; try again later"
            ));
            return end(shared, Some(request), Ok(Err(Box::new(error))));
        }
        if self.held_bytes > HELD_BYTES_MAX {
            let error = Error::temporarily_unavailable(format!(
                "requests of {} bytes are being handled already; try again later",
                self.held_bytes
            ));
            return end(shared, Some(request), Ok(Err(Box::new(error))));
        }
        let bytes = request.held_bytes();
        shared.timers().task_begins();
        self.stopwatch.begin(shared);
        let job = Job::Handle(node.clone(), cx.clone(), request.clone());
        // The author's `handle` may be no async fn, and do its work before it returns a
        // future. `run_job` calls it when it is polled, where panics are caught.
        //
        // Nothing stands between this line and `start`: the future would be copied once more.
        let future = (self.run_job)(job);
        let started = self.executor.start(Some(request), future);
        if self.stopwatch.is_alone() {
            let finished = started.as_ref().map(|finished| &finished.payload);
            let payload = finished.or_else(|| self.executor.polled());
            self.stopwatch.ended(shared, of(payload));
        }
        match started {
            Some(Finished { payload, outcome }) => end(shared, payload, outcome),
            None => {
                self.held_bytes += bytes;
                self.end_if_overrun(shared);
            }
        }
        look!(snapshot::polled(&self.executor, shared, true));
    }

    fn rest(&mut self, shared: &Shared) {
        self.stopwatch.rest(shared);
    }

    fn run(&mut self, shared: &Shared, polls: usize) -> bool {
        // Most turns of a node that only answers have no task to poll.
        let is_more_ready = self.has_ready(shared) && self.poll_ready(shared, polls);
        self.stopwatch.rest(shared);
        is_more_ready
    }

    fn is_ready(&self, shared: &Shared) -> bool {
        self.has_ready(shared)
    }

    fn tasks(&self) -> usize {
        self.executor.len()
    }

    fn unanswered(&self) -> usize {
        let requests = self.executor.suspended();
        let requests = requests.filter_map(|task| task.payload.as_ref());
        requests.filter(|request| request.is_due()).count()
    }

    fn may_go_on(&self, shared: &Shared) -> bool {
        let waits = shared.waits();
        let is_kept = waits.kept() > 0;
        let tasks = || {
            let suspended = self.executor.suspended();
            suspended.filter(|task| task.may_be_woken && (is_kept || task.payload.is_some()))
        };
        if tasks().any(|task| waits.sleeps(task.slot)) {
            return true;
        }
        let callers = shared.callers();
        tasks().any(|task| !callers.contains(&task.slot))
    }

    fn ready_queue(&self) -> &Arc<ReadyQueue> {
        self.executor.ready_queue()
    }

    #[cfg(any(test, feature = "microscope"))]
    fn snapshot(&self, shared: &Shared) -> SessionSnapshot {
        SessionSnapshot::of(&self.executor, shared)
    }
}

fn setup_end(init: Request, outcome: Result<JobResult, Box<Panic>>) -> SetupEnd {
    let result = match outcome {
        Ok(result) => result.map_err(|error| *error),
        Err(panic) => Err(Error::crash(format!("setup {panic}"))),
    };
    SetupEnd { init, result }
}

/// The code of a task with this payload.
fn of(payload: Option<&Option<Request>>) -> stopwatch::Polled<'_> {
    let request = payload.and_then(Option::as_ref);
    request.map_or(stopwatch::Polled::Background, stopwatch::Polled::Handler)
}

/// Ends a task: a handler's error becomes its reply, and every other failure is logged.
fn end(shared: &Shared, request: Option<Request>, outcome: Result<JobResult, Box<Panic>>) {
    let Some(request) = request else {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.log_failed_task(&error),
            Err(panic) => shared
                .log_book()
                .task_failure(format_args!("a background task {panic}")),
        }
        return;
    };
    match outcome {
        Ok(Ok(())) => {
            if request.is_due() {
                end_unanswered(shared, &request);
            }
        }
        Ok(Err(error)) if request.wants_reply() => answer(shared, &request, &error),
        Ok(Err(error)) => log(shared, &request, format_args!("failed: {error}")),
        Err(panic) => {
            log(shared, &request, format_args!("{panic}"));
            if request.wants_reply() {
                let text = format!("the handler panicked: {}", panic.message);
                answer(shared, &request, &Error::crash(text));
            }
        }
    }
    shared.pools().recycle_request(request);
}

/// Notes a request whose handler has ended without a reply. A clone may be answered later.
#[cold]
#[inline(never)]
fn end_unanswered(shared: &Shared, request: &Request) {
    if request.is_last_clone() {
        log(shared, request, format_args!("ended without a reply"));
    } else {
        shared.waits().keep(request);
    }
}

fn answer(shared: &Shared, request: &Request, error: &Error) {
    if let Err(error) = shared.reply_error(request, error) {
        log(
            shared,
            request,
            format_args!("could not be answered: {error}"),
        );
    }
}

fn log(shared: &Shared, request: &Request, event: std::fmt::Arguments<'_>) {
    let (kind, src) = (Quote(request.kind()), Quote(request.src()));
    shared.notice(
        Topic::Failure,
        format_args!("the handler of {kind} from {src} {event}"),
    );
}
