//! A reply: the value that a call ends with.
//!
//! It is a view of a received message, whose memory goes back to the node's pools when the
//! reply is dropped. Read next: `received_message`, the message itself.

use super::received_message::ReceivedMessage;
use super::shared::Shared;
use crate::protocol::{Error, Result, Subject};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::rc::Rc;

/// The body of a reply to a call. An error reply is the call's `Err` instead.
///
/// ```
/// # use eddyline::{Context, Reply, Result};
/// # use serde_json::Value;
/// # async fn read(cx: Context) -> Result<()> {
/// let reply: Reply = cx.sync_rpc("n2", "read", &()).await?;
/// let body: Value = reply.body()?;
/// assert_eq!(body["type"], reply.kind());
/// # Ok(())
/// # }
/// ```
pub struct Reply {
    message: Rc<ReceivedMessage>,
    shared: Rc<Shared>,
}

impl Reply {
    pub(super) fn new(message: Rc<ReceivedMessage>, shared: Rc<Shared>) -> Reply {
        Reply { message, shared }
    }

    /// The body's `type`; empty if it has none.
    #[inline]
    pub fn kind(&self) -> &str {
        self.message.kind()
    }

    /// The whole body as JSON text, byte for byte as it was received.
    #[inline]
    pub fn raw_body(&self) -> &str {
        self.message.raw_body()
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
    /// Error 13 that names the field, if the body has another shape. With `?` it goes to this
    /// node's own caller. Error 12 would tell that caller that its request was at fault and
    /// that nothing has happened, although the other node has acted.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        let body = self.message.body(Subject::Reply);
        body.map_err(|error| Error::crash(error.text))
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
    /// None in practice: the body was JSON when it was received.
    pub fn raw_value(&self) -> Result<&RawValue> {
        self.body()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.shared.pools().take_back(&mut self.message);
    }
}
