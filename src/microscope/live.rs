//! A recording of this process on the real kernel.

use super::recorder;
use super::recording::Header;
use std::io;
use std::path::PathBuf;

/// A recording in progress, and the file that it is for.
pub(crate) struct Live {
    path: PathBuf,
}

impl Live {
    /// Starts to record the loop on this thread.
    pub(crate) fn start(path: PathBuf) -> Live {
        let name = path.file_stem().map(|stem| stem.to_string_lossy());
        recorder::start(Header {
            name: name.map_or("recording".to_owned(), std::borrow::Cow::into_owned),
            title: "A conversation on the real kernel".to_owned(),
            about: "This run was recorded from a real process. The kernel's own state cannot be seen, so its column is missing.".to_owned(),
            seed: None,
        });
        Live { path }
    }

    /// Ends the recording and writes the file.
    ///
    /// # Errors
    /// When the file cannot be written: the error names it.
    pub(crate) fn save(self) -> io::Result<()> {
        let Some(recording) = recorder::finish() else {
            return Ok(());
        };
        std::fs::write(&self.path, recording.to_json()).map_err(|error| {
            let path = self.path.display();
            io::Error::new(
                error.kind(),
                format!("the recording {path} cannot be written: {error}"),
            )
        })
    }
}
