//! A typed call: a call whose reply is known to carry one thing.

use super::backoff::Backoff;
use super::call::Call;
use super::reply::Reply;
use crate::protocol::Result;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

/// A [`Call`] that ends with a `T` instead of a whole reply; made by the clients
/// of Maelstrom's services, [`Kv`](super::Kv) and [`Tso`](super::Tso).
///
/// ```
/// # use eddyline::{Backoff, Context, Result};
/// # use std::time::Duration;
/// # async fn total(cx: Context) -> Result<()> {
/// let read = cx.lin_kv().read("total").retry(Backoff::default());
/// let total: Option<u64> = read.timeout(Duration::from_secs(3)).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct TypedCall<T> {
    call: Call,
    /// What the reply, or the lack of one, means.
    meaning: fn(Result<Reply>) -> Result<T>,
}

impl<T> TypedCall<T> {
    pub(super) fn new(call: Call, meaning: fn(Result<Reply>) -> Result<T>) -> TypedCall<T> {
        TypedCall { call, meaning }
    }

    /// Waits for `timeout` instead of the node's default, as
    /// [`Call::timeout`] does.
    ///
    /// ```
    /// # use {eddyline::{Context, Result}, std::time::Duration};
    /// # async fn read(cx: Context) -> Result<()> {
    /// let x: Option<u64> = cx.lin_kv().read("x").timeout(Duration::from_millis(300)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> TypedCall<T> {
        self.call = self.call.timeout(timeout);
        self
    }

    /// Sends the request again after each of the pauses of `backoff`, as
    /// [`Call::retry`] does. **The operation must be idempotent**: reads are, a
    /// write is while nobody else writes the key, a `cas` is not (after a lost
    /// reply the second one finds its own value, and ends with error 22).
    ///
    /// ```
    /// # use eddyline::{Backoff, Context, Result};
    /// # async fn read(cx: Context) -> Result<()> {
    /// let x: Option<u64> = cx.lin_kv().read("x").retry(Backoff::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(mut self, backoff: Backoff) -> TypedCall<T> {
        self.call = self.call.retry(backoff);
        self
    }
}

impl<T> Future for TypedCall<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let outcome = ready!(Pin::new(&mut self.call).poll(cx));
        Poll::Ready((self.meaning)(outcome))
    }
}
