//! The settings of an operator for NATS: servers, the cluster's name, credentials.

use std::fmt;
use std::str::FromStr;

/// The port of a server whose address names none.
const DEFAULT_PORT: u16 = 4222;

/// The first token of all subjects.
const DEFAULT_PREFIX: &str = "eddyline";

/// How many servers may be given: 64.
const SERVERS_MAX: usize = 64;

/// NATS as the network of a node, in place of stdin and stdout.
///
/// Core NATS promises what Maelstrom's network promises: a message arrives at most once,
/// the order is not kept, and names are addresses. So a node runs on it unchanged.
///
/// ```
/// use eddyline::{Credentials, Nats};
///
/// let nats = Nats::new("nats://10.0.0.1:4222,nats://10.0.0.2:4222", "orders")?
///     .credentials(Credentials::Token("from a file".to_owned()));
/// assert_eq!(nats.cluster(), "orders");
/// assert!(Nats::new("nats://n1:secret@10.0.0.1", "orders").is_err()); // no secrets in URLs
/// # Ok::<(), eddyline::NatsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Nats {
    pub(crate) servers: Vec<Address>,
    pub(crate) cluster: String,
    pub(crate) prefix: String,
    pub(crate) credentials: Credentials,
}

impl Nats {
    /// Servers as URLs with commas between, and the name of the cluster. Clusters on the
    /// same servers do not see each other.
    ///
    /// # Errors
    /// When a URL has another form than `nats://host[:port]`, or the cluster has no name.
    pub fn new(servers: &str, cluster: &str) -> Result<Nats, NatsError> {
        if cluster.is_empty() {
            return Err(NatsError("the cluster needs a name".to_owned()));
        }
        let servers = servers
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if servers.len() > SERVERS_MAX {
            let text = format!("more than {SERVERS_MAX} servers");
            return Err(NatsError(text));
        }
        Ok(Nats {
            servers,
            cluster: cluster.to_owned(),
            prefix: DEFAULT_PREFIX.to_owned(),
            credentials: Credentials::None,
        })
    }

    /// How the node proves to the servers what it is.
    pub fn credentials(mut self, credentials: Credentials) -> Nats {
        self.credentials = credentials;
        self
    }

    /// The first token of all subjects: `eddyline`.
    pub fn prefix(mut self, prefix: &str) -> Nats {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// The name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }
}

/// How a node proves to a NATS server what it is. `Debug` shows no secret.
///
/// ```
/// use eddyline::Credentials;
///
/// let user = Credentials::User { name: "n1".to_owned(), password: "secret".to_owned() };
/// assert!(!format!("{user:?}").contains("secret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// By a token that all clients of the server share.
    Token(String),
    /// By a name and a password. The server's permissions belong to the name.
    User {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Token(_) => f.write_str("Token(..)"),
            Credentials::User { name, .. } => write!(f, "User {{ name: {name:?}, .. }}"),
        }
    }
}

/// Why servers or a cluster cannot be used. The text says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsError(String);

impl fmt::Display for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NatsError {}

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        match host.contains(':') {
            true => write!(f, "nats://[{host}]:{port}"),
            false => write!(f, "nats://{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = NatsError;

    /// `nats://host:port`, where scheme and port may be left out.
    fn from_str(url: &str) -> Result<Address, NatsError> {
        let wrong = |why: &str| Err(NatsError(format!("{why}; expected nats://HOST:PORT")));
        let rest = match url.split_once("://") {
            None | Some(("nats", _)) => url.strip_prefix("nats://").unwrap_or(url),
            Some((scheme, _)) => {
                return wrong(&format!("{scheme}:// is no scheme of this program"));
            }
        };
        if rest.contains('@') {
            // The URL is not quoted: it may have a password in it.
            return wrong("a URL of a server must not have a user or a password in it");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
            Some((host, port)) => (
                host,
                port.strip_prefix(':').or(port.is_empty().then_some("")),
            ),
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let is_host = !host.is_empty() && !host.contains(['/', ' ', '[', ']', '?', '#']);
        let port = match port {
            Some("") => Some(DEFAULT_PORT),
            Some(port) => port.parse().ok().filter(|&port| port > 0),
            None => None,
        };
        match port {
            Some(port) if is_host => Ok(Address {
                host: host.to_owned(),
                port,
            }),
            _ => wrong(&format!("{url:?} is no address of a server")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<String, String> {
        let address: Result<Address, NatsError> = url.parse();
        address
            .map(|address| address.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn scheme_and_port_may_be_left_out() {
        for (url, expected) in [
            ("nats://a:1", "nats://a:1"),
            ("a:1", "nats://a:1"),
            ("a", "nats://a:4222"),
            ("nats://[::1]:5", "nats://[::1]:5"),
            ("[::1]", "nats://[::1]:4222"),
            ("nats://127.0.0.1:4333/", "nats://127.0.0.1:4333"),
        ] {
            assert_eq!(parse(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_and_a_password_in_it_is_not_shown() {
        for url in [
            "",
            "nats://",
            "nats://a:0",
            "a:b",
            "a:70000",
            "http://a",
            "[::1",
            "[::1]5",
            "a b",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
        let error = parse("nats://n1:secret@a").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
