//! Servers and options that are refused, and the words for that.

use super::folder::Folder;
use super::support::{self, Channel, Launch};
use super::{OnNats, PLAIN_TLS, server, url};
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn a_server_that_cannot_be_trusted_is_refused_in_clear_words() {
    let folder = Folder::new("refused");
    let tls = |name: &str| PLAIN_TLS.replace("server.pem", name);
    let log = folder.path("server.log");
    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    for (config, scheme, ca, said) in [
        (
            format!("{}\nlog_file: \"{log}\"", tls("server.pem")),
            "tls",
            "other-ca.pem",
            "does not come from the CA that was given: compare --ca-file",
        ),
        (
            tls("elsewhere.pem"),
            "tls",
            "ca.pem",
            "is not for localhost, but for DnsName(\"elsewhere.example\")",
        ),
        (tls("expired.pem"), "tls", "ca.pem", "has expired: renew it"),
        ("debug: false".to_owned(), "tls", "ca.pem", "offers no TLS"),
        (
            tls("server.pem"),
            "nats",
            "",
            "requires TLS: name it by tls:// in place of nats://",
        ),
    ] {
        let Some(server) = server(&folder, &config) else {
            return;
        };
        let url = url(&server, "localhost").replace("tls://", &format!("{scheme}://"));
        let ca = ["--ca-file", &folder.path(ca)];
        let options = if scheme == "tls" { &ca[..] } else { &[] };
        let mut node = OnNats::launch(&url, options);
        let line = node.wait_for("another attempt follows");
        assert!(line.contains(said), "{line}");
        assert!(line.contains(&url), "{line}");
        if said.contains("compare --ca-file") {
            // The alert of TLS tells the server's operator.
            support::wait_until("the server has heard why", || {
                logged().contains("remote error: tls: unknown certificate authority")
            });
        }
    }
}

#[test]
fn a_server_that_stalls_in_tls_is_left_for_another_attempt() {
    let folder = Folder::new("stalls");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("tls://{}", listener.local_addr().expect("an address"));
    let mut node = OnNats::launch(&url, &["--ca-file", &folder.path("ca.pem")]);
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().expect("a node");
        let info = b"INFO {\"headers\":true,\"tls_required\":true}\r\n";
        stream.write_all(info).expect("write");
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).expect("TLS begins");
        assert_eq!(hello, [22, 3, 1], "a record with a handshake");
        // It closes the connection by its own timer.
        let mut rest = Vec::new();
        let _reset_or_end = stream.read_to_end(&mut rest);
        assert!(!rest.windows(7).any(|part| part == b"CONNECT"));
    }
    node.wait_for("did not finish the handshake of TLS in time");
}

#[test]
fn wrong_options_are_a_clear_error_and_exit_2() {
    let folder = Folder::new("options");
    let ca = folder.path("ca.pem");
    let (key, nkey, creds) = (
        folder.path("n1.key"),
        folder.path("n1.nkey"),
        folder.path("n1.creds"),
    );
    let with_ca = ["--nats", "tls://a", "--ca-file", &ca];
    let plain = ["--nats", "nats://a"];
    for (first, more, said) in [
        (
            &plain[..],
            &["--ca-file", &ca][..],
            "--nats names by tls://",
        ),
        (&["--nats", "tls://a"], &[], "tls:// needs --ca-file"),
        (&with_ca, &["--cert-file", &ca], "need each other"),
        (&with_ca, &["--key-file", &key], "need each other"),
        (&with_ca, &["--ca-file", "/no/such/file"], "/no/such/file"),
        (
            &with_ca,
            &["--ca-file", "/dev/null"],
            "/dev/null: there is no",
        ),
        (
            &with_ca,
            &["--ca-file", "/dev/zero"],
            "/dev/zero has more than 4194304 bytes",
        ),
        (&plain, &["--creds-file", "/dev/zero"], "more than 16384"),
        (
            &with_ca,
            &["--cert-file", &ca, "--key-file", &key],
            "certificate and key",
        ),
        (&with_ca, &["--tls-handshake", "last"], "expected first"),
        (
            &plain,
            &["--nkey-file", &ca],
            "the seed of the nkey is wrong",
        ),
        (&plain, &["--creds-file", &nkey], "no NATS USER JWT"),
        (
            &plain,
            &["--nkey-file", &nkey, "--creds-file", &creds],
            "--nkey-file and --creds-file exclude each other",
        ),
    ] {
        let named = ["--node", "n1", "--cluster", "t"];
        let launch = Launch::new().args(named).args(first).args(more);
        let mut node = launch.stdin(Channel::null()).start();
        let line = node.stderr_line();
        assert!(
            line.contains(said) && !line.contains("SUA"),
            "{more:?}: {line}"
        );
        assert_eq!(node.wait().status.code(), Some(2), "{line}");
    }
}
