//! Maelstrom's protocol: envelopes in, messages out, and the error codes.
//!
//! Everything here is a function of bytes. Parsing borrows from the line, and
//! writing appends to a buffer that the caller owns.

mod body;
mod capped;
mod envelope;
mod error;
mod error_reply;
mod excerpt;
mod fields;
mod init;
mod message;
mod name;
mod outline;
mod parser;
mod quote;
mod raw_request;
mod reply_kind;
mod scan;
mod shape;

pub use envelope::{Envelope, Header, Malformed, MsgId, ReplyTo};
pub use error::{Error, ErrorBody, ErrorCode, Result};
pub use excerpt::Excerpt;
pub use init::Init;
pub use message::{Content, Fields, Numbers, write_fields, write_header};
pub use name::is_service;
pub use parser::Parser;
pub use raw_request::RawRequest;

pub(crate) use body::{parse_body, parse_outlined};
pub(crate) use capped::parse_value;
pub(crate) use error_reply::error_of;
pub(crate) use message::{plain_front, write_plain_header};
pub(crate) use outline::Outline;
pub(crate) use quote::Quote;
pub(crate) use reply_kind::ReplyKind;
