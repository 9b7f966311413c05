//! The values of options, and the errors about them: of the commands that take Maelstrom's
//! command lines and statuses.

use crate::options;
use eddyline::harness::store;
use lexopt::ValueExt as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The exit status after a wrong option or value: that of Maelstrom.
pub(crate) const USAGE_ERROR: u8 = 254;

/// The exit status after a failure of the command itself: that of Maelstrom.
pub(crate) const CRASH: u8 = 255;

/// The longest time that an option can ask for: a year. Sums of such times do not overflow.
const SECONDS_MAX: f64 = 365.0 * 86_400.0;

/// Sets these flags when a signal asks for the end: no node must outlive the terminal or the
/// supervisor. SIGHUP and SIGQUIT stay ignored where the caller ignores them, as `nohup` does.
/// While `has_no_nodes` is set, such a signal ends the process at once, with status 255.
pub(crate) fn on_interrupt(flags: &[&Arc<AtomicBool>], has_no_nodes: &Arc<AtomicBool>) {
    let status = store::read_text(Path::new("/proc/self/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_ignored = |signal: i32| ignored.unwrap_or(0) >> (signal - 1) & 1 == 1;
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        if matches!(signal, SIGHUP | SIGQUIT) && is_ignored(signal) {
            continue;
        }
        let end = Arc::clone(has_no_nodes);
        let ends = register_conditional_shutdown(signal, CRASH.into(), end);
        let flags = flags.iter().map(|flag| register(signal, Arc::clone(flag)));
        for registered in flags.chain([ends]) {
            if let Err(error) = registered {
                options::report(&format!("no handler for signal {signal}: {error}"));
            }
        }
    }
}

/// The option of that name, with whether it has a value. An error names the nearest one.
pub(crate) fn option<const N: usize>(
    name: &str,
    known: [(&'static str, bool); N],
) -> Result<(&'static str, bool), String> {
    find(name, &known)
        .map_err(|nearest| format!("there is no option --{name}; did you mean --{nearest}?"))
}

/// The value of an option.
pub(crate) fn text(arguments: &mut lexopt::Parser) -> Result<String, lexopt::Error> {
    arguments.value()?.string()
}

/// The path of a program. An empty one is a variable of the shell that is not set: it must not
/// make the program test itself.
pub(crate) fn program_path(value: &str) -> Result<PathBuf, String> {
    match value.is_empty() {
        true => {
            Err("expected the path of a program; leave the option out for its default".to_owned())
        }
        false => Ok(value.into()),
    }
}

/// The canonical path of the program that `option` names; this program itself if it is empty.
pub(crate) fn program(option: &str, given: &Path) -> Result<PathBuf, String> {
    let found = if given.as_os_str().is_empty() {
        std::env::current_exe()
    } else {
        given.canonicalize()
    };
    let shown = given.display();
    let path = found.map_err(|error| match in_search_path(given) {
        Some(path) => format!(
            "{option} {shown}: {error}; give the path, {}",
            path.display()
        ),
        None => format!("{option} {shown}: {error}"),
    })?;
    if path.is_dir() {
        return Err(format!("{option} {shown}: it is a directory"));
    }
    let mode = path.metadata().map(|about| about.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o111 == 0) {
        return Err(format!(
            "{option} {shown}: it may not be executed; chmod +x {shown} allows it"
        ));
    }
    Ok(path)
}

/// The same for a program of the system: its name in one of the folders of `PATH` is enough.
pub(crate) fn system_program(option: &str, given: &Path) -> Result<PathBuf, String> {
    let found = in_search_path(given);
    program(option, found.as_deref().unwrap_or(given))
}

/// The line and the status for a run that could not be made. The kernel's own EINVAL is no wrong
/// option.
pub(crate) fn failed_run(error: &io::Error) -> (String, u8) {
    match error.kind() {
        io::ErrorKind::InvalidInput if error.raw_os_error().is_none() => {
            (error.to_string(), USAGE_ERROR)
        }
        _ => (format!("the tester failed: {error}"), CRASH),
    }
}

/// The program of that name without a slash in one of the folders of `PATH`.
fn in_search_path(name: &Path) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").filter(|_| name.components().count() == 1)?;
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join(name));
    found.find(|path| path.is_file())
}

pub(crate) fn number<T: FromStr>(value: &str, expected: &str) -> Result<T, String> {
    let parsed = value.parse();
    parsed.map_err(|_| format!("expected {expected}"))
}

pub(crate) fn count(value: &str) -> Result<usize, String> {
    let expected = "a whole number, at least 1";
    match number(value, expected)? {
        0 => Err(format!("expected {expected}")),
        count => Ok(count),
    }
}

pub(crate) fn seconds(value: &str) -> Result<Duration, String> {
    let expected = "seconds, up to a year";
    let seconds: f64 = number(value, expected)?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(format!("expected {expected}"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub(crate) fn rate(value: &str) -> Result<f64, String> {
    let expected = "operations a second, more than 0 and at most a million";
    let rate: f64 = number(value, expected)?;
    if !(0.000_001..=1_000_000.0).contains(&rate) {
        return Err(format!("expected {expected}"));
    }
    Ok(rate)
}

/// The names of nodes in a file, one a line.
pub(crate) fn names_in(file: &str) -> Result<Vec<String>, String> {
    let text = store::read_text(Path::new(file)).map_err(|error| error.to_string())?;
    let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.is_empty() {
        true => Err(format!("there is no name in {file}: expected one a line")),
        false => Ok(names),
    }
}

/// A number from 0 to 1.
pub(crate) fn probability(value: &str) -> Result<f64, String> {
    let expected = "a probability from 0 to 1";
    let probability: f64 = number(value, expected)?;
    if !(0.0..=1.0).contains(&probability) {
        return Err(format!("expected {expected}"));
    }
    Ok(probability)
}

/// The part of the operations that must be done.
pub(crate) fn availability(value: &str) -> Result<f64, String> {
    if value == "total" {
        return Ok(1.0);
    }
    probability(value).map_err(|_| "expected total, or a number from 0 to 1".to_owned())
}

/// The value of that name. An error names the nearest one.
pub(crate) fn one_of<T: Copy, const N: usize>(
    what: &str,
    name: &str,
    known: [(&'static str, T); N],
) -> Result<T, String> {
    let found = find(name, &known).map_err(|nearest| {
        let all = known.map(|(name, _)| name).join(", ");
        format!("there is no {what} {name:?}; did you mean {nearest:?}? There are {all}")
    });
    found.map(|(_, value)| value)
}

/// The entry of that name, or else the nearest name.
fn find<T: Copy>(
    name: &str,
    known: &[(&'static str, T)],
) -> Result<(&'static str, T), &'static str> {
    let found = known.iter().find(|(known, _)| *known == name);
    found
        .copied()
        .ok_or_else(|| nearest(name, known.iter().map(|(name, _)| *name)))
}

/// A name that begins so, or else the name with the fewest letters to change.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known
        .min_by_key(|known| (!known.starts_with(name), distance(name, known)))
        .unwrap_or_default()
}

/// How many letters must be added, removed or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, &same) in other.iter().enumerate() {
            let above = row[column + 1];
            let replaced = corner + usize::from(letter != same);
            row[column + 1] = replaced.min(above + 1).min(row[column] + 1);
            corner = above;
        }
    }
    row[other.len()]
}
