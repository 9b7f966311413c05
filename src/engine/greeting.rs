//! The two JSON objects of a handshake: the server's `INFO` and the client's `CONNECT`.

use super::nats::Credentials;
use serde::{Deserialize, Serialize};

/// The server's account of itself. Fields that this client does not need are left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    /// The longest message that the server takes.
    pub(super) max_payload: usize,
    /// Whether messages may have headers. Without them nothing reports that a node is not
    /// there.
    pub(super) headers: bool,
    pub(super) tls_required: bool,
    /// Other servers of the cluster, and this one.
    pub(super) connect_urls: Vec<String>,
}

impl Default for Info {
    /// The values of a server that does not say otherwise.
    fn default() -> Info {
        Info {
            max_payload: 1 << 20,
            headers: false,
            tls_required: false,
            connect_urls: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    name: &'a str,
    lang: &'static str,
    version: &'static str,
    protocol: u32,
    headers: bool,
    no_responders: bool,
    echo: bool,
    tls_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
}

/// Appends the `CONNECT` of a client.
pub(super) fn push_connect(out: &mut Vec<u8>, name: &str, credentials: &Credentials, info: &Info) {
    let (auth_token, user, pass) = match credentials {
        Credentials::None => (None, None, None),
        Credentials::Token(token) => (Some(&**token), None, None),
        Credentials::User { name, password } => (None, Some(&**name), Some(&**password)),
    };
    let connect = Connect {
        verbose: false,
        pedantic: false,
        name,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        // 1: the server may send a new INFO when its cluster changes.
        protocol: 1,
        headers: info.headers,
        no_responders: info.headers,
        // A node may call itself.
        echo: true,
        tls_required: false,
        auth_token,
        user,
        pass,
    };
    out.extend_from_slice(b"CONNECT ");
    let written = serde_json::to_writer(&mut *out, &connect);
    debug_assert!(written.is_ok(), "texts and flags always serialise");
    out.extend_from_slice(b"\r\n");
}
