//! The blame for a node: its wrong lines, its wrong replies, its end; and its lines for people.

use super::Processes;
use super::notes::LAST_WORDS_MAX;
use super::parts::{Again, Answer, Astray, INIT_NUMBER, Stream};
use crate::harness::complaints::Complaint;
use crate::harness::record::Problem;
use crate::protocol::{Header, ReplyTo};
use crate::sys::Pipe;
use crate::time::{Clock, Instant};

/// How much of a wrong line is shown.
const EXCERPT_BYTES: usize = 300;

/// The beginning of a line, as text.
fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_BYTES)]).into_owned();
    if line.len() > EXCERPT_BYTES {
        return text + " …";
    }
    text
}

/// The sentence about a node that answered requests again; `first` is the first of them.
fn further_replies(node: &str, count: u64, (client, msg_id): (&str, u64)) -> String {
    let replies = match count {
        1 => "1 further reply".to_owned(),
        _ => format!("{count} further replies"),
    };
    format!(
        "{node} sent {replies} to requests that had a reply already, first to request {msg_id} of \
         {client}. Clients take the first reply and ignore the others"
    )
}

impl Processes {
    pub(super) fn take_log(&mut self, node: usize, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        let name = &self.names[node];
        if self.plan.log_stderr {
            self.progress.say(&format!("{name}: {text}"));
        }
        let at = self.since_start();
        self.notes.log(at, name, text);
    }

    /// A node did something wrong that is no line.
    pub(super) fn blame_node(&mut self, node: usize, why: String) {
        self.add_problem(node, None, "", why);
    }

    /// The last line that was read from a node's stdout is wrong.
    pub(super) fn blame_line(&mut self, node: usize, line: &[u8], why: String) {
        let number = self.servers[node].lines;
        self.add_problem(node, Some(number), &excerpt(line), why);
    }

    /// The body of a reply is wrong. It arrived in the line that was read last.
    pub(super) fn blame_reply(&mut self, node: usize, why: String, body: &str) {
        self.add_problem(node, None, &excerpt(body.as_bytes()), why);
    }

    /// Takes note of an answer to `init`, and blames a node for a message to a client that
    /// answers no request of it: once for each kind of fault. The others are counted.
    pub(super) fn look_at_answer(&mut self, node: usize, client: usize, line: &[u8], body: &str) {
        let header = Header::parse(body).ok();
        let is_awaited = self.servers[node].init_from == Some(client);
        let last_msg_id = self.clients[client].last_msg_id;
        match Answer::of(header.as_ref(), is_awaited, last_msg_id) {
            Answer::Reply => self.note_reply(node, client, header.as_ref()),
            Answer::Ready => {
                self.servers[node].init_from = None;
                self.servers[node].is_ready = true;
                self.clients[client].is_open = false;
            }
            Answer::Refusal => {
                self.servers[node].init_from = None;
                self.clients[client].is_open = false;
                self.is_broken = true;
                let why = "`init` was not answered by init_ok".to_owned();
                self.blame_line(node, line, why);
            }
            Answer::NotToInit => {
                let why = format!(
                    "it does not answer `init`, whose `msg_id` is {INIT_NUMBER}: `in_reply_to` is \
                     missing or another"
                );
                self.blame_line(node, line, why);
            }
            Answer::Astray(astray) => {
                let count = &mut self.servers[node].astray[astray as usize];
                *count += 1;
                if *count == 1 {
                    self.blame_line(node, line, astray.why().to_owned());
                }
            }
        }
    }

    /// Takes note of a reply, and counts it if its request has one already. An `init` by NATS is
    /// sent again, so it may have several.
    fn note_reply(&mut self, node: usize, client: usize, header: Option<&Header<'_>>) {
        let asker = &mut self.clients[client];
        if let Some(ReplyTo::Call(msg_id)) = header.map(|header| &header.in_reply_to)
            && !asker.is_for_init
            && !asker.is_first_reply(*msg_id)
        {
            let again = &mut self.servers[node].again;
            if again.count == 0 {
                again.first = (client, *msg_id);
            }
            again.count += 1;
        }
    }

    /// Tells of each node that answered a request again. That breaks no rule of Maelstrom, whose
    /// clients take the first reply, but a node seldom means it.
    pub(super) fn tell_of_further_replies(&mut self) {
        for (server, node) in self.servers.iter().zip(&self.names) {
            let Again { count, first } = server.again;
            if count > 0 {
                let why = further_replies(node, count, (&self.clients[first.0].name, first.1));
                let at = self.clock.now().since(Instant::ZERO);
                self.notes.tester_problem(at, why);
            }
        }
    }

    /// Tells how many messages of each kind of fault came after the first.
    pub(super) fn count_astray(&mut self) {
        for node in 0..self.servers.len() {
            for astray in Astray::ALL {
                let more = self.servers[node].astray[astray as usize].saturating_sub(1);
                if more > 0 {
                    let why = format!("{more} more times: {}", astray.why());
                    self.blame_node(node, why);
                }
            }
        }
    }

    /// Finds nodes that stand still and were not paused.
    pub(super) fn look_at_nodes(&mut self) {
        for node in 0..self.servers.len() {
            let server = &mut self.servers[node];
            let is_stopped = !server.is_paused
                && !server.is_stopped
                && server
                    .process
                    .as_ref()
                    .is_some_and(|process| process.child.is_stopped());
            if is_stopped {
                server.is_stopped = true;
                let why = "it has stopped itself, as with SIGSTOP, and answers nothing more";
                self.blame_node(node, why.to_owned());
            }
        }
    }

    /// Tells of a node that leaves its stdin unread, if requests to it had no reply. That is no
    /// broken rule, but it explains the missing replies.
    pub(super) fn look_at_stdin(&mut self, node: usize) {
        let server = &self.servers[node];
        let Some(process) = &server.process else {
            return;
        };
        let pipe = self.reactor.get(process.stdin).and_then(Stream::pipe);
        let unread = pipe.map_or(0, Pipe::unread) + process.input.len();
        if server.is_slow && unread > 0 {
            let (name, at) = (&self.names[node], self.since_start());
            let why = format!(
                "{unread} bytes on the stdin of {name} were not read, and requests to it had no reply"
            );
            self.notes.tester_problem(at, why);
        }
    }

    fn add_problem(&mut self, node: usize, line_number: Option<u64>, line: &str, why: String) {
        let problem = Problem {
            at: self.since_start(),
            node: self.names[node].clone(),
            line_number,
            line: line.to_owned(),
            why,
        };
        // The first ones are told at once. Later ones wait for the end.
        if self.notes.problems.len() < LAST_WORDS_MAX {
            let (first, count) = (&problem, 1);
            let text = Complaint { first, count }.told();
            self.progress.say(&text);
        }
        self.notes.problem(problem);
    }
}
