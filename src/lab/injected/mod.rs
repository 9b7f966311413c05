//! The whole process on a simulated kernel, through faults drawn from a seed.
//!
//! The real event loop, reactor, session, sockets and stdio run here; only what is
//! below them, and whoever is at the other ends, is made up (`sys::simulated`).
//! A seed is a plan: what stdin, stdout and stderr are, what goes wrong and how
//! often, what is asked, who connects, and how it ends. Afterwards everything
//! that was asked must have been answered once, and nothing be left open.
//!
//! ```sh
//! cargo test --lib injected                        # a few thousand seeds
//! EDDYLINE_SEEDS=10000 cargo test --lib injected   # that many
//! EDDYLINE_SEED=7 cargo test --lib injected        # the one that failed
//! ```

mod clients;
#[cfg(test)]
mod endings;
mod harness;
mod ledger;
mod node;
mod plan;
#[cfg(test)]
mod tests;

use crate::lab::kernel::{self, ActorId, Fault, Faults, Kernel, KernelClock, Shape};
use crate::runtime::{EventLoop, Options};
use crate::sys::{Input, Output, Streams};
use clients::{Client, Listener};
use harness::Harness;
use ledger::Ledger;
use node::{Bell, Subject};
use plan::{Ending, Plan, Stderr};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// How many turns in a row may bring nothing: no byte, no event, no waiting. Some
/// turns of carried work and made-up events do; who makes this many is spinning.
const IDLE_TURNS_MAX: u32 = 50;

/// How many turns a run may take in all; the longest of 100,000 took a tenth.
const TURNS_MAX: u64 = 200_000;

/// A run of the event loop on the simulated kernel that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Stands for every call and every answer: equal runs have equal numbers.
    pub fingerprint: u64,
    /// How many turns the loop took.
    pub turns: u64,
    /// How many calls it made to the kernel.
    pub calls: u64,
    /// How many requests the node got.
    pub requests: usize,
    /// How long the run took on the simulated clock.
    pub virtual_time: Duration,
    pub(crate) faults: Vec<(Fault, u64)>,
}

/// A run that went wrong: its `Display` says what was wrong, shows the last calls
/// to the kernel and how to replay the run.
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

/// Runs the event loop on a simulated kernel through the plan and the faults of
/// one seed, until the process ends.
///
/// ```
/// let run = eddyline::lab::run(7)?;
/// assert_eq!(run, eddyline::lab::run(7)?, "a seed replays exactly");
/// println!("{} turns, {} calls", run.turns, run.calls);
/// # Ok::<(), eddyline::lab::Failure>(())
/// ```
///
/// # Errors
/// When a request was not answered, a descriptor was left open, the loop spun or
/// waited for ever, or a call would have blocked.
pub fn run(seed: u64) -> Result<Account, Failure> {
    run_plan(Plan::draw(seed))
}

fn run_plan(mut plan: Plan) -> Result<Account, Failure> {
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
    let (streams, ledger, harness) = set_up(&mut plan);
    let ended = live(&plan, streams, &ledger, harness);
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
        return Ok(Account {
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

/// The streams, the account, and everybody at the other ends.
fn set_up(plan: &mut Plan) -> (Streams, Rc<RefCell<Ledger>>, ActorId) {
    let ledger = Ledger::new(
        Rc::new(Bell::default()),
        plan.network_is_sound(),
        plan.lateness(),
        plan.is_punctual(),
    );
    let ledger = Rc::new(RefCell::new(ledger));
    let (streams, harness) = kernel::with(|kernel| {
        let harness = kernel.add_actor();
        let (stdin, stdin_peer) = kernel.stream_in(plan.stdin, harness);
        let (stdout, stdout_peer) = kernel.stream_out(plan.stdout, harness);
        let stderr = match plan.stderr {
            Stderr::Shared => (kernel.duplicate(stdout), plan.stdout),
            other => {
                let listener = kernel.add_actor();
                let (stderr, peer) = kernel.stream_out(Shape::Pipe, listener);
                match other {
                    Stderr::Closed => kernel.peer_close(peer),
                    Stderr::Read => {
                        let actor = Listener {
                            ledger: ledger.clone(),
                            stderr: peer,
                            partial: Vec::new(),
                        };
                        kernel.start_actor(listener, Box::new(actor));
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
        let mut actor = Harness::new(plan, ledger.clone(), peers);
        actor.fill_file(kernel);
        kernel.start_actor(harness, Box::new(actor));
        for (number, &client) in plan.clients.iter().enumerate() {
            let id = kernel.add_actor();
            let actor = Client::new(plan.random.fork(), ledger.clone(), number, client);
            kernel.start_actor(id, Box::new(actor));
        }
        (streams, harness)
    });
    (streams, ledger, harness)
}

/// Turns until the process ends. Returns how many turns it took.
fn live(
    plan: &Plan,
    streams: Streams,
    ledger: &Rc<RefCell<Ledger>>,
    harness: ActorId,
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
    // Who stands still through the time that is left for it cannot close in it.
    let stands_still = plan.faults.has(Fault::Paused) || plan.faults.has(Fault::Stopped);
    let had_time = plan.ending == Ending::Orderly && !stands_still;
    if had_time && left > 3 + listens {
        return Err(format!(
            "{left} descriptors are open with nothing in flight"
        ));
    }
    drop(event_loop);
    kernel::with(|kernel| {
        // What was said is on its way; whoever reads slowly reads it all.
        kernel.schedule(harness, Duration::ZERO);
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

/// Whether everything was answered that had to be.
fn judge_the_end(plan: &Plan, ledger: &Rc<RefCell<Ledger>>) -> Result<(), String> {
    let lost = match plan.ending {
        Ending::Orderly => ledger.borrow().unanswered(),
        Ending::Early => ledger.borrow().lost(),
        // What was in the pipes when they broke is nobody's loss.
        Ending::ReaderGone | Ending::WriterReset => Vec::new(),
    };
    match lost.is_empty() {
        true => Ok(()),
        false => Err(format!("never answered: {lost:?}")),
    }
}
