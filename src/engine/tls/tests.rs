//! The link over TLS on virtual time, against a rustls server in memory.

use super::{Nkey, Tls};
use crate::engine::link::{HANDSHAKE_MAX, OUTPUT_BYTES_MAX};
use crate::engine::{Credentials, Link, Nats, Need, Sink};
use crate::notices::Topic;
use crate::time::Instant;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/tls/certificates/", $name))
    };
}

const INFO: &str = "INFO {\"headers\":true,\"tls_required\":true,\"nonce\":\"a nonce\"}\r\n";

/// The time of day: 2026.
const TODAY: Duration = Duration::from_secs(1_780_000_000);

/// Everything that a link has handed out.
#[derive(Default)]
struct Found {
    lines: Vec<String>,
    logs: Vec<String>,
}

impl Sink for Found {
    fn line(&mut self, line: &[u8]) {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
    }

    fn too_long(&mut self, _excerpt: &[u8]) {}

    fn log(&mut self, _topic: Topic, text: fmt::Arguments<'_>) {
        self.logs.push(text.to_string());
    }
}

/// The certificate of a server.
fn server(certificate: &[u8], demands_one: bool) -> ServerConnection {
    let chain = CertificateDer::pem_slice_iter(certificate).map(Result::unwrap);
    let key = PrivateKeyDer::from_pem_slice(pem!("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let config = match demands_one {
        false => config.with_no_client_auth(),
        true => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(
                CertificateDer::pem_slice_iter(pem!("ca.pem")).map(Result::unwrap),
            );
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = config.with_single_cert(chain.collect(), key).unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

struct World {
    link: Link,
    server: ServerConnection,
    now: Instant,
    found: Found,
    /// How many bytes each read and each write carries.
    step: usize,
    /// Plain bytes that the server has received.
    heard: Vec<u8>,
}

impl World {
    fn new(tls: Tls, server: ServerConnection) -> World {
        World::of("tls://localhost:4222", tls, Credentials::None, server)
    }

    fn of(url: &str, tls: Tls, credentials: Credentials, server: ServerConnection) -> World {
        let nats = Nats::new(url, "t").unwrap().tls(tls);
        let nats = nats.credentials(credentials);
        let names = vec!["n1".to_owned()];
        World {
            link: Link::new(&nats, names, 1 << 20, 7, Instant::ZERO),
            server,
            now: Instant::ZERO,
            found: Found::default(),
            step: 64 << 10,
            heard: Vec::new(),
        }
    }

    /// With the time of day.
    fn connect(&mut self, unix_time: Duration) {
        self.link.expire(self.now, &mut self.found);
        self.link.connected(self.now, unix_time, &mut self.found);
    }

    /// Gives bytes to the link as its socket would.
    fn give(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(self.step) {
            if !self.is_connected() {
                return;
            }
            let space = self.link.space();
            space[..part.len()].copy_from_slice(part);
            self.link.received(part.len(), self.now, &mut self.found);
        }
    }

    fn is_connected(&self) -> bool {
        self.link.need().1 == Need::Bytes
    }

    /// Carries bytes both ways until none is left.
    fn carry(&mut self) {
        loop {
            let output = self.link.output();
            let count = output.len().min(self.step);
            let mut part = output[..count].to_vec();
            self.link.written(count);
            let mut rest = &part[..];
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).unwrap();
                // An error has an alert, which is for the link.
                let _told_by_alert = self.server.process_new_packets();
                let _nothing_more = self.server.reader().read_to_end(&mut self.heard);
            }
            part.clear();
            self.server.write_tls(&mut part).unwrap();
            self.give(&part);
            if count == 0 && part.is_empty() {
                return;
            }
        }
    }

    /// The server says this.
    fn say(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let taken = self.server.writer().write(rest).unwrap();
            rest = &rest[taken..];
            self.carry();
        }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    fn make_ready(&mut self) {
        self.connect(TODAY);
        self.give(INFO.as_bytes());
        self.carry();
        self.say("PONG\r\n");
        assert!(self.link.is_ready(), "{:?}", self.found.logs);
    }

    #[track_caller]
    fn assert_lost(&self, why: &str) {
        assert_eq!(self.link.need().1, Need::Nothing, "{:?}", self.found.logs);
        let last = self.found.logs.last().map_or("", String::as_str);
        assert!(last.contains(why), "{:?}", self.found.logs);
    }
}

fn trusting() -> Tls {
    Tls::new(pem!("ca.pem")).unwrap()
}

fn message(text: &str) -> String {
    let line = format!(r#"{{"src":"c1","dest":"n1","body":{{"type":"{text}"}}}}"#);
    format!("MSG eddyline.t.n1.c1 1 {}\r\n{line}\r\n", line.len())
}

fn reply(text: &str) -> String {
    format!(r#"{{"src":"n1","dest":"c1","body":{{"type":"{text}","in_reply_to":1}}}}"#)
}

#[test]
fn a_conversation_over_tls_is_the_same_in_parts_of_every_size() {
    let long = "x".repeat(100_000);
    for step in [1, 2, 3, 5, 16, 255, 4096, 64 << 10] {
        let mut world = World::new(trusting(), server(pem!("server.pem"), false));
        world.step = step;
        world.make_ready();
        let heard = world.heard();
        assert!(heard.starts_with("CONNECT {"), "{heard}");
        assert!(heard.contains("\"tls_required\":true"), "{heard}");
        assert!(heard.ends_with("PING\r\n"), "{heard}");
        world.heard.clear();
        world.say(&(message("one") + &message("two") + "PING\r\n" + &message(&long)));
        assert_eq!(world.found.lines.len(), 3, "{step}");
        assert!(world.found.lines[2].contains(&long));
        assert_eq!(world.heard(), "PONG\r\n");
        for text in ["a", &long, "b"] {
            world.heard.clear();
            world.link.publish(reply(text).as_bytes(), &mut world.found);
            world.carry();
            assert!(world.heard().ends_with(&format!("{}\r\n", reply(text))));
        }
        world.server.send_close_notify();
        world.carry();
        world.assert_lost("has closed the connection");
    }
}

#[test]
fn certificates_are_judged_by_ca_name_and_time_of_day() {
    let other = || Tls::new(pem!("other-ca.pem")).unwrap();
    let day = Duration::from_secs(86400);
    for (tls, certificate, today, why) in [
        (other(), &pem!("server.pem")[..], TODAY, "compare --ca-file"),
        (
            trusting(),
            pem!("elsewhere.pem"),
            TODAY,
            "is not for localhost, but for DnsName(\"elsewhere.example\")",
        ),
        (trusting(), pem!("expired.pem"), TODAY, "has expired"),
        (
            trusting(),
            pem!("server.pem"),
            TODAY + 40_000 * day,
            "has expired",
        ),
        (trusting(), pem!("server.pem"), day, "is not valid yet"),
    ] {
        let mut world = World::new(tls, server(certificate, false));
        world.connect(today);
        world.give(INFO.as_bytes());
        world.carry();
        world.assert_lost(why);
        assert_eq!(world.heard(), "", "a stranger hears nothing");
        let last_words = world.link.last_words();
        world.server.read_tls(&mut &last_words[..]).unwrap();
        let heard = world.server.process_new_packets();
        assert!(
            matches!(heard, Err(rustls::Error::AlertReceived(_))),
            "but why it is left: {heard:?}"
        );
        assert!(world.link.last_words().is_empty(), "once");
    }
    // The same certificate when it was valid: the time is the one that was given.
    let mut world = World::new(trusting(), server(pem!("expired.pem"), false));
    world.connect(Duration::from_secs(1_590_000_000));
    world.give(INFO.as_bytes());
    world.carry();
    assert!(world.heard().starts_with("CONNECT"));
}

#[test]
fn a_server_may_demand_a_certificate_of_the_node() {
    let mut world = World::new(trusting(), server(pem!("server.pem"), true));
    world.connect(TODAY);
    world.give(INFO.as_bytes());
    world.carry();
    world.assert_lost("give --cert-file and --key-file");
    let tls = trusting().identity(pem!("n1.pem"), pem!("n1.key")).unwrap();
    assert!(!format!("{tls:?}").contains("key"));
    World::new(tls, server(pem!("server.pem"), true)).make_ready();
    let expired = trusting().identity(pem!("expired.pem"), pem!("server.key"));
    let mut world = World::new(expired.unwrap(), server(pem!("server.pem"), true));
    world.connect(TODAY);
    world.give(INFO.as_bytes());
    world.carry();
    world.assert_lost("it refuses the certificate of this node");
}

#[test]
fn texts_that_are_no_certificates_are_refused() {
    for (ca, why) in [
        (&b""[..], "no certificate of a CA"),
        (b"nonsense", "no certificate of a CA"),
        (pem!("n1.key"), "no certificate of a CA"),
    ] {
        let error = Tls::new(ca).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for (certificate, key, why) in [
        (
            &pem!("n1.pem")[..],
            &pem!("server.key")[..],
            "certificate and key",
        ),
        (
            pem!("n1.key"),
            pem!("n1.key"),
            "no certificate of this node",
        ),
        (pem!("n1.pem"), pem!("n1.pem"), "private key of this node"),
    ] {
        let error = trusting().identity(certificate, key).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn bytes_between_the_info_and_tls_end_the_connection() {
    let mut world = World::new(trusting(), server(pem!("server.pem"), false));
    world.connect(TODAY);
    world.give(format!("{INFO}{}", message("forged")).as_bytes());
    world.assert_lost("more in front of TLS");
    assert!(world.found.lines.is_empty());
}

#[test]
fn bytes_in_front_of_the_info_end_the_connection() {
    let mut world = World::new(trusting(), server(pem!("server.pem"), false));
    for forged in [
        message("forged"),
        "PING\r\n".to_owned(),
        "+OK\r\n".to_owned(),
    ] {
        world.connect(TODAY);
        world.give(format!("{forged}{INFO}").as_bytes());
        world.assert_lost("something in front of its INFO");
        assert!(world.found.lines.is_empty() && world.link.output().is_empty());
        world.now = world.link.deadline();
    }
}

#[test]
fn a_server_that_is_silent_or_speaks_no_tls_is_given_up() {
    let mut world = World::new(trusting(), server(pem!("server.pem"), false));
    world.connect(TODAY);
    world.give(INFO.as_bytes());
    assert!(!world.link.output().is_empty(), "TLS begins");
    world.now = world.link.deadline();
    assert!(world.now <= Instant::ZERO + HANDSHAKE_MAX);
    world.link.expire(world.now, &mut world.found);
    world.assert_lost("did not finish the handshake of TLS in time");
    assert!(world.link.output().is_empty());
    for (said, why) in [
        ("INFO {\"headers\":true}\r\n", "offers no TLS"),
        (&format!("{INFO}\r\n"), "more in front of TLS"),
    ] {
        world.now = world.link.deadline();
        world.connect(TODAY);
        world.give(said.as_bytes());
        world.assert_lost(why);
    }
    world.now = world.link.deadline();
    world.connect(TODAY);
    world.give(INFO.as_bytes());
    world.give(b"-ERR 'Secure Connection - TLS Required'\r\n");
    world.assert_lost("does not speak TLS here");
}

#[test]
fn tls_may_come_first() {
    let tls = trusting().handshake_first();
    let mut world = World::new(tls, server(pem!("server.pem"), false));
    world.connect(TODAY);
    world.carry();
    assert_eq!(world.heard(), "", "the server speaks first, through TLS");
    world.say(INFO);
    assert!(world.heard().starts_with("CONNECT {"), "{}", world.heard());
    world.say("PONG\r\n");
    assert!(world.link.is_ready());
}

#[test]
fn what_waits_for_a_server_that_does_not_read_is_bounded_sealed_or_not() {
    let mut world = World::new(trusting(), server(pem!("server.pem"), false));
    world.make_ready();
    let line = reply(&"x".repeat(10_000));
    let mut sent = 0;
    while world.link.has_room() {
        world.link.publish(line.as_bytes(), &mut world.found);
        let _sealed = world.link.output();
        sent += line.len();
        assert!(sent < OUTPUT_BYTES_MAX + 2 * line.len());
    }
    world.heard.clear();
    world.carry();
    assert!(world.heard.len() >= sent, "nothing is lost");
    assert!(world.link.has_room());
}

#[test]
fn an_nkey_signs_the_nonce_and_a_jwt_stands_beside_it() {
    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let nkey = Nkey::from_seed(SEED).unwrap();
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\nthe.j.wt\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    );
    let signature = format!("\"sig\":\"{}\"", nkey.sign("a nonce"));
    let named = format!("\"nkey\":\"{}\"", nkey.public());
    for (credentials, expected) in [
        (Credentials::Nkey(nkey.clone()), named),
        (
            Credentials::from_creds(&creds).unwrap(),
            "\"jwt\":\"the.j.wt\"".to_owned(),
        ),
    ] {
        assert!(!format!("{credentials:?}").contains(&SEED[..4]));
        let url = "tls://localhost";
        let server = || server(pem!("server.pem"), false);
        let mut world = World::of(url, trusting(), credentials.clone(), server());
        world.make_ready();
        let heard = world.heard();
        assert!(heard.contains(&signature), "{heard}");
        assert!(heard.contains(&expected), "{heard}");
        world.say("-ERR 'Authorization Violation'\r\n");
        world.assert_lost(nkey.public());
        let mut world = World::of("nats://localhost", trusting(), credentials, server());
        world.connect(TODAY);
        world.give(b"INFO {\"headers\":true}\r\n");
        world.assert_lost("wants no signature");
    }
    let error = Credentials::from_creds(SEED).unwrap_err().to_string();
    assert!(
        error.contains("NATS USER JWT") && !error.contains(SEED),
        "{error}"
    );
}
