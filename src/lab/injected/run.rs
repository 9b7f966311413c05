//! One run: the kernel and the actors of a plan, turns until the process ends, and
//! the judgement.

use super::clients::Client;
use super::ledger::Ledger;
use super::node::{Bell, Subject};
use super::parent::Parent;
use super::plan::{Ending, Plan, Stderr};
use super::stderr::StderrReader;
use crate::lab::kernel::{self, ActorId, Fault, Faults, Kernel, KernelClock, Shape};
use crate::runtime::{EventLoop, Options};
use crate::sys::{Input, Output, Streams};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// How many turns in a row may bring no progress: no byte, no event, no waiting.
/// Carried work and made-up events cause some such turns. A loop that makes more
/// than this is spinning.
const IDLE_TURNS_MAX: u32 = 50;

/// After how many turns a snapshot is checked: a snapshot takes as long as ten turns.
#[cfg(any(test, feature = "microscope"))]
const SNAPSHOT_EVERY: u64 = 10;

/// How many turns a run may take. The longest of 100,000 runs took a tenth of it.
const TURNS_MAX: u64 = 200_000;

/// A run of the event loop on the simulated kernel that went well: its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// A number for every call and every answer. Equal runs have equal numbers.
    pub fingerprint: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Calls of the loop to the kernel.
    pub calls: u64,
    /// Requests that the node got.
    pub requests: usize,
    /// The length of the run on the simulated clock.
    pub virtual_time: Duration,
    pub(crate) faults: Vec<(Fault, u64)>,
}

/// A run that went wrong.
///
/// Its `Display` names the mistakes and the plan, shows the last calls to the
/// kernel, and says how to replay the run.
#[derive(Debug)]
pub struct Failure {
    seed: u64,
    plan: String,
    errors: Vec<String>,
    trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.errors.join("\n  "))?;
        writeln!(f, "{}", self.plan)?;
        write!(f, "{}", self.trace)?;
        let seed = self.seed;
        write!(
            f,
            "replay with EDDYLINE_SEED={seed} cargo test --lib injected"
        )
    }
}

/// Runs the event loop on a simulated kernel, through the plan and the faults of one
/// seed, until the process ends.
///
/// ```
/// let run = eddyline::lab::run(7)?;
/// assert_eq!(run, eddyline::lab::run(7)?, "a seed replays exactly");
/// println!("{} turns, {} calls", run.turns, run.calls);
/// # Ok::<(), eddyline::lab::Failure>(())
/// ```
///
/// # Errors
/// When an answer is missing or wrong, a descriptor is left open, the loop spins or
/// waits for ever, or a call would have blocked.
pub fn run(seed: u64) -> Result<Run, Failure> {
    run_plan(Plan::draw(seed))
}

pub(super) fn run_plan(mut plan: Plan) -> Result<Run, Failure> {
    let seed = plan.seed;
    let description = format!(
        "stdin {:?}, stdout {:?}, stderr {:?}, {:?}, spare descriptors {:?}, reader {:?}, clients {:?}",
        plan.stdin,
        plan.stdout,
        plan.stderr,
        plan.ending,
        plan.spare_descriptors,
        plan.reader,
        plan.clients,
    );
    let kernel = Kernel::new(plan.random.fork(), Faults::none());
    kernel::install(kernel);
    let (streams, ledger, parent) = set_up(&mut plan);
    let ended = live(&plan, streams, &ledger, parent);
    let Some(mut kernel) = kernel::uninstall() else {
        return Err(Failure {
            seed,
            plan: description,
            errors: vec!["the kernel has gone".to_owned()],
            trace: String::new(),
        });
    };
    let mut errors = std::mem::take(&mut ledger.borrow_mut().errors);
    errors.extend(kernel.take_violations());
    if let Ok(turns) = ended
        && errors.is_empty()
    {
        return Ok(Run {
            fingerprint: kernel.trace().fingerprint(),
            turns,
            calls: kernel.trace().count(),
            requests: ledger.borrow().requests.len(),
            faults: kernel.faults().counts().collect(),
            virtual_time: kernel.now().since(crate::time::Instant::ZERO),
        });
    }
    errors.extend(ended.err());
    Err(Failure {
        seed,
        plan: format!("{description}\nfaults:{}", kernel.faults()),
        errors,
        trace: kernel.trace().to_string(),
    })
}

/// Makes the streams, the ledger and the actors. Returns the parent's actor.
fn set_up(plan: &mut Plan) -> (Streams, Rc<RefCell<Ledger>>, ActorId) {
    let ledger = Ledger::new(
        Rc::new(Bell::default()),
        plan.network_is_sound(),
        plan.lateness(),
        plan.is_punctual(),
    );
    let ledger = Rc::new(RefCell::new(ledger));
    let (streams, parent) = kernel::with(|kernel| {
        let parent = kernel.add_actor();
        let (stdin, stdin_peer) = kernel.stream_in(plan.stdin, parent);
        let (stdout, stdout_peer) = kernel.stream_out(plan.stdout, parent);
        let stderr = match plan.stderr {
            Stderr::Shared => (kernel.duplicate(stdout), plan.stdout),
            other => {
                let reader = kernel.add_actor();
                let (stderr, peer) = kernel.stream_out(Shape::Pipe, reader);
                match other {
                    Stderr::Closed => kernel.peer_close(peer),
                    Stderr::Read => {
                        let actor = StderrReader {
                            ledger: ledger.clone(),
                            stderr: peer,
                            partial: Vec::new(),
                        };
                        kernel.start_actor(reader, Box::new(actor));
                    }
                    Stderr::NeverRead | Stderr::Shared => {}
                }
                (stderr, Shape::Pipe)
            }
        };
        let streams = Streams {
            stdin: Input::simulated(stdin, plan.stdin),
            stdout: Output::simulated(stdout, plan.stdout),
            stderr: Some(Output::simulated(stderr.0, stderr.1)),
        };
        let peers = (stdin_peer, stdout_peer);
        let mut actor = Parent::new(plan, ledger.clone(), peers);
        actor.fill_file(kernel);
        kernel.start_actor(parent, Box::new(actor));
        for (number, &client) in plan.clients.iter().enumerate() {
            let id = kernel.add_actor();
            let actor = Client::new(plan.random.fork(), ledger.clone(), number, client);
            kernel.start_actor(id, Box::new(actor));
        }
        (streams, parent)
    });
    (streams, ledger, parent)
}

/// Runs the process to its end. Returns how many turns it took.
fn live(
    plan: &Plan,
    streams: Streams,
    ledger: &Rc<RefCell<Ledger>>,
    parent: ActorId,
) -> Result<u64, String> {
    let bell = ledger.borrow().bell.clone();
    let build = move |_: &crate::node::Context| Subject { bell: bell.clone() };
    let options = Options {
        seed: Some(plan.seed),
        ..Options::default()
    };
    let made = EventLoop::new(build, &options, streams, Rc::new(KernelClock));
    let mut event_loop = made.map_err(|error| format!("it did not start: {error}"))?;
    kernel::with(|kernel| {
        kernel.set_faults(plan.faults.clone());
        if let Some((at, duration)) = plan.stands_still {
            kernel.stand_still(at, duration);
        }
        if let Some(more) = plan.spare_descriptors {
            kernel.limit_descriptors(more);
        }
    });
    let turns = turns(&mut event_loop, ledger)?;
    ledger.borrow_mut().has_ended = true;
    let stale = kernel::with(|kernel| kernel.stale_events());
    if event_loop.stale_events() < stale {
        return Err(format!(
            "{stale} events of closed descriptors were not all dropped"
        ));
    }
    let left = kernel::with(|kernel| kernel.open_descriptors());
    let listens = usize::from(ledger.borrow().port.is_some());
    // A process that stands still through the parent's grace cannot close in it.
    let stands_still = plan.faults.has(Fault::Paused) || plan.faults.has(Fault::Stopped);
    let had_time = plan.ending == Ending::Orderly && !stands_still;
    if had_time && left > 3 + listens {
        return Err(format!(
            "{left} descriptors are open with nothing in flight"
        ));
    }
    drop(event_loop);
    kernel::with(|kernel| {
        // The last bytes are on their way, and slow readers read them all.
        kernel.schedule(parent, Duration::ZERO);
        kernel.settle();
    });
    judge_the_end(plan, ledger)?;
    match kernel::with(|kernel| kernel.open_descriptors()) {
        0 => Ok(turns),
        left => Err(format!("{left} descriptors outlive the loop")),
    }
}

fn turns(event_loop: &mut EventLoop, ledger: &Rc<RefCell<Ledger>>) -> Result<u64, String> {
    let mut turns = 0;
    let mut idle_turns = 0;
    let mut progress = 0;
    loop {
        turns += 1;
        event_loop.assert_invariants();
        #[cfg(any(test, feature = "microscope"))]
        if turns % SNAPSHOT_EVERY == 0 {
            crate::microscope::check(&event_loop.snapshot());
        }
        match event_loop.turn() {
            Ok(true) => {}
            Ok(false) => return Ok(turns),
            Err(error) => return Err(format!("the process failed: {error}")),
        }
        let (now, is_violated) =
            kernel::with(|kernel| (kernel.progress(), kernel.has_violations()));
        if is_violated || !ledger.borrow().errors.is_empty() {
            return Err(format!("found in turn {turns}"));
        }
        idle_turns = if now == progress { idle_turns + 1 } else { 0 };
        progress = now;
        if idle_turns > IDLE_TURNS_MAX {
            return Err(format!("it spins: {idle_turns} turns without progress"));
        }
        if turns > TURNS_MAX {
            return Err(format!("no end after {turns} turns"));
        }
    }
}

/// Whether every request was answered that had to be.
fn judge_the_end(plan: &Plan, ledger: &Rc<RefCell<Ledger>>) -> Result<(), String> {
    let lost = match plan.ending {
        Ending::Orderly => ledger.borrow().unanswered(),
        Ending::Early => ledger.borrow().lost(),
        // Requests that were in the pipes when they broke need no answer.
        Ending::ReaderGone | Ending::WriterReset => Vec::new(),
    };
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("never answered: {lost:?}"))
    }
}
