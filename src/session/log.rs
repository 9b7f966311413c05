//! The lines for people of a session: its own, and those of its owner.

use super::Session;
use crate::notices::Topic;
use std::fmt;

impl Session {
    /// Logs a line for people, as the session itself does.
    pub fn log(&self, text: fmt::Arguments<'_>) {
        self.shared.log(text);
    }

    /// Logs a line that a peer or a server can cause, within the limit if there is one.
    pub(crate) fn notice(&self, topic: Topic, text: fmt::Arguments<'_>) {
        self.shared.notice(topic, text);
    }

    /// From now on a peer can only cause so many lines in a time: see
    /// [`notices`](crate::notices). For a node that strangers can reach.
    pub(crate) fn limit_notices(&self) {
        self.shared.log_book().limit_notices();
    }

    /// Logs how many lines were left out. The owner calls it every few seconds if it has
    /// [set a limit](Session::limit_notices).
    pub(crate) fn tell_left_out(&self) {
        self.shared.log_book().tell_left_out();
    }

    /// Logs a line about the last line that was received.
    pub(super) fn log_line(&self, text: fmt::Arguments<'_>) {
        self.notice(
            Topic::Message,
            format_args!("line {}: {text}", self.line_number),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Context, Node, Request};
    use crate::notices::{LINES_MAX, WINDOW};
    use crate::protocol::{Init, Result};
    use crate::session::Settings;
    use crate::time::VirtualClock;
    use std::cell::RefCell;
    use std::rc::Rc;

    struct Talker;

    impl Node for Talker {
        fn new(_: &Context) -> Talker {
            Talker
        }

        async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
            cx.log(format_args!("the author's line"));
            match request.kind() {
                "fail" => Err(crate::protocol::Error::crash("on purpose")),
                _ => Ok(()),
            }
        }
    }

    #[test]
    fn a_peer_can_cause_so_many_lines_if_there_is_a_limit() {
        const FLOOD: u64 = 100;
        let clock = VirtualClock::default();
        let lines = Rc::new(RefCell::new(Vec::new()));
        let log = {
            let lines = lines.clone();
            move |text: fmt::Arguments<'_>| lines.borrow_mut().push(text.to_string())
        };
        let mut session = Session::new(
            Talker::new,
            Settings::default(),
            Rc::new(clock.clone()),
            log,
        );
        let (node_id, node_ids) = ("n1".to_owned(), vec!["n1".to_owned()]);
        session.identify(&Init { node_id, node_ids }).unwrap();
        let said = |text: &str| {
            let lines = lines.borrow();
            lines.iter().filter(|line| line.contains(text)).count() as u64
        };
        for limit in [FLOOD, LINES_MAX] {
            lines.borrow_mut().clear();
            for _ in 0..FLOOD {
                session.receive(b"nonsense");
                session.receive(br#"{"src":"c1","dest":"n1","body":{"type":"fail"}}"#);
            }
            assert_eq!((said("not a message"), said("on purpose")), (limit, limit));
            assert_eq!(said("the author's line"), FLOOD);
            clock.advance(WINDOW);
            session.tell_left_out();
            let left_out = format!("{} more lines about", FLOOD - LINES_MAX);
            assert_eq!(said(&left_out), if limit == FLOOD { 0 } else { 2 });
            session.limit_notices();
        }
        // The next window tells the count of the last one in front of its first line.
        for _ in 0..FLOOD {
            session.receive(b"nonsense");
        }
        clock.advance(WINDOW);
        session.receive(b"nonsense");
        let lines = lines.borrow();
        let last: Vec<&str> = lines.iter().rev().take(2).map(String::as_str).collect();
        assert!(last[0].contains("not a message") && last[1].contains("more lines about"));
    }
}
