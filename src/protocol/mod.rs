//! Maelstrom's protocol: messages in, messages out, and the error codes.
//!
//! Everything here is a function of bytes. Parsing borrows from the line, and
//! writing appends to a buffer of the caller. Nothing knows descriptors, clocks
//! or tasks.
//!
//! | file | what it has |
//! |---|---|
//! | `envelope.rs` | reading a line: [`Envelope`], [`Header`], and the plain parser, by serde_json |
//! | `body.rs` | reading a body as the author's type, or as an error |
//! | `misfit.rs` | why a body is not of the author's type |
//! | `message.rs` | writing a message |
//! | `fields.rs` | writing the author's fields, without header keys |
//! | `own_header.rs` | the header keys among an author's fields |
//! | `error.rs` | the error codes, and [`Error`] |
//! | `cluster.rs` | `init`, and the names of the services |
//! | `raw_request.rs` | a request that is sent on |
//! | `quote.rs` | text from outside in texts for people |
//! | `fast/` | **skip this at first**: it finds exactly what the plain parser finds, three times as fast |
//!
//! A session reads its lines with [`Parser`] of `fast/`.

mod body;
mod cluster;
mod envelope;
mod error;
mod fast;
mod fields;
mod message;
mod misfit;
mod own_header;
mod quote;
mod raw_request;

pub use cluster::{Init, check_name, is_service};
pub use envelope::{Envelope, Header, Malformed, MsgId, ReplyTo};
pub use error::{Error, ErrorBody, ErrorCode, Result};
pub use fast::Parser;
pub use message::{Content, Fields, Numbers, write_fields, write_header};
pub use quote::Excerpt;
pub use raw_request::RawRequest;

pub(crate) use body::{error_of, parse_body, parse_value};
pub(crate) use cluster::NAME_BYTES_MAX;
pub(crate) use envelope::{after_byte_order_mark, is_json_integer};
pub(crate) use error::ErrorFields;
pub(crate) use fast::{Outline, Subject, first_src, parse_outlined};
pub(crate) use message::{plain_front, write_body, write_plain_header};
pub(crate) use own_header::{OwnHeader, ReplyKind};
pub(crate) use quote::{Quote, beginning};
