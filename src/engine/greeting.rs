//! The two JSON objects of a handshake: the server's `INFO` and the client's `CONNECT`.

use super::credentials::Proof;
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
    /// Whether a client must prove itself.
    pub(super) auth_required: bool,
    pub(super) tls_required: bool,
    pub(super) tls_available: bool,
    /// The text that a client signs to prove itself by a key.
    pub(super) nonce: Option<String>,
    /// Other servers of the cluster, and this one.
    pub(super) connect_urls: Vec<String>,
}

impl Default for Info {
    /// The values of a server that does not say otherwise.
    fn default() -> Info {
        Info {
            max_payload: 1 << 20,
            headers: false,
            auth_required: false,
            tls_required: false,
            tls_available: false,
            nonce: None,
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
    #[serde(flatten)]
    proof: Proof<'a>,
}

/// Appends the `CONNECT` of a client.
pub(super) fn push_connect(
    out: &mut Vec<u8>,
    name: &str,
    proof: Proof<'_>,
    info: &Info,
    is_tls: bool,
) {
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
        tls_required: is_tls,
        proof,
    };
    out.extend_from_slice(b"CONNECT ");
    let written = serde_json::to_writer(&mut *out, &connect);
    debug_assert!(written.is_ok(), "texts and flags always serialise");
    out.extend_from_slice(b"\r\n");
}

/// The next step after the first `INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Tls,
    Connect,
}

/// The next step after the first `INFO` of a server. `Err` says why the link and the server
/// do not go together.
///
/// | its address | TLS is there | `INFO` | next |
/// |---|---|---|---|
/// | `tls://` | yes, it came first | | `CONNECT` |
/// | `tls://` | not yet | requires or offers TLS | TLS |
/// | `tls://` | not yet | neither | refused: a stranger may have cut the offer out |
/// | `nats://` | | requires TLS | refused: it is `tls://` that checks a certificate |
/// | `nats://` | | otherwise | `CONNECT` |
pub(super) fn opening(wants_tls: bool, is_open: bool, info: &Info) -> Result<Opening, String> {
    match (wants_tls, info.tls_required || info.tls_available) {
        (true, _) if is_open => Ok(Opening::Connect),
        (true, true) => Ok(Opening::Tls),
        (true, false) => Err("it offers no TLS, and tls:// demands it".to_owned()),
        (false, _) if info.tls_required => Err(requires_tls()),
        (false, _) => Ok(Opening::Connect),
    }
}

fn requires_tls() -> String {
    let advice = "it requires TLS: name it by tls:// in place of nats://";
    #[cfg(not(any(test, feature = "tls")))]
    let advice = format!("{advice}, but {}", super::tls::ADVICE);
    advice.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_opening() {
        let info = |tls_required, tls_available| Info {
            tls_required,
            tls_available,
            ..Info::default()
        };
        for (wants_tls, is_open, info, expected) in [
            (true, true, info(true, false), Ok(Opening::Connect)),
            (true, true, info(false, false), Ok(Opening::Connect)),
            (true, false, info(true, false), Ok(Opening::Tls)),
            (true, false, info(false, true), Ok(Opening::Tls)),
            (true, false, info(false, false), Err("offers no TLS")),
            (false, false, info(true, true), Err("by tls://")),
            (false, false, info(false, true), Ok(Opening::Connect)),
            (false, false, info(false, false), Ok(Opening::Connect)),
        ] {
            match (opening(wants_tls, is_open, &info), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{wants_tls} {is_open} {info:?}: {found:?}"),
            }
        }
    }
}
