//! A recording: the events of a run, as a file.
//!
//! It is one JSON object with an event on each line, so that two recordings can be
//! compared by eye.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::fmt::Write as _;

/// The number of the file format. It grows when a page or a program that reads
/// recordings of the last format would misread the new one.
const FORMAT: u32 = 1;

/// The facts about a recording that its events do not have.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) seed: Option<u64>,
}

/// A recorded run.
///
/// ```
/// use eddyline::microscope::{Recording, record};
///
/// let recording = record("echo").expect("it is one of `NAMES`");
/// let text = recording.to_json();
/// assert_eq!(Recording::from_json(&text)?.to_json(), text);
/// # Ok::<(), eddyline::microscope::RecordingError>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
pub struct Recording {
    format: u32,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) about: String,
    kernel: String,
    seed: Option<u64>,
    questions: Vec<String>,
    /// How many events were left out, because the recording was full.
    #[serde(default)]
    dropped: usize,
    /// How the run has ended, and what came out of it, in sentences. Some recordings tell it.
    #[serde(default)]
    pub(super) outcome: Vec<String>,
    pub(super) events: Vec<Event>,
}

/// One event of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) turn: u64,
    pub(super) step: String,
    pub(super) kind: String,
    /// Milliseconds since the start of the clock.
    pub(super) at: Value,
    /// The function that runs, and its line from 0.
    pub(super) code: (String, usize),
    pub(super) text: String,
    pub(super) about: Value,
    /// The change of the state, as a merge patch.
    pub(super) set: Value,
}

/// Why a file is no recording.
#[derive(Debug)]
pub struct RecordingError {
    why: String,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for RecordingError {}

impl Recording {
    pub(super) fn new(
        header: Header,
        is_simulated: bool,
        events: Vec<Event>,
        dropped: usize,
        outcome: Vec<String>,
    ) -> Recording {
        let mut about = header.about;
        if dropped > 0 {
            let kept = events.len();
            let _never_fails = write!(
                about,
                " The recording is full: it has the first {kept} events, and {dropped} later ones are left out."
            );
        }
        Recording {
            format: FORMAT,
            name: header.name,
            title: header.title,
            about,
            kernel: if is_simulated { "simulated" } else { "real" }.to_owned(),
            seed: header.seed,
            questions: questions(&events),
            dropped,
            outcome,
            events,
        }
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// When the text is no recording, or one of another format.
    pub fn from_json(text: &str) -> Result<Recording, RecordingError> {
        let recording: Recording = serde_json::from_str(text).map_err(|error| RecordingError {
            why: format!("it is no recording of this program: {error}"),
        })?;
        if recording.format != FORMAT {
            let found = recording.format;
            return Err(RecordingError {
                why: format!(
                    "its format is {found}, and this program reads format {FORMAT}; record it again"
                ),
            });
        }
        Ok(recording)
    }

    /// The recording as JSON text, an event a line.
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\n");
        let quoted = |text: &str| Value::from(text).to_string();
        let outcome = match self.outcome.is_empty() {
            true => String::new(),
            false => format!("\"outcome\": {},\n", Value::from(self.outcome.clone())),
        };
        let _never_fails = write!(
            text,
            "\"format\": {},\n\"name\": {},\n\"title\": {},\n\"about\": {},\n\"kernel\": {},\n\"seed\": {},\n\"questions\": {},\n\"dropped\": {},\n{}\"events\": [\n",
            self.format,
            quoted(&self.name),
            quoted(&self.title),
            quoted(&self.about),
            quoted(&self.kernel),
            self.seed.map_or("null".to_owned(), |seed| seed.to_string()),
            serde_json::to_string(&self.questions).unwrap_or_default(),
            self.dropped,
            outcome,
        );
        for (number, event) in self.events.iter().enumerate() {
            let comma = if number + 1 < self.events.len() {
                ","
            } else {
                ""
            };
            let event = serde_json::to_string(event).unwrap_or_default();
            let _never_fails = writeln!(text, "{event}{comma}");
        }
        text.push_str("]\n}\n");
        text
    }

    /// The text with the functions that run in it, for the page.
    pub(super) fn with_code(&self, code: &Value) -> String {
        let code = format!("{{\n\"code\": {code},");
        self.to_json().replacen('{', &code, 1)
    }

    /// The number of turns.
    pub fn turns(&self) -> u64 {
        self.events.last().map_or(0, |event| event.turn)
    }
}

/// The kinds of questions that a recording can answer.
fn questions(events: &[Event]) -> Vec<String> {
    let has = |kind: &str| events.iter().any(|event| event.kind == kind);
    let serves_two = events.windows(2).any(|pair| {
        pair.iter().all(|event| event.kind == "served") && pair[0].turn == pair[1].turn
    });
    let replies = events.iter().any(|event| {
        let about = &event.about;
        event.kind == "line" && about["direction"] == "in" && !about["in_reply_to"].is_null()
    });
    let kinds = [
        ("next-source", serves_two),
        ("wait", has("wait")),
        ("cascade", has("cascade")),
        ("call", replies),
    ];
    let asked = kinds.into_iter().filter(|(_, is_asked)| *is_asked);
    asked.map(|(kind, _)| kind.to_owned()).collect()
}
