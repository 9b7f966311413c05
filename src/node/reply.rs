//! A reply: what a call ended with.

use super::core::Core;
use crate::protocol::{Error, Header, Result, parse_body};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::rc::Rc;

/// The body of a reply to a call. Error replies are not among them: they are
/// the call's `Err`.
///
/// ```
/// # use eddyline::{Context, Reply, Result};
/// # use serde_json::Value;
/// # async fn read(cx: Context) -> Result<()> {
/// let reply: Reply = cx.sync_rpc("n2", "read", &()).await?;
/// let body: Value = reply.body()?;
/// assert_eq!(body["type"], *reply.kind());
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn ping(cx: Context) -> Result<()> {
    /// assert_eq!(cx.sync_rpc("n2", "ping", &()).await?.kind(), "ping_ok");
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> Cow<'_, str> {
        let header = Header::parse(&self.body).ok();
        header.and_then(|header| header.kind).unwrap_or_default()
    }

    /// The whole body as JSON text, byte for byte as it came.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn ping(cx: Context) -> Result<()> {
    /// let reply = cx.sync_rpc("n2", "ping", &()).await?;
    /// cx.log(format_args!("n2 says {}", reply.raw_body()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn raw_body(&self) -> &str {
        &self.body
    }

    /// The body as a type of yours, which may borrow from the reply.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use serde::Deserialize;
    /// #[derive(Deserialize)]
    /// struct Greeting<'a> {
    ///     text: &'a str,
    /// }
    ///
    /// # async fn greet(cx: Context) -> Result<()> {
    /// let reply = cx.sync_rpc("n2", "greet", &()).await?;
    /// let Greeting { text } = reply.body()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 13 that names the field, when the body has another shape. Not 12:
    /// that would tell our own caller, by way of `?`, that its request was at
    /// fault and that nothing has happened, while the other side has acted.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        parse_body(&self.body, &self.kind()).map_err(|error| Error::crash(error.text))
    }

    /// The whole body as a piece of JSON that can be put into a reply.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde::Serialize;
    /// # use serde_json::value::RawValue;
    /// #[derive(Serialize)]
    /// struct ProxyOk<'a> {
    ///     result: &'a RawValue,
    /// }
    ///
    /// # async fn proxy(cx: Context, request: Request) -> Result<()> {
    /// let reply = cx.sync_rpc("n2", "ping", &()).await?;
    /// cx.reply(&request, &ProxyOk { result: reply.raw_value()? })
    /// # }
    /// ```
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
