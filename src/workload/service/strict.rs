//! Services that say what is wrong with a request: see the table of the room's page.

use super::key::Answer;
use super::{NAMES, Reply, Services};
use serde_json::{Map, Value};

/// The types of requests, with the fields that each needs.
const KEY_REQUESTS: &[(&str, &[&str])] = &[
    ("read", &["key"]),
    ("write", &["key", "value"]),
    ("cas", &["key", "from", "to"]),
];
const TIME_REQUESTS: &[(&str, &[&str])] = &[("ts", &[])];

impl Services {
    /// As [`answer`](Services::answer), for callers that want to know what is wrong. Nothing is
    /// sent to one that has given its request no number, since no reply could name it.
    pub(crate) fn answer_strictly(
        &mut self,
        service: usize,
        client: &str,
        body: &str,
    ) -> Option<Reply> {
        let reply = match refusal(service, body) {
            Some(refusal) => Some(refusal),
            None => self.answer(service, client, body),
        };
        reply.filter(|reply| !reply.in_reply_to.is_null())
    }
}

/// The error for a request that can be read and that the service does not carry out.
fn refusal(service: usize, body: &str) -> Option<Reply> {
    // `answer` has the error for a body that cannot be read.
    let fields: Map<String, Value> = serde_json::from_str(body).ok()?;
    let requests = match NAMES[service] {
        "lin-tso" => TIME_REQUESTS,
        _ => KEY_REQUESTS,
    };
    let kind = fields.get("type")?.as_str()?;
    let answer = match requests.iter().find(|(known, _)| *known == kind) {
        None => {
            let known: Vec<&str> = requests.iter().map(|(known, _)| *known).collect();
            let (name, known) = (NAMES[service], known.join(", "));
            Answer::NotSupported(format!("{name} knows no request {kind:?}, only {known}"))
        }
        Some((_, needed)) => {
            let missing = needed.iter().find(|field| !fields.contains_key(**field))?;
            Answer::Malformed(format!(
                "the body of the request {kind:?} has no `{missing}`"
            ))
        }
    };
    Some(Reply {
        in_reply_to: fields.get("msg_id").cloned().unwrap_or_default(),
        answer,
    })
}
