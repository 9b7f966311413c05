//! The client of Maelstrom's timestamp oracle.

use super::context::Context;
use super::typed_call::TypedCall;
use crate::protocol::Result;
use serde::Deserialize;

/// A client of `lin-tso`; made by [`Context::lin_tso`].
///
/// ```
/// # async fn order(cx: eddyline::Context) -> eddyline::Result<()> {
/// let tso = cx.lin_tso();
/// let (first, second) = (tso.ts().await?, tso.ts().await?);
/// assert!(first < second);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tso {
    cx: Context,
}

#[derive(Deserialize)]
struct TsOk {
    ts: u64,
}

impl Tso {
    pub(super) fn new(cx: Context) -> Tso {
        Tso { cx }
    }

    /// The next timestamp: greater than any that was handed out before this was
    /// asked, to whomever. The first one is 0.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde_json::json;
    /// # async fn generate(cx: Context, request: Request) -> Result<()> {
    /// let id = cx.lin_tso().ts().await?;
    /// cx.reply(&request, &json!({ "id": id }))
    /// # }
    /// ```
    pub fn ts(&self) -> TypedCall<u64> {
        let call = self.cx.sync_rpc("lin-tso", "ts", &());
        TypedCall::new(call, |reply| -> Result<u64> {
            Ok(reply?.body::<TsOk>()?.ts)
        })
    }
}
