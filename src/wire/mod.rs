//! The wire: bytes to lines on the way in, messages to bytes on the way out.
//!
//! Neither buffer knows what a file descriptor or a message is. Both keep their
//! memory between turns and free the memory of a burst, by the policy of
//! `memory.rs`. [`LineBuffer`] is the way in, [`OutputBuffer`] the way out.

mod line_buffer;
mod output_buffer;

pub use line_buffer::{LINE_BYTES_MAX, Line, LineBuffer, READ_BYTES};
pub use output_buffer::{HIGH_WATERMARK_BYTES, LOW_WATERMARK_BYTES, OutputBuffer};
