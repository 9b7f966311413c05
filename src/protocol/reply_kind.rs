//! What a reply is called.

/// The type of a reply.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReplyKind<'a> {
    /// The request's type with `_ok` behind it.
    Ok(&'a str),
    /// `error`.
    Error,
}

impl<'a> ReplyKind<'a> {
    /// As [`write_header`](super::write_header) takes it: a type, and what is put behind it.
    pub(crate) fn parts(self) -> (&'a str, &'static str) {
        match self {
            ReplyKind::Ok(request) => (request, "_ok"),
            ReplyKind::Error => ("error", ""),
        }
    }
}
