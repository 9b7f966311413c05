//! Updates of a key: rounds of read, change and `cas`, until a `cas` succeeds.
//!
//! Read next: `marks`, by which `update_once` finds out whether its change was made.

use super::backoff::Backoff;
use super::marks::Marked;
use super::services::Kv;
use crate::protocol::{Error, ErrorCode, Quote, Result, parse_value};
use crate::time::Instant;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use std::time::Duration;

/// The first pause after a conflict with another update: a millisecond. One of the updates
/// succeeds in each round, so the pause only has to separate those that collide.
const CONFLICT_PAUSE: Duration = Duration::from_millis(1);

/// The rounds of one update. They share one deadline.
struct Rounds<'a> {
    kv: &'a Kv,
    deadline: Instant,
    backoff: Backoff,
}

impl Rounds<'_> {
    fn begin(kv: &Kv) -> Rounds<'_> {
        Rounds {
            kv,
            deadline: kv.cx.now() + kv.timeout,
            backoff: Backoff::new(CONFLICT_PAUSE).longest(CONFLICT_PAUSE * 64),
        }
    }

    fn left(&self) -> Duration {
        self.deadline.since(self.kv.cx.now())
    }

    async fn read<K: Serialize>(&self, key: &K) -> Result<Option<Box<RawValue>>> {
        let read = self.kv.read(key).retry(Backoff::default());
        read.timeout(self.left()).await
    }

    /// Waits before the next round, or returns `error` if the time is over before.
    async fn pause(&mut self, error: fn(&str) -> Error) -> Result<()> {
        let cx = &self.kv.cx;
        let pause = cx.random(|random| self.backoff.next_pause(random));
        if self.left() <= pause {
            return Err(error(self.kv.service));
        }
        cx.sleep(pause).await;
        Ok(())
    }
}

impl Kv {
    /// Replaces the value of a key by the result of `change`, and returns the new value. A key
    /// that does not exist counts as `default`. If another write comes between, it reads the
    /// value again and repeats the change, until the client's timeout is over.
    ///
    /// It repeats when its [`cas`](Kv::cas) is answered with error 22. So it relies on a
    /// network that delivers no message twice, as Maelstrom's does not. Of a `cas` that
    /// arrives twice, the first copy writes and the second fails with error 22. If the second
    /// reply arrives first, the change is made once more.
    /// [`update_once`](Kv::update_once) makes it once even then.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn add(cx: Context, delta: u64) -> Result<()> {
    /// let sum: u64 = cx.seq_kv().update("sum", 0, move |sum| sum + delta).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 30 if other writes came between until the timeout: nothing was written. Error 0
    /// if a reply is missing: the change may have been made, so it is not repeated.
    pub fn update<K, T, F>(
        &self,
        key: K,
        default: T,
        mut change: F,
    ) -> impl Future<Output = Result<T>> + use<K, T, F>
    where
        K: Serialize,
        T: Serialize + DeserializeOwned,
        F: FnMut(&T) -> T,
    {
        let kv = self.clone();
        async move {
            let mut rounds = Rounds::begin(&kv);
            loop {
                // The raw value goes back as `from`. Parsed and written again, it could lose
                // fields that `T` does not have.
                let (from, new) = match rounds.read(&key).await? {
                    Some(raw) => {
                        let new = change(&parse(&raw)?);
                        (raw, new)
                    }
                    None => (serialise(&default)?, change(&default)),
                };
                let cas = kv.cas_or_create(&key, &from, &new);
                match cas.timeout(rounds.left()).await {
                    Err(error) if error.code == ErrorCode::PreconditionFailed => {}
                    done => return done.map(|()| new),
                }
                rounds.pause(conflict).await?;
            }
        }
    }

    /// Changes a key as [`update`](Kv::update) does, but exactly once, even if messages arrive
    /// twice or replies are lost. It works on `lin-kv` and `seq-kv`. The key holds a
    /// [`Marked`] value, and nothing else may write it.
    ///
    /// Each update writes a mark of its own with its change, in the same `cas`. So no state of
    /// the key ever repeats, and a late copy of a `cas` finds another state than it expects.
    /// After error 22, or without a reply, the next read shows whether the change was made:
    /// the mark is there or not. Later updates of this node remove the mark. The price is the
    /// bytes of a few marks in the key.
    ///
    /// `change` may run again for the same value, and must then give the same result.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn add(cx: Context, delta: u64) -> Result<u64> {
    /// cx.seq_kv().update_once("sum", 0, move |sum| sum + delta).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 0 at the timeout: the change may have been made, even if other updates only came
    /// between. Error 13 if the key holds no marked `T`.
    pub fn update_once<K, T, F>(
        &self,
        key: K,
        default: T,
        mut change: F,
    ) -> impl Future<Output = Result<T>> + use<K, T, F>
    where
        K: Serialize,
        T: Serialize + DeserializeOwned,
        F: FnMut(&T) -> T,
    {
        let kv = self.clone();
        async move {
            let number = kv.cx.random(|random| random.next_u64());
            let mark = kv.cx.shared().marks().take(format!("{number:016x}"));
            let mut rounds = Rounds::begin(&kv);
            let nothing = serialise(&Marked::new(default))?;
            // The value that the key has if the last attempt was carried out.
            let mut tried: Option<T> = None;
            loop {
                // After the first attempt no failure is definite.
                let is_first = tried.is_none();
                let judge = |error| {
                    if is_first {
                        error
                    } else {
                        doubtful(kv.service)
                    }
                };
                let from = rounds.read(&key).await.map_err(judge)?;
                let from = from.unwrap_or_else(|| nothing.clone());
                let state: Marked<T> = parse(&from)?;
                if let Some(new) = tried.take_if(|_| mark.is_in(&state, kv.cx.node_id())) {
                    // An earlier attempt may have been the one that was carried out. It then
                    // started from the same state, because no state repeats.
                    return Ok(new);
                }
                let new = change(&state.value);
                let new = mark.put_on(new, state, kv.cx.node_id());
                let left = rounds.left().min(kv.cx.rpc_timeout());
                match kv.cas_or_create(&key, &from, &new).timeout(left).await {
                    Ok(()) => return Ok(new.value),
                    Err(error) if may_be_done(&error) => tried = Some(new.value),
                    Err(error) => return Err(judge(error)),
                }
                rounds.pause(doubtful).await?;
            }
        }
    }
}

/// Whether a `cas` that ended with this error may have been carried out.
fn may_be_done(error: &Error) -> bool {
    error.code == ErrorCode::PreconditionFailed || !error.is_definite()
}

fn conflict(service: &str) -> Error {
    Error::txn_conflict(format!(
        "other updates changed the key in {} until the time was over",
        Quote(service)
    ))
}

fn doubtful(service: &str) -> Error {
    Error::timeout(format!(
        "no reply from {} in time, so the key may have been changed or not",
        Quote(service)
    ))
}

fn parse<T: DeserializeOwned>(raw: &RawValue) -> Result<T> {
    parse_value(raw.get())
        .map_err(|error| Error::crash(format!("the value is not of the expected type: {error}")))
}

fn serialise<T: Serialize>(value: &T) -> Result<Box<RawValue>> {
    to_raw_value(value)
        .map_err(|error| Error::crash(format!("the value does not serialise: {error}")))
}
