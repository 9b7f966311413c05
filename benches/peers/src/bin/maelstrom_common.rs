//! An echo node on the crate maelstrom-common, which has typed messages and one thread
//! for each direction.

use maelstrom_common::{Envelope, HandleMessage, run};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::Sender;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Init { msg_id: usize },
    InitOk { in_reply_to: usize },
    Echo { msg_id: usize, echo: String },
    EchoOk { in_reply_to: usize, echo: String },
}

struct Echo;

impl HandleMessage for Echo {
    type Message = Message;
    type Error = std::io::Error;

    fn handle_message(
        &mut self,
        message: Envelope<Message>,
        out: Sender<Envelope<Message>>,
    ) -> Result<(), std::io::Error> {
        let answer = match &message.body {
            Message::Init { msg_id } => Message::InitOk {
                in_reply_to: *msg_id,
            },
            Message::Echo { msg_id, echo } => Message::EchoOk {
                in_reply_to: *msg_id,
                echo: echo.clone(),
            },
            Message::InitOk { .. } | Message::EchoOk { .. } => return Ok(()),
        };
        out.send(message.reply(answer))
            .map_err(std::io::Error::other)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(Echo)?;
    Ok(())
}
