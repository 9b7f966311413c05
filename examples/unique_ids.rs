//! Unique ids without messages between nodes, so the node is always available.
//!
//! It shows state in a `Cell`, and the node's name and random numbers from the
//! context. Read `g_set` next.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w unique-ids --bin target/release/examples/unique_ids \
//!     --node-count 3 --time-limit 30 --rate 1000 --availability total --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Context, Node, Request, Result};
use serde::Serialize;
use std::cell::Cell;
use std::rc::Rc;

pub(crate) struct UniqueIds {
    /// A random number for this run of the process. A node that is killed and
    /// started again has the same name and a counter of zero. Its clocks would not tell the two
    /// apart: one begins at zero again, and the other may have been set back.
    run: u64,
    next: Cell<u64>,
}

#[derive(Serialize)]
struct GenerateOk {
    id: String,
}

impl Node for UniqueIds {
    fn new(cx: &Context) -> UniqueIds {
        UniqueIds {
            run: cx.random(|random| random.next_u64()),
            next: Cell::new(0),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "generate" => {
                let number = self.next.replace(self.next.get() + 1);
                let id = format!("{}-{:016x}-{number}", cx.node_id(), self.run);
                cx.reply(&request, &GenerateOk { id })
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<UniqueIds>()
}
