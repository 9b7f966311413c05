//! Raw system calls, nothing else: the standard streams and TCP sockets.
//!
//! Every call goes through rustix, whose safe wrappers lie straight over the
//! kernel's calls, so each function here reads like its manual page. What the
//! rooms above get to see are owned descriptors, byte counts and
//! [`std::io::Error`]; errno numbers are judged here and nowhere else.
//!
//! The one rule of this room: the mode of a file description that we share
//! with anybody is never changed. O_NONBLOCK belongs to the description, not to
//! the descriptor; setting it on fd 0 would set it for the parent's shell too,
//! and a kill would leave it set.
//!
//! libuv solves the same problem in `uv_tty_init` and `uv_pipe_open`: it reopens
//! terminals, but sets the flag on pipes. Here pipes are reopened as well, since
//! a harness may hold the other descriptors of the same description.

mod access;
mod descriptor;
mod input;
mod output;
pub(crate) mod socket;

/// The same calls, on this kernel or on a simulated one.
#[cfg(any(test, feature = "lab"))]
pub(crate) use crate::lab::Descriptor;
#[cfg(not(any(test, feature = "lab")))]
pub(crate) use descriptor::Descriptor;
/// What `lab::Descriptor` passes its calls on to.
#[cfg(any(test, feature = "lab"))]
pub(crate) use descriptor::Descriptor as RealDescriptor;
pub(crate) use input::Input;
pub(crate) use output::Output;

use std::io;

/// The three standard streams, taken over.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: Input,
    pub(crate) stdout: Output,
    /// `None` when stderr cannot be used: then nobody listens.
    pub(crate) stderr: Option<Output>,
}

impl Streams {
    /// Takes the process's own. stderr first, since taking stdout over copies it.
    ///
    /// # Errors
    /// When stdin or stdout cannot be used, with what was tried.
    pub(crate) fn take() -> io::Result<Streams> {
        let stderr = Output::open_stderr().ok();
        Ok(Streams {
            stdin: Input::take_stdin()?,
            stdout: Output::take_stdout()?,
            stderr,
        })
    }
}

/// A number that differs from process to process: the kernel's, or 0 where it
/// has none to give.
pub(crate) fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    let _zeros_will_do =
        rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::NONBLOCK);
    u64::from_ne_bytes(bytes)
}
