//! How much of everything is in use.

/// How much of everything is in use.
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
    /// Armed timers, those of waiting calls among them.
    pub timers: usize,
    /// Operations on sockets that have not ended.
    pub operations: usize,
}
