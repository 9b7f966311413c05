//! Checks that errors and log lines stay short, and take little memory, when they quote
//! long parts of a message. The session runs in memory.
//!
//! These tests have a binary of their own, because the counter replaces the global
//! allocator.

use eddyline::protocol::RawRequest;
use eddyline::session::{Session, Settings};
use eddyline::time::VirtualClock;
use eddyline::{Context, Node, Request, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The length of the hostile part of a line: 1 MiB.
const HOSTILE_BYTES: usize = 1 << 20;

/// The most memory for an answer. The request itself is not included, because it is
/// kept while it is handled.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// The most copies of a request in memory: the kept one, and one more without escapes.
const KEPT: u64 = 2;

/// The same for requests whose keys become an author's map, and are part of the path
/// that an error names.
const KEPT_AS_KEYS: u64 = 6;

/// The same while serde makes a text that quotes a string. With its escapes the text is six
/// times as long, and it grows in a block that doubles.
const KEPT_AS_TEXT: u64 = 14;

/// The longest allowed text. It has a few parts, and each of them is capped.
const TEXT_BYTES_MAX: usize = 16 << 10;

struct Answerer;

#[derive(Deserialize)]
struct Call<'a> {
    target: String,
    #[serde(borrow)]
    inner: RawRequest<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[expect(dead_code)]
    n: Option<u64>,
}

#[derive(Deserialize)]
enum Choice {
    One,
}

#[derive(Deserialize)]
#[expect(dead_code)]
struct Typed {
    count: Option<u64>,
    list: Option<Vec<u64>>,
    map: Option<BTreeMap<String, u64>>,
    inner: Option<Inner>,
    choice: Option<Choice>,
    own: Option<Own>,
}

/// A type whose error quotes the whole value.
struct Own;

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Own, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format_args!("wrong: {raw:?}")))
    }
}

impl Node for Answerer {
    fn new(_: &Context) -> Answerer {
        Answerer
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "call" => {
                let Call { target, inner } = request.body()?;
                cx.sync_rpc_raw(&target, &inner).await?;
                cx.reply(&request, &())
            }
            "read" => {
                request.body::<Typed>()?;
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

struct World {
    session: Session,
    log: Rc<RefCell<Vec<usize>>>,
}

impl World {
    fn new() -> World {
        let log = Rc::new(RefCell::new(Vec::new()));
        let lines = log.clone();
        let clock = Rc::new(VirtualClock::default());
        let mut session = Session::new(Answerer::new, Settings::default(), clock, move |text| {
            // Only the length is kept: the memory of the text would be counted.
            lines.borrow_mut().push(length(text));
        });
        session.receive(
            br#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2"]}}"#,
        );
        session.take_output();
        World { session, log }
    }

    /// The peak of the additional memory while the session receives a line and runs its
    /// tasks.
    fn peak(&mut self, line: &str) -> u64 {
        let session = &mut self.session;
        let counted = allocation_counter::measure(|| {
            session.receive(line.as_bytes());
            while session.run_tasks(10) {}
        });
        counted.bytes_max
    }

    /// Checks that the answer to a line is short and was made in little memory.
    #[track_caller]
    fn answers_briefly(&mut self, code: u32, line: &str, kept: u64) {
        let peak = self.peak(line);
        let most = kept * line.len() as u64 + ANSWER_BYTES_MAX;
        assert!(peak < most, "{peak} for {}", line.len());
        let output = self.session.take_output();
        assert!(output.len() < TEXT_BYTES_MAX, "{}", output.len());
        assert!(output.contains(&format!(r#""code":{code},"#)), "{output}");
    }

    /// Checks that a line causes one short log line and no message, in little memory.
    #[track_caller]
    fn is_logged_briefly(&mut self, line: &str) {
        let peak = self.peak(line);
        let most = KEPT * line.len() as u64 + ANSWER_BYTES_MAX;
        assert!(peak < most, "{peak} for {}", line.len());
        assert_eq!(self.session.take_output(), "");
        let lines = self.log.take();
        assert_eq!(lines.len(), 1);
        assert!(lines[0] < TEXT_BYTES_MAX, "{}", lines[0]);
    }
}

/// The number of bytes in a text.
fn length(text: std::fmt::Arguments<'_>) -> usize {
    struct Length(usize);
    impl std::fmt::Write for Length {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut length = Length(0);
    std::fmt::write(&mut length, text).expect("`write_str` never fails");
    length.0
}

/// A name that becomes six times as long when it is escaped.
fn hostile() -> String {
    "\u{7f}".repeat(HOSTILE_BYTES)
}

fn line(dest: &str, body: &str) -> String {
    format!(r#"{{"src":"c1","dest":"{dest}","body":{body}}}"#)
}

#[test]
fn a_type_or_a_target_of_a_mebibyte_is_answered_in_a_short_text() {
    let (mut world, name) = (World::new(), hostile());
    let unknown = format!(r#"{{"type":"{name}","msg_id":2}}"#);
    world.answers_briefly(10, &line("n1", &unknown), KEPT);
    let unknown_target =
        format!(r#"{{"type":"call","msg_id":3,"target":"{name}","inner":{{"type":"read"}}}}"#);
    world.answers_briefly(1, &line("n1", &unknown_target), KEPT);
}

#[test]
fn names_of_a_mebibyte_make_short_log_lines() {
    let (mut world, name) = (World::new(), hostile());
    world.is_logged_briefly(&line(&name, r#"{"type":"read"}"#));
    world.is_logged_briefly(&line("n1", &format!(r#"{{"type":"{name}"}}"#)));
    let src = format!(r#"{{"src":"{name}","dest":"n1","body":{{"type":"fly"}}}}"#);
    world.is_logged_briefly(&src);
}

#[test]
fn a_wrong_value_of_a_mebibyte_is_reported_in_a_short_text() {
    let (mut world, name) = (World::new(), hostile());
    for (kept, fields) in [
        (KEPT_AS_TEXT, format!(r#""count":"{name}""#)),
        (KEPT_AS_TEXT, format!(r#""list":[1,"{name}"]"#)),
        (KEPT_AS_TEXT, format!(r#""map":{{"a":"{name}"}}"#)),
        (KEPT_AS_TEXT, format!(r#""choice":"{name}""#)),
        (KEPT_AS_TEXT, format!(r#""own":"{name}""#)),
        (KEPT_AS_KEYS, format!(r#""map":{{"{name}":"x"}}"#)),
        (KEPT_AS_KEYS, format!(r#""inner":{{"{name}":1}}"#)),
        (KEPT_AS_KEYS, format!(r#""choice":{{"{name}":1}}"#)),
    ] {
        // The harness prints this if the test fails.
        println!("{}…", &fields[..10]);
        let body = format!(r#"{{"type":"read","msg_id":4,{fields}}}"#);
        world.answers_briefly(12, &line("n1", &body), kept);
    }
}

#[test]
fn an_unusable_error_reply_is_passed_on_in_little_memory() {
    let mut world = World::new();
    let call = r#"{"type":"call","msg_id":5,"target":"n2","inner":{"type":"read"}}"#;
    let name = hostile();
    let objects = "{\"\":0},".repeat(HOSTILE_BYTES / 7);
    for (msg_id, error) in (1..).step_by(2).zip([
        format!(r#""code":20,"text":[{objects}0]"#),
        format!(r#""code":"{name}""#),
        format!(r#""code":{{"{name}":[{objects}0]}}"#),
    ]) {
        world.session.receive(line("n1", call).as_bytes());
        world.session.take_output();
        let body = format!(r#"{{"type":"error","in_reply_to":{msg_id},{error}}}"#);
        let reply = line("n1", &body).replace("\"c1\"", "\"n2\"");
        let peak = world.peak(&reply);
        // The line is not kept either.
        assert!(peak < ANSWER_BYTES_MAX, "{peak} for {}", reply.len());
        let output = world.session.take_output();
        assert!(output.len() < TEXT_BYTES_MAX, "{}", output.len());
        assert!(output.contains("\"in_reply_to\":5"), "{output}");
    }
}

#[test]
fn an_error_reply_whose_text_is_a_long_string_reaches_the_caller_whole() {
    let mut world = World::new();
    let call = r#"{"type":"call","msg_id":5,"target":"n2","inner":{"type":"read"}}"#;
    world.session.receive(line("n1", call).as_bytes());
    world.session.take_output();
    let body = format!(
        r#"{{"type":"error","in_reply_to":1,"code":20,"text":"{}"}}"#,
        hostile()
    );
    let reply = line("n1", &body).replace("\"c1\"", "\"n2\"");
    let peak = world.peak(&reply);
    // The text, and the growing output.
    assert!(peak < 5 * reply.len() as u64, "{peak} for {}", reply.len());
    assert!(world.session.take_output().contains(&hostile()));
}
