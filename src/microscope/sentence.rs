//! The sentence of an event.

use serde_json::Value;

/// One or two plain sentences that say what has happened, and to what.
pub(super) fn of(kind: &str, about: &Value, state: &Value) -> String {
    let text = of_kind(kind, about, state);
    match about["failed"].as_array() {
        Some(failed) => format!("{text} {}", failures(failed)),
        None => text,
    }
}

/// The calls that have failed since the last event.
fn failures(failed: &[Value]) -> String {
    let told: Vec<&str> = failed.iter().map(word).collect();
    format!("The kernel has answered {}.", told.join(", and "))
}

fn of_kind(kind: &str, about: &Value, state: &Value) -> String {
    match kind {
        "park" => "No task is ready, so the loop parks. From here on a wake from another thread ends the wait.".to_owned(),
        "wait" => wait(about, state),
        "clock" => format!("The clock is read, once in this turn: {} ms.", about["now_ms"]),
        "served" => served(about),
        "line" if about["direction"] == "in" => format!("A message is received: {}.", message(about)),
        "line" => format!("A message is written to the output buffer: {}.", message(about)),
        "asked" => format!("The handler has asked for a message while the body of another one was written: {}.", message(about)),
        "fired" => fired(about),
        "cascade" => cascade(about),
        "held back" => format!(
            "Due timers are held back: {}. Input may still be waiting that beats them, so only timers due by {} ms fire.",
            list(&about["timers"]),
            about["due_by_ms"]
        ),
        "polled" => polled(about, state),
        "flushed" => flushed(about),
        "phase" => format!("The phase changes from {} to {}.", word(&about["from"]), word(&about["to"])),
        "closed" => format!("{} is taken out of slot {} and closed. An event that still comes for it is stale.", capital(word(&about["name"])), word(&about["source"])),
        _ => String::new(),
    }
}

/// The sentence of the last event before others of its kind that are only counted.
pub(super) fn with_more(text: &str, more: usize) -> String {
    format!("{text} (Not shown one by one: {more} more messages and polls.)")
}

fn wait(about: &Value, state: &Value) -> String {
    let timeout = &about["timeout_ms"];
    let how = match (timeout.as_u64(), word(&about["reason"])) {
        (Some(0), "carried over") => {
            "The wait does not block, because a source is carried over.".to_owned()
        }
        (Some(0), "tasks left") => "The wait does not block, because tasks are ready.".to_owned(),
        (Some(0), _) => {
            "The wait does not block: its timeout, the time until the next deadline, is 0 ms."
                .to_owned()
        }
        (Some(ms), _) => format!("The wait may block for {ms} ms, until the next deadline."),
        (None, _) => "The wait may block for ever, because nothing has a deadline.".to_owned(),
    };
    let edges = about["edges"].as_array().map_or(0, Vec::len);
    let woken = about["woken"] == true;
    let what = match (edges, woken) {
        (0, true) => "A wake from another thread ends it.".to_owned(),
        (0, false) if timeout.as_u64() == Some(0) => "The kernel has no edge to tell.".to_owned(),
        (0, false) => format!("After {} ms it ends without an edge.", about["waited_ms"]),
        (1, _) => format!(
            "The kernel tells one edge: {}.",
            edge(&about["edges"][0], state)
        ),
        (many, _) => {
            let all: Vec<String> = about["edges"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|told| edge(told, state))
                .collect();
            format!("The kernel tells {many} edges: {}.", all.join("; "))
        }
    };
    let stale = match about["stale"].as_u64() {
        Some(0) | None => String::new(),
        Some(1) => " One event is stale: its source was closed, so it is dropped.".to_owned(),
        Some(many) => {
            format!(" {many} events are stale: their sources were closed, so they are dropped.")
        }
    };
    let dropped = match list(&about["dropped"]) {
        gone if gone.is_empty() => String::new(),
        gone => format!(" The loop does not keep a flag of it: {gone}."),
    };
    format!("{how} {what}{stale}{dropped}")
}

fn edge(edge: &Value, state: &Value) -> String {
    let slot = word(&edge[0]);
    let name = state["reactor"]["slots"][slot]["name"].as_str();
    let name = name.map_or_else(|| format!("slot {slot}"), str::to_owned);
    format!("{name} is {}", list(&edge[1]))
}

fn served(about: &Value) -> String {
    let name = capital(word(&about["name"]));
    let ready = list(&about["ready"]);
    let bytes = match about["bytes"].as_u64() {
        Some(0) | None => String::new(),
        Some(bytes) => format!(" It reads {} bytes.", thousands(bytes)),
    };
    let used = match about["used_up"].as_array() {
        Some(used) if !used.is_empty() => format!(" It has used up: {}.", list(&about["used_up"])),
        _ => String::new(),
    };
    let (change, end) = connection(about);
    let next = match word(&about["next"]) {
        "carry over" => format!("It is carried over: {}.", word(&about["reason"])),
        "finished" => "It has finished, and is closed at the end of the turn.".to_owned(),
        // No descriptor or place is left for a client.
        _ if name == "Listener" && !ready.is_empty() && used.is_empty() => {
            "It pauses, with its flag set, until a timer or an edge.".to_owned()
        }
        _ => "It waits for the next edge.".to_owned(),
    };
    let ready = if ready.is_empty() {
        "nothing".to_owned()
    } else {
        ready
    };
    format!("{name} is served; it is ready for: {ready}.{bytes}{change}{used}{end} {next}")
}

/// The bytes that a connection has written, its change, and its bytes without a way on.
fn connection(about: &Value) -> (String, String) {
    let number = |key: &str| about[key].as_u64().unwrap_or(0);
    let (mut change, mut end) = (String::new(), String::new());
    if number("written") > 0 {
        change = format!(" It writes {} bytes.", thousands(number("written")));
    }
    if let Some([before, after]) = about["states"].as_array().map(Vec::as_slice) {
        change = format!(
            "{change} Its state changes from {} to {}.",
            word(before),
            word(after)
        );
    }
    let held = number("held_before") + number("bytes");
    let lost = held.saturating_sub(number("written") + number("holds"));
    let is_over = about["next"] == "finished" && word(&about["name"]).starts_with("connection");
    if is_over && lost > 0 {
        end = format!(" It discards the {} bytes that it held.", thousands(lost));
    }
    if is_over && number("unread") > 0 {
        end = format!(
            "{end} It leaves {} bytes in its socket unread.",
            thousands(number("unread"))
        );
    }
    if about["next"] == "wait" && number("holds") > 0 {
        end = format!(" {} bytes in it wait for room.", thousands(number("holds")));
    }
    (change, end)
}

fn fired(about: &Value) -> String {
    let late = match about["late_ms"].as_u64() {
        Some(0) | None => "on time".to_owned(),
        Some(ms) => format!("{ms} ms late"),
    };
    format!(
        "Timer {} fires {late}: the {} was due at {} ms.",
        word(&about["timer"]),
        word(&about["owner"]),
        about["deadline_ms"]
    )
}

fn cascade(about: &Value) -> String {
    let to: Vec<String> = about["to"]
        .as_array()
        .into_iter()
        .flatten()
        .map(place)
        .collect();
    format!(
        "The wheel's time reaches {}, so its timers cascade: {} to {}.",
        place(&about["from"]),
        list(&about["timers"]),
        to.join(" and ")
    )
}

fn place(place: &Value) -> String {
    format!("level {} slot {}", place[0], place[1])
}

fn polled(about: &Value, state: &Value) -> String {
    let task = word(&about["task"]);
    let name = word(&about["name"]);
    let why = match word(&about["woken_by"]) {
        "its request" => "It has just started with its request".to_owned(),
        "spawn" => "It was spawned".to_owned(),
        by => format!("It was woken by {by}"),
    };
    let end = if about["result"] == "ended" {
        "and has ended.".to_owned()
    } else {
        match state["tasks"]["slots"][task]["waits_for"].as_str() {
            Some(wait) => format!("and waits for {wait}."),
            None => "and waits.".to_owned(),
        }
    };
    format!("Task {task} is polled, the {name}. {why}, {end}")
}

fn flushed(about: &Value) -> String {
    let left = about["left"].as_u64().unwrap_or(0);
    let rest = match left {
        0 => "Nothing is left.".to_owned(),
        left => format!(
            "The pipe is full: {} bytes wait until the reader makes room.",
            thousands(left)
        ),
    };
    format!(
        "{} bytes are written to stdout in this turn. {rest}",
        thousands(about["bytes"].as_u64().unwrap_or(0))
    )
}

/// A number with commas, as people read it.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn message(about: &Value) -> String {
    let part = |key: &str| about[key].as_str().unwrap_or("?").to_owned();
    match about["type"].as_str() {
        Some(kind) => format!("{kind}, from {} to {}", part("src"), part("dest")),
        None => "not a valid one".to_owned(),
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(words: &Value) -> String {
    let words = words.as_array().into_iter().flatten();
    words
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
