//! The program: a node that answers echo, proxy and TCP echo requests on stdin and
//! stdout. `eddyline test` tests nodes, others or itself, `eddyline bench` measures them, and
//! `eddyline check` judges a history. `eddyline call` calls a node on NATS, and `eddyline serve`
//! runs Maelstrom's services there.
//!
//! It uses the library only through its public API, like any author's node. The
//! command line is in `options.rs`; the event loop is in `src/runtime/`.

mod bench_command;
mod call_command;
mod check_command;
mod options;
mod serve_command;
mod test_command;
mod values;
#[cfg(feature = "microscope")]
mod watch;

use eddyline::protocol::RawRequest;
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::process::ExitCode;
use std::rc::Rc;

/// The node. It keeps no state: the listener of TCP echo belongs to the loop.
struct Tracks;

#[derive(Serialize, Deserialize)]
struct Echo<'a> {
    /// Any JSON value. It is returned byte for byte.
    #[serde(borrow)]
    echo: &'a RawValue,
}

#[derive(Deserialize)]
struct Proxy<'a> {
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    inner: RawRequest<'a>,
}

#[derive(Serialize)]
struct ProxyOk<'a> {
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct TcpEchoStart {
    port: u16,
}

#[derive(Serialize)]
struct TcpEchoStartOk {
    status: &'static str,
    port: u16,
}

#[derive(Deserialize)]
struct TcpEchoSend {
    data: String,
}

#[derive(Serialize)]
struct TcpEchoSendOk {
    /// The length of `echoed` in bytes of UTF-8.
    bytes: usize,
    echoed: String,
}

#[derive(Serialize)]
struct TcpEchoStatsOk {
    total_connections: u64,
    total_bytes: u64,
}

impl Node for Tracks {
    fn new(_: &Context) -> Tracks {
        Tracks
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "echo" => cx.reply(&request, &request.body::<Echo>()?),
            "proxy" => {
                let Proxy { target, inner } = request.body()?;
                let reply = cx.sync_rpc_raw(&target, &inner).await?;
                let result = reply.raw_value()?;
                cx.reply(&request, &ProxyOk { result })
            }
            "tcp_echo_start" => {
                let TcpEchoStart { port } = request.body()?;
                let port = cx.tcp_echo().start(port).await?;
                let status = "listening";
                cx.reply(&request, &TcpEchoStartOk { status, port })
            }
            "tcp_echo_send" => {
                let TcpEchoSend { data } = request.body()?;
                let echoed = cx.tcp_echo().send(data).await?;
                let bytes = echoed.len();
                cx.reply(&request, &TcpEchoSendOk { bytes, echoed })
            }
            "tcp_echo_stats" => {
                let stats = cx.tcp_echo().stats().await?;
                let totals = TcpEchoStatsOk {
                    total_connections: stats.connections,
                    total_bytes: stats.bytes,
                };
                cx.reply(&request, &totals)
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(command) if command == "test" => return test_command::main(arguments),
        Some(command) if command == "bench" => return bench_command::main(arguments),
        Some(command) if command == "check" => return check_command::main(arguments),
        Some(command) if command == "call" => return call_command::main(arguments),
        Some(command) if command == "serve" => return serve_command::main(arguments),
        _ => {}
    }
    #[cfg(feature = "microscope")]
    if let Some(done) = watch::command() {
        return done;
    }
    let options = match options::parse() {
        Ok(options) => options,
        Err(code) => return code,
    };
    match eddyline::run_with(Tracks::new, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            options::report(&error);
            ExitCode::FAILURE
        }
    }
}
