//! The stopwatch: it finds a handler that holds the loop.
//!
//! A handler that computes or blocks between two `.await`s stops everything else, and its author
//! should be told which handler it was. To time each poll would cost an echo one part in forty: the
//! clock takes 25 ns. So polls are timed in groups that grow:
//!
//! ```text
//!   polls of a turn   1   2   3   4 … 7   8   9 … 24   25   26 … 89   90 …
//!   timed             x   └┘  x   └───┘   x   └────┘   x    └─────┘   x
//!                     alone   alone       alone        alone          alone
//! ```
//!
//! - A poll that is timed alone and was long is named: type, sender, time. The only request of a turn
//!   is always alone.
//! - After a group that took long, each poll is timed alone for a while, so the next long one is named.
//!   If the group took very long, a line says so at once, without a name. A shorter stop may be the
//!   scheduler's: a group is most of a turn, and other processes may take the processor in it.
//!
//! A long handler in a flood is thus named from its second time on. A watchdog thread that looks at a
//! count of polls would name it the first time, and was tried: a second thread makes each wait of the
//! loop 10 ns slower, because the C library then guards its system calls, and it would wake while the
//! node rests. Timing when a timer fires late, as Node.js' libraries do, names no handler at all. tokio's
//! console times every poll.
//!
//! The time is that of the session's clock. On virtual time no poll takes any.

use crate::node::{Request, Shared};
use crate::protocol::Quote;
use crate::time::Instant;
use std::fmt;
use std::time::Duration;

/// A poll that takes so long holds the loop: 100 ms. A client that is asked ten times a second
/// notices it.
const HELD_MIN: Duration = Duration::from_millis(100);

/// A group that takes so long is reported: 1 s. A scheduler with far more to do than it has processors
/// stops a process for 100 ms now and then, but hardly for a second.
const GROUP_HELD_MIN: Duration = Duration::from_secs(1);

/// How many polls a group has at most: 64. Two readings of the clock are then less than 1 ns a poll.
const GROUP_MAX: u32 = 64;

/// How many times larger the next group of a turn is: 4.
const GROUP_GROWTH: u32 = 4;

/// How long each poll is timed alone after a group that took long: a minute.
const ALONE_FOR: Duration = Duration::from_secs(60);

/// How long no line is written after a line: 1 s. A handler that is always slow fills no log.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// Times the polls of a host, and reports long ones.
#[derive(Default)]
pub(super) struct Stopwatch {
    /// Polls of the group that are still to come. At 0 the next poll is timed alone.
    left: u32,
    /// The size of the group; 0 before the first poll after a rest, and while each poll is timed alone.
    group: u32,
    /// When the last poll that was timed alone ended, and the group began.
    group_began: Instant,
    /// Until then each poll is timed alone.
    alone_until: Instant,
    no_report_before: Instant,
    /// Long polls and groups since the last line.
    unreported: u64,
}

/// The code that was polled.
#[derive(Clone, Copy)]
pub(super) enum Polled<'a> {
    Handler(&'a Request),
    Background,
    /// The author's `new`.
    Building,
    /// So many polls that were not timed alone.
    Group(u32),
}

impl Stopwatch {
    /// A poll begins. Returns the time if it is timed alone: then [`ended`](Stopwatch::ended) follows.
    #[inline]
    pub(super) fn begin(&mut self, shared: &Shared) -> Option<Instant> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return None;
        }
        Some(self.begin_alone(shared))
    }

    #[cold]
    #[inline(never)]
    fn begin_alone(&mut self, shared: &Shared) -> Instant {
        let now = shared.timers().now();
        self.end_group(shared, now);
        now
    }

    /// A poll that was timed alone has ended.
    #[cold]
    #[inline(never)]
    pub(super) fn ended(&mut self, shared: &Shared, since: Instant, polled: Polled<'_>) {
        let now = shared.timers().now();
        self.look(shared, since, now, polled);
        self.group_began = now;
        self.group = match now < self.alone_until {
            true => 0,
            false => (self.group * GROUP_GROWTH).clamp(1, GROUP_MAX),
        };
        self.left = self.group;
    }

    /// No poll follows for a while: time is not counted from here to the next poll.
    #[inline]
    pub(super) fn rest(&mut self, shared: &Shared) {
        if self.group > 0 {
            self.end_turn(shared);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_turn(&mut self, shared: &Shared) {
        if self.left < self.group {
            self.end_group(shared, shared.timers().now());
        }
        self.group = 0;
        self.left = 0;
    }

    /// Looks at the polls since the last one that was timed alone.
    fn end_group(&mut self, shared: &Shared, now: Instant) {
        let polls = self.group - self.left;
        if polls == 0 || now.since(self.group_began) < HELD_MIN {
            return;
        }
        self.alone_until = now + ALONE_FOR;
        self.look(shared, self.group_began, now, Polled::Group(polls));
    }

    /// Reports code that ran for long, unless there was a line a moment ago.
    fn look(&mut self, shared: &Shared, since: Instant, now: Instant, polled: Polled<'_>) {
        let took = now.since(since);
        let held_min = match polled {
            Polled::Group(_) => GROUP_HELD_MIN,
            Polled::Handler(_) | Polled::Background | Polled::Building => HELD_MIN,
        };
        if took < held_min {
            return;
        }
        if now < self.no_report_before {
            self.unreported += 1;
            return;
        }
        self.no_report_before = now + REPORT_PAUSE;
        let more = std::mem::take(&mut self.unreported);
        let held_ms = took.as_millis();
        shared.log(format_args!(
            "{polled} held the loop for {held_ms} ms, while everything else waited; \
             give long or blocking work to cx.unblock ({more} more since the last such line)"
        ));
    }
}

impl fmt::Display for Polled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Polled::Handler(request) => {
                let (kind, src) = (Quote(request.kind()), Quote(request.src()));
                write!(f, "the handler of {kind} from {src}")
            }
            Polled::Background => write!(f, "a background task"),
            Polled::Building => write!(f, "building the node"),
            Polled::Group(polls) => write!(
                f,
                "one of {polls} handlers and tasks (the next one will be named, and a stopped process \
                 looks the same)"
            ),
        }
    }
}
