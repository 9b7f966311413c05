//! Updates of a key: read, change, and swap, until it holds.

use super::backoff::Backoff;
use super::kv::Kv;
use crate::protocol::{Error, ErrorCode, Quote, Result, parse_value};
use crate::time::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// How long an update waits first, when another one got in between. A service
/// answers somebody in every round, so this only has to part those that collide.
const CONFLICT_PAUSE: Duration = Duration::from_millis(1);

/// What a key holds that is changed by [`Kv::update_once`]: the value, and the
/// marks of updates that may not know yet that they are done.
///
/// ```
/// # use eddyline::{Context, Result, node::Marked};
/// # async fn sum(cx: Context) -> Result<u64> {
/// let sum: Option<Marked<u64>> = cx.lin_kv().read("sum").await?;
/// Ok(sum.map_or(0, |sum| sum.value))
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked<T> {
    /// The value.
    pub value: T,
    /// By node. Random numbers as text: not every reader of JSON keeps 64 bits.
    marks: BTreeMap<String, Vec<String>>,
}

/// The marks of this node's updates that have not ended.
#[derive(Default, Clone)]
pub(super) struct Marks {
    in_use: Rc<RefCell<BTreeSet<String>>>,
}

/// The mark of one update, in use until it is dropped.
struct Mark {
    name: String,
    marks: Marks,
}

impl Marks {
    fn take(&self, name: String) -> Mark {
        self.in_use.borrow_mut().insert(name.clone());
        let marks = self.clone();
        Mark { name, marks }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.marks.in_use.borrow_mut().remove(&self.name);
    }
}

impl Mark {
    fn is_in<T>(&self, state: &Marked<T>, node: &str) -> bool {
        let own = state.marks.get(node);
        own.is_some_and(|own| own.contains(&self.name))
    }

    /// The state after this update: with its mark, and without those of this
    /// node that nobody looks for any more.
    fn put_on<T>(
        &self,
        value: T,
        mut marks: BTreeMap<String, Vec<String>>,
        node: &str,
    ) -> Marked<T> {
        let own = marks.entry(node.to_owned()).or_default();
        own.retain(|mark| self.marks.in_use.borrow().contains(mark));
        own.push(self.name.clone());
        Marked { value, marks }
    }
}

/// The rounds of one update, and the time that they have together.
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

    /// Waits before the next round. False if the time is over before.
    async fn pause(&mut self) -> bool {
        let cx = &self.kv.cx;
        let pause = cx.random(|random| self.backoff.next_pause(random));
        if self.left() <= pause {
            return false;
        }
        cx.sleep(pause).await;
        true
    }
}

impl Kv {
    /// Replaces the value of a key, `default` if it does not exist, by what
    /// `change` makes of it; again and again until nobody else's write got in
    /// between, or the client's timeout is over. Returns the new value.
    ///
    /// It goes round when its [`cas`](Kv::cas) is answered with error 22, and so
    /// it relies on a network that delivers no message twice, as Maelstrom's
    /// does not. Of a `cas` that arrives twice the second copy fails with 22,
    /// after the first has written; if that answer is the first to come back,
    /// the change is made once more. [`update_once`](Kv::update_once) bears that.
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
    /// Error 30 when others got in between until the timeout: nothing was
    /// written. Error 0 when no reply comes: it may have happened, and so it is
    /// not tried again.
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
                // The raw value goes back as `from`: parsed and written again it
                // might have lost fields that `T` does not know.
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
                if !rounds.pause().await {
                    return Err(conflict(kv.service));
                }
            }
        }
    }

    /// Changes a key as [`update`](Kv::update) does, but exactly once, even if
    /// messages arrive twice or replies are lost: for `lin-kv` and `seq-kv`. The
    /// key holds a [`Marked`] value, and nothing else may write it.
    ///
    /// Each update leaves a mark of its own with its change, in the same
    /// `cas`. So no state ever comes again, and a copy of a `cas` that comes
    /// late finds another state; and when the answer is 22, or none comes, the
    /// next read tells whether the change was made: the mark is there or not.
    /// Later updates of this node take it away. It costs the bytes of a few marks.
    ///
    /// `change` may run again for the same value, and must then do the same.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn add(cx: Context, delta: u64) -> Result<u64> {
    /// cx.seq_kv().update_once("sum", 0, move |sum| sum + delta).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 0 at the timeout: it may have happened, even if others only got in
    /// between. Error 13 when the key holds no marked `T`.
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
            let mark = kv.cx.marks().take(format!("{number:016x}"));
            let mut rounds = Rounds::begin(&kv);
            let marks = BTreeMap::new();
            let nothing = serialise(&Marked {
                value: default,
                marks,
            })?;
            // What the last attempt would have made of the key.
            let mut tried: Option<T> = None;
            loop {
                let is_first = tried.is_none();
                // Once something was tried, no failure is certain any more.
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
                    // If it was an earlier attempt that was carried out, then it
                    // started from the same state: an older one never comes again.
                    return Ok(new);
                }
                let new = change(&state.value);
                let new = mark.put_on(new, state.marks, kv.cx.node_id());
                let left = rounds.left().min(kv.cx.rpc_timeout());
                match kv.cas_or_create(&key, &from, &new).timeout(left).await {
                    Ok(()) => return Ok(new.value),
                    Err(error) if may_be_done(&error) => tried = Some(new.value),
                    Err(error) => return Err(judge(error)),
                }
                if !rounds.pause().await {
                    return Err(doubtful(kv.service));
                }
            }
        }
    }
}

/// Errors of a `cas` after which a read tells more.
fn may_be_done(error: &Error) -> bool {
    error.code == ErrorCode::PreconditionFailed || !error.is_definite()
}

fn conflict(service: &str) -> Error {
    Error::txn_conflict(format!(
        "others kept changing the key in {} until the time was over",
        Quote(service)
    ))
}

fn doubtful(service: &str) -> Error {
    Error::timeout(format!(
        "{} has not said in time whether the key was changed",
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
