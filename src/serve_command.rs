//! `eddyline serve`: Maelstrom's services on NATS.

use crate::options;
use eddyline::Nats;
use eddyline::client::{SERVICES, serve};
use eddyline::command_line::NatsArguments;
use std::ffi::OsString;
use std::process::ExitCode;

const HELP: &str = "\
Runs Maelstrom's services on NATS, for nodes that use them. One process, in memory:
it is for trials, not for production. docs/DEPLOY.md names what can replace it.

Usage: eddyline serve --nats URL --cluster NAME [OPTIONS] SERVICE...

SERVICE is lin-kv, seq-kv, lww-kv or lin-tso. [default: all]

Options:
  --nats URL,URL,...  Servers: nats://HOST:PORT, or tls://HOST:PORT with the
                      feature tls.
  --cluster NAME      Name of the cluster.
  -h, --help          Print this help and exit.
The options for users, tokens and certificates are those of a node: eddyline --help.

Exit status:
  1  the kernel refused a resource
  2  an option or its value is wrong
It ends with a signal. A connection that is lost is made again.
";

/// The line at the start.
const WARNING: &str =
    "one process, in memory: all values are lost with it, and nothing bounds them";

/// Runs the command with the arguments behind its name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString> + 'static) -> ExitCode {
    let (nats, names) = match read(lexopt::Parser::from_args(arguments)) {
        Ok(Some(read)) => read,
        Ok(None) => return options::print(HELP),
        Err(error) => return options::usage_error_of("serve ", &error),
    };
    options::report(&format!("serves {}: {WARNING}", names.join(", ")));
    match serve(&nats, &names, &mut |text| options::report(&text)) {
        Ok(never) => match never {},
        Err(error) => {
            options::report(&error);
            ExitCode::FAILURE
        }
    }
}

type Read = Option<(Nats, Vec<&'static str>)>;

/// `None` asks for the help.
fn read(mut arguments: lexopt::Parser) -> Result<Read, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value};
    let mut nats = NatsArguments::default();
    let mut names = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long(name) => {
                let name = name.to_owned();
                let value = arguments.value()?;
                nats.set(&name, &value).map_err(|error| error.to_string())?;
            }
            Value(word) => {
                let known = SERVICES.into_iter().find(|&name| word == name);
                let all = SERVICES.join(", ");
                let known = known
                    .ok_or_else(|| format!("there is no service {word:?}; there are {all}"))?;
                // Two of a name would carry each request out twice.
                if names.contains(&known) {
                    return Err(format!("the service {known} is named twice").into());
                }
                names.push(known);
            }
            other => return Err(other.unexpected()),
        }
    }
    if names.is_empty() {
        names.extend(SERVICES);
    }
    let nats = nats.nats().map_err(|error| error.to_string())?;
    let nats = nats.ok_or("the services need --nats and --cluster")?;
    Ok(Some((nats, names)))
}
