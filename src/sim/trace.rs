//! The trace of a run, which is the whole conversation in order, and its fingerprint.
//!
//! Every run has a fingerprint. The trace costs memory, so it is kept only on request and
//! when a failed run is repeated.

use crate::time::Instant;
use serde::Serialize;
use serde_json::value::RawValue;
use std::rc::Rc;

/// How many records are kept: 4,194,304, less than a gigabyte of usual messages.
/// Later ones are only counted.
const RECORDS_MAX: usize = 1 << 22;

/// Everything that happened on the network of a simulation.
///
/// ```
/// # use eddyline::sim::{Event, Trace};
/// fn lost(trace: &Trace) -> usize {
///     let events = trace.records().iter().map(|record| &record.event);
///     events.filter(|event| matches!(event, Event::Dropped(..))).count()
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Trace {
    records: Vec<Record>,
    left_out: u64,
}

/// One event, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The time.
    pub at: Instant,
    /// The event.
    pub event: Event,
}

/// An event on the network.
///
/// ```
/// # use eddyline::sim::{Event, Trace};
/// fn print(trace: &Trace) {
///     for record in trace.records() {
///         match &record.event {
///             Event::Sent { src, dest, line, .. } => eprintln!("{src} -> {dest}: {line}"),
///             Event::Fault(what) => eprintln!("{:?}: {what}", record.at),
///             Event::Arrived(_) | Event::Dropped(..) | Event::Log(..) => {}
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message was sent.
    Sent {
        /// Its number.
        id: u64,
        /// The sender.
        src: Rc<str>,
        /// The receiver.
        dest: Rc<str>,
        /// The message, without a newline.
        line: Rc<str>,
    },
    /// The message of that number arrived.
    Arrived(u64),
    /// The message of that number will never arrive.
    Dropped(u64, Loss),
    /// A fault came or was mended.
    Fault(String),
    /// A node wrote a line for people.
    Log(Rc<str>, String),
}

/// The reason why a message did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// By chance.
    Lost,
    /// Its link was cut.
    Cut,
    /// The node is down.
    Down,
    /// The client was closed.
    Gone,
}

impl Loss {
    pub(super) fn name(self) -> &'static str {
        match self {
            Loss::Lost => "lost",
            Loss::Cut => "partition",
            Loss::Down => "node is down",
            Loss::Gone => "client has gone",
        }
    }
}

/// A record as a line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
struct Line<'a> {
    at_ns: u64,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl Trace {
    pub(super) fn push(&mut self, at: Instant, event: Event) {
        if self.records.len() < RECORDS_MAX {
            self.records.push(Record { at, event });
        } else {
            self.left_out += 1;
        }
    }

    /// All records, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many events came after the last record that was kept.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The trace as JSON lines. Each has `at_ns` and `event` (send, receive, drop, fault,
    /// log). Lines about a message have its number as `id`, and a sent one the message.
    ///
    /// ```
    /// # use eddyline::{Context, Node, Request, Result, sim::Simulation};
    /// # use std::rc::Rc;
    /// # struct Ping;
    /// # impl Node for Ping {
    /// #     fn new(_: &Context) -> Self { Ping }
    /// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
    /// #         cx.reply(&request, &())
    /// #     }
    /// # }
    /// let mut cluster = Simulation::new(1).trace().build::<Ping>();
    /// cluster.call("n0", "ping", &())?;
    /// let lines = cluster.trace().to_json_lines();
    /// assert!(lines.starts_with(r#"{"at_ns":"#));
    /// # Ok::<(), eddyline::Error>(())
    /// ```
    pub fn to_json_lines(&self) -> String {
        let mut text = String::new();
        for record in &self.records {
            let line = Line::of(record);
            // All fields are strings and numbers, or JSON already.
            if let Ok(line) = serde_json::to_string(&line) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Line<'a> {
        let mut line = Line {
            at_ns: record.at.as_nanos(),
            event: "",
            id: None,
            message: None,
            node: None,
            text: None,
        };
        match &record.event {
            Event::Sent { id, line: sent, .. } => {
                line.event = "send";
                line.id = Some(*id);
                match serde_json::from_str(sent) {
                    Ok(message) => line.message = Some(message),
                    Err(_) => line.text = Some(sent),
                }
            }
            Event::Arrived(id) => {
                line.event = "receive";
                line.id = Some(*id);
            }
            Event::Dropped(id, loss) => {
                line.event = "drop";
                line.id = Some(*id);
                line.text = Some(loss.name());
            }
            Event::Fault(text) => {
                line.event = "fault";
                line.text = Some(text);
            }
            Event::Log(node, text) => {
                line.event = "log";
                line.node = Some(node);
                line.text = Some(text);
            }
        }
        line
    }
}

/// A hash of all deliveries and their times: equal for equal runs, and cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn add(&mut self, at_nanos: u64, line: &[u8]) {
        self.mix(at_nanos);
        let mut words = line.chunks_exact(8);
        for word in &mut words {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            self.mix(u64::from_le_bytes(bytes));
        }
        for &byte in words.remainder() {
            self.mix(u64::from(byte));
        }
    }

    /// As FxHash: one multiplication a word. Not for secrets.
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}
