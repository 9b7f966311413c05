//! Faults: what can go wrong in a run, and how often it does.

use crate::lab::draw;
use crate::random::Random;
use crate::time::Instant;
use std::fmt;

/// The ways in which calls, events and the network can fail a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EINTR, from any call that can return it.
    Interrupted,
    /// A short read or EAGAIN although bytes had arrived. They arrive again later,
    /// with an edge.
    BytesWithheld,
    /// A short write or EAGAIN although there was room. It returns later, with an
    /// edge.
    RoomWithheld,
    /// A short read or write that has no edge after it, where Linux allows that.
    Short,
    /// An edge is told late.
    LateEdge,
    /// An event without a reason.
    SpuriousEvent,
    /// An event for a watch that was removed.
    StaleEvent,
    /// Events come in another order than their edges.
    Reordered,
    /// The network breaks a connection.
    Reset,
    /// `accept` fails because of the connection: ECONNABORTED and the like.
    AcceptAborted,
    /// `accept` fails with EMFILE, ENFILE, ENOBUFS or ENOMEM.
    AcceptOutOfResources,
    /// `socket` fails with one of the same.
    SocketOutOfResources,
    /// `bind` or `listen` fails.
    ListenFailed,
    /// `connect` is refused, at once or later.
    ConnectRefused,
    /// `connect` takes long, or has no answer at all.
    ConnectSlow,
    /// `epoll_ctl` has no memory for another watch.
    RegisterFailed,
    /// The process stands still for a while, before a call or the clock.
    Paused,
    /// The process is stopped while it waits; SIGCONT ends the wait.
    Stopped,
    /// Bytes take time on the network.
    Latency,
}

impl Fault {
    pub(crate) const ALL: [Fault; 19] = [
        Fault::Interrupted,
        Fault::BytesWithheld,
        Fault::RoomWithheld,
        Fault::Short,
        Fault::LateEdge,
        Fault::SpuriousEvent,
        Fault::StaleEvent,
        Fault::Reordered,
        Fault::Reset,
        Fault::AcceptAborted,
        Fault::AcceptOutOfResources,
        Fault::SocketOutOfResources,
        Fault::ListenFailed,
        Fault::ConnectRefused,
        Fault::ConnectSlow,
        Fault::RegisterFailed,
        Fault::Paused,
        Fault::Stopped,
        Fault::Latency,
    ];

    /// A factor for the rate. Some faults end what they touch, and a run in which
    /// nothing survives tests nothing.
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

/// The faults of a run: the rate of each, and how often each has happened.
///
/// Each run draws its own set of faults and a rate for each, so that some runs have
/// one fault in plenty. One mixture of all faults would find less: a frequent fault
/// hides the bugs that another would show.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    rates: [f64; Fault::ALL.len()],
    counts: [u64; Fault::ALL.len()],
    random: Random,
    /// No fault happens from then on. So work that is stuck then is stuck for good.
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

    /// Draws a set of faults, which happen until `until`.
    pub(crate) fn draw(random: &mut Random, until: Instant) -> Faults {
        const RATES: [f64; 4] = [0.005, 0.02, 0.08, 0.25];
        let mut faults = Faults {
            random: random.fork(),
            until,
            ..Faults::none()
        };
        // The share of the faults that the run has. One run in eight has none, one
        // has about one.
        let share = match random.below(8) {
            0 => 0.0,
            1 => 1.0 / Fault::ALL.len() as f64,
            2..5 => 0.25,
            _ => 0.6,
        };
        for (fault, rate) in Fault::ALL.iter().zip(&mut faults.rates) {
            let drawn = RATES[draw::index(random, RATES.len())];
            if random.chance(share) {
                *rate = drawn * fault.scale();
            }
        }
        faults
    }

    /// Raises the rate of a fault to at least `rate`.
    pub(crate) fn add(&mut self, fault: Fault, rate: f64) {
        let drawn = &mut self.rates[fault as usize];
        *drawn = drawn.max(rate);
    }

    /// Whether the fault happens at every opportunity.
    pub(crate) fn always(&self, fault: Fault) -> bool {
        self.rates[fault as usize] >= 1.0
    }

    /// Whether the run has this fault at all.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.rates[fault as usize] > 0.0
    }

    /// Ends all faults.
    pub(super) fn stop(&mut self) {
        self.until = Instant::ZERO;
    }

    /// Draws whether the fault happens now, and counts it.
    pub(super) fn fires(&mut self, fault: Fault, now: Instant) -> bool {
        let rate = self.rates[fault as usize];
        let fires = rate > 0.0 && now < self.until && self.random.chance(rate);
        if fires {
            self.counts[fault as usize] += 1;
        }
        fires
    }

    /// How often each fault has happened.
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
