//! The command line of a node: the options that every node takes.
//!
//! [`main`] is the whole `main` function of an author's program. The program `eddyline`
//! reads its own options with [`CommandLine`].

mod nats_arguments;
mod usage_error;

pub use nats_arguments::NatsArguments;
pub use usage_error::UsageError;

use crate::node::Node;
use crate::protocol::{Init, check_name};
use crate::runtime::{Options, PREFIX, run_with};
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// The options that every node takes, and its exit statuses, as text for a person.
///
/// ```
/// assert!(eddyline::command_line::OPTIONS_HELP.contains("--rpc-timeout-ms"));
/// ```
// A backslash at the end of a line takes the blanks in front of the next line away.
pub const OPTIONS_HELP: &str = "\
Options:
  --node NAME              Name of this node. It then serves without an init.
                           [default: the init gives it]
  --nodes NAME,NAME,...    Names of all nodes, its own too. It needs --node.
                           [default: this node is alone]
  --rpc-timeout-ms N       Time limit of a call to another node, in milliseconds.
                           The call then ends with error 0. [default: 1000]
  --line-bytes-max N       Longest accepted input line, in bytes; at least 1024.
                           A longer line is reported and skipped.
                           [default: 16777216]
  --tcp-bind ADDR          IP address of the TCP echo server. [default: 127.0.0.1]
  --tcp-connections-max N  Number of TCP clients served at the same time. Further
                           clients wait in the listen queue. [default: 65536]
  -h, --help               Print this help and exit.
  --version                Print the version and exit.

On NATS, in place of stdin and stdout. A node needs --nats, --cluster and --node
there, and --nodes if it is not alone:
  --nats URL,URL,...       Servers: nats://HOST:PORT, or tls://HOST:PORT. Without
                           a port it is 4222. If one fails, another is tried.
  --cluster NAME           Name of the cluster. Others on the servers do not see it.
  --user NAME              User of the server. It needs a password.
  --password-file FILE     Its first line is the password of --user.
                           [default: the variable EDDYLINE_NATS_PASSWORD]
  --token-file FILE        Its first line is the token, for a server that wants one.
                           [default: the variable EDDYLINE_NATS_TOKEN]

On NATS with TLS or nkeys, in a program that was built with --features tls. With
tls:// in --nats, --ca-file is needed and the next three are possible:
  --ca-file FILE           Certificates of the CA of the servers, in PEM.
  --cert-file FILE         Certificate of this node, in PEM, for a server that
  --key-file FILE          demands one, and its private key. They need each other.
  --tls-handshake first    TLS begins before the server says anything: for servers
                           with handshake_first.
  --nkey-file FILE         Seed of the nkey that proves this node. It and the next
                           are possible with nats:// too, each in place of --user.
  --creds-file FILE        JWT and seed, as nsc writes them.

Exit status:
  0  stdin has ended and all output is written, or stdout's reader has gone
  1  stdin or stdout cannot be used, or the kernel refused a resource
  2  an option or its value is wrong
On NATS stdin is not read: the node ends with a signal.
";

/// The smallest value of `--line-bytes-max`: 1 KiB, the length of `init` in a
/// cluster of a hundred nodes. A node that cannot read its `init` answers nothing.
const LINE_BYTES_MIN: usize = 1 << 10;

/// The exit status after a wrong option or value.
const USAGE_ERROR: u8 = 2;

/// Runs a node with the options of the process's command line: the whole `main` of a
/// program. Without options the node runs on stdin and stdout, as Maelstrom starts it.
///
/// ```no_run
/// # use eddyline::{Context, Node, Request, Result};
/// # use std::rc::Rc;
/// # struct Ping;
/// # impl Node for Ping {
/// #     fn new(_: &Context) -> Self { Ping }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
/// #         cx.reply(&request, &())
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     eddyline::main::<Ping>()
/// }
/// ```
///
/// `--help` prints the options. The exit status is 0 at the end of the input, 1 if the
/// node cannot run, and 2 after a wrong option. An error is written to stderr. Its line begins
/// with `eddyline: `, as all lines of the library do, whatever the program is called.
pub fn main<N: Node>() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let program = std::path::Path::new(&program)
        .file_name()
        .unwrap_or_default();
    let program = program.to_string_lossy();
    let report = |text: &dyn fmt::Display| {
        use std::io::Write as _;
        let _ignored = writeln!(std::io::stderr(), "{PREFIX}{text}");
    };
    let text = match CommandLine::parse(arguments) {
        Ok(CommandLine::Run(options)) => {
            return match run_with(N::new, *options) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    report(&error);
                    ExitCode::FAILURE
                }
            };
        }
        Ok(CommandLine::Help) => help(&program),
        Ok(CommandLine::Version) => {
            format!(
                "{program}, a node on eddyline {}\n",
                env!("CARGO_PKG_VERSION")
            )
        }
        Err(error) => {
            report(&format_args!("{error}; see {program} --help"));
            return ExitCode::from(USAGE_ERROR);
        }
    };
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn help(program: &str) -> String {
    format!(
        "\
A node for the Maelstrom protocol. It reads JSON messages from stdin and writes
JSON messages to stdout, one per line. Diagnostics go to stderr.

Usage: {program} [OPTIONS]

{OPTIONS_HELP}"
    )
}

/// The wish of a command line.
///
/// ```
/// use eddyline::command_line::CommandLine;
///
/// let Ok(CommandLine::Run(options)) = CommandLine::parse(["--node", "n1"]) else {
///     panic!("no node");
/// };
/// assert_eq!(options.identity.unwrap().node_ids, ["n1"]);
/// let wrong = CommandLine::parse(["--nodes", "n1,n2"]).unwrap_err();
/// assert_eq!(wrong.to_string(), "--nodes needs --node, the name of this node");
/// ```
#[derive(Debug)]
pub enum CommandLine {
    /// Run a node with these options.
    Run(Box<Options>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

impl CommandLine {
    /// Reads the arguments of a process, without its name.
    ///
    /// # Errors
    /// When an option is unknown, lacks its value, or has a wrong one.
    pub fn parse(
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<CommandLine, UsageError> {
        use lexopt::prelude::{Long, Short};

        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let mut arguments = lexopt::Parser::from_args(arguments);
        let mut wish = Wish::default();
        let mut print = None;
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("help") | Short('h') => print = Some(CommandLine::Help),
                Long("version") => print = Some(CommandLine::Version),
                Long(option) if print.is_none() && is_known(option) => {
                    let option = option.to_owned();
                    let value = arguments.value()?;
                    wish.set(&option, value)?;
                }
                other => return Err(other.unexpected().into()),
            }
        }
        match print {
            Some(print) => Ok(print),
            None => wish
                .options()
                .map(|options| CommandLine::Run(Box::new(options))),
        }
    }
}

/// The options that have a value, without those about NATS.
const OPTIONS: &[&str] = &[
    "node",
    "nodes",
    "rpc-timeout-ms",
    "line-bytes-max",
    "tcp-bind",
    "tcp-connections-max",
    #[cfg(any(test, feature = "microscope"))]
    "record",
];

fn is_known(option: &str) -> bool {
    OPTIONS.contains(&option) || nats_arguments::OPTIONS.contains(&option)
}

/// The options that were read so far.
#[derive(Default)]
struct Wish {
    options: Options,
    node: Option<String>,
    nodes: Option<Vec<String>>,
    nats: NatsArguments,
}

impl Wish {
    fn set(&mut self, option: &str, given: OsString) -> Result<(), UsageError> {
        let options = &mut self.options;
        match option {
            "node" => {
                let name: String = value("--node", "a name", &given)?;
                check("--node", &name)?;
                self.node = Some(name);
            }
            "nodes" => {
                let names: String = value("--nodes", "names with commas between", &given)?;
                let names = names.split(',').map(str::to_owned);
                let names: Vec<String> = names.collect();
                names.iter().try_for_each(|name| check("--nodes", name))?;
                self.nodes = Some(names);
            }
            "rpc-timeout-ms" => {
                let millis = value("--rpc-timeout-ms", "a whole number", &given)?;
                options.rpc_timeout = Duration::from_millis(millis);
            }
            "line-bytes-max" => {
                let expected = format!("a whole number, at least {LINE_BYTES_MIN}");
                let bytes: usize = value("--line-bytes-max", &expected, &given)?;
                if bytes < LINE_BYTES_MIN {
                    return Err(invalid("--line-bytes-max", &expected, &bytes.to_string()));
                }
                options.line_bytes_max = bytes;
            }
            "tcp-bind" => options.tcp_bind = address(&given)?,
            "tcp-connections-max" => {
                let expected = "a whole number, at least 1";
                let count: NonZero<usize> = value("--tcp-connections-max", expected, &given)?;
                options.tcp_connections_max = count.get();
            }
            #[cfg(any(test, feature = "microscope"))]
            "record" => options.record = Some(given.into()),
            _ => self.nats.set(option, &given)?,
        }
        Ok(())
    }

    fn options(self) -> Result<Options, UsageError> {
        let identity = identity(self.node, self.nodes)?;
        let nats = self.nats.nats()?;
        if nats.is_some() && identity.is_none() {
            let text = "--nats needs --node, the name of this node, and --nodes, the names of \
                        all, if it is not alone";
            return Err(UsageError::new(text));
        }
        Ok(Options {
            identity,
            nats,
            ..self.options
        })
    }
}

/// The identity that `--node` and `--nodes` give.
fn identity(node: Option<String>, nodes: Option<Vec<String>>) -> Result<Option<Init>, UsageError> {
    let Some(node_id) = node else {
        return match nodes {
            None => Ok(None),
            Some(_) => Err(UsageError::new(
                "--nodes needs --node, the name of this node",
            )),
        };
    };
    let node_ids = nodes.unwrap_or_else(|| vec![node_id.clone()]);
    let init = Init { node_id, node_ids };
    match init.check() {
        Ok(()) => Ok(Some(init)),
        Err(error) => Err(UsageError::new(format!(
            "invalid --node or --nodes: {}",
            error.text
        ))),
    }
}

/// Refuses a name that is none. The error names the option and the name.
fn check(option: &str, name: &str) -> Result<(), UsageError> {
    check_name(name)
        .map_err(|why| UsageError::new(format!("invalid name {name:?} in {option}: {why}")))
}

/// Reads the value of `option`. The error names the option, its value and what is
/// expected.
fn value<T: FromStr>(option: &str, expected: &str, given: &OsString) -> Result<T, UsageError> {
    let parsed = given.to_str().and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| invalid(option, expected, given))
}

/// Reads an address to bind. Broadcast and multicast addresses are refused here:
/// the kernel lets a socket listen on them, but no TCP connection can reach it.
fn address(given: &OsString) -> Result<IpAddr, UsageError> {
    let option = "--tcp-bind";
    let address: IpAddr = value(option, "an IP address", given)?;
    let plain = address.to_canonical();
    if plain.is_multicast() || plain == IpAddr::V4(Ipv4Addr::BROADCAST) {
        let expected = "an address that TCP can connect to";
        return Err(invalid(option, expected, &address.to_string()));
    }
    Ok(address)
}

fn invalid(option: &str, expected: &str, value: &dyn fmt::Debug) -> UsageError {
    UsageError::new(format!(
        "invalid value {value:?} for {option}: expected {expected}"
    ))
}
