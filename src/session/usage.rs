//! How much a session uses: for its owner's own limits, and for tests.

use super::{Session, Usage};

impl Session {
    /// How much of each bounded resource is in use.
    ///
    /// ```
    /// # fn look(session: &eddyline::session::Session) {
    /// let usage = session.usage();
    /// assert!(usage.calls_waiting <= usage.timers); // each has its own
    /// # }
    /// ```
    pub fn usage(&self) -> Usage {
        let mut usage = self.shared.usage();
        usage.tasks += self.host.tasks();
        usage
    }

    /// The number of replies for which no call was waiting.
    pub fn ignored_replies(&self) -> u64 {
        self.shared.ignored_replies()
    }
}
