//! The bug museum: each exhibit is recorded with its bug and without, and shows its sign.
//!
//! `EDDYLINE_BLESS=1 cargo test --test museum` writes the recordings and both pages after
//! a change that is meant.

#![allow(clippy::unwrap_used, reason = "tests")]

use museum::microscope::{Recording, exhibits, explain, museum_page, record_exhibit};
use museum::mutant::{self, Change, Mutant};
use museum::{FACTS, Fact, with_bug};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The width of a recording's text on the book's page.
const COLUMNS: usize = 96;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutants() -> Vec<Mutant> {
    mutant::all(&root().join("tests/museum/mutants"))
}

fn fact(mutant: &Mutant) -> &'static Fact {
    let found = FACTS.iter().find(|fact| fact.key == mutant.fact);
    found.unwrap_or_else(|| panic!("{}: there is no fact {:?}", mutant.name, mutant.fact))
}

/// Each mutant with the recordings of its exhibit: with the bug, and without.
fn recorded() -> &'static [(Mutant, [Recording; 2])] {
    static RECORDED: OnceLock<Vec<(Mutant, [Recording; 2])>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        // Two of the bugs end in a panic, whose backtrace takes longer than all recordings.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let all = mutants().into_iter().map(|mutant| {
            let recordings = record(&mutant);
            (mutant, recordings)
        });
        let all = all.collect();
        panic::set_hook(hook);
        all
    })
}

fn record(mutant: &Mutant) -> [Recording; 2] {
    let name: &'static str = Box::leak(mutant.name.clone().into_boxed_str());
    let planted = with_bug(name, || record_exhibit(&mutant.exhibit)).unwrap();
    let sound = record_exhibit(&mutant.exhibit).unwrap();
    // Both have one name, and stand on one page.
    let text = sound.to_json();
    let exhibit = &mutant.exhibit;
    let text = text.replacen(exhibit, &format!("{exhibit}-sound"), 1);
    let text = text.replacen("\",\n\"about\"", ": the sound loop\",\n\"about\"", 1);
    [planted, Recording::from_json(&text).unwrap()]
}

/// Compares a file with what it must be; with EDDYLINE_BLESS, writes it.
fn is_current(path: &str, fresh: &str) {
    let path = root().join(path);
    if std::env::var_os("EDDYLINE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, fresh).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == fresh,
        "{} is not what the code makes; if the change is meant, write it with EDDYLINE_BLESS=1 \
         cargo test --test museum",
        path.display()
    );
}

#[test]
fn each_recording_and_both_pages_are_current() {
    let mut shown = Vec::new();
    let mut rooms = String::new();
    for (place, (mutant, recordings)) in recorded().iter().enumerate() {
        let names = [mutant.exhibit.clone(), format!("{}-sound", mutant.exhibit)];
        for (recording, name) in recordings.iter().zip(&names) {
            is_current(
                &format!("docs/recordings/museum/{name}.json"),
                &recording.to_json(),
            );
        }
        rooms += &room(place + 1, mutant, &recordings[0]);
        shown.push((exhibit(mutant), recordings));
    }
    let facts: Vec<Value> = FACTS
        .iter()
        .map(|fact| json!({ "key": fact.key, "title": fact.title, "text": fact.text, "chapter": fact.chapter }))
        .collect();
    let (shown, recordings): (Vec<Value>, Vec<&[Recording; 2]>) = shown.into_iter().unzip();
    let recordings: Vec<Recording> = recordings.into_iter().flatten().cloned().collect();
    let museum = json!({ "facts": facts, "exhibits": shown });
    is_current("docs/museum.html", &museum_page(&recordings, &museum));
    is_current("book/src/bug-museum.md", &format!("{}{rooms}", hall()));
}

/// The part of the page's data that belongs to an exhibit.
fn exhibit(mutant: &Mutant) -> Value {
    json!({
        "run": mutant.exhibit,
        "fact": mutant.fact,
        "why": mutant.why.replace('`', ""),
        "sign": mutant.sign,
        "change": difference(&mutant.changes),
    })
}

/// The planted lines, as a difference of files.
fn difference(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut file = "";
    // What is appended to a file is a tool of the bug.
    for change in changes.iter().filter(|change| change.old.is_some()) {
        if change.file != file {
            file = &change.file;
            let _never_fails = writeln!(text, "{file}");
        }
        for line in change.old.iter().flat_map(|old| old.lines()) {
            let _never_fails = writeln!(text, "- {line}");
        }
        for line in change.new.lines().filter(|line| !line.is_empty()) {
            let _never_fails = writeln!(text, "+ {line}");
        }
    }
    text
}

/// The book's page up to the first exhibit.
fn hall() -> String {
    let mut text = String::from(
        "# The bug museum\n\n\
         Nineteen facts about the kernel and the language bite a loop on stdin and stdout. Each exhibit here is a recording of \
         Eddyline's own loop with one bug planted in it: a loop that forgets one of these facts. The recording does not say \
         which. You see what the loop did and what came out of it, and name the fact.\n\n\
         Every fact has one exhibit. Watch an exhibit in the microscope, which asks you and keeps score, or read its text here. \
         After the answer the microscope shows it beside the sound loop, in the same world, and marks where the two runs part. \
         All exhibits at once: [the museum in the microscope](museum.html).\n\n\
         ## The facts\n\n",
    );
    for (place, fact) in FACTS.iter().enumerate() {
        let _never_fails = writeln!(text, "{}. {}", place + 1, fact.title);
    }
    text += "\n## The exhibits\n\n\
         Each turn and event has its virtual time in milliseconds. In brackets stands what has changed: the queue and the carry-over \
         list, the flags of stdin and of the sockets, timers, buffers, and the bytes that the kernel holds. \
         The first two turns, in which `init` comes, are the same in all exhibits and left out. So are the lines that say that the loop parks: a turn without a line is a wait that did not end.\n\n\
         Words in them:\n\n\
         - The flags `readable`, `writable` and `read closed` are the reactor's words for what epoll has said. The reactor translates a \
         hang-up into all three, so that a read and a write are tried. So a pipe that was closed and is empty is told as readable.\n\
         - A connection is *Draining* while it holds bytes that its client has not taken: it does not read then. The phase *draining* \
         is of the process: stdin has ended, and handlers still run.\n\
         - A pipe has 16 pages. A page that holds a few bytes counts as full, so a pipe can have no room with less than 65,536 bytes in it.\n";
    text
}

/// An exhibit on the book's page.
fn room(number: usize, mutant: &Mutant, recording: &Recording) -> String {
    let json: Value = serde_json::from_str(&recording.to_json()).unwrap();
    let (title, about) = (
        json["title"].as_str().unwrap(),
        json["about"].as_str().unwrap(),
    );
    let explained = explain(recording);
    let told = shortened(&explained);
    let fact = fact(mutant);
    let place = FACTS
        .iter()
        .position(|other| other.key == fact.key)
        .unwrap()
        + 1;
    let run = &mutant.exhibit;
    let change = difference(&mutant.changes);
    format!(
        "\n### Exhibit {number}: {title}\n\n\
         {about}\n\n\
         [Watch it](museum.html#run={run})\n\n\
         <details><summary>Read it</summary>\n\n\
         ```text\n{told}```\n\n\
         </details>\n\n\
         <details><summary>The fact</summary>\n\n\
         **{place}. {}.** {}\n\n\
         The sign in the recording: {}.\n\n\
         What a loop does about it: {} See [chapter {}]({}.md).\n\n\
         The planted lines:\n\n\
         ```diff\n{change}```\n\n\
         [Watch it beside the sound loop](museum.html#run={run}&beside={run}-sound)\n\n\
         </details>\n",
        fact.title,
        mutant.why,
        mutant.sign,
        fact.text,
        fact.chapter
            .split('-')
            .next()
            .unwrap()
            .trim_start_matches('0'),
        fact.chapter,
    )
}

/// The text of a recording without the turns that all exhibits share.
fn shortened(explained: &str) -> String {
    let start = ["\nturn 3, ", "\nturn 1, "]
        .iter()
        .find_map(|head| explained.find(head));
    let lines = explained[start.unwrap() + 1..].lines();
    let kept =
        lines.filter(|line| !line.contains("so the loop parks") || line.contains("has answered"));
    kept.map(folded).collect()
}

/// A line, cut where words end: a page of the book is not wider.
fn folded(line: &str) -> String {
    let indent = match line.trim_start().starts_with('[') {
        true => 13,
        false if line.starts_with("   ") => 21,
        false => 4,
    };
    let mut text = String::new();
    let mut column = 0;
    for word in line.split_inclusive(' ') {
        if column > indent && column + word.trim_end().len() > COLUMNS {
            text.truncate(text.trim_end().len());
            let _never_fails = write!(text, "\n{:indent$}", "");
            column = indent;
        }
        text += word;
        column += word.len();
    }
    text.push('\n');
    text
}

#[test]
fn each_exhibit_has_one_mutant_and_each_fact_one_exhibit() {
    let mutants = mutants();
    let of_mutants = mutants.iter().map(|mutant| &*mutant.exhibit);
    assert!(of_mutants.eq(exhibits()), "an exhibit without a mutant");
    let facts: BTreeSet<&str> = mutants.iter().map(|mutant| fact(mutant).key).collect();
    assert_eq!(facts.len(), FACTS.len());
    for mutant in &mutants {
        assert!(
            !mutant.why.is_empty() && !mutant.sign.is_empty(),
            "{}",
            mutant.name
        );
        let chapter = format!("book/src/{}.md", fact(mutant).chapter);
        assert!(root().join(&chapter).exists(), "{chapter}");
    }
}

/// A recording, to look for a sign in it.
struct Seen {
    events: Vec<Value>,
    /// The state after each event.
    states: Vec<Value>,
    outcome: Vec<String>,
}

impl Seen {
    fn of(recording: &Recording) -> Seen {
        let json: Value = serde_json::from_str(&recording.to_json()).unwrap();
        let events = json["events"].as_array().unwrap().clone();
        let mut state = json!({});
        let states = events.iter().map(|event| {
            merge(&mut state, &event["set"]);
            state.clone()
        });
        let outcome = json["outcome"].as_array().unwrap().iter();
        Seen {
            states: states.collect(),
            outcome: outcome
                .map(|text| text.as_str().unwrap().to_owned())
                .collect(),
            events,
        }
    }

    fn last(&self, path: &str) -> Value {
        let last = self.states.last().unwrap();
        last.pointer(path).cloned().unwrap_or_default()
    }

    fn kinds(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let events = self
            .events
            .iter()
            .filter(move |event| event["kind"] == *kind);
        events.map(|event| &event["about"])
    }

    fn tells(&self, text: &str) -> bool {
        self.outcome.iter().any(|told| told.contains(text))
    }

    fn sleeps(&self) -> bool {
        self.tells("waits without a timeout")
    }

    /// Whether a part of some state has a word in it.
    fn shows(&self, path: &str, word: &str) -> bool {
        let parts = self.states.iter().filter_map(|state| state.pointer(path));
        parts.map(Value::to_string).any(|part| part.contains(word))
    }

    /// The most of a number in any state.
    fn most(&self, path: &str) -> u64 {
        let all = self.states.iter().filter_map(|state| state.pointer(path));
        all.filter_map(Value::as_u64).max().unwrap_or(0)
    }
}

/// A JSON merge patch (RFC 7396).
fn merge(state: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *state = patch.clone();
        return;
    };
    if !state.is_object() {
        *state = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            state.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut state[key], value);
        }
    }
}

/// Whether a recording has the sign of a bug. The sentence stands in the mutant's file.
fn has_sign(mutant: &str, seen: &Seen) -> bool {
    let number = |path: &str| seen.last(path).as_u64().unwrap_or(0);
    match mutant {
        "lines-in-a-buffer" => {
            seen.sleeps()
                && number("/buffers/line buffer/bytes") > 0
                && number("/kernel/pipes/stdin/bytes") == 0
        }
        "closes-at-the-end-of-input" => seen.tells("It has got 0 bytes, and then a reset"),
        "waits-for-a-second-edge" => {
            let flags = seen.last("/reactor/slots/0/ready");
            seen.sleeps() && number("/kernel/pipes/stdin/in") > 0 && flags == json!(["readable"])
        }
        "fails-without-reader" => seen.tells("with status 1"),
        "rounds-down" => {
            let waits = seen.kinds("wait").collect::<Vec<_>>();
            let spins = |wait: &&Value| {
                wait["timeout_ms"] == 0
                    && wait["reason"] == "deadline"
                    && wait["edges"] == json!([])
            };
            waits.windows(10).any(|waits| waits.iter().all(spins))
        }
        "short-read-is-all" => {
            let flags = seen.last("/reactor/slots/0/ready").to_string();
            seen.sleeps() && flags.contains("read closed") && !flags.contains("readable")
        }
        "no-descriptor-no-retry" => {
            let of_listener = seen
                .kinds("served")
                .filter(|about| about["name"] == "listener");
            let used: Vec<&Value> = of_listener.map(|about| &about["used_up"]).collect();
            used.len() == 2 && used.iter().all(|used| **used == json!(["readable"]))
        }
        "no-backpressure" => seen.most("/buffers/stdout/bytes") > 600_000,
        "waits-for-a-file" => seen.sleeps() && number("/kernel/pipes/stdin/bytes") > 0,
        "no-generation" => seen.shows("/reactor/queue", "gone"),
        "reads-until-empty" => seen
            .kinds("served")
            .any(|about| about["name"] == "stdin" && about["bytes"].as_u64() > Some(10 * 65_536)),
        "hang-up-is-nothing" => seen.kinds("served").any(|about| {
            let ready = about["ready"].to_string();
            about["name"] == "stdin" && ready.contains("read closed") && !ready.contains("readable")
        }),
        "sets-the-shells-mode" => seen.tells("is not in blocking mode now"),
        "borrows-while-it-writes" => seen.tells("RefCell already"),
        "ends-with-the-input" => seen
            .kinds("phase")
            .any(|about| about["from"] == "serving" && about["to"] == "ended"),
        "an-event-is-a-connection" => seen
            .kinds("served")
            .any(|about| about["failed"] == json!(["write on exchange 5 with ECONNREFUSED"])),
        "interest-comes-too-late" => seen.sleeps() && number("/connections/4/holds") == 10,
        "prints-to-stderr" => seen.tells("has died"),
        "a-write-is-whole" => {
            seen.kinds("flushed")
                .any(|about| about["bytes"].as_u64() > Some(65_536) && about["left"] == 0)
                && seen.tells("that is no message")
        }
        other => panic!("{other}: no sign is known for it"),
    }
}

#[test]
fn each_mutant_shows_its_sign_and_the_sound_loop_does_not() {
    for (mutant, [planted, sound]) in recorded() {
        let (name, sign) = (&mutant.name, &mutant.sign);
        assert!(
            has_sign(name, &Seen::of(planted)),
            "{name}: not seen: {sign}"
        );
        assert!(
            !has_sign(name, &Seen::of(sound)),
            "{name}: the sound loop: {sign}"
        );
    }
}

/// The words of a recording that a reader sees before the answer do not give it away.
#[test]
fn no_exhibit_names_its_bug() {
    for (mutant, [planted, _]) in recorded() {
        let text = explain(planted);
        for word in [&mutant.name[..], fact(mutant).title] {
            assert!(!text.contains(word), "{}: {word}", mutant.exhibit);
        }
    }
}

/// A planted bug is no part of the sound loop: without it the copy is the library.
#[test]
fn the_copy_without_a_bug_records_what_the_library_records() {
    let path: PathBuf = root().join("docs/recordings/lost-edge.json");
    let recording = museum::microscope::record("lost-edge").unwrap();
    assert_eq!(recording.to_json(), fs::read_to_string(path).unwrap());
}
