//! The client of Maelstrom's key-value services.

use super::context::Context;
use super::reply::Reply;
use super::typed_call::TypedCall;
use crate::protocol::{ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A client of one of the key-value services; made by [`Context::lin_kv`],
/// [`Context::seq_kv`] and [`Context::lww_kv`]. Keys and values are anything
/// that serialises to JSON.
///
/// What they promise, and when to take which:
///
/// - `lin-kv`: every operation sees all that ended before it began.
/// - `seq-kv`: a read may be old, though never older than what this node has
///   seen; a [`cas`](Kv::cas) succeeds by the newest value alone, but one
///   that fails may have seen an old one. See [`fence`](Kv::fence).
/// - `lww-kv`: replicas that agree some time; of two writes one is lost, and a
///   `cas` promises nothing.
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
    pub(super) fn new(cx: Context, service: &'static str) -> Kv {
        let timeout = cx.rpc_timeout();
        Kv {
            cx,
            service,
            timeout,
        }
    }

    /// The same client with another timeout, which bounds each of its operations
    /// as a whole.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use std::time::Duration;
    /// # async fn add(cx: Context) -> Result<()> {
    /// let kv = cx.lin_kv().timeout(Duration::from_secs(4));
    /// kv.update("total", 0, |total| total + 1).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Kv {
        self.timeout = timeout;
        self
    }

    /// Reads a key; `None` if it does not exist (error 20).
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn read(cx: Context) -> Result<()> {
    /// let sum: u64 = cx.seq_kv().read("sum").await?.unwrap_or(0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 13 when the value is no `T`; error 0 when no reply comes.
    pub fn read<T: DeserializeOwned>(&self, key: impl Serialize) -> TypedCall<Option<T>> {
        self.call("read", &Read { key }, |reply| match reply {
            Ok(reply) => Ok(Some(reply.body::<ReadOk<T>>()?.value)),
            Err(error) if error.code == ErrorCode::KeyDoesNotExist => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Writes a key, whatever it held.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn write(cx: Context) -> Result<()> {
    /// cx.lww_kv().write(cx.node_id(), vec![1, 2, 3]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 0 when no reply comes: it may be written nonetheless, even later.
    pub fn write(&self, key: impl Serialize, value: impl Serialize) -> TypedCall<()> {
        self.call("write", &Write { key, value }, done)
    }

    /// Writes `to` if the key holds `from`.
    ///
    /// On a network that delivers messages twice, which Maelstrom's does not, error
    /// 22 may be the second copy's answer, while the first has written `to`.
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
    /// Error 22 when it holds another value, error 20 when the key does not
    /// exist; of `seq-kv`, that may have been so some time ago. Error 0 when no reply
    /// comes: it may have happened.
    pub fn cas(
        &self,
        key: impl Serialize,
        from: impl Serialize,
        to: impl Serialize,
    ) -> TypedCall<()> {
        self.swap(key, from, to, None)
    }

    /// Writes `to` if the key holds `from` or does not exist. `lww-kv` takes it
    /// for a plain [`cas`](Kv::cas).
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn claim(cx: Context) -> Result<()> {
    /// cx.lin_kv().cas_or_create("owner", cx.node_id(), cx.node_id()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 22 when it holds another value. Error 0 when no reply comes: it may
    /// have happened.
    pub fn cas_or_create(
        &self,
        key: impl Serialize,
        from: impl Serialize,
        to: impl Serialize,
    ) -> TypedCall<()> {
        self.swap(key, from, to, Some(true))
    }

    /// Makes `seq-kv` forget the past: whatever this node reads after it is at
    /// least as new as all that was written before it, by anybody.
    ///
    /// `seq-kv` may serve any state that is not older than what we have seen. A
    /// write of a value that no state holds must be done on the newest one, and
    /// then that is what we have seen. (Maelstrom's does nothing at all with a
    /// write that changes nothing, hence a random value.)
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
    /// Error 0 when no reply comes; it can be sent again at will.
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
        TypedCall::new(call.timeout(self.timeout), meaning)
    }
}

fn done(reply: Result<Reply>) -> Result<()> {
    reply.map(|_| ())
}
