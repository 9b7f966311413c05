//! Clients of Maelstrom's services: the key-value stores ([`Kv`]), the timestamp oracle
//! ([`Tso`]), and the calls that they make ([`TypedCall`]).
//!
//! Read next: `update`, the updates of a key that take several calls.

use super::backoff::Backoff;
use super::call::{Call, Sent};
use super::context::Context;
use super::reply::Reply;
use crate::protocol::{ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

impl Context {
    /// A client of `lin-kv`, the linearizable key-value service.
    pub fn lin_kv(&self) -> Kv {
        Kv::new(self.clone(), "lin-kv")
    }

    /// A client of `seq-kv`, the sequentially consistent key-value service.
    pub fn seq_kv(&self) -> Kv {
        Kv::new(self.clone(), "seq-kv")
    }

    /// A client of `lww-kv`, the key-value service whose last write wins.
    pub fn lww_kv(&self) -> Kv {
        Kv::new(self.clone(), "lww-kv")
    }

    /// A client of `lin-tso`, the timestamp oracle.
    pub fn lin_tso(&self) -> Tso {
        Tso { cx: self.clone() }
    }
}

/// A client of one of the key-value services; made by [`Context::lin_kv`],
/// [`Context::seq_kv`] and [`Context::lww_kv`]. Keys and values are anything
/// that serialises to JSON.
///
/// The services differ in their promises:
///
/// - `lin-kv`: every operation sees all that ended before it began.
/// - `seq-kv`: a read may be old, but never older than a state that this node has seen. A
///   [`cas`](Kv::cas) succeeds by the newest value alone; one that fails may have seen an old
///   one. See [`fence`](Kv::fence).
/// - `lww-kv`: replicas that agree in the end. Of two writes one is lost, and a `cas` promises
///   nothing.
///
/// ```
/// # use eddyline::{Context, Result};
/// # async fn count(cx: Context) -> Result<()> {
/// let kv = cx.lin_kv();
/// kv.write("visits", 1).await?;
/// let visits: u64 = kv.update("visits", 0, |visits| visits + 1).await?;
/// assert_eq!(kv.read("visits").await?, Some(visits));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Kv {
    pub(super) cx: Context,
    pub(super) service: &'static str,
    pub(super) timeout: Duration,
}

#[derive(Serialize)]
struct Read<K> {
    key: K,
}

#[derive(Deserialize)]
struct ReadOk<T> {
    value: T,
}

#[derive(Serialize)]
struct Write<K, V> {
    key: K,
    value: V,
}

#[derive(Serialize)]
struct Cas<K, F, T> {
    key: K,
    from: F,
    to: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_if_not_exists: Option<bool>,
}

impl Kv {
    fn new(cx: Context, service: &'static str) -> Kv {
        let timeout = cx.rpc_timeout();
        Kv {
            cx,
            service,
            timeout,
        }
    }

    /// The same client with another timeout, which bounds each of its operations
    /// as a whole: an [`update`](Kv::update) with all its calls, too.
    pub fn timeout(mut self, timeout: Duration) -> Kv {
        self.timeout = timeout;
        self
    }

    /// Reads a key; `None` if it does not exist (error 20).
    ///
    /// # Errors
    /// Error 13 if the value is no `T`. Error 0 if no reply comes.
    pub fn read<T: DeserializeOwned>(&self, key: impl Serialize) -> TypedCall<Option<T>> {
        self.call("read", &Read { key }, |reply| match reply {
            Ok(reply) => Ok(Some(reply.body::<ReadOk<T>>()?.value)),
            Err(error) if error.code == ErrorCode::KeyDoesNotExist => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Writes a key, whatever its value was.
    ///
    /// # Errors
    /// Error 0 if no reply comes. The value may have been written, or be written later.
    pub fn write(&self, key: impl Serialize, value: impl Serialize) -> TypedCall<()> {
        self.call("write", &Write { key, value }, done)
    }

    /// Writes `to` if the key holds `from`.
    ///
    /// On a network that delivers messages twice, which Maelstrom's does not, error 22 may be
    /// the reply to the second copy, while the first copy has written `to`.
    ///
    /// ```
    /// # use eddyline::{Context, ErrorCode, Result};
    /// # async fn take(cx: Context) -> Result<bool> {
    /// match cx.lin_kv().cas("lock", "free", cx.node_id()).await {
    ///     Ok(()) => Ok(true),
    ///     Err(error) if error.code == ErrorCode::PreconditionFailed => Ok(false),
    ///     Err(error) => Err(error),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 22 if it holds another value, error 20 if the key does not exist; from `seq-kv`
    /// either may be about an old state. Error 0 if no reply comes: `to` may have been
    /// written.
    pub fn cas(
        &self,
        key: impl Serialize,
        from: impl Serialize,
        to: impl Serialize,
    ) -> TypedCall<()> {
        self.swap(key, from, to, None)
    }

    /// Writes `to` if the key holds `from` or does not exist. `lww-kv` treats it as a plain
    /// [`cas`](Kv::cas).
    ///
    /// # Errors
    /// Error 22 if it holds another value. Error 0 if no reply comes: `to` may have been
    /// written.
    pub fn cas_or_create(
        &self,
        key: impl Serialize,
        from: impl Serialize,
        to: impl Serialize,
    ) -> TypedCall<()> {
        self.swap(key, from, to, Some(true))
    }

    /// Brings this node's view of `seq-kv` up to date. Each read after it is at least as new
    /// as everything that was written before it, by any node.
    ///
    /// `seq-kv` may serve any state that is not older than the last one this node has seen. A
    /// write of a value that no state holds must be applied to the newest state, and so makes
    /// that the last one seen. The value is random, because Maelstrom's service skips a write
    /// that changes nothing.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde_json::json;
    /// # async fn read(cx: Context, request: Request) -> Result<()> {
    /// cx.seq_kv().fence().await?;
    /// let sum: u64 = cx.seq_kv().read("sum").await?.unwrap_or(0);
    /// cx.reply(&request, &json!({ "value": sum }))
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 0 if no reply comes. It may be repeated without harm.
    pub fn fence(&self) -> TypedCall<()> {
        let value = format!("{:016x}", self.cx.random(|random| random.next_u64()));
        self.write(format!("fence-{}", self.cx.node_id()), value)
    }

    fn swap(
        &self,
        key: impl Serialize,
        from: impl Serialize,
        to: impl Serialize,
        create_if_not_exists: Option<bool>,
    ) -> TypedCall<()> {
        let fields = Cas {
            key,
            from,
            to,
            create_if_not_exists,
        };
        self.call("cas", &fields, done)
    }

    fn call<T>(
        &self,
        kind: &str,
        fields: &impl Serialize,
        meaning: fn(Result<Reply>) -> Result<T>,
    ) -> TypedCall<T> {
        let call = self.cx.sync_rpc(self.service, kind, fields);
        TypedCall {
            call: call.timeout(self.timeout),
            meaning,
        }
    }
}

fn done(reply: Result<Reply>) -> Result<()> {
    reply.map(|_| ())
}

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
    /// The next timestamp. It is greater than every timestamp that any node was given before
    /// this call. The first one is 0.
    pub fn ts(&self) -> TypedCall<u64> {
        TypedCall {
            call: self.cx.sync_rpc("lin-tso", "ts", &()),
            meaning: |reply| Ok(reply?.body::<TsOk>()?.ts),
        }
    }
}

/// A [`Call`] that ends with a `T` instead of a whole reply; made by [`Kv`] and [`Tso`].
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
    /// Turns the end of the call into a value.
    meaning: fn(Result<Reply>) -> Result<T>,
}

impl<T> TypedCall<T> {
    /// Waits for `timeout` instead of the client's, as [`Call::timeout`] does.
    pub fn timeout(mut self, timeout: Duration) -> TypedCall<T> {
        self.call = self.call.timeout(timeout);
        self
    }

    /// Sends the request again after each of the pauses of `backoff`, as [`Call::retry`] does.
    ///
    /// **The operation must be idempotent.** A read is. A write is while nothing else writes
    /// the key. A `cas` is not: after a lost reply the second one finds its own value, and
    /// ends with error 22.
    pub fn retry(mut self, backoff: Backoff) -> TypedCall<T> {
        self.call = self.call.retry(backoff);
        self
    }

    /// Sends the request now. The result is awaited later, as with [`Call::send`].
    ///
    /// [`Sent`] has an example.
    pub fn send(mut self) -> Sent<TypedCall<T>> {
        self.call = self.call.send().0;
        Sent(self)
    }

    /// How many times the request was sent, as [`Call::tries`].
    pub fn tries(&self) -> u32 {
        self.call.tries()
    }
}

impl<T> Future for TypedCall<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let outcome = ready!(Pin::new(&mut self.call).poll(cx));
        Poll::Ready((self.meaning)(outcome))
    }
}
