//! The options of a node process.

use crate::engine::Nats;
use crate::protocol::Init;
use crate::session::Settings;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The options of a node process.
///
/// ```
/// let options = eddyline::Options {
///     rpc_timeout: std::time::Duration::from_millis(200),
///     ..eddyline::Options::default()
/// };
/// assert!(options.tcp_bind.is_loopback() && options.seed.is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// The node's name and those of all nodes, for a node that gets no `init`, or before it
    /// does. It serves at once. With `None` the `init` gives the names.
    ///
    /// ```
    /// use eddyline::{Options, protocol::Init};
    ///
    /// let node_ids = ["n1", "n2", "n3"].map(str::to_owned).to_vec();
    /// let identity = Init { node_id: "n1".to_owned(), node_ids };
    /// let options = Options { identity: Some(identity), ..Options::default() };
    /// ```
    pub identity: Option<Init>,
    /// How long a call waits for its reply, unless the call says otherwise: 1 s.
    pub rpc_timeout: Duration,
    /// The address that TCP echo binds: 127.0.0.1, which other machines cannot reach.
    pub tcp_bind: IpAddr,
    /// The seed of the node's random numbers. With `None` the system picks another one
    /// for each process.
    pub seed: Option<u64>,
    /// The longest line that is accepted, in bytes without its newline: 16 MiB. A
    /// longer one is reported on stderr and skipped. One line can take three times as
    /// much memory: the line, the request, and an echo of it.
    pub line_bytes_max: usize,
    /// How many TCP connections may be open at once: 65,536. Further clients wait in
    /// the listener's queue until a connection closes.
    pub tcp_connections_max: usize,
    /// The NATS servers that the node's messages travel through, in place of stdin and
    /// stdout. It needs an [`identity`](Options::identity).
    pub nats: Option<Nats>,
    /// The file that a recording of the whole run is written to, for the microscope.
    /// A recorded run takes the same turns and is many times slower.
    #[cfg(any(test, feature = "microscope"))]
    pub record: Option<std::path::PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            identity: None,
            rpc_timeout: Settings::default().rpc_timeout,
            tcp_bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            seed: None,
            line_bytes_max: crate::wire::LINE_BYTES_MAX,
            tcp_connections_max: crate::tcp::CONNECTIONS_MAX,
            nats: None,
            #[cfg(any(test, feature = "microscope"))]
            record: None,
        }
    }
}
