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
mod input;
mod output;
pub(crate) mod socket;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use input::Input;
pub(crate) use output::Output;

/// A number that differs from process to process: the kernel's, or 0 where it
/// has none to give.
pub(crate) fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    let _zeros_will_do =
        rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::NONBLOCK);
    u64::from_ne_bytes(bytes)
}
