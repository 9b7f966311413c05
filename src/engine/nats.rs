//! The settings of an operator for NATS: servers, the cluster's name, credentials.

use super::credentials::Credentials;
use super::nats_error::NatsError;
use super::tls::Tls;
use crate::protocol::NAME_BYTES_MAX;
use std::fmt;
use std::net::IpAddr;
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
    pub(super) tls: Option<Tls>,
    /// Lines for people that the link writes at its start.
    pub(super) warnings: Vec<String>,
}

impl Nats {
    /// Servers as URLs with commas between, and the name of the cluster. Clusters on the
    /// same servers do not see each other.
    ///
    /// # Errors
    /// When a URL has another form than `nats://host[:port]` or `tls://host[:port]`, or the
    /// cluster has no name or one of more than 255 bytes. `tls://` needs the feature `tls`, and certificates: `Nats::tls`.
    pub fn new(servers: &str, cluster: &str) -> Result<Nats, NatsError> {
        if cluster.is_empty() {
            return Err(NatsError::new("the cluster needs a name"));
        }
        if cluster.len() > NAME_BYTES_MAX {
            return Err(NatsError::new("the cluster's name has at most 255 bytes"));
        }
        let servers = servers
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if servers.len() > SERVERS_MAX {
            let text = format!("more than {SERVERS_MAX} servers");
            return Err(NatsError::new(text));
        }
        Ok(Nats {
            servers,
            cluster: cluster.to_owned(),
            prefix: DEFAULT_PREFIX.to_owned(),
            credentials: Credentials::None,
            tls: None,
            warnings: Vec::new(),
        })
    }

    /// How the node proves to the servers what it is.
    pub fn credentials(mut self, credentials: Credentials) -> Nats {
        self.credentials = credentials;
        self
    }

    /// The certificates for servers by `tls://`. Only with the feature `tls`.
    #[cfg(any(test, feature = "tls"))]
    pub fn tls(mut self, tls: Tls) -> Nats {
        self.tls = Some(tls);
        self
    }

    /// Whether a server is named by `tls://`.
    pub fn has_tls_servers(&self) -> bool {
        self.servers.iter().any(|server| server.tls.is_some())
    }

    /// Lines for people, which a node writes at its start: a file with a secret that every
    /// user of the machine can read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn warn(&mut self, text: String) {
        self.warnings.push(text);
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

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name that the server's certificate must have. `None` is a server without TLS.
    pub(super) tls: Option<String>,
}

impl Address {
    /// Whether both lead to the same port of the same host.
    pub(super) fn is_at(&self, other: &Address) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }

    /// The address of a server that another one has named: with TLS if the other one has
    /// it. Servers name each other by IP address, which few certificates have, so the name
    /// of the other one is asked for then. nats.go does that too.
    pub(super) fn named_by(self, other: &Address) -> Address {
        let is_ip = |host: &str| host.parse::<IpAddr>().is_ok();
        let tls = other.tls.as_ref().map(|name| match is_ip(&self.host) {
            true if !is_ip(name) => name.clone(),
            _ => self.host.clone(),
        });
        Address { tls, ..self }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port, tls } = self;
        let scheme = tls.as_ref().map_or("nats", |_| "tls");
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = NatsError;

    /// `nats://host:port` or `tls://host:port`, where scheme and port may be left out.
    fn from_str(url: &str) -> Result<Address, NatsError> {
        let wrong = |why: &str| {
            let text = format!("{why}; expected nats://HOST:PORT or tls://HOST:PORT");
            Err(NatsError::new(text))
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
        match scheme {
            "nats" => {}
            #[cfg(any(test, feature = "tls"))]
            "tls" => {}
            #[cfg(not(any(test, feature = "tls")))]
            "tls" => {
                let text = format!("tls:// cannot be used: {}", super::tls::ADVICE);
                return Err(NatsError::new(text));
            }
            _ => return wrong(&format!("{scheme}:// is no scheme of this program")),
        }
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
                tls: (scheme == "tls").then(|| host.to_owned()),
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
    fn a_cluster_has_a_name_of_a_bounded_length() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        assert!(Nats::new("a", &longest).is_ok());
        for (name, rule) in [("", "needs a name"), (&format!("{longest}n"), "255 bytes")] {
            let why = Nats::new("a", name).unwrap_err().to_string();
            assert!(why.contains(rule), "{why}");
        }
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

    #[test]
    fn a_named_server_has_tls_and_a_name_from_the_one_that_named_it() {
        for (other, url, expected) in [
            ("nats://a", "10.0.0.2:1", None),
            ("tls://a", "10.0.0.2:1", Some("a")),
            ("tls://a", "b:1", Some("b")),
            ("tls://10.0.0.1", "10.0.0.2:1", Some("10.0.0.2")),
            ("tls://[::1]", "[::2]:1", Some("::2")),
        ] {
            let named: Address = url.parse().unwrap();
            let named = named.named_by(&other.parse().unwrap());
            assert_eq!(named.tls.as_deref(), expected, "{other} {url}");
        }
        assert_eq!(parse("tls://a").as_deref(), Ok("tls://a:4222"));
    }
}
