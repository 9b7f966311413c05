//! The settings of a session, and the measure of what it uses.

use std::time::Duration;

/// The time that a call waits unless it has a timeout of its own.
pub(super) const RPC_TIMEOUT: Duration = Duration::from_secs(1);

/// The settings of a session.
///
/// ```
/// use eddyline::session::Settings;
/// use std::time::Duration;
///
/// let settings = Settings { seed: 7, ..Settings::default() };
/// assert_eq!(settings.rpc_timeout, Duration::from_secs(1));
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a call waits for its reply unless it has a timeout of its own: 1 s.
    pub rpc_timeout: Duration,
    /// The seed of the node's random numbers: 0.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            rpc_timeout: RPC_TIMEOUT,
            seed: 0,
        }
    }
}

/// How much of each bounded resource is in use.
///
/// ```
/// # fn rest(session: &eddyline::session::Session) {
/// let usage = session.usage();
/// assert_eq!(usage.calls_waiting, 0, "{usage:?}");
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Handlers and background tasks that have not ended.
    pub tasks: usize,
    /// Calls with an entry in the call table.
    pub calls: usize,
    /// Calls that wait for a reply or their expiry.
    pub calls_waiting: usize,
    /// Armed timers. Each waiting call has one of them.
    pub timers: usize,
    /// Operations on sockets that have not ended.
    pub operations: usize,
}
