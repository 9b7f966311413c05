//! The end of stdin, for a node whose handler never gives up.

use super::request::{Request, Wanted};
use crate::lab::kernel::{self, Fault, Faults, Kernel, KernelClock, Shape};
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

#[test]
fn a_handler_that_never_gives_up_does_not_delay_the_end() {
    kernel::install(Kernel::new(Random::new(1), Faults::none()));
    let streams = kernel::with(|kernel| {
        let parent = kernel.add_actor();
        let (stdin, writer) = kernel.stream_in(Shape::Pipe, parent);
        let (stdout, _reader) = kernel.stream_out(Shape::Pipe, parent);
        for (msg_id, wanted) in (0..).zip([Wanted::Init, Wanted::Start, Wanted::Send(5)]) {
            let mut line = Request::new(wanted, msg_id).line();
            line.push(b'\n');
            assert_eq!(kernel.peer_write(writer, &line), Ok(line.len()));
        }
        kernel.peer_close(writer);
        Streams {
            stdin: Input::simulated(stdin, Shape::Pipe),
            stdout: Output::simulated(stdout, Shape::Pipe),
            stderr: None,
        }
    });
    let (options, clock) = (Options::default(), Rc::new(KernelClock));
    let mut event_loop = EventLoop::new(Stubborn::new, &options, streams, clock).unwrap();
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
