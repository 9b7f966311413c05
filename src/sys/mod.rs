//! System calls: the standard streams and TCP sockets, without waiting.
//!
//! Each call goes through rustix, whose safe wrappers add nothing to the kernel's
//! own calls. So each function here reads like its manual page.
//!
//! ```text
//!   Input (stdin)    Output (stdout, stderr)    socket (TCP)
//!        └──────── access ────────┘                  │
//!   how to use a descriptor without waiting          │
//!                     └──────── Descriptor ──────────┘
//!                          one function a call
//! ```
//!
//! # Invariants
//!
//! - The mode of an open file description that other processes share is never
//!   changed; [`access`] explains why that would harm them.
//! - The rooms above see owned descriptors, byte counts and [`std::io::Error`]. The
//!   meaning of an errno is decided here and nowhere else.
//! - Every descriptor is close-on-exec.
//!
//! Read [`access`] next. It has the one hard decision of this room. libuv makes the
//! same decision in `uv_tty_init` and `uv_pipe_open`: it reopens terminals, but sets
//! the flag on pipes.

mod access;
mod alarm;
mod child;
mod descriptor;
mod input;
mod keeper;
mod output;
pub(crate) mod socket;
mod usage;

/// The same functions, on the real kernel or on a simulated one.
#[cfg(any(test, feature = "lab"))]
pub(crate) use crate::lab::Descriptor;
pub(crate) use alarm::Alarm;
pub(crate) use child::{Child, Pipe, is_shortage, start_advice};
#[cfg(not(any(test, feature = "lab")))]
pub(crate) use descriptor::Descriptor;
/// The type to which `lab::Descriptor` passes its calls on.
#[cfg(any(test, feature = "lab"))]
pub(crate) use descriptor::Descriptor as RealDescriptor;
pub(crate) use input::Input;
pub(crate) use keeper::Keeper;
pub(crate) use output::Output;
pub(crate) use usage::Usage;

use std::io;

/// The three standard streams, taken over.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: Input,
    pub(crate) stdout: Output,
    /// `None` when stderr cannot be used. Diagnostics are dropped then.
    pub(crate) stderr: Option<Output>,
}

impl Streams {
    /// Takes over the streams of this process. stderr is first, because fd 1 becomes a
    /// copy of it.
    ///
    /// # Errors
    /// When stdin or stdout cannot be used. The error names the step that failed.
    pub(crate) fn take() -> io::Result<Streams> {
        let stderr = Output::open_stderr().ok();
        Ok(Streams {
            stdin: Input::take_stdin()?,
            stdout: Output::take_stdout()?,
            stderr,
        })
    }
}

/// A random number from the kernel; 0 if the kernel has none yet.
pub(crate) fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    let _zeros_will_do =
        rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::NONBLOCK);
    u64::from_ne_bytes(bytes)
}
