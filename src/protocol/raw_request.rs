//! A request from elsewhere, to be sent on.

use super::ReplyTo;
use super::fast::parse_header;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The body of a request that another program has written: a JSON object with a
/// `type`, and without `in_reply_to`. It is checked when it is read, so that an
/// error names the field in which it stands.
///
/// ```
/// use eddyline::protocol::RawRequest;
///
/// let request: RawRequest = serde_json::from_str(r#"{"type":"read","key":1}"#)?;
/// assert_eq!(request.kind(), "read");
/// assert!(serde_json::from_str::<RawRequest>("[1]").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RawRequest<'a> {
    kind: Cow<'a, str>,
    body: &'a RawValue,
}

impl RawRequest<'_> {
    /// The body's `type`.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result, protocol::RawRequest};
    /// # fn inspect(cx: Context, request: Request) -> Result<()> {
    /// let raw: RawRequest = request.body()?;
    /// assert_eq!(raw.kind(), request.kind());
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The whole body as it came.
    ///
    /// ```
    /// let request: eddyline::protocol::RawRequest = serde_json::from_str(r#"{"type": "read"}"#)?;
    /// assert_eq!(request.body().get(), r#"{"type": "read"}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn body(&self) -> &RawValue {
        self.body
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawRequest<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = <&'de RawValue>::deserialize(deserializer)?;
        let header = parse_header(body.get()).map_err(D::Error::custom)?;
        if header.in_reply_to != ReplyTo::Absent {
            return Err(D::Error::custom(
                "`in_reply_to`: a request cannot be a reply",
            ));
        }
        let kind = header.kind;
        let kind = kind.ok_or_else(|| D::Error::custom("`type` is missing or not a string"))?;
        Ok(RawRequest { kind, body })
    }
}
