//! The files that a run leaves, and the folder that they stand in.
//!
//! ```text
//!   store/
//!     WORKLOAD/
//!       20261126T184500.000Z/
//!         report.html     everything on one page: begin here
//!         results.edn     the verdict, for programs       results.json  the same
//!         history.txt     the operations, for people      history.edn   for `eddyline check`
//!         jepsen.log      what the tester did, with times
//!         messages.svg    timeline.html                   latency-raw.svg  rate.svg  …
//!         node-logs/n0.log
//!       latest ──> the last run of the workload
//!     latest ──> the last run that is whole
//!     current ──> the last run
//! ```
//!
//! Names and forms are Maelstrom's, because people's scripts read them. The pictures are
//! drawn here: nothing else has to be installed.

mod log;
mod messages;
mod plots;
mod report;
mod results;

pub(super) use results::value;
pub use results::{judgement_edn, judgement_json};

use super::evidence::{Evidence, Shown};
use super::record::Record;
use super::words;
use log::date;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// The longest name of a node in that of its file. File systems take 255 bytes.
const NAME_BYTES_MAX: usize = 200;

/// Writes everything about a run below `root`, and returns the folder.
///
/// ```no_run
/// # use eddyline::harness::{Record, store};
/// # fn leave(record: &Record) -> std::io::Result<()> {
/// let folder = store::save(record, "store".as_ref())?;
/// println!("open {}", folder.join("report.html").display());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When a folder, a file or a link cannot be written: the path is in the error.
pub fn save(record: &Record, root: &Path) -> io::Result<PathBuf> {
    save_with(record, &Evidence::all(record), root)
}

/// The same, with the evidence for its anomalies.
pub(super) fn save_with(record: &Record, evidence: &[Shown], root: &Path) -> io::Result<PathBuf> {
    let of_workload = root.join(record.workload);
    let folder = new_folder(&of_workload, record.started)?;
    let name = folder.file_name().map(PathBuf::from).unwrap_or_default();
    let from_root = Path::new(record.workload).join(&name);
    link(root, "current", &from_root)?;
    // What cannot be made again comes first: a disk may be nearly full.
    let (edn, json) = results::results(record, evidence);
    write(&folder.join("results.edn"), &edn)?;
    write(&folder.join("results.json"), &json)?;
    write_history(&folder, record)?;
    // The page takes most of the memory, so it is made and written alone.
    write(
        &folder.join("report.html"),
        &report::report(record, evidence),
    )?;
    for (file, text) in files(record) {
        write(&folder.join(file), &text)?;
    }
    link(root, "latest", &from_root)?;
    link(&of_workload, "latest", &name)?;
    Ok(folder)
}

/// Makes the folder of a workload below `root`, and tries whether files can be written there: a
/// place that is wrong should be told before a long run, not behind it.
///
/// ```
/// use eddyline::harness::store;
///
/// assert!(store::try_place("/dev/null".as_ref(), "echo").is_err());
/// ```
///
/// # Errors
/// When a folder or a file cannot be written: the path is in the error.
pub fn try_place(root: &Path, workload: &str) -> io::Result<()> {
    let folder = root.join(workload);
    fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
    let file = folder.join(format!(".try-{}", std::process::id()));
    // A full disk makes files, and takes no byte.
    let written = write(&file, "x");
    let removed = fs::remove_file(&file).map_err(|error| at(&file, &error));
    written.and(removed)
}

/// Writes `history.txt` and `history.edn`, event by event: together they can be longer than the
/// memory.
fn write_history(folder: &Path, record: &Record) -> io::Result<()> {
    let [lines, forms] = ["history.txt", "history.edn"].map(|name| folder.join(name));
    let new = |path: &Path| {
        let file = File::create(path).map_err(|error| at(path, &error))?;
        Ok::<_, io::Error>(BufWriter::new(file))
    };
    let (mut of_lines, mut of_forms) = (new(&lines)?, new(&forms)?);
    for (index, event) in words::events(record).enumerate() {
        let line = event.to_line();
        of_lines
            .write_all(line.as_bytes())
            .map_err(|error| at(&lines, &error))?;
        writeln!(of_forms, "{}", event.into_edn(index)).map_err(|error| at(&forms, &error))?;
    }
    of_lines.flush().map_err(|error| at(&lines, &error))?;
    of_forms.flush().map_err(|error| at(&forms, &error))
}

/// All files of a run but the page, the history and the results, by their paths in its folder.
fn files(record: &Record) -> Vec<(String, String)> {
    let mut files = vec![
        ("jepsen.log".to_owned(), log::log(record)),
        ("latency-raw.svg".to_owned(), plots::latency_raw(record)),
        (
            "latency-quantiles.svg".to_owned(),
            plots::latency_quantiles(record),
        ),
        ("rate.svg".to_owned(), plots::rate(record)),
        ("messages.svg".to_owned(), messages::messages(record)),
        ("timeline.html".to_owned(), report::timeline(record)),
    ];
    for (place, node) in record.nodes.iter().enumerate() {
        let mut log = String::new();
        for line in record.logs.iter().filter(|line| *line.node == **node) {
            log.push_str(&line.text);
            log.push('\n');
        }
        files.push((format!("node-logs/{}.log", file_name(node, place)), log));
    }
    files
}

/// The name of a node as a part of a path: a node must not choose where its log stands. No two
/// names give the same: other signs, and a dot at the beginning, are written as `%3A`. The end of
/// a long name is the node's place in the list, as `~3`.
fn file_name(node: &str, place: usize) -> String {
    let mut name = String::new();
    for (index, byte) in node.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if is_plain && (byte, index) != (b'.', 0) {
            name.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.len() > NAME_BYTES_MAX {
        // All of it is ASCII, and no short name has a `~`.
        name.truncate(NAME_BYTES_MAX);
        let _ = write!(name, "~{place}");
    }
    name
}

/// Makes the folder of a run. Of several that begin in one millisecond, the later ones get
/// later names.
fn new_folder(parent: &Path, started: Duration) -> io::Result<PathBuf> {
    fs::create_dir_all(parent).map_err(|error| at(parent, &error))?;
    let mut millis = started.as_millis();
    loop {
        let folder = parent.join(stamp(millis));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => millis += 1,
            Err(error) => return Err(at(&folder, &error)),
            Ok(()) => {
                let logs = folder.join("node-logs");
                fs::create_dir(&logs).map_err(|error| at(&logs, &error))?;
                return Ok(folder);
            }
        }
    }
}

/// A time as Jepsen names its folders: `20261126T184500.000Z`.
fn stamp(millis: u128) -> String {
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millis:03}Z")
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text).map_err(|error| at(path, &error))
}

/// Makes `name` in `folder` lead to `target`, and to nothing else from then on.
fn link(folder: &Path, name: &str, target: &Path) -> io::Result<()> {
    let path = folder.join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path, &error)),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &path).map_err(|error| at(&path, &error))
}

/// An error with the path that it is about.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Reads the text of a history: of a file, or of the `history.edn` in the folder of a run.
///
/// # Errors
/// When the file cannot be read or is no text. The path is in the error.
pub fn read_text(path: &Path) -> io::Result<String> {
    let file = if path.is_dir() {
        path.join("history.edn")
    } else {
        path.to_owned()
    };
    fs::read_to_string(&file).map_err(|error| at(&file, &error))
}

/// The `results.json` of the run that a history is of, if the path is the folder of a run or the
/// `history.edn` in it; null if there is none.
///
/// ```
/// let results = eddyline::harness::store::results_beside("no-folder/history.edn".as_ref());
/// assert!(results["valid?"].is_null());
/// ```
pub fn results_beside(history: &Path) -> Value {
    let folder = if history.is_dir() {
        Some(history)
    } else {
        history
            .parent()
            .filter(|_| history.ends_with("history.edn"))
    };
    let text = folder.and_then(|folder| fs::read(folder.join("results.json")).ok());
    let results = text.and_then(|text| serde_json::from_slice(&text).ok());
    results.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::log::date;
    use super::{NAME_BYTES_MAX, file_name, stamp};

    #[test]
    fn a_time_is_named_as_jepsen_names_it() {
        assert_eq!(stamp(0), "19700101T000000.000Z");
        assert_eq!(stamp(1_795_718_700_042), "20261126T184500.042Z");
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_088), (2024, 12, 31));
    }

    #[test]
    fn no_name_of_a_node_leads_out_of_the_folder() {
        assert_eq!(file_name("n0", 0), "n0");
        assert_eq!(file_name("../x", 0), "%2E.%2Fx");
    }

    #[test]
    fn no_two_nodes_share_a_log() {
        let long = |end: &str| "x".repeat(NAME_BYTES_MAX) + end;
        let names = ["a:b", "a_b", "a%3Ab", ".a", "%2Ea", "a.b", "ä"].map(str::to_owned);
        let long = ["", "~8", "a", "b", ":", &long("")].map(long);
        let names: Vec<String> = names.into_iter().chain(long).collect();
        let files = names.iter().enumerate();
        let files = files.map(|(place, name)| file_name(name, place));
        let files: std::collections::BTreeSet<_> = files.collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        assert!(files.iter().all(|file| file.len() < 250), "{files:?}");
    }
}
