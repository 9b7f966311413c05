//! A model of a session: it derives the allowed output from the input.
//!
//! The model parses each line with serde_json, so it does not depend on the parser that
//! it checks. It knows the requests without an answer, their possible answers, the known
//! names, and the calls that wait for a reply.

use super::super::reference::{Found, Strange, parsed};
use super::node::GIVE_UP_MS;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The default timeout of a call.
const CALL_MS: u64 = 1_000;

/// The longest sender's name that the session remembers.
const NAME_BYTES_MAX: usize = 256;

/// A message with exactly the allowed top-level keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    msg_id: Option<u64>,
    #[serde(borrow)]
    in_reply_to: Option<&'a RawValue>,
    code: Option<i64>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    echo: &'a RawValue,
}

#[derive(Deserialize)]
struct Init {
    node_id: String,
    node_ids: Vec<String>,
}

/// The allowed answer to a request.
#[derive(Debug)]
enum Answer {
    /// The same value, byte for byte.
    Echo(String),
    /// An error of this code.
    Error(i64),
    /// The request's type with `_ok`, or an error of any code.
    Ok(String),
}

#[derive(Debug)]
struct Answered {
    kind: String,
    code: Option<i64>,
    echo: Option<String>,
}

/// All requests of one sender with the same number. Their answers cannot be
/// distinguished.
#[derive(Debug, Default)]
struct Account {
    asked: Vec<Answer>,
    answered: Vec<Answered>,
}

struct Call {
    dest: String,
    deadline_ms: u64,
    /// Whether `give_up` made it, which drops it after some time.
    may_lapse: bool,
}

/// The state of the model.
#[derive(Default)]
pub(super) struct Model {
    /// The node's name and its cluster, after `init`.
    identity: Option<(String, BTreeSet<String>)>,
    /// The `dest` of the present line, while the node has no name.
    called: Option<String>,
    /// Whether the present line is a `give_up`, whose call may lapse.
    gives_up: bool,
    /// All names to which the node may send.
    names: BTreeSet<String>,
    next_msg_id: u64,
    accounts: BTreeMap<(String, String), Account>,
    calls: BTreeMap<u64, Call>,
    /// Calls of `give_up` whose time is over, until their tasks have run.
    lapsed: BTreeMap<u64, Call>,
    /// The least and the greatest number of ignored replies.
    pub(super) ignored: (u64, u64),
}

impl Model {
    /// Reads a line of input, before the session does.
    pub(super) fn receive(&mut self, line: &[u8]) {
        let Some(found) = parsed(line) else { return };
        let own = self.identity.as_ref().map(|(name, _)| name.clone());
        if own.as_ref().is_some_and(|own| *own != found.dest) {
            return;
        }
        let is_reply = matches!(found.in_reply_to, Ok(Some(_)) | Err(Strange::NotOurs));
        if found.kind.as_deref() == Some("init") && !is_reply {
            return self.receive_init(&found);
        }
        if own.is_none() {
            self.called = Some(found.dest.clone());
            if is_reply {
                self.ignore(1);
            } else {
                self.expect_answer(&found, Answer::Error(11));
            }
            return;
        }
        self.remember_sender(&found.src);
        match found.in_reply_to {
            Ok(Some(number)) => self.receive_reply(number, &found.src),
            Err(Strange::NotOurs) => self.ignore(1),
            Err(Strange::NoInteger) => self.expect_answer(&found, Answer::Error(12)),
            Ok(None) => self.receive_request(&found),
        }
    }

    fn receive_init(&mut self, found: &Found) {
        self.called = Some(found.dest.clone());
        let init = serde_json::from_str::<Init>(&found.body);
        let init = init.ok().filter(|init| !init.node_id.is_empty());
        let Some(Init { node_id, node_ids }) = init else {
            return self.expect_answer(found, Answer::Error(12));
        };
        if found.in_reply_to.is_err() {
            return self.expect_answer(found, Answer::Error(12));
        }
        if found.msg_id.is_err() {
            return;
        }
        let cluster: BTreeSet<String> = node_ids.into_iter().collect();
        match &self.identity {
            None => {
                self.names.insert(node_id.clone());
                self.names.extend(cluster.iter().cloned());
                self.identity = Some((node_id, cluster));
            }
            Some((name, known)) if *name == node_id && *known == cluster => {}
            Some(_) => return self.expect_answer(found, Answer::Error(22)),
        }
        self.remember_sender(&found.src);
        self.expect_answer(found, Answer::Ok("init".to_owned()));
    }

    /// Makes a sender a known name, unless it is too long.
    fn remember_sender(&mut self, src: &str) {
        if src.len() <= NAME_BYTES_MAX {
            self.names.insert(src.to_owned());
        }
    }

    fn receive_request(&mut self, found: &Found) {
        let Some(kind) = &found.kind else {
            return self.expect_answer(found, Answer::Error(12));
        };
        let answer = match kind.as_str() {
            "echo" => match serde_json::from_str::<Echo>(&found.body) {
                Ok(Echo { echo }) => Answer::Echo(echo.get().to_owned()),
                Err(_) => Answer::Error(12),
            },
            "fail" => Answer::Error(1001),
            "proxy" | "give_up" | "sleep" | "tick" | "twice" | "never" | "keep" | "answer_kept"
            | "spawn" | "send_to" | "tcp_start" | "tcp_send" | "tcp_stats" => {
                Answer::Ok(kind.clone())
            }
            _ => Answer::Error(10),
        };
        self.gives_up = kind == "give_up";
        if kind != "never" {
            self.expect_answer(found, answer);
        }
    }

    /// Is called after the session has processed a line.
    pub(super) fn line_done(&mut self) {
        self.called = None;
        self.gives_up = false;
    }

    /// Records a request, if it has a number.
    fn expect_answer(&mut self, found: &Found, answer: Answer) {
        if let Ok(Some(msg_id)) = &found.msg_id {
            let key = (found.src.clone(), msg_id.clone());
            let account = self.accounts.entry(key).or_default();
            account.asked.push(answer);
        }
    }

    fn receive_reply(&mut self, number: u64, src: &str) {
        let is_awaited = |calls: &BTreeMap<u64, Call>| {
            let call = calls.get(&number);
            call.is_some_and(|call| call.dest == src)
        };
        if is_awaited(&self.calls) {
            self.calls.remove(&number);
        } else if is_awaited(&self.lapsed) {
            self.lapsed.remove(&number);
            self.ignored.1 += 1;
        } else {
            self.ignore(1);
        }
    }

    fn ignore(&mut self, count: u64) {
        self.ignored.0 += count;
        self.ignored.1 += count;
    }

    /// Checks a message of the session, without its newline.
    pub(super) fn sent(&mut self, line: &[u8], now_ms: u64) {
        let message: Message = serde_json::from_slice(line).expect("a message");
        let body: Body = serde_json::from_str(message.body.get()).expect("a body with a type");
        let is_named = self.identity.as_ref().map(|(name, _)| name);
        match is_named {
            Some(name) => assert_eq!(message.src, **name, "another node's name"),
            None => assert_eq!(Some(&*message.src), self.called.as_deref(), "no name yet"),
        }
        if let Some(msg_id) = body.msg_id {
            assert!(is_named.is_some(), "a number before init_ok");
            assert_eq!(msg_id, self.next_msg_id, "not the next number");
            self.next_msg_id += 1;
        }
        if body.kind == "error" {
            assert!(body.code.is_some(), "an error without a code");
            let text = body.text.expect("an error has a text").get();
            serde_json::from_str::<Cow<'_, str>>(text).expect("a text is a string");
        }
        match (body.in_reply_to, body.msg_id) {
            (Some(number), _) => {
                let echo = serde_json::from_str::<Echo>(message.body.get());
                let echo = echo.ok().map(|echo| echo.echo.get().to_owned());
                self.answered(&message.dest, number.get(), &body, echo);
            }
            (None, Some(msg_id)) => self.called(msg_id, &message.dest, now_ms),
            (None, None) => {
                assert_eq!(body.kind, "note", "a message not from `send_to`");
                self.assert_known(&message.dest);
            }
        }
    }

    fn answered(&mut self, dest: &str, number: &str, body: &Body<'_>, echo: Option<String>) {
        let key = (dest.to_owned(), number.to_owned());
        let account = self.accounts.get_mut(&key).expect("there is a request");
        account.answered.push(Answered {
            kind: body.kind.clone().into_owned(),
            code: body.code,
            echo,
        });
        assert!(
            account.answered.len() <= account.asked.len(),
            "answered twice: {account:?}"
        );
    }

    fn called(&mut self, msg_id: u64, dest: &str, now_ms: u64) {
        self.assert_known(dest);
        let may_lapse = self.gives_up;
        let wait_ms = if may_lapse { GIVE_UP_MS } else { CALL_MS };
        let call = Call {
            dest: dest.to_owned(),
            deadline_ms: now_ms + wait_ms,
            may_lapse,
        };
        self.calls.insert(msg_id, call);
    }

    fn assert_known(&self, dest: &str) {
        let is_service = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"].contains(&dest);
        assert!(
            is_service || self.names.contains(dest),
            "{dest:?} is not a known name"
        );
    }

    /// Is called after timers have fired.
    pub(super) fn expire(&mut self, now_ms: u64) {
        let calls = std::mem::take(&mut self.calls);
        for (msg_id, call) in calls {
            if call.deadline_ms > now_ms {
                self.calls.insert(msg_id, call);
            } else if call.may_lapse {
                self.lapsed.insert(msg_id, call);
            }
        }
    }

    /// Is called when no task is ready.
    pub(super) fn settled(&mut self) {
        self.lapsed.clear();
    }

    pub(super) fn calls_waiting(&self) -> usize {
        self.calls.len()
    }

    /// The number of calls whose task waits for a timer of its own as well.
    pub(super) fn calls_that_may_lapse(&self) -> usize {
        self.calls.values().filter(|call| call.may_lapse).count()
    }

    /// The call in flight at `pick`: its number and destination.
    pub(super) fn call(&self, pick: usize) -> Option<(u64, String)> {
        let pick = pick.checked_rem(self.calls.len())?;
        let (number, call) = self.calls.iter().nth(pick)?;
        Some((*number, call.dest.clone()))
    }

    pub(super) fn has_name(&self) -> bool {
        self.identity.is_some()
    }

    pub(super) fn node_id(&self) -> &str {
        self.identity.as_ref().map_or("", |(name, _)| name)
    }

    /// Checks that every request has an allowed answer. A proxied call may have none
    /// after the end of the input, when no reply can come.
    pub(super) fn check_accounts(self, input_has_ended: bool) {
        for (key, Account { asked, answered }) in self.accounts {
            let shown = format!("{key:?}: {asked:?}: {answered:?}");
            let mut open = asked;
            // An answer that fits only one request is assigned first.
            let (errors, fine): (Vec<_>, Vec<_>) = answered
                .iter()
                .partition(|answered| answered.kind == "error");
            for answered in fine.into_iter().chain(errors) {
                let ranks = open.iter().enumerate();
                let fits = ranks.filter_map(|(at, open)| Some((open.rank(answered)?, at)));
                let (_, at) = fits
                    .min()
                    .unwrap_or_else(|| panic!("a wrong answer: {shown}"));
                open.swap_remove(at);
            }
            let is_owed = |answer: &Answer| !(input_has_ended && answer.is_proxied());
            assert!(!open.iter().any(is_owed), "unanswered: {shown}");
        }
    }
}

impl Answer {
    /// How well an answer fits, 0 best; `None` if it is not allowed.
    fn rank(&self, answered: &Answered) -> Option<u8> {
        let is_error = answered.kind == "error";
        match self {
            Answer::Echo(value) => {
                (answered.kind == "echo_ok" && answered.echo.as_ref() == Some(value)).then_some(0)
            }
            Answer::Error(code) => (is_error && answered.code == Some(*code)).then_some(0),
            Answer::Ok(kind) if answered.kind.strip_suffix("_ok") == Some(kind) => Some(0),
            Answer::Ok(_) => is_error.then_some(if self.is_proxied() { 2 } else { 1 }),
        }
    }

    /// Whether it may be missing after the end of the input.
    fn is_proxied(&self) -> bool {
        matches!(self, Answer::Ok(kind) if kind == "proxy")
    }
}
