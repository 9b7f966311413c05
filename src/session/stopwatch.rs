//! The stopwatch: it finds a handler that holds the loop.
//!
//! A handler that computes or blocks between two `.await`s stops everything else, and its author
//! should be told which handler it was. To time each poll would cost an echo one part in forty: the
//! clock takes 25 ns. So only the first poll of a turn is timed alone, and the others together:
//!
//! ```text
//!   a turn                  first poll │ second poll … last poll │ rest
//!   usually                   alone    │        together         │
//!   for a minute after polls
//!   that took long together   alone    │ alone … alone           │
//! ```
//!
//! - A poll that is timed alone and was long is named: type, sender, time. The only poll of a turn is
//!   always timed alone.
//! - After polls that took long together, each poll is timed alone for a while, so the next long one is
//!   named. If they took very long, a line says so at once, without a name. A shorter stop may be the
//!   scheduler's: other processes may take the processor in the middle of a turn.
//!
//! A long handler in a flood is thus named from its second time on. A watchdog thread that looks at a
//! count of polls would name it the first time, and was tried: a second thread makes each wait of the
//! loop 40 instructions longer, because the C library then guards its system calls, and it would wake
//! while the node rests. To measure how late a timer fires, as Node.js' libraries do, names no handler
//! at all. tokio's console times every poll.
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

/// After polls that take so long together each is timed alone: 250 ms. A turn has up to some thousand
/// polls, and under valgrind one takes 100 µs.
const TOGETHER_LONG_MIN: Duration = Duration::from_millis(250);

/// Polls that take so long together are reported: 1 s. A scheduler with far more to do than it has
/// processors stops a process for 100 ms now and then, but hardly for a second.
const TOGETHER_HELD_MIN: Duration = Duration::from_secs(1);

/// How long each poll is timed alone after polls that took long together: a minute.
const ALONE_FOR: Duration = Duration::from_secs(60);

/// How long no line is written after a line: 1 s. A handler that is always slow fills no log.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// Times the polls of a host, and reports long ones.
#[derive(Default)]
pub(super) struct Stopwatch {
    next: Timing,
    /// When the poll that is timed alone began, or the polls that are timed together.
    since: Instant,
    /// How many polls are timed together.
    polls: u32,
    /// Until then each poll is timed alone.
    alone_until: Instant,
    no_report_before: Instant,
    /// Long polls since the last line.
    unreported: u64,
}

/// How the next poll is timed.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Timing {
    #[default]
    Alone,
    /// With all polls since the first poll of the turn has ended.
    Together,
}

/// The code that was polled.
#[derive(Clone, Copy)]
pub(super) enum Polled<'a> {
    Handler(&'a Request),
    Background,
    /// The author's `new`.
    Building,
    /// So many polls that were timed together.
    Together(u32),
}

impl Stopwatch {
    /// A poll begins. If it is timed alone, [`ended`](Stopwatch::ended) follows. All that another poll
    /// pays is this count and a look at `is_alone`.
    #[inline]
    pub(super) fn begin(&mut self, shared: &Shared) {
        match self.next {
            Timing::Together => self.polls = self.polls.wrapping_add(1),
            Timing::Alone => self.begin_alone(shared),
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_alone(&mut self, shared: &Shared) {
        self.since = shared.timers().now();
    }

    /// Whether the poll that has begun is timed alone.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.next == Timing::Alone
    }

    /// A poll that was timed alone has ended.
    #[cold]
    #[inline(never)]
    pub(super) fn ended(&mut self, shared: &Shared, polled: Polled<'_>) {
        let now = shared.timers().now();
        self.look(shared, now, polled);
        if now >= self.alone_until {
            self.next = Timing::Together;
            self.polls = 0;
            self.since = now;
        }
    }

    /// No poll follows for a while: time is not counted from here to the next poll.
    #[inline]
    pub(super) fn rest(&mut self, shared: &Shared) {
        if self.next == Timing::Together {
            self.next = Timing::Alone;
            if self.polls > 0 {
                self.look_together(shared);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn look_together(&mut self, shared: &Shared) {
        let now = shared.timers().now();
        if now.since(self.since) >= TOGETHER_LONG_MIN {
            self.alone_until = now + ALONE_FOR;
            self.look(shared, now, Polled::Together(self.polls));
        }
    }

    /// Reports code that ran for long, unless there was a line a moment ago.
    fn look(&mut self, shared: &Shared, now: Instant, polled: Polled<'_>) {
        let took = now.since(self.since);
        let held_min = match polled {
            Polled::Together(_) => TOGETHER_HELD_MIN,
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
            Polled::Together(polls) => write!(
                f,
                "one of {polls} handlers and tasks (the next one will be named, and a stopped process \
                 looks the same)"
            ),
        }
    }
}
