//! An echo node on the crate maelstrom-node, which uses tokio.

use async_trait::async_trait;
use maelstrom::protocol::Message;
use maelstrom::{Node, Result, Runtime, done};
use std::sync::Arc;

struct Echo;

#[async_trait]
impl Node for Echo {
    async fn process(&self, runtime: Runtime, request: Message) -> Result<()> {
        if request.get_type() == "echo" {
            let echo = request.body.clone().with_type("echo_ok");
            return runtime.reply(request, echo).await;
        }
        done(runtime, request)
    }
}

fn main() -> Result<()> {
    Runtime::init(async { Runtime::new().with_handler(Arc::new(Echo)).run().await })
}
