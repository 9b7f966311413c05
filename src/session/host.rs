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

use super::stopwatch::{self, Stopwatch};
use crate::node::{Context, Node, Request, Shared, Task, too_many_timers};
use crate::protocol::{Error, Quote, Result};
use crate::task::{Executor, Finished, Panic, Polled, ReadyQueue, catch};
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
    /// Spawns the node's background task.
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
    /// The number of requests that want a reply, have none, and whose handlers have not ended.
    fn unanswered(&self) -> usize;
    /// The queue of woken tasks.
    fn ready_queue(&self) -> &Arc<ReadyQueue>;
}

/// The work of a task.
enum Job<N> {
    Handle(Rc<N>, Context, Request),
    Background(Task),
}

/// The result of a job. The error is boxed, so that the result is one word and is returned in
/// a register. Three copies of the space for an error would take a twentieth of an echo.
type JobResult = std::result::Result<(), Box<Error>>;

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
    held_bytes: usize,
    /// The kind whose turn it is to be polled.
    next: ReadyKind,
    stopwatch: Stopwatch,
}

/// A host for the node that `build` makes.
pub(super) fn host<N: Node>(build: impl Fn(&Context) -> N + 'static) -> Box<dyn Host> {
    boxed(build, run_job::<N>)
}

fn boxed<N, B, R, F>(build: B, run_job: R) -> Box<dyn Host>
where
    N: Node,
    B: Fn(&Context) -> N + 'static,
    R: Fn(Job<N>) -> F + 'static,
    F: Future<Output = JobResult> + 'static,
{
    Box::new(TypedHost {
        build,
        run_job,
        executor: Executor::new(),
        node: None,
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
        let future = (self.run_job)(Job::Background(shared.next_spawned()?));
        shared.timers().task_begins();
        let timed = self.stopwatch.begin(shared);
        let started = self.executor.start(None, future);
        if let Some(since) = timed {
            self.stopwatch
                .ended(shared, since, stopwatch::Polled::Background);
        }
        match started {
            Some(Finished { payload, outcome }) => end(shared, payload, outcome),
            None => self.end_if_overrun(shared),
        }
        Some(ReadyKind::Spawned)
    }

    /// Polls the task that was woken first. Returns its kind, or `None` without one.
    fn poll_woken(&mut self, shared: &Shared) -> Option<ReadyKind> {
        let woken = self.executor.next_woken()?;
        shared.timers().task_begins();
        let timed = self.stopwatch.begin(shared);
        let polled = self.executor.poll_woken(woken);
        if let Some(since) = timed {
            let payload = match &polled {
                Polled::Finished(finished) => Some(&finished.payload),
                Polled::Pending | Polled::Nothing => self.executor.polled(),
            };
            self.stopwatch.ended(shared, since, of(payload));
        }
        match polled {
            Polled::Nothing => return None,
            Polled::Pending => self.end_if_overrun(shared),
            Polled::Finished(Finished { payload, outcome }) => {
                self.held_bytes -= payload.as_ref().map_or(0, Request::held_bytes);
                end(shared, payload, outcome);
            }
        }
        Some(ReadyKind::Woken)
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
        if !shared.timers().task_overran() {
            return;
        }
        if let Some(payload) = self.executor.drop_polled() {
            self.held_bytes -= payload.as_ref().map_or(0, Request::held_bytes);
            end(shared, payload, Ok(Err(Box::new(too_many_timers()))));
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
        let began = cx.now();
        let built = catch(|| (self.build)(cx));
        let (shared, polled) = (cx.shared(), stopwatch::Polled::Building);
        self.stopwatch.ended(shared, began, polled);
        self.node = Some(Rc::new(built?));
        Ok(())
    }

    fn start(&mut self, shared: &Shared, cx: &Context) {
        let Some(node) = self.node.clone() else {
            return;
        };
        let cx = cx.clone();
        shared.spawn(Box::pin(async move { node.start(cx).await }));
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
        let job = Job::Handle(node.clone(), cx.clone(), request.clone());
        // The author's `handle` may be no async fn, and do its work before it returns a
        // future. `run_job` calls it when it is polled, where panics are caught.
        let future = (self.run_job)(job);
        shared.timers().task_begins();
        let timed = self.stopwatch.begin(shared);
        let started = self.executor.start(Some(request), future);
        if let Some(since) = timed {
            let finished = started.as_ref().map(|finished| &finished.payload);
            let payload = finished.or_else(|| self.executor.polled());
            self.stopwatch.ended(shared, since, of(payload));
        }
        match started {
            Some(Finished { payload, outcome }) => end(shared, payload, outcome),
            None => {
                self.held_bytes += bytes;
                self.end_if_overrun(shared);
            }
        }
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
        let requests = self.executor.payloads().flatten();
        requests.filter(|request| wants_reply(request)).count()
    }

    fn ready_queue(&self) -> &Arc<ReadyQueue> {
        self.executor.ready_queue()
    }
}

/// The code of a task with this payload.
fn of(payload: Option<&Option<Request>>) -> stopwatch::Polled<'_> {
    let request = payload.and_then(Option::as_ref);
    request.map_or(stopwatch::Polled::Background, stopwatch::Polled::Handler)
}

fn wants_reply(request: &Request) -> bool {
    request.msg_id().is_some() && !request.is_answered()
}

/// Ends a task: a handler's error becomes its reply, and every other failure is logged.
fn end(shared: &Shared, request: Option<Request>, outcome: Result<JobResult, Box<Panic>>) {
    let Some(request) = request else {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.log_failed_task(&error),
            Err(panic) => shared.log(format_args!("a background task {panic}")),
        }
        return;
    };
    let wants_reply = wants_reply(&request);
    match outcome {
        Ok(Ok(())) => {
            if wants_reply && request.is_last_clone() {
                log(shared, &request, format_args!("ended without a reply"));
            }
        }
        Ok(Err(error)) if wants_reply => answer(shared, &request, &error),
        Ok(Err(error)) => log(shared, &request, format_args!("failed: {error}")),
        Err(panic) => {
            log(shared, &request, format_args!("{panic}"));
            if wants_reply {
                let text = format!("the handler panicked: {}", panic.message);
                answer(shared, &request, &Error::crash(text));
            }
        }
    }
    shared.pools().recycle_request(request);
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
    shared.log(format_args!("the handler of {kind} from {src} {event}"));
}
