//! The host: an author's node, and the tasks that run its handlers.
//!
//! The session above does not know the node's type. All tasks of a host are
//! one type of future, the handlers' own, so that they fit recycled slots.

use crate::node::{Context, Core, Node, Request, TIMERS_MAX};
use crate::protocol::{Error, Quote, Result};
use crate::task::{Executor, Finished, Panic, ReadyQueue, catch};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

/// How many tasks may wait at once: 131,072. A request beyond it is refused with
/// error 11. At about a kilobyte for a waiting proxy, this bounds what a flood
/// of requests to a silent node can take.
///
/// ```
/// # fn look(session: &eddyline::session::Session) {
/// use eddyline::session::{SPAWNED_MAX, TASKS_MAX};
/// // Those that run, and those that wait to.
/// assert!(session.usage().tasks <= TASKS_MAX + SPAWNED_MAX);
/// # }
/// ```
pub const TASKS_MAX: usize = 1 << 17;

/// How many bytes of requests waiting handlers may hold: 64 MiB. A request beyond
/// it is refused with error 11, for a few long lines weigh as much as many tasks.
///
/// ```
/// use eddyline::session::HELD_BYTES_MAX;
/// use eddyline::wire::LINE_BYTES_MAX;
/// assert!(HELD_BYTES_MAX >= 4 * LINE_BYTES_MAX); // four of the longest lines
/// ```
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// What the session asks of a node whose type it does not know.
pub(super) trait Host {
    /// Builds the node.
    fn build(&mut self, cx: &Context) -> Result<(), Box<Panic>>;
    /// Starts the node's background task.
    fn start(&mut self, core: &Core, cx: &Context);
    /// Starts a request's handler and polls it at once.
    fn handle(&mut self, core: &Core, cx: &Context, request: Request);
    /// Polls up to `polls` tasks that are ready. Returns whether more are.
    fn run(&mut self, core: &Core, polls: usize) -> bool;
    /// Whether a task is ready to be polled.
    fn is_ready(&self, core: &Core) -> bool;
    /// How many tasks have not ended.
    fn tasks(&self) -> usize;
    /// How many requests want a reply and have none.
    fn unanswered(&self) -> usize;
    /// The queue that wakers fill.
    fn ready_queue(&self) -> &Arc<ReadyQueue>;
}

/// What a task is to do.
enum Job<N> {
    Handle(Rc<N>, Context, Request),
    Background(Background),
}

type Background = Pin<Box<dyn Future<Output = Result<()>>>>;

/// How a job ends. The error is boxed, because one word is handed on in a register:
/// to copy the place for an error three times on its way out, though there is none,
/// takes a twentieth of an echo.
type Ended = std::result::Result<(), Box<Error>>;

async fn run_job<N: Node>(job: Job<N>) -> Ended {
    let result = match job {
        Job::Handle(node, cx, request) => node.handle(cx, request).await,
        Job::Background(task) => task.await,
    };
    result.map_err(Box::new)
}

struct TypedHost<N, B, R, F: Future> {
    build: B,
    /// `run_job`, whose future has a type that only inference can name.
    run_job: R,
    /// Each handler comes with its request, which is needed again if it fails.
    /// Dropped before the node: the last task to go would take the node with it,
    /// and if the destructors of both panicked, the process would abort.
    executor: Executor<F, Option<Request>>,
    node: Option<Rc<N>>,
    /// The bytes of the requests whose handlers wait.
    held_bytes: usize,
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
    F: Future<Output = Ended> + 'static,
{
    Box::new(TypedHost {
        build,
        run_job,
        executor: Executor::new(),
        node: None,
        held_bytes: 0,
    })
}

impl<N, B, R, F> TypedHost<N, B, R, F>
where
    R: Fn(Job<N>) -> F,
    F: Future<Output = Ended>,
{
    /// Whether another task may start. Spawned ones wait until it may; requests
    /// are refused.
    fn has_room(&self) -> bool {
        self.executor.len() < TASKS_MAX
    }

    /// Ends the task that was just polled with error 11, if it waits for a timer
    /// that it did not get. Nothing else could: a sleep returns nothing, and it
    /// would wait for ever.
    fn end_if_overrun(&mut self, core: &Core) {
        if !core.timers().task_overran() {
            return;
        }
        if let Some(payload) = self.executor.drop_polled() {
            self.held_bytes -= payload.as_ref().map_or(0, Request::held_bytes);
            let error = Error::temporarily_unavailable(format!(
                "{TIMERS_MAX} timers are armed already; try again later"
            ));
            end(core, payload, Ok(Err(Box::new(error))));
        }
    }

    fn start_background(&mut self, core: &Core, task: Background) {
        let future = (self.run_job)(Job::Background(task));
        core.timers().task_begins();
        match self.executor.start(None, future) {
            Some(Finished { payload, outcome }) => end(core, payload, outcome),
            None => self.end_if_overrun(core),
        }
    }
}

impl<N, B, R, F> Host for TypedHost<N, B, R, F>
where
    N: Node,
    B: Fn(&Context) -> N,
    R: Fn(Job<N>) -> F,
    F: Future<Output = Ended>,
{
    fn build(&mut self, cx: &Context) -> Result<(), Box<Panic>> {
        self.node = Some(Rc::new(catch(|| (self.build)(cx))?));
        Ok(())
    }

    fn start(&mut self, core: &Core, cx: &Context) {
        let Some(node) = self.node.clone() else {
            return;
        };
        let cx = cx.clone();
        core.spawn(Box::pin(async move { node.start(cx).await }));
    }

    fn handle(&mut self, core: &Core, cx: &Context, request: Request) {
        let Some(node) = &self.node else {
            return;
        };
        if !self.has_room() {
            let error = Error::temporarily_unavailable(format!(
                "{TASKS_MAX} requests are being handled already; try again later"
            ));
            return end(core, Some(request), Ok(Err(Box::new(error))));
        }
        if self.held_bytes > HELD_BYTES_MAX {
            let error = Error::temporarily_unavailable(format!(
                "requests of {} bytes are being handled already; try again later",
                self.held_bytes
            ));
            return end(core, Some(request), Ok(Err(Box::new(error))));
        }
        let bytes = request.held_bytes();
        let job = Job::Handle(node.clone(), cx.clone(), request.clone());
        // Calling the handler is the author's code too, if it is no async fn;
        // inside run_job it runs when it is polled, where panics are caught.
        let future = (self.run_job)(job);
        core.timers().task_begins();
        match self.executor.start(Some(request), future) {
            Some(Finished { payload, outcome }) => end(core, payload, outcome),
            None => {
                self.held_bytes += bytes;
                self.end_if_overrun(core);
            }
        }
    }

    fn run(&mut self, core: &Core, polls: usize) -> bool {
        for _ in 0..polls.div_ceil(2) {
            // A new one, then one that was woken: neither kind starves the other.
            let spawned = self.has_room().then(|| core.next_spawned()).flatten();
            let is_new = spawned.is_some();
            if let Some(task) = spawned {
                self.start_background(core, task);
            }
            core.timers().task_begins();
            match self.executor.run_one() {
                Some(Some(Finished { payload, outcome })) => {
                    self.held_bytes -= payload.as_ref().map_or(0, Request::held_bytes);
                    end(core, payload, outcome);
                }
                Some(None) => self.end_if_overrun(core),
                None if !is_new => return false,
                None => {}
            }
        }
        self.is_ready(core)
    }

    fn is_ready(&self, core: &Core) -> bool {
        (core.has_spawned() && self.has_room()) || !self.executor.ready_queue().is_empty()
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

fn wants_reply(request: &Request) -> bool {
    request.msg_id().is_some() && !request.is_answered()
}

/// What is left to do when a task has ended: a handler that failed has its
/// caller told, and whatever nobody would hear of otherwise goes to the log.
fn end(core: &Core, request: Option<Request>, outcome: Result<Ended, Box<Panic>>) {
    let Some(request) = request else {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => core.log(format_args!("a background task failed: {error}")),
            Err(panic) => core.log(format_args!("a background task {panic}")),
        }
        return;
    };
    let wants_reply = wants_reply(&request);
    match outcome {
        Ok(Ok(())) => {
            if wants_reply && request.is_last_handle() {
                log(core, &request, format_args!("ended without a reply"));
            }
        }
        Ok(Err(error)) if wants_reply => answer(core, &request, &error),
        Ok(Err(error)) => log(core, &request, format_args!("failed: {error}")),
        Err(panic) => {
            log(core, &request, format_args!("{panic}"));
            if wants_reply {
                let text = format!("the handler panicked: {}", panic.message);
                answer(core, &request, &Error::crash(text));
            }
        }
    }
    core.pools().recycle_request(request);
}

fn answer(core: &Core, request: &Request, error: &Error) {
    if let Err(error) = core.reply_error(request, error) {
        log(
            core,
            request,
            format_args!("could not be answered: {error}"),
        );
    }
}

fn log(core: &Core, request: &Request, what: std::fmt::Arguments<'_>) {
    let (kind, src) = (Quote(request.kind()), Quote(request.src()));
    core.log(format_args!("the handler of {kind} from {src} {what}"));
}
