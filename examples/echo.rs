//! Echo, the smallest possible node.
//!
//! It shows the parts of every node: a type, its constructor, and a handler that
//! chooses by the request's type. Read `unique_ids` next.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w echo --bin target/release/examples/echo \
//!     --node-count 1 --time-limit 10
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::rc::Rc;

pub(crate) struct Echo;

/// The fields of the request and of the reply. They borrow from the request's line.
/// `RawValue` accepts any JSON value and keeps it byte for byte.
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

fn main() -> std::process::ExitCode {
    eddyline::main::<Echo>()
}
