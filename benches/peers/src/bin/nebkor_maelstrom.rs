//! An echo node on the crate nebkor-maelstrom, which uses threads and channels.

use nebkor_maelstrom::{Body, Message, Node, Runner};

struct Echo;

impl Node for Echo {
    fn handle(&mut self, runner: &Runner, message: Message) {
        if message.body.typ == "echo" {
            let body = Body::from_type("echo_ok").with_payload(message.body.payload.clone());
            runner.reply(&message, body);
        }
    }
}

fn main() {
    Runner::new(Echo).run(None);
}
