//! Echo: the smallest node there is. Shows what every node is made of: a type,
//! what it is built from, and a handler that picks the request's type.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w echo --bin target/release/examples/echo --node-count 1 --time-limit 10
//! ```

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::rc::Rc;

pub(crate) struct Echo;

/// The fields of the request, and of the reply too. They borrow from the line
/// that came, and `RawValue` takes any JSON and keeps it byte for byte.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    echo: &'a RawValue,
}

impl Node for Echo {
    fn new(_: &Context) -> Echo {
        Echo
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "echo" => cx.reply(&request, &request.body::<Body>()?),
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<Echo>()
}
