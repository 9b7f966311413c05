//! The keeper: a small process that kills the children of this one if SIGKILL ends it.
//!
//! ```text
//!   this process ── "+ 4711", "- 4711" ──> keeper: the groups that live
//!        │ SIGKILL          pipe             │ the end of the pipe
//!        v                                   v
//!      no more                          SIGKILL to each of these groups
//! ```
//!
//! The pipe ends however this process ends. Linux can also signal a child at the end of its
//! parent, but the child must ask for that between its fork and its program: unsafe code, and it
//! does not reach the child's own children. testcontainers has such a keeper too, Ryuk.
//!
//! It is a script of the shell and not this program again: the program of a test that uses the
//! library can be any one.
//!
//! # Invariant
//! A group is taken from the keeper after its SIGKILL and before it is waited for. So its number
//! is never another's.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Keeps the numbers of groups until its input ends. Then it kills them, and each leader by its
/// own number, as it may have left its group.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
    case $sign in
        +) groups="$groups$group " ;;
        -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group" "$group"; done
"#;

/// The keeper's process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    /// Starts a keeper without children.
    pub(crate) fn start() -> io::Result<Keeper> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "keeper"].map(OsStr::new))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A terminal's signals are for this process.
            .process_group(0)
            .spawn()?;
        let keeper = Keeper(shell);
        if let Some(stdin) = &keeper.0.stdin {
            // A keeper that stands still must not hold this process up.
            rustix::io::ioctl_fionbio(stdin.as_fd(), true)?;
        }
        Ok(keeper)
    }

    /// From now on the group of that number is killed if this process is.
    pub(super) fn add(&self, group: u32) {
        self.tell(&format!("+ {group}\n"));
    }

    /// The group of that number has been killed, and is not waited for yet.
    pub(super) fn remove(&self, group: u32) {
        self.tell(&format!("- {group}\n"));
    }

    fn tell(&self, line: &str) {
        if let Some(mut stdin) = self.0.stdin.as_ref() {
            // Without its keeper a run is as good as ever.
            let _gone = stdin.write_all(line.as_bytes());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}
