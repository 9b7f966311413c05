//! `eddyline call`: calls a node on NATS.
//!
//! With `-` the calls are made one after the other, as redis-cli and psql do with the lines
//! of a script: line n of stdout answers line n of stdin, so a reply needs no number.

use crate::options;
use eddyline::client::Client;
use eddyline::command_line::NatsArguments;
use eddyline::protocol::{RawRequest, check_name};
use eddyline::{Error, Result};
use serde_json::Value;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
Calls a node on NATS, and prints the body of its reply.

Usage: eddyline call --nats URL --cluster NAME [OPTIONS] NODE TYPE [BODY]
       eddyline call --nats URL --cluster NAME [OPTIONS] NODE -

  eddyline call --nats nats://127.0.0.1:4222 --cluster demo n1 echo '{\"echo\":\"hi\"}'

NODE is the name of the node, TYPE the type of the request, and BODY a JSON object
with its other fields. [default: {}]
With - each line of stdin is the body of a request, with its type. The calls are
made one after the other: line n of stdout answers line n of stdin. An error is
a line too: {\"type\":\"error\",\"code\":1,\"text\":\"...\"}.

Options:
  --nats URL,URL,...  Servers: nats://HOST:PORT, or tls://HOST:PORT with the
                      feature tls.
  --cluster NAME      Name of the cluster.
  --timeout-ms N      Time limit of a call, and of the connection before it, in
                      milliseconds. [default: 1000]
  --as NAME           Name of this client. Where the server's permissions bind
                      names to users, it has to be the name of the user, as in
                      --user c1 --as c1. [default: a random one]
  -h, --help          Print this help and exit.
The options for users, tokens and certificates are those of a node: eddyline --help.

Exit status:
  0  the reply is on stdout
  1  an error is on stderr (with -: at least one of the replies is an error).
     Error 1: the node is not connected. Error 0: no reply came in time, or no
     server was reached, which the text tells apart.
  2  an option, its value or BODY is wrong
";

struct Options {
    nats: NatsArguments,
    name: Option<String>,
    timeout: Duration,
    words: Vec<String>,
}

/// Runs the command with the arguments behind its name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString> + 'static) -> ExitCode {
    let call = match read(lexopt::Parser::from_args(arguments)) {
        Ok(Some(options)) => prepare(options),
        Ok(None) => return options::print(HELP),
        Err(error) => Err(error.to_string()),
    };
    match call {
        Ok(call) => call.run(),
        Err(why) => options::usage_error_of("call ", &why),
    }
}

/// `None` asks for the help.
fn read(mut arguments: lexopt::Parser) -> std::result::Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value};
    let mut read = Options {
        nats: NatsArguments::default(),
        name: None,
        timeout: Duration::from_secs(1),
        words: Vec::new(),
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("as") => {
                let name = text(arguments.value()?)?;
                check("--as", &name)?;
                read.name = Some(name);
            }
            Long("timeout-ms") => {
                let value = text(arguments.value()?)?;
                let millis = value.parse().ok().filter(|&millis| millis > 0);
                let wrong = || {
                    format!(
                        "invalid value {value:?} for --timeout-ms: expected a whole number above 0"
                    )
                };
                read.timeout = Duration::from_millis(millis.ok_or_else(wrong)?);
            }
            Long(name) => {
                let name = name.to_owned();
                let value = arguments.value()?;
                let set = read.nats.set(&name, &value);
                set.map_err(|error| error.to_string())?;
            }
            Value(word) => read.words.push(text(word)?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(read))
}

fn text(value: OsString) -> std::result::Result<String, lexopt::Error> {
    value.into_string().map_err(lexopt::Error::NonUnicodeValue)
}

/// Refuses a name that is none.
fn check(place: &str, name: &str) -> std::result::Result<(), String> {
    check_name(name).map_err(|why| format!("invalid name {name:?} in {place}: {why}"))
}

/// Checks what one argument alone cannot show.
fn prepare(read: Options) -> std::result::Result<Call, String> {
    let nats = read.nats.nats().map_err(|error| error.to_string())?;
    let nats = nats.ok_or("a call needs --nats and --cluster")?;
    nats.warnings()
        .iter()
        .for_each(|text| options::report(text));
    let (dest, bodies) = match &read.words[..] {
        [dest, dash] if dash == "-" => (dest, None),
        [dest, kind] => (dest, Some(body(kind, "{}")?)),
        [dest, kind, fields] => (dest, Some(body(kind, fields)?)),
        _ => return Err("expected NODE TYPE [BODY], or NODE -".to_owned()),
    };
    check("NODE", dest)?;
    let client = Client::new(&nats, read.name.as_deref()).map_err(|error| error.to_string())?;
    Ok(Call {
        client,
        dest: dest.clone(),
        timeout: read.timeout,
        body: bodies,
    })
}

/// The body of a request with that type and those fields.
fn body(kind: &str, fields: &str) -> std::result::Result<String, String> {
    let value: Value = serde_json::from_str(fields)
        .map_err(|error| format!("the body {fields:?} is no JSON: {error}"))?;
    if !value.is_object() {
        return Err(format!("the body {fields:?} is no JSON object"));
    }
    if value.get("type").is_some() || value.get("in_reply_to").is_some() {
        return Err("the body has a type or an in_reply_to; give the fields only".to_owned());
    }
    // The text, and not the value: numbers and the order of keys stay as they are.
    let rest = fields.trim_start().trim_start_matches('{').trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    Ok(format!("{{\"type\":{}{comma}{rest}", Value::from(kind)))
}

struct Call {
    client: Client,
    dest: String,
    timeout: Duration,
    /// `None` takes them from stdin.
    body: Option<String>,
}

impl Call {
    fn run(mut self) -> ExitCode {
        let Some(body) = self.body.take() else {
            return self.run_lines();
        };
        match self.call(&body) {
            Ok(reply) => options::print(&format!("{reply}\n")),
            Err(error) => {
                options::report(&error);
                ExitCode::FAILURE
            }
        }
    }

    fn run_lines(&mut self) -> ExitCode {
        let mut status = ExitCode::SUCCESS;
        for line in options::input_lines() {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    options::report(&format!("cannot read stdin: {error}"));
                    return ExitCode::FAILURE;
                }
            };
            let answer = self.call_line(line.as_deref()).unwrap_or_else(|error| {
                status = ExitCode::FAILURE;
                let (code, text) = (error.code.number(), Value::from(error.text));
                format!(r#"{{"type":"error","code":{code},"text":{text}}}"#)
            });
            if let Err(error) = options::print_line(&answer) {
                options::report(&format!("cannot write to stdout: {error}"));
                return ExitCode::FAILURE;
            }
        }
        status
    }

    /// `None` is a line that is too long.
    fn call_line(&mut self, line: Option<&[u8]>) -> Result<String> {
        let line = line.ok_or_else(|| Error::malformed_request("the line is too long"))?;
        let body = std::str::from_utf8(line)
            .map_err(|error| Error::malformed_request(format!("the line is no UTF-8: {error}")))?;
        self.call(body)
    }

    fn call(&mut self, body: &str) -> Result<String> {
        let request: RawRequest = serde_json::from_str(body)
            .map_err(|error| Error::malformed_request(format!("no request: {error}")))?;
        self.client.call(&self.dest, &request, self.timeout)
    }
}
