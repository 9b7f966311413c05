//! Tests of the bounds of a turn, on the real kernel: due timers and ready tasks.

use super::testing;
use crate::node::{Context, Node, Request};
use crate::protocol::Result;
use crate::runtime::{DEFER_MAX, EventLoop, Options, TASK_POLLS_PER_TURN};
use crate::sys::{Input, Output, Streams};
use crate::time::VirtualClock;
use crate::wire::READ_BYTES;
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#;

/// A node that naps, and has tasks that are always ready.
struct Busy {
    polls: Rc<Cell<usize>>,
}

/// A future that is ready again as soon as it was polled, and then spawns a task that
/// does nothing. It ends after many polls, so that a turn without a bound ends too.
struct Restless {
    cx: Context,
    polls: Rc<Cell<usize>>,
}

/// After how many polls it ends: those of a hundred turns.
const POLLS: usize = 100 * TASK_POLLS_PER_TURN;

impl Future for Restless {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Result<()>> {
        self.polls.set(self.polls.get() + 1);
        if self.polls.get() >= POLLS {
            return Poll::Ready(Ok(()));
        }
        let polls = self.polls.clone();
        self.cx.spawn(async move {
            polls.set(polls.get() + 1);
            Ok(())
        });
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Node for Busy {
    fn new(_: &Context) -> Busy {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "nap" => cx.sleep(Duration::from_millis(1)).await,
            _ => {
                let polls = self.polls.clone();
                let cx = cx.clone();
                Restless { cx, polls }.await?;
            }
        }
        cx.reply(&request, &())
    }
}

/// The event loop on pipes, with a clock that the test moves.
struct World {
    event_loop: EventLoop,
    clock: VirtualClock,
    polls: Rc<Cell<usize>>,
    stdin: OwnedFd,
    stdout: OwnedFd,
}

impl World {
    fn new() -> World {
        let (stdin, stdin_writer) = testing::pipe();
        let (stdout_reader, stdout) = testing::pipe();
        // The pipe holds more than a turn reads.
        rustix::pipe::fcntl_setpipe_size(&stdin_writer, 4 * READ_BYTES).unwrap();
        for pipe in [&stdin_writer, &stdout_reader] {
            rustix::io::ioctl_fionbio(pipe, true).unwrap();
        }
        let streams = Streams {
            stdin: Input::from_fd(stdin).unwrap(),
            stdout: Output::from_fd(stdout).unwrap(),
            stderr: None,
        };
        let clock = VirtualClock::default();
        let polls = Rc::<Cell<usize>>::default();
        let counted = polls.clone();
        let build = move |_: &Context| Busy {
            polls: counted.clone(),
        };
        let shared = Rc::new(clock.clone());
        World {
            event_loop: EventLoop::new(build, &Options::default(), streams, shared).unwrap(),
            clock,
            polls,
            stdin: stdin_writer,
            stdout: stdout_reader,
        }
    }

    fn send(&self, line: &str) {
        let line = format!("{line}\n");
        assert_eq!(
            rustix::io::write(&self.stdin, line.as_bytes()),
            Ok(line.len())
        );
    }

    /// Fills stdin with replies to calls that were never made.
    fn flood(&self) {
        let reply = r#"{"src":"n2","dest":"n1","body":{"type":"x","in_reply_to":99}}"#;
        let replies = format!("{reply}\n").repeat(60);
        // Less than PIPE_BUF: all of it, or nothing when the pipe is full.
        while rustix::io::write(&self.stdin, replies.as_bytes()).is_ok() {}
    }

    fn turn(&mut self) {
        assert!(self.event_loop.turn().unwrap());
    }

    fn received(&self) -> String {
        let mut bytes = vec![0; 64 << 10];
        let read = rustix::io::read(&self.stdout, &mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }
}

#[test]
fn gotcha_12_timers_that_are_due_fire_under_an_endless_flood_of_input() {
    let mut world = World::new();
    world.send(INIT);
    world.send(r#"{"src":"c1","dest":"n1","body":{"type":"nap","msg_id":2}}"#);
    world.turn();
    assert!(world.received().contains("init_ok"));
    // The timer is due in a millisecond. Each turn takes one, and input is always there.
    let turns_max = 5 + u32::try_from(DEFER_MAX.as_millis()).unwrap();
    let turns = (1..=2 * turns_max).find(|_| {
        world.flood();
        world.clock.advance(Duration::from_millis(1));
        world.turn();
        world.received().contains("nap_ok")
    });
    let turns = turns.expect("it fires while the flood goes on");
    // For as long as is allowed, input is read first.
    assert!((turns_max - 5..=turns_max).contains(&turns), "{turns}");
}

#[test]
fn gotcha_12_a_turn_polls_a_bounded_number_of_tasks() {
    let mut world = World::new();
    world.send(INIT);
    for msg_id in 2..10 {
        world.send(&format!(
            r#"{{"src":"c1","dest":"n1","body":{{"type":"work","msg_id":{msg_id}}}}}"#
        ));
    }
    world.turn();
    let mut most = 0;
    while world.polls.get() < POLLS {
        let before = world.polls.get();
        world.turn();
        most = most.max(world.polls.get() - before);
    }
    assert_eq!(most, TASK_POLLS_PER_TURN);
}
