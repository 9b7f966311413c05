//! The link on virtual time, against a server that a test plays.

use super::link::{CONNECT_MAX, HANDSHAKE_MAX, OUTPUT_BYTES_MAX, PONG_MAX, QUIET_MAX};
use super::servers::{LASTS_MIN, PAUSE_MAX};
use super::{Credentials, Link, Nats, Need, READ_BYTES, Sink};
use crate::notices::Topic;
use crate::time::Instant;
use std::fmt;
use std::time::Duration;

const INFO: &str = "INFO {\"headers\":true,\"max_payload\":1000,\"connect_urls\":[\"b:2\"]}\r\n";

/// Everything that a link has handed out.
#[derive(Default)]
struct Found {
    lines: Vec<String>,
    too_long: usize,
    logs: Vec<String>,
}

impl Sink for Found {
    fn line(&mut self, line: &[u8]) {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
    }

    fn too_long(&mut self, _excerpt: &[u8]) {
        self.too_long += 1;
    }

    fn log(&mut self, _topic: Topic, text: fmt::Arguments<'_>) {
        self.logs.push(text.to_string());
    }
}

struct World {
    link: Link,
    now: Instant,
    found: Found,
}

impl World {
    fn new(servers: &str) -> World {
        World::with_seed(servers, 7)
    }

    fn with_seed(servers: &str, seed: u64) -> World {
        let nats = Nats::new(servers, "t").unwrap();
        let names = vec!["n1".to_owned()];
        World {
            link: Link::new(&nats, names, 2000, seed, Instant::ZERO),
            now: Instant::ZERO,
            found: Found::default(),
        }
    }

    /// With a link that is ready, and whose handshake was taken.
    fn ready() -> World {
        let mut world = World::new("a:1");
        world.make_ready();
        world
    }

    fn make_ready(&mut self) {
        self.make_ready_with(INFO);
    }

    fn make_ready_with(&mut self, info: &str) {
        while !matches!(self.link.need(), (_, Need::Socket(_))) {
            self.pass(Duration::from_millis(10));
        }
        self.connect();
        self.say(info);
        assert!(!self.link.is_ready());
        self.take();
        self.say("PONG\r\n");
        assert!(self.link.is_ready());
    }

    fn connect(&mut self) {
        self.link
            .connected(self.now, Duration::ZERO, &mut self.found);
    }

    /// Time passes, and the deadline is acted on.
    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.link.expire(self.now, &mut self.found);
    }

    fn say(&mut self, text: &str) {
        self.say_bytes(text.as_bytes());
    }

    fn say_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.link.space();
            assert!((1..=READ_BYTES).contains(&space.len()));
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.link.received(count, self.now, &mut self.found);
            bytes = &bytes[count..];
        }
    }

    fn send(&mut self, line: &str) {
        self.link.publish(line.as_bytes(), &mut self.found);
    }

    /// Takes the bytes for the server.
    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(self.link.output()).into_owned();
        self.link.written(text.len());
        text
    }

    #[track_caller]
    fn assert_lost(&self, why: &str) {
        assert_eq!(self.link.need().1, Need::Nothing);
        let last = self.found.logs.last().map_or("", String::as_str);
        assert!(last.contains(why), "{:?}", self.found.logs);
        let pause = self.link.deadline().since(self.now);
        assert!(pause <= PAUSE_MAX, "{pause:?}");
    }
}

fn message(src: &str, text: &str) -> String {
    let line = format!(r#"{{"src":"{src}","dest":"n1","body":{{"type":"{text}"}}}}"#);
    format!("MSG eddyline.t.n1.{src} 1 {}\r\n{line}\r\n", line.len())
}

fn call(dest: &str, padding: usize) -> String {
    let padding = "x".repeat(padding);
    format!(r#"{{"src":"n1","dest":"{dest}","body":{{"type":"ask","msg_id":7,"x":"{padding}"}}}}"#)
}

#[test]
fn a_handshake_subscribes_and_waits_for_its_pong() {
    let mut world = World::new("a:1");
    assert_eq!(world.link.need(), (0, Need::Nothing));
    world.pass(Duration::ZERO);
    let (attempt, Need::Socket(server)) = world.link.need() else {
        panic!("no socket is needed");
    };
    assert_eq!((attempt, server.to_string().as_str()), (1, "nats://a:1"));
    world.connect();
    assert_eq!(world.link.need(), (1, Need::Bytes));
    assert_eq!(world.take(), "", "the server speaks first");
    world.say(INFO);
    let said = world.take();
    let lines: Vec<&str> = said.split("\r\n").collect();
    assert!(lines[0].starts_with("CONNECT {\"verbose\":false"), "{said}");
    assert!(lines[0].contains("\"no_responders\":true"), "{said}");
    let rest = [
        "SUB eddyline.t.n1.* 1",
        "SUB eddyline.t.n1.bounce.* 2",
        "PING",
        "",
    ];
    assert_eq!(lines[1..], rest);
    assert!(!world.link.is_ready(), "the server may still refuse");
    world.say("PONG\r\n");
    assert!(world.link.is_ready());
    assert_eq!(world.found.logs, ["connected to nats://a:1"]);
}

#[test]
fn a_server_that_asks_for_no_credentials_is_warned_of_if_there_are_some() {
    let token = || Credentials::Token("t".to_owned());
    let of_all = INFO;
    let of_users = INFO.replace("{", "{\"auth_required\":true,");
    for (credentials, info, is_warned) in [
        (token(), of_all, true),
        (token(), &of_users, false),
        (Credentials::None, of_all, false),
    ] {
        let mut world = World::new("a:1");
        let nats = Nats::new("a:1", "t").unwrap().credentials(credentials);
        let names = vec!["n1".to_owned()];
        world.link = Link::new(&nats, names, 2000, 7, Instant::ZERO);
        world.make_ready_with(info);
        let warned = world
            .found
            .logs
            .iter()
            .any(|log| log.contains("asks for no credentials"));
        assert_eq!(warned, is_warned, "{:?}", world.found.logs);
    }
}

#[test]
fn a_node_that_may_not_subscribe_is_told_that_it_hears_nothing() {
    let mut world = World::ready();
    for (subject, is_deaf) in [("Subscription to \"a\"", true), ("Publish to \"a\"", false)] {
        world.say(&format!("-ERR 'Permissions Violation for {subject}'\r\n"));
        let said = world.found.logs.last().unwrap();
        assert_eq!(said.contains("do not arrive"), is_deaf, "{said}");
    }
}

#[test]
fn every_state_ends_by_itself() {
    let mut world = World::new("a:1");
    world.pass(Duration::ZERO);
    world.pass(CONNECT_MAX);
    world.assert_lost("did not answer in time");
    world.pass(PAUSE_MAX);
    world.connect();
    world.pass(HANDSHAKE_MAX);
    world.assert_lost("did not finish the handshake in time");
    world.pass(PAUSE_MAX);
    world.connect();
    world.say(INFO);
    world.pass(HANDSHAKE_MAX);
    world.assert_lost("did not finish the handshake in time");
    assert_eq!(world.take(), "", "output of a lost link is forgotten");
    world.make_ready();
    // Half a message is a sign of life, once.
    world.say(&message("c1", "echo")[..40]);
    world.pass(QUIET_MAX);
    assert_eq!(world.take(), "");
    world.pass(QUIET_MAX);
    assert_eq!(world.take(), "PING\r\n");
    world.pass(PONG_MAX);
    world.assert_lost("has fallen silent");
    world.make_ready();
    world.say(&message("c1", "whole"));
    assert_eq!(world.found.lines.len(), 1, "the half is forgotten");
    // A server that says nothing behind its PONG is asked after 5 s too.
    let mut world = World::ready();
    world.pass(LASTS_MIN);
    assert_eq!(world.take(), "");
    world.pass(QUIET_MAX - LASTS_MIN);
    assert_eq!(world.take(), "PING\r\n");
}

#[test]
fn a_server_that_answers_pings_is_kept() {
    let mut world = World::ready();
    for _ in 0..100 {
        world.pass(QUIET_MAX);
        if world.take() == "PING\r\n" {
            world.say("PONG\r\n");
        }
        assert!(world.link.is_ready());
    }
}

#[test]
fn when_one_of_two_servers_dies_the_link_is_ready_again_within_two_seconds() {
    for seed in 0..200 {
        let mut world = World::with_seed("a:1,b:2", seed);
        world.make_ready();
        let died = world.now;
        world.link.lose(&"the end", died, &mut world.found);
        // The other one has so many clients at once that it refuses twice.
        for _ in 0..4 {
            while !matches!(world.link.need(), (_, Need::Socket(_))) {
                world.pass(Duration::from_millis(1));
            }
            world.link.lose(&"refused", world.now, &mut world.found);
        }
        world.make_ready();
        let away = world.now.since(died);
        assert!(away < Duration::from_secs(2), "{seed}: {away:?}");
    }
}

/// The rows of the table at `Servers::failed`.
#[test]
fn the_pause_grows_until_a_connection_has_lasted() {
    let almost = LASTS_MIN - Duration::from_millis(1);
    for (ready_for, has_lasted) in [
        (None, false),
        (Some(Duration::ZERO), false),
        (Some(almost), false),
        (Some(LASTS_MIN), true),
    ] {
        let mut world = World::new("a:1");
        for _ in 0..20 {
            world.pass(PAUSE_MAX);
            world.link.lose(&"refused", world.now, &mut world.found);
        }
        match ready_for {
            None => world.pass(PAUSE_MAX),
            Some(ready_for) => {
                world.make_ready();
                world.pass(ready_for);
            }
        }
        world.link.lose(&"the end", world.now, &mut world.found);
        let pause = world.link.deadline().since(world.now);
        assert_eq!(
            pause < PAUSE_MAX / 2,
            has_lasted,
            "{ready_for:?}: {pause:?}"
        );
    }
}

#[test]
fn a_server_that_closes_behind_each_handshake_is_not_asked_again_and_again() {
    let mut world = World::new("a:1");
    let mut connections = 0;
    while world.now < Instant::from_millis(60_000) {
        world.make_ready();
        connections += 1;
        world.link.lose(&"the end", world.now, &mut world.found);
    }
    assert!((20..60).contains(&connections), "{connections}");
    let of_all = |text: &&String| text.contains("no server was reached");
    assert_eq!(world.found.logs.iter().find(of_all), None, "it was reached");
}

#[test]
fn each_attempt_has_a_number_and_the_next_server() {
    let mut world = World::ready();
    let first = world.link.need().0;
    let now = world.now;
    world.link.lose(&"the end", now, &mut world.found);
    world.assert_lost("the end");
    world.pass(PAUSE_MAX);
    let (second, Need::Socket(server)) = world.link.need() else {
        panic!("no socket is needed");
    };
    assert_eq!(server.to_string(), "nats://b:2", "named by the first one");
    assert!(second > first);
    // The same failure again is not logged again.
    let logged = world.found.logs.len();
    for _ in 0..10 {
        world.link.lose(&"refused", world.now, &mut world.found);
        world.pass(PAUSE_MAX);
    }
    assert!(world.found.logs.len() <= logged + 10);
}

#[test]
fn messages_come_from_the_sender_that_their_subject_names() {
    let mut world = World::ready();
    world.say(&message("c1", "echo"));
    assert_eq!(world.found.lines.len(), 1);
    world.say(&message("c1", "echo").replacen("t.n1.c1", "t.n1.c2", 1));
    assert_eq!(world.found.lines.len(), 1);
    let last = world.found.logs.last().unwrap();
    assert!(last.contains("src is not \"c2\""), "{last}");
    assert!(world.link.is_ready());
}

#[test]
fn the_report_that_there_is_no_receiver_is_error_1() {
    let mut world = World::ready();
    world.send(&call("n.2", 0));
    let said = world.take();
    let line = call("n.2", 0);
    let head = "PUB eddyline.t.n%2E2.n1 eddyline.t.n1.bounce.7-n%2E2";
    assert_eq!(said, format!("{head} {}\r\n{line}\r\n", line.len()));
    let report = |status: &str| {
        let header = format!("NATS/1.0 {status}\r\n\r\n");
        let len = header.len();
        format!("HMSG eddyline.t.n1.bounce.7-n%2E2 2 {len} {len}\r\n{header}\r\n")
    };
    world.say(&report("100"));
    world.say(&report("503").replace("7-n%2E2", "x"));
    assert!(world.found.lines.is_empty());
    world.say(&report("503"));
    let expected = "{\"src\":\"n.2\",\"dest\":\"n1\",\"body\":{\"type\":\"error\",\"in_reply_to\":7,\"code\":1,\
                    \"text\":\"\\\"n.2\\\" is not connected to the cluster\"}}";
    assert_eq!(world.found.lines, [expected]);
}

#[test]
fn a_message_over_the_servers_limit_is_refused_by_its_kind() {
    let mut world = World::ready();
    world.send(&call("n2", 1000));
    assert_eq!(world.take(), "", "nothing was sent");
    assert!(world.found.lines[0].contains("\"in_reply_to\":7,\"code\":11"));
    let reply = call("c1", 1000).replace("\"msg_id\":7", "\"msg_id\":8,\"in_reply_to\":3");
    world.send(&reply);
    let said = world.take();
    assert!(said.starts_with("PUB eddyline.t.c1.n1 "), "{said}");
    assert!(
        said.contains("\"msg_id\":8,\"in_reply_to\":3,\"code\":13"),
        "{said}"
    );
    let gossip = call("n2", 1000).replace(",\"msg_id\":7", "");
    world.send(&gossip);
    assert_eq!((world.take().as_str(), world.found.lines.len()), ("", 1));
    assert_eq!(
        world.found.logs.len(),
        1 + 3,
        "each is said: {:?}",
        world.found.logs
    );
}

#[test]
fn names_that_make_a_line_too_long_for_the_server_are_refused() {
    let mut world = World::ready();
    world.say("INFO {\"headers\":true}\r\n");
    world.send(&call(&"*".repeat(700), 0));
    assert_eq!(world.take(), "");
    assert!(world.found.lines[0].contains("\"code\":11"));
    let reply =
        call(&"*".repeat(1400), 0).replace("\"msg_id\":7", "\"msg_id\":8,\"in_reply_to\":3");
    world.send(&reply);
    assert_eq!(world.take(), "", "an error would not reach it either");
    assert!(world.link.is_ready());
}

#[test]
fn errors_of_the_server_end_the_connection_or_not() {
    let mut world = World::ready();
    world.say("-ERR 'Permissions Violation for Publish to \"x\"'\r\n");
    assert!(world.link.is_ready());
    assert!(world.found.logs[1].contains("Permissions Violation"));
    world.say("-ERR 'Stale Connection'\r\n");
    world.assert_lost("it says: Stale Connection");
    for (said, why) in [
        ("INFO {\"tls_required\":true}\r\n", "requires TLS"),
        ("INFO nonsense\r\n", "cannot be read"),
        ("hello\r\n", "which is not NATS"),
        ("MSG a 1 99999999999\r\n", "over 67108864"),
    ] {
        world.pass(PAUSE_MAX);
        world.connect();
        world.say(said);
        world.assert_lost(why);
    }
}

#[test]
fn a_flood_of_pings_is_answered_within_the_bound() {
    let mut world = World::ready();
    for _ in 0..100 {
        world.say(&"PING\r\n".repeat(2000));
    }
    assert!(world.link.output().len() < OUTPUT_BYTES_MAX + 10);
    assert!(!world.link.has_room(), "no message is taken meanwhile");
    world.take();
    assert!(world.link.has_room());
    world.say("PING\r\n");
    assert_eq!(world.take(), "PONG\r\n");
}

#[test]
fn a_payload_over_the_nodes_limit_is_skipped() {
    let mut world = World::ready();
    world.say(&message("c1", &"x".repeat(5000)));
    world.say(&message("c1", "next"));
    assert_eq!((world.found.too_long, world.found.lines.len()), (1, 1));
}

#[test]
fn servers_that_are_not_there_are_named_once_and_all_together() {
    let mut world = World::new("a:1,b:2");
    for _ in 0..20 {
        world.pass(PAUSE_MAX);
        world.link.lose(&"refused", world.now, &mut world.found);
    }
    let [one, all] = &world.found.logs[..] else {
        panic!("a line for each server: {:?}", world.found.logs);
    };
    assert!(one.ends_with("refused; another attempt follows"), "{one}");
    let tried = "refused; no server was reached of nats://a:1, nats://b:2; another attempt follows";
    assert!(all.ends_with(tried), "{all}");
    // A server that was reached, and is lost, is said again.
    world.make_ready();
    for _ in 0..2 {
        world.link.lose(&"refused", world.now, &mut world.found);
        world.pass(PAUSE_MAX);
    }
    assert_eq!(world.found.logs.len(), 2 + 1 + 2, "{:?}", world.found.logs);
}

#[test]
fn newlines_in_a_payload_become_blanks() {
    let mut world = World::ready();
    let line = "{\"src\":\"c1\",\n\"dest\":\"n1\",\"body\":{}}\n";
    world.say(&format!(
        "MSG eddyline.t.n1.c1 1 {}\r\n{line}\r\n",
        line.len()
    ));
    assert_eq!(world.found.lines, [line.replace('\n', " ")]);
}
