//! Recordings and pages as files, for the commands of the program.

use super::page::page;
use super::recording::Recording;
use std::fs;
use std::io;
use std::path::Path;

/// Reads a recording from a file.
///
/// # Errors
/// When the file cannot be read or is no recording: the error names it.
pub fn read(path: &Path) -> io::Result<Recording> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text =
        fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), named(&error)))?;
    Recording::from_json(&text).map_err(|error| io::Error::other(named(&error)))
}

/// Writes the page that replays these recordings, the first one first.
///
/// # Errors
/// When the file cannot be written: the error names it.
pub fn write_page(recordings: &[Recording], path: &Path) -> io::Result<()> {
    fs::write(path, page(recordings)).map_err(|error| {
        let text = format!("{} cannot be written: {error}", path.display());
        io::Error::new(error.kind(), text)
    })
}
