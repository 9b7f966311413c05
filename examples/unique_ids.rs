//! Unique ids without asking anybody: available whatever the network does. Shows
//! state in a `Cell`, identity and randomness from the context.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w unique-ids --bin target/release/examples/unique_ids --node-count 3 \
//!     --time-limit 30 --rate 1000 --availability total --nemesis partition
//! ```

use eddyline::{Context, Node, Request, Result};
use serde::Serialize;
use std::cell::Cell;
use std::rc::Rc;

pub(crate) struct UniqueIds {
    /// A node that was killed starts again with the same name and a counter of
    /// zero. This number tells its lives apart.
    life: u64,
    next: Cell<u64>,
}

#[derive(Serialize)]
struct GenerateOk {
    id: String,
}

impl Node for UniqueIds {
    fn new(cx: &Context) -> UniqueIds {
        UniqueIds {
            life: cx.random(|random| random.next_u64()),
            next: Cell::new(0),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "generate" => {
                let number = self.next.replace(self.next.get() + 1);
                let id = format!("{}-{:016x}-{number}", cx.node_id(), self.life);
                cx.reply(&request, &GenerateOk { id })
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<UniqueIds>()
}
