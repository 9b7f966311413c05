//! Maelstrom's errors: a code that programs act on, and a text for people.

use super::quote::Quote;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// The kind of failure that an error message reports.
///
/// The meanings are Maelstrom's own, which its checkers act on. (Build
/// Distributed Systems' introduction describes 11, 22 and 30 by other names.)
///
/// ```
/// use eddyline::ErrorCode;
///
/// assert_eq!(ErrorCode::from(20), ErrorCode::KeyDoesNotExist);
/// assert!(ErrorCode::KeyDoesNotExist.is_definite());
/// assert!(!ErrorCode::Timeout.is_definite());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 0: no reply came in time. The operation may still happen.
    Timeout,
    /// 1: there is no node of that name.
    NodeNotFound,
    /// 10: this node does not support that type of request.
    NotSupported,
    /// 11: not possible now; trying again later may work.
    TemporarilyUnavailable,
    /// 12: the request does not have the shape that its type demands.
    MalformedRequest,
    /// 13: the node failed inside. The operation may have happened.
    Crash,
    /// 14: the operation was given up and certainly did not happen.
    Abort,
    /// 20: there is no such key.
    KeyDoesNotExist,
    /// 21: the key is there already.
    KeyAlreadyExists,
    /// 22: a condition of the request is not met.
    PreconditionFailed,
    /// 30: the transaction conflicts with another one.
    TxnConflict,
    /// Any other code. Codes of an author's own begin at 1000.
    Other(i64),
}

impl ErrorCode {
    /// Whether the operation certainly did not happen and will not happen.
    ///
    /// Codes that Maelstrom does not define count as indefinite.
    ///
    /// ```
    /// use eddyline::ErrorCode;
    ///
    /// assert!(ErrorCode::PreconditionFailed.is_definite());
    /// assert!(!ErrorCode::Crash.is_definite());
    /// ```
    pub fn is_definite(self) -> bool {
        !matches!(
            self,
            ErrorCode::Timeout | ErrorCode::Crash | ErrorCode::Other(_)
        )
    }

    /// The code as it goes over the wire.
    pub fn number(self) -> i64 {
        match self {
            ErrorCode::Timeout => 0,
            ErrorCode::NodeNotFound => 1,
            ErrorCode::NotSupported => 10,
            ErrorCode::TemporarilyUnavailable => 11,
            ErrorCode::MalformedRequest => 12,
            ErrorCode::Crash => 13,
            ErrorCode::Abort => 14,
            ErrorCode::KeyDoesNotExist => 20,
            ErrorCode::KeyAlreadyExists => 21,
            ErrorCode::PreconditionFailed => 22,
            ErrorCode::TxnConflict => 30,
            ErrorCode::Other(number) => number,
        }
    }
}

impl From<i64> for ErrorCode {
    fn from(number: i64) -> ErrorCode {
        match number {
            0 => ErrorCode::Timeout,
            1 => ErrorCode::NodeNotFound,
            10 => ErrorCode::NotSupported,
            11 => ErrorCode::TemporarilyUnavailable,
            12 => ErrorCode::MalformedRequest,
            13 => ErrorCode::Crash,
            14 => ErrorCode::Abort,
            20 => ErrorCode::KeyDoesNotExist,
            21 => ErrorCode::KeyAlreadyExists,
            22 => ErrorCode::PreconditionFailed,
            30 => ErrorCode::TxnConflict,
            other => ErrorCode::Other(other),
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        i64::deserialize(deserializer).map(ErrorCode::from)
    }
}

/// An error that one node sends to another, or that a handler ends with.
///
/// A handler that returns one answers its caller with its code, its text, and its further
/// fields.
///
/// ```
/// use eddyline::{Error, ErrorCode};
///
/// // An error of one's own: 1000 and up. It counts as indefinite.
/// let error = Error::new(1000, "the vault is shut");
/// assert_eq!(error.to_string(), "the vault is shut (error 1000)");
/// assert_eq!(error.code, ErrorCode::Other(1000));
/// ```
///
/// An error of another node comes with all fields of its body, and `?` passes all of them on.
/// This node asks n1, and then the leader that n1 names:
///
/// ```
/// # use eddyline::{Context, Error, Reply, Request, Result};
/// fn refuse() -> Result<()> {
///     Err(Error::temporarily_unavailable("not the leader").with("leader", "n3"))
/// }
///
/// async fn ask(cx: Context) -> Result<Reply> {
///     let error = match cx.sync_rpc("n1", "read", &()).await {
///         Ok(reply) => return Ok(reply),
///         Err(error) => error,
///     };
///     match error.field::<String>("leader") {
///         Some(leader) => cx.sync_rpc(&leader, "read", &()).await,
///         None => Err(error),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure. Programs act on it.
    pub code: ErrorCode,
    /// A description for people.
    pub text: String,
    /// Boxed: most errors have none, and an error is part of every result.
    further: Option<Box<Further>>,
}

/// The fields of an error's body besides its header, code and text. Each is a key and
/// a JSON value, in the order of the body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Further(Vec<(String, String)>);

/// The result of handlers and calls.
///
/// ```
/// fn half(number: u64) -> eddyline::Result<u64> {
///     let odd = || eddyline::Error::precondition_failed(format!("{number} is odd"));
///     (number % 2 == 0).then_some(number / 2).ok_or_else(odd)
/// }
/// assert_eq!(half(3).unwrap_err().code.number(), 22);
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of any code, given as an [`ErrorCode`] or as its number.
    ///
    /// ```
    /// use eddyline::{Error, ErrorCode};
    ///
    /// assert_eq!(Error::new(1000, "sold out").code, ErrorCode::Other(1000));
    /// assert_eq!(Error::new(ErrorCode::Abort, "too late"), Error::abort("too late"));
    /// ```
    pub fn new(code: impl Into<ErrorCode>, text: impl Into<String>) -> Error {
        Error {
            code: code.into(),
            text: text.into(),
            further: None,
        }
    }

    /// Adds a field to the error's body, for programs: the name of the leader, a time to wait.
    /// A field of that name is replaced.
    ///
    /// If the value does not serialise, or the key is one that every error has (`type`,
    /// `msg_id`, `in_reply_to`, `code`, `text`), this returns error 13 in its place.
    ///
    /// ```
    /// use eddyline::Error;
    ///
    /// let error = Error::temporarily_unavailable("not the leader")
    ///     .with("leader", "n3")
    ///     .with("retry_in_ms", 50);
    /// assert_eq!(error.field("retry_in_ms"), Some(50));
    /// assert_eq!(error.with("code", 20).code.number(), 13);
    /// ```
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Serialize) -> Error {
        if !is_further(key) {
            return Error::crash(format!(
                "the field `{key}` of an error has its own place and cannot be added"
            ));
        }
        match serde_json::to_string(&value) {
            Ok(json) => {
                let fields = &mut self.further.get_or_insert_default().0;
                fields.retain(|(known, _)| known != key);
                fields.push((key.to_owned(), json));
                self
            }
            Err(why) => Error::crash(format!(
                "the field `{key}` of an error does not serialise: {why}"
            )),
        }
    }

    /// A further field of the error's body. `None` if there is none of that name, or if its
    /// value is not a `T`.
    ///
    /// ```
    /// use eddyline::Error;
    ///
    /// let error = Error::temporarily_unavailable("not the leader").with("leader", "n3");
    /// assert_eq!(error.field::<String>("leader").as_deref(), Some("n3"));
    /// assert_eq!(error.field::<u64>("leader"), None);
    /// ```
    pub fn field<'a, T: Deserialize<'a>>(&'a self, key: &str) -> Option<T> {
        let fields = &self.further.as_ref()?.0;
        // Of a key that stands twice, serde_json's maps take the last one too.
        let (_, json) = fields.iter().rev().find(|(name, _)| name == key)?;
        serde_json::from_str(json).ok()
    }

    /// Adds a field that another node has written, if it is a further one.
    pub(super) fn add_received(&mut self, key: &str, json: &str) {
        if is_further(key) {
            let fields = &mut self.further.get_or_insert_default().0;
            fields.push((key.to_owned(), json.to_owned()));
        }
    }

    /// Error 0: no reply came in time.
    pub fn timeout(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::Timeout, text)
    }

    /// Error 1: there is no node called `name`.
    pub fn node_not_found(name: &str) -> Error {
        let name = Quote(name);
        let text = format!("there is no node, service or known sender called {name}");
        Error::new(ErrorCode::NodeNotFound, text)
    }

    /// Error 10: this node does not support requests of type `kind`.
    pub fn not_supported(kind: &str) -> Error {
        let kind = Quote(kind);
        let text = format!("this node does not know requests of type {kind}");
        Error::new(ErrorCode::NotSupported, text)
    }

    /// Error 11: not possible now.
    pub fn temporarily_unavailable(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::TemporarilyUnavailable, text)
    }

    /// Error 12: the request does not have the shape that its type demands.
    pub fn malformed_request(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::MalformedRequest, text)
    }

    /// Error 13: the node failed inside.
    pub fn crash(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::Crash, text)
    }

    /// Error 14: the operation was given up and certainly did not happen.
    pub fn abort(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::Abort, text)
    }

    /// Error 20: there is no such key.
    pub fn key_does_not_exist(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::KeyDoesNotExist, text)
    }

    /// Error 21: the key is there already.
    pub fn key_already_exists(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::KeyAlreadyExists, text)
    }

    /// Error 22: a condition of the request is not met.
    pub fn precondition_failed(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::PreconditionFailed, text)
    }

    /// Error 30: the transaction conflicts with another one.
    pub fn txn_conflict(text: impl Into<String>) -> Error {
        Error::new(ErrorCode::TxnConflict, text)
    }

    /// Whether the operation certainly did not happen and will not happen.
    ///
    /// ```
    /// # async fn charge(cx: eddyline::Context) -> eddyline::Result<()> {
    /// match cx.sync_rpc("n2", "charge", &()).await {
    ///     Err(error) if error.is_definite() => cx.log(format_args!("certainly not charged")),
    ///     Err(_) => cx.log(format_args!("perhaps charged")),
    ///     Ok(_) => cx.log(format_args!("charged")),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_definite(&self) -> bool {
        self.code.is_definite()
    }
}

/// Whether a key of an error's body is neither in the header nor in every error.
fn is_further(key: &str) -> bool {
    !matches!(key, "type" | "msg_id" | "in_reply_to" | "code" | "text")
}

/// All fields of an error's body besides its header.
pub(crate) struct ErrorFields<'a>(pub(crate) &'a Error);

impl Serialize for ErrorFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Error {
            code,
            text,
            further,
        } = self.0;
        let Some(further) = further else {
            return ErrorBody { code: *code, text }.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", code)?;
        map.serialize_entry("text", text)?;
        for (key, json) in &further.0 {
            let value: &RawValue = serde_json::from_str(json).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error {})", self.text, self.code.number())
    }
}

impl std::error::Error for Error {}

/// The fields of an `error` body besides its header.
///
/// ```
/// use eddyline::{ErrorCode, protocol::ErrorBody};
///
/// let body: ErrorBody<String> = serde_json::from_str(r#"{"code":20}"#)?;
/// assert_eq!((body.code, body.text), (ErrorCode::KeyDoesNotExist, String::new()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorBody<T> {
    /// The code as a JSON integer.
    pub code: ErrorCode,
    /// The text; an error without one is taken as well.
    #[serde(default)]
    pub text: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for number in (-2..40).chain([1000, i64::MAX, i64::MIN]) {
            assert_eq!(ErrorCode::from(number).number(), number);
        }
    }

    #[test]
    fn the_definite_codes_are_maelstroms() {
        let definite: Vec<i64> = (0..2000)
            .filter(|&number| ErrorCode::from(number).is_definite())
            .collect();
        assert_eq!(definite, [1, 10, 11, 12, 14, 20, 21, 22, 30]);
    }

    #[test]
    fn a_further_field_is_added_replaced_and_read() {
        let error = Error::abort("a").with("x", 1).with("y", [2]).with("x", 3);
        assert_eq!(error.field("x"), Some(3));
        assert_eq!(error.field("y"), Some(vec![2]));
        assert_eq!(error.field::<String>("x"), None);
        assert_eq!(error.field::<u64>("z"), None);
        let json = serde_json::to_string(&ErrorFields(&error)).unwrap();
        assert_eq!(json, r#"{"code":14,"text":"a","y":[2],"x":3}"#);
    }

    #[test]
    fn a_field_that_cannot_be_added_is_error_13_that_names_it() {
        for key in ["type", "msg_id", "in_reply_to", "code", "text"] {
            let error = Error::abort("a").with(key, 1);
            assert_eq!(error.code, ErrorCode::Crash);
            assert!(error.text.contains(&format!("`{key}`")), "{error}");
        }
        let unserialisable = std::collections::BTreeMap::from([([1], 2)]);
        let error = Error::abort("a").with("map", unserialisable);
        assert_eq!(error.code, ErrorCode::Crash);
        assert!(error.text.contains("`map`"), "{error}");
    }
}
