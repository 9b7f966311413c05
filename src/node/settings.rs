//! What a session can be told.

use std::time::Duration;

/// How long a call waits unless it says otherwise.
const RPC_TIMEOUT: Duration = Duration::from_secs(1);

/// What a session can be told.
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
    /// How long a call waits for its reply unless it says otherwise: 1 s.
    pub rpc_timeout: Duration,
    /// What the node's random numbers are drawn from: 0.
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
