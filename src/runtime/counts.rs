//! Counts that were asked for, and wait for the sends before them.

use crate::session::{OperationId, TcpEchoStats};
use crate::tcp::Stats;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a count waits for the sends that were asked for before it: 500 ms, half
/// of what a call waits by default. Sends take a fraction of a millisecond, so a
/// count that is asked for behind them, without a wait for their replies, has them
/// all. One that is stuck, or a hundred thousand, keep nobody longer.
pub(crate) const COUNT_WAIT_MAX: Duration = Duration::from_millis(500);

/// What a server has seen, in the words of those who asked.
pub(super) fn totals(stats: Stats) -> TcpEchoStats {
    TcpEchoStats {
        connections: stats.total_connections,
        bytes: stats.total_bytes,
    }
}

struct Count {
    operation: OperationId,
    /// The number of the first send that it need not wait for.
    until: u64,
    deadline: Instant,
}

/// In the order of asking, which is that of their deadlines.
#[derive(Default)]
pub(super) struct Counts {
    waiting: VecDeque<Count>,
}

impl Counts {
    pub(super) fn push(&mut self, operation: OperationId, until: u64, now: Instant) {
        let deadline = now + COUNT_WAIT_MAX;
        self.waiting.push_back(Count {
            operation,
            until,
            deadline,
        });
    }

    /// When a count will have waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|count| count.deadline)
    }

    /// Takes a count that waits for no send older than `oldest_send`, or has waited
    /// long enough.
    pub(super) fn pop(&mut self, oldest_send: u64, now: Instant) -> Option<OperationId> {
        let count = self.waiting.front()?;
        let is_ready = count.until <= oldest_send || count.deadline <= now;
        is_ready
            .then(|| self.waiting.pop_front())?
            .map(|count| count.operation)
    }
}
