//! What goes wrong in a run, and how often.

use crate::random::Random;
use crate::time::Instant;
use std::fmt;

/// One way in which the kernel lets us down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EINTR, from any call that can say so.
    Interrupted,
    /// A short read or EAGAIN; the rest comes later, with its edge.
    HeldBack,
    /// A short write or EAGAIN; the room comes back later, with its edge.
    Squeezed,
    /// A short read or write that proves nothing, where none ever does.
    Short,
    /// An edge that is told late.
    LateEdge,
    /// An event without a reason.
    SpuriousEvent,
    /// An event of a descriptor that was taken out of epoll.
    StaleEvent,
    /// Events in another order than they came about.
    Reordered,
    /// The network takes a connection away.
    Reset,
    /// `accept` fails for the connection: ECONNABORTED and the like.
    AcceptAborted,
    /// `accept` fails for want: EMFILE, ENFILE, ENOBUFS, ENOMEM.
    AcceptStarved,
    /// `socket` fails for want.
    SocketStarved,
    /// `bind` or `listen` fails.
    ListenFailed,
    /// The connection is refused, at once or later.
    ConnectRefused,
    /// The connection takes long, or longer than anybody waits.
    ConnectSlow,
    /// `epoll_ctl` has no memory for another descriptor.
    RegisterFailed,
    /// The process stands still (a suspended machine, another process on its
    /// processor), the world does not.
    Paused,
    /// It is stopped while it waits, and the signal to go on ends the wait.
    Stopped,
    /// Bytes take their time over the network.
    Latency,
}

impl Fault {
    pub(crate) const ALL: [Fault; 19] = [
        Fault::Interrupted,
        Fault::HeldBack,
        Fault::Squeezed,
        Fault::Short,
        Fault::LateEdge,
        Fault::SpuriousEvent,
        Fault::StaleEvent,
        Fault::Reordered,
        Fault::Reset,
        Fault::AcceptAborted,
        Fault::AcceptStarved,
        Fault::SocketStarved,
        Fault::ListenFailed,
        Fault::ConnectRefused,
        Fault::ConnectSlow,
        Fault::RegisterFailed,
        Fault::Paused,
        Fault::Stopped,
        Fault::Latency,
    ];

    /// How much seldomer than others: some faults end what they touch, and a run
    /// in which nothing lives tests nothing.
    fn scale(self) -> f64 {
        match self {
            Fault::Paused => 0.04,
            Fault::Reset => 0.1,
            Fault::Stopped => 0.2,
            Fault::RegisterFailed => 0.5,
            _ => 1.0,
        }
    }
}

/// Which faults a run has, and how many there were.
///
/// Not all at once: each run draws its own set, and a rate for each, so that
/// some runs have nothing but one fault in plenty. The faults of all runs
/// together hide each other's bugs less than one mixture does.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    rates: [f64; Fault::ALL.len()],
    counts: [u64; Fault::ALL.len()],
    random: Random,
    /// From when on nothing goes wrong any more, so that what is still stuck then
    /// is stuck for good.
    until: Instant,
}

impl Faults {
    pub(crate) fn none() -> Faults {
        Faults {
            rates: [0.0; Fault::ALL.len()],
            counts: [0; Fault::ALL.len()],
            random: Random::new(0),
            until: Instant::MAX,
        }
    }

    /// A set of faults drawn from `random`, until `until`.
    pub(crate) fn draw(random: &mut Random, until: Instant) -> Faults {
        const RATES: [f64; 4] = [0.005, 0.02, 0.08, 0.25];
        let mut faults = Faults {
            random: random.fork(),
            until,
            ..Faults::none()
        };
        // One run in eight is free of faults, one has a single fault.
        let share = match random.below(8) {
            0 => 0.0,
            1 => 1.0 / Fault::ALL.len() as f64,
            2..5 => 0.25,
            _ => 0.6,
        };
        for (fault, rate) in Fault::ALL.iter().zip(&mut faults.rates) {
            let drawn = RATES[usize::try_from(random.below(4)).unwrap_or(0)];
            if random.chance(share) {
                *rate = drawn * fault.scale();
            }
        }
        faults
    }

    /// Has this fault happen at least as often as that.
    pub(crate) fn add(&mut self, fault: Fault, rate: f64) {
        let drawn = &mut self.rates[fault as usize];
        *drawn = drawn.max(rate);
    }

    /// Whether it happens every time.
    pub(crate) fn always(&self, fault: Fault) -> bool {
        self.rates[fault as usize] >= 1.0
    }

    /// Whether the run has this fault at all.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.rates[fault as usize] > 0.0
    }

    /// From now on nothing goes wrong.
    pub(super) fn stop(&mut self) {
        self.until = Instant::ZERO;
    }

    /// Whether it happens now.
    pub(super) fn fires(&mut self, fault: Fault, now: Instant) -> bool {
        let rate = self.rates[fault as usize];
        let fires = rate > 0.0 && now < self.until && self.random.chance(rate);
        if fires {
            self.counts[fault as usize] += 1;
        }
        fires
    }

    /// How often each has happened.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.iter().copied().zip(self.counts)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fault, rate) in Fault::ALL.iter().zip(self.rates) {
            if rate > 0.0 {
                let count = self.counts[*fault as usize];
                write!(f, " {fault:?} {count} times at {rate}")?;
            }
        }
        Ok(())
    }
}
