//! A reply: what a call ended with.

use super::core::Core;
use crate::protocol::{Header, Result, parse_body};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::rc::Rc;

/// The body of a reply to a call. Error replies are not among them: they are
/// the call's `Err`.
pub struct Reply {
    body: String,
    core: Rc<Core>,
}

impl Reply {
    pub(crate) fn new(body: Vec<u8>, core: Rc<Core>) -> Reply {
        // It was UTF-8 as part of its line; checking it again is cheap.
        let body = String::from_utf8(body).unwrap_or_default();
        Reply { body, core }
    }

    /// The body's `type`.
    pub fn kind(&self) -> Cow<'_, str> {
        let header = Header::parse(&self.body).ok();
        header.and_then(|header| header.kind).unwrap_or_default()
    }

    /// The whole body as JSON text, byte for byte as it came.
    pub fn raw_body(&self) -> &str {
        &self.body
    }

    /// The body as a type of yours, which may borrow from the reply.
    ///
    /// # Errors
    /// Error 12 that names the field, when the body has another shape.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        parse_body(&self.body, "reply")
    }

    /// The whole body as a piece of JSON that can be put into a reply.
    ///
    /// # Errors
    /// None in practice: the body was JSON when it came.
    pub fn raw_value(&self) -> Result<&RawValue> {
        self.body()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.core
            .spares()
            .recycle_bytes(std::mem::take(&mut self.body).into_bytes());
    }
}
