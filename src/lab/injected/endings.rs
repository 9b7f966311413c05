//! The end of stdin, for nodes whose handlers never give up, or sleep for long.

use super::request::{Request, Wanted};
use crate::lab::kernel::{self, Fault, Faults, FileId, Kernel, KernelClock, Received, Shape};
use crate::node::{self, Context, Node};
use crate::protocol::Result;
use crate::random::Random;
use crate::runtime::{DRAIN_DEADLINE, EventLoop, LAST_TURNS_MAX, Options};
use crate::sys::{Input, Output, Streams};
use crate::time::Instant;
use std::rc::Rc;
use std::time::Duration;

/// Tries to send until it succeeds, and answers then.
struct Stubborn;

impl Node for Stubborn {
    fn new(_: &Context) -> Stubborn {
        Stubborn
    }

    async fn handle(self: Rc<Self>, cx: Context, request: node::Request) -> Result<()> {
        if request.kind() == "tcp_echo_start" {
            cx.tcp_echo().start(0).await?;
            return cx.reply(&request, &());
        }
        while cx.tcp_echo().send("again".to_owned()).await.is_err() {}
        cx.reply(&request, &())
    }
}

/// Sleeps for as many milliseconds as a nap says, and sends a heartbeat every 100 ms.
struct Sleeper;

impl Node for Sleeper {
    fn new(_: &Context) -> Sleeper {
        Sleeper
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        loop {
            cx.send("n2", "heartbeat", &())?;
            cx.sleep(Duration::from_millis(100)).await;
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: node::Request) -> Result<()> {
        let body: serde_json::Value = request.body()?;
        let millis = body["millis"].as_u64().unwrap_or_default();
        cx.sleep(Duration::from_millis(millis)).await;
        cx.reply(&request, &())
    }
}

/// The loop of a node whose stdin has these requests and ends, and the reader of its stdout.
fn with_input<N: Node>(wanted: impl IntoIterator<Item = Wanted>) -> (EventLoop, FileId) {
    kernel::install(Kernel::new(Random::new(1), Faults::none()));
    let (streams, reader) = kernel::with(|kernel| {
        let parent = kernel.add_actor();
        let (stdin, writer) = kernel.stream_in(Shape::Pipe, parent);
        let (stdout, reader) = kernel.stream_out(Shape::File, parent);
        for (msg_id, wanted) in (0..).zip(wanted) {
            let mut line = Request::new(wanted, msg_id).line();
            line.push(b'\n');
            assert_eq!(kernel.peer_write(writer, &line), Ok(line.len()));
        }
        kernel.peer_close(writer);
        let streams = Streams {
            stdin: Input::simulated(stdin, Shape::Pipe),
            stdout: Output::simulated(stdout, Shape::File),
            stderr: None,
        };
        (streams, reader)
    });
    let (options, clock) = (Options::default(), Rc::new(KernelClock));
    let event_loop = EventLoop::new(N::new, &options, streams, clock);
    (event_loop.unwrap(), reader)
}

/// The types of the messages that a node of sleepers sends until its end, and when that is.
fn sleep_through(naps_ms: impl IntoIterator<Item = u64>) -> (Vec<String>, Instant) {
    let naps = naps_ms.into_iter().map(Wanted::Nap);
    let (mut event_loop, reader) = with_input::<Sleeper>([Wanted::Init].into_iter().chain(naps));
    while event_loop.turn().unwrap() {}
    let written = kernel::with(|kernel| kernel.peer_read(reader, usize::MAX));
    let Received::Bytes(heard) = written else {
        panic!("the node has said nothing: {written:?}");
    };
    let end = kernel::with(|kernel| kernel.now());
    drop(event_loop);
    kernel::uninstall();
    let kind = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["body"]["type"].as_str().unwrap().to_owned()
    };
    let heard = String::from_utf8(heard).unwrap();
    (heard.lines().map(kind).collect(), end)
}

#[test]
fn heartbeats_go_on_while_a_request_waits() {
    let (mut kinds, end) = sleep_through([150]);
    kinds.sort_unstable();
    assert_eq!(kinds, ["heartbeat", "heartbeat", "init_ok", "nap_ok"]);
    assert!(end < Instant::from_millis(160), "{end:?}");
}

#[test]
fn heartbeats_alone_do_not_delay_the_end() {
    let (kinds, end) = sleep_through([]);
    assert_eq!(kinds, ["init_ok", "heartbeat"]);
    assert!(end < Instant::from_millis(10), "{end:?}");
}

#[test]
fn a_flood_of_sleepers_does_not_delay_the_end_beyond_the_bound() {
    let long_ms = 3_600_000;
    let (kinds, end) = sleep_through([5_900, 6_100].into_iter().chain([long_ms; 500]));
    let naps = kinds.iter().filter(|kind| *kind == "nap_ok");
    assert_eq!(naps.count(), 1);
    assert!(end >= Instant::ZERO + DRAIN_DEADLINE);
    assert!(end < Instant::ZERO + DRAIN_DEADLINE + Duration::from_millis(50));
}

#[test]
fn a_handler_that_never_gives_up_does_not_delay_the_end() {
    let (mut event_loop, _reader) =
        with_input::<Stubborn>([Wanted::Init, Wanted::Start, Wanted::Send(5)]);
    // No connection is ever accepted.
    let mut faults = Faults::none();
    faults.add(Fault::AcceptOutOfResources, 1.0);
    kernel::with(|kernel| kernel.set_faults(faults));
    let end = Instant::ZERO + DRAIN_DEADLINE;
    let (mut turns, mut last_turns) = (0, 0);
    while event_loop.turn().unwrap() {
        let now = kernel::with(|kernel| kernel.now());
        assert!(now < end + Duration::from_secs(1), "it waits for a socket");
        let has_given_up = now >= end;
        *(if has_given_up {
            &mut last_turns
        } else {
            &mut turns
        }) += 1;
    }
    assert!(turns < 1_000, "it spins before its time is over: {turns}");
    let around = LAST_TURNS_MAX - 2..=LAST_TURNS_MAX + 2;
    assert!(around.contains(&last_turns), "{last_turns}");
    drop(event_loop);
    kernel::uninstall();
}
