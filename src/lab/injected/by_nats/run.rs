//! One run, its judgement, and the seeds.

use super::book::Book;
use super::script::{Event, Script};
use super::server::{PORTS, Server};
use crate::engine::Nats;
use crate::lab::injected::node::Subject;
use crate::lab::injected::request::{Request, Wanted};
use crate::lab::kernel::{self, Fault, Faults, FileId, Kernel, KernelClock, Received, Shape};
use crate::protocol::Init;
use crate::random::Random;
use crate::runtime::{EventLoop, Options};
use crate::sys::{Input, Output, Streams};
use crate::time::Instant;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// How many seeds `cargo test` runs.
const SEEDS: u64 = 200;

/// How many turns in a row may bring no progress, as on pipes.
const IDLE_TURNS_MAX: u32 = 50;

/// How many turns a run may take.
const TURNS_MAX: u64 = 200_000;

/// How much may wait for the server: 256 KiB, and the message that passes it.
const OUTPUT_BYTES_MAX: usize = (256 << 10) + 35_000;

/// How much may wait for the session: 8 MiB.
const INBOX_BYTES_MAX: usize = 8 << 20;

/// The numbers of a run that went well.
#[derive(Debug, Default)]
struct Run {
    fingerprint: u64,
    requests: usize,
    answered: usize,
    connections: u64,
    /// The most that waited for a server.
    held: usize,
    faults: Vec<(Fault, u64)>,
}

fn run(seed: u64) -> Result<Run, String> {
    let script = Script::draw(seed);
    let faults = script.faults.clone();
    let book = Rc::new(RefCell::new(Book::new(script.slack)));
    kernel::install(Kernel::new(Random::new(seed), Faults::none()));
    let ended = live(seed, script, &book);
    let kernel = kernel::uninstall();
    let mut kernel = kernel.ok_or("the kernel has gone")?;
    let mut errors = std::mem::take(&mut book.borrow_mut().errors);
    errors.extend(kernel.take_violations());
    if let Ok(held) = ended
        && errors.is_empty()
    {
        let book = book.borrow();
        let answered = book.requests.values().filter(|request| request.answered);
        return Ok(Run {
            fingerprint: kernel.trace().fingerprint(),
            requests: book.requests.len(),
            answered: answered.count(),
            connections: book.connections,
            held,
            faults: kernel.faults().counts().collect(),
        });
    }
    errors.extend(ended.err());
    let trace = kernel.trace();
    Err(format!("{}\nfaults:{faults}\n{trace}", errors.join("\n  ")))
}

/// Runs the process to the end of the script. Returns the most that waited for a server.
fn live(seed: u64, script: Script, book: &Rc<RefCell<Book>>) -> Result<usize, String> {
    let faults = script.faults.clone();
    let (mut event_loop, stdout) = start(seed, script, book)?;
    kernel::with(|kernel| kernel.set_faults(faults));
    let held = turns(&mut event_loop, book)?;
    judge(&mut event_loop, book, stdout)?;
    drop(event_loop);
    match kernel::with(|kernel| kernel.open_descriptors()) {
        0 => Ok(held),
        left => Err(format!("{left} descriptors outlive the loop")),
    }
}

/// A process before its first turn, and the reader of its stdout.
fn start(
    seed: u64,
    script: Script,
    book: &Rc<RefCell<Book>>,
) -> Result<(EventLoop, FileId), String> {
    let (streams, stdout) = kernel::with(|kernel| {
        let parent = kernel.add_actor();
        let (stdin, _writer) = kernel.stream_in(Shape::Pipe, parent);
        let (stdout, reader) = kernel.stream_out(Shape::Pipe, parent);
        let servers = kernel.add_actor();
        kernel.start_actor(servers, Box::new(Server::new(script, book.clone())));
        let streams = Streams {
            stdin: Input::simulated(stdin, Shape::Pipe),
            stdout: Output::simulated(stdout, Shape::Pipe),
            stderr: None,
        };
        (streams, reader)
    });
    let [one, other] = PORTS;
    let urls = format!("nats://127.0.0.1:{one},nats://127.0.0.1:{other}");
    let names = ["n1".to_owned(), "n2".to_owned()];
    let options = Options {
        seed: Some(seed),
        nats: Some(Nats::new(&urls, "t").map_err(|error| error.to_string())?),
        identity: Some(Init {
            node_id: names[0].clone(),
            node_ids: names.to_vec(),
        }),
        ..Options::default()
    };
    let build = |_: &crate::node::Context| Subject {
        bell: Rc::default(),
    };
    let made = EventLoop::new(build, &options, streams, Rc::new(KernelClock));
    let event_loop = made.map_err(|error| format!("it did not start: {error}"))?;
    Ok((event_loop, stdout))
}

fn turns(event_loop: &mut EventLoop, book: &Rc<RefCell<Book>>) -> Result<usize, String> {
    let (mut idle_turns, mut progress, mut most) = (0, 0, 0);
    for turn in 0..TURNS_MAX {
        event_loop.assert_invariants();
        match event_loop.turn() {
            Ok(true) => {}
            Ok(false) => return Err("the process has ended".to_owned()),
            Err(error) => return Err(format!("the process failed: {error}")),
        }
        let (now, is_violated) =
            kernel::with(|kernel| (kernel.progress(), kernel.has_violations()));
        if is_violated || !book.borrow().errors.is_empty() {
            return Err(format!("found in turn {turn}"));
        }
        idle_turns = if now == progress { idle_turns + 1 } else { 0 };
        progress = now;
        if idle_turns > IDLE_TURNS_MAX {
            return Err(format!("it spins: {idle_turns} turns without progress"));
        }
        let (output, inbox) = event_loop.held_for_nats();
        most = most.max(output);
        if output > OUTPUT_BYTES_MAX || inbox > INBOX_BYTES_MAX {
            return Err(format!(
                "{output} bytes wait for the server, {inbox} for the node"
            ));
        }
        if book.borrow().is_over {
            return Ok(most);
        }
    }
    Err(format!("no end after {TURNS_MAX} turns"))
}

fn judge(
    event_loop: &mut EventLoop,
    book: &Rc<RefCell<Book>>,
    stdout: FileId,
) -> Result<(), String> {
    let lost = book.borrow().lost();
    if !lost.is_empty() {
        return Err(format!("never answered, and nothing explains it: {lost:?}"));
    }
    let waiting = event_loop.unanswered();
    if waiting > 0 {
        return Err(format!("{waiting} requests still wait for their calls"));
    }
    if !book.borrow().is_served() {
        return Err("the node is not connected at the end".to_owned());
    }
    let said = kernel::with(|kernel| kernel.peer_read(stdout, 200));
    if said != Received::Nothing {
        return Err(format!("on stdout: {said:?}"));
    }
    let stale = kernel::with(|kernel| kernel.stale_events());
    if event_loop.stale_events() < stale {
        return Err(format!(
            "{stale} events of closed descriptors were not all dropped"
        ));
    }
    // stdin, stdout and the socket.
    match kernel::with(|kernel| kernel.open_descriptors()) {
        0..=3 => Ok(()),
        left => Err(format!("{left} descriptors are open")),
    }
}

/// As [`run`], with a panic as one more failure.
#[track_caller]
fn survive(seed: u64) -> Run {
    let replay = format!("replay with EDDYLINE_SEED={seed} cargo test --lib by_nats");
    match catch_unwind(AssertUnwindSafe(|| run(seed))) {
        Ok(Ok(run)) => run,
        Ok(Err(failure)) => panic!("seed {seed}: {failure}\n{replay}"),
        Err(_) => {
            kernel::uninstall();
            panic!("seed {seed}: panicked; {replay}");
        }
    }
}

/// A turn writes four times, 256 KiB each. A socket with a large buffer takes them all, so no
/// edge follows, and the rest must not wait for another event.
#[test]
fn more_than_a_turn_writes_follows_at_once() {
    const MSG_ID: u64 = 1;
    let asked = Instant::from_millis(1_000);
    let spam = Request::new(Wanted::Spam(400, 5_000), MSG_ID);
    let script = Script {
        events: vec![(asked, Event::Ask(spam))],
        ..Script::quiet()
    };
    let book = Rc::new(RefCell::new(Book::new(script.slack)));
    let mut kernel = Kernel::new(Random::new(7), Faults::none());
    kernel.set_buffer_bytes(4 << 20);
    kernel::install(kernel);
    let (mut event_loop, _) = start(7, script, &book).unwrap();
    let is_answered = || {
        let book = book.borrow();
        let request = book.requests.get(&MSG_ID);
        request.is_some_and(|request| request.answered)
    };
    let mut now = Instant::ZERO;
    while !is_answered() && now < asked + Duration::from_secs(1) {
        event_loop.turn().unwrap();
        now = kernel::with(|kernel| kernel.now());
    }
    assert!(is_answered(), "it waits for the next look at the server");
    assert!(book.borrow().errors.is_empty());
    drop(event_loop);
    kernel::uninstall();
}

#[test]
fn the_loop_survives_every_seed_by_nats() {
    let seeds = crate::sim::seeds(SEEDS);
    let is_whole = seeds.end - seeds.start >= SEEDS;
    let (mut runs, mut total, mut faults) = (0, Run::default(), 0);
    for seed in seeds {
        let run = survive(seed);
        runs += 1;
        total.requests += run.requests;
        total.answered += run.answered;
        total.connections += run.connections;
        total.held = total.held.max(run.held);
        faults += run.faults.iter().map(|(_, count)| count).sum::<u64>();
    }
    eprintln!("{runs} runs, {faults} faults: {total:?}");
    if is_whole {
        assert!(2 * total.connections > 3 * runs, "{total:?}");
        assert!(total.answered < total.requests, "no outage: {total:?}");
        assert!(total.answered > total.requests / 4 * 3, "{total:?}");
        assert!(
            total.held > 256 << 10,
            "the bound is not reached: {total:?}"
        );
    }
}

#[test]
fn a_seed_by_nats_replays_to_the_same_trace() {
    for seed in 0..10 {
        assert_eq!(survive(seed).fingerprint, survive(seed).fingerprint);
    }
}
