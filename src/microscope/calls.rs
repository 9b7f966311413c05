//! The system calls behind an event, as far as an event tells of them: the bytes that a
//! source has written, and the calls that have failed.

use crate::lab::Call;
use rustix::io::Errno;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

/// Failures that an event does not tell of: they say no more than its flags do.
const USUAL: [Errno; 3] = [Errno::AGAIN, Errno::INPROGRESS, Errno::INTR];

/// The names of the errors that the simulated kernel has.
const NAMES: [(Errno, &str); 13] = [
    (Errno::AGAIN, "EAGAIN"),
    (Errno::PERM, "EPERM"),
    (Errno::PIPE, "EPIPE"),
    (Errno::MFILE, "EMFILE"),
    (Errno::NFILE, "ENFILE"),
    (Errno::NOBUFS, "ENOBUFS"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::ADDRINUSE, "EADDRINUSE"),
    (Errno::CONNREFUSED, "ECONNREFUSED"),
    (Errno::CONNRESET, "ECONNRESET"),
    (Errno::CONNABORTED, "ECONNABORTED"),
    (Errno::NETUNREACH, "ENETUNREACH"),
    (Errno::NOTCONN, "ENOTCONN"),
];

/// The names of the sources by their descriptors.
pub(super) type Descriptors = BTreeMap<RawFd, String>;

/// Writes the calls since the last event into an event.
pub(super) fn tell(calls: &[Call], descriptors: &Descriptors, about: &mut Value) {
    let mut written = 0;
    for call in calls {
        let is_own = name(call, descriptors).is_some_and(|name| about["name"] == *name);
        if call.name == "write" && is_own {
            written += call.answer.max(0);
        }
    }
    if written > 0 {
        about["written"] = json!(written);
    }
    let is_told = |call: &&Call| errno(call).is_some_and(|errno| !USUAL.contains(&errno));
    let mut failed: Vec<String> = Vec::new();
    for call in calls.iter().filter(is_told) {
        let text = failure(call, descriptors);
        if failed.last() != Some(&text) {
            failed.push(text);
        }
    }
    if !failed.is_empty() {
        about["failed"] = json!(failed);
    }
}

/// The last call, if it has failed.
pub(super) fn last_failure(calls: &[Call], descriptors: &Descriptors) -> Option<String> {
    let call = calls.iter().rfind(|call| call.name != "close")?;
    errno(call).map(|_| failure(call, descriptors))
}

/// Such as "accept on listener with EMFILE".
fn failure(call: &Call, descriptors: &Descriptors) -> String {
    let on = name(call, descriptors).map_or("a socket", |name| name);
    let error = errno(call).unwrap_or(Errno::AGAIN);
    let known = NAMES.iter().find(|(errno, _)| *errno == error);
    let error = known.map_or_else(
        || format!("error {}", error.raw_os_error()),
        |(_, name)| (*name).to_owned(),
    );
    let call = match call.name {
        "getsockopt" => "getsockopt(SO_ERROR)",
        name => name,
    };
    format!("{call} on {on} with {error}")
}

fn name<'a>(call: &Call, descriptors: &'a Descriptors) -> Option<&'a str> {
    let fd = RawFd::try_from(call.on).ok()?;
    descriptors.get(&fd).map(String::as_str)
}

fn errno(call: &Call) -> Option<Errno> {
    let errno = i32::try_from(call.answer.checked_neg()?).ok()?;
    (errno > 0).then(|| Errno::from_raw_os_error(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &'static str, on: i64, answer: i64) -> Call {
        Call { name, on, answer }
    }

    #[test]
    fn an_event_tells_its_own_writes_and_all_failures_once() {
        let names = Descriptors::from([(3, "stdin".to_owned()), (7, "connection 5".to_owned())]);
        let failed = -i64::from(Errno::MFILE.raw_os_error());
        let calls = [
            call("write", 7, 40),
            call("write", 3, 100),
            call("accept", 9, failed),
            call("accept", 9, failed),
            call("read", 7, -i64::from(Errno::AGAIN.raw_os_error())),
        ];
        let mut about = json!({ "name": "connection 5" });
        tell(&calls, &names, &mut about);
        assert_eq!(about["written"], 40);
        assert_eq!(about["failed"], json!(["accept on a socket with EMFILE"]));
        let last = last_failure(&calls, &names).unwrap();
        assert_eq!(last, "read on connection 5 with EAGAIN");
        assert_eq!(last_failure(&calls[..2], &names), None);
    }
}
