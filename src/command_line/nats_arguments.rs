//! The options that name NATS servers and credentials.
//!
//! A secret is read from a file or from the environment. It never stands on the command
//! line, which every user of the machine can read, and never in a text for a person.

use super::usage_error::UsageError;
use crate::engine::{Credentials, Nats};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The variable with the password of `--user`.
const PASSWORD_VARIABLE: &str = "EDDYLINE_NATS_PASSWORD";

/// The variable with the token.
const TOKEN_VARIABLE: &str = "EDDYLINE_NATS_TOKEN";

/// The options about NATS, as they are read.
///
/// ```
/// use eddyline::command_line::NatsArguments;
/// use std::ffi::OsStr;
///
/// let mut arguments = NatsArguments::default();
/// arguments.set("nats", OsStr::new("nats://127.0.0.1:4222"))?;
/// arguments.set("cluster", OsStr::new("orders"))?;
/// assert_eq!(arguments.nats()?.unwrap().cluster(), "orders");
/// assert!(NatsArguments::default().nats()?.is_none());
/// # Ok::<(), eddyline::command_line::UsageError>(())
/// ```
#[derive(Debug, Default)]
pub struct NatsArguments {
    servers: Option<String>,
    cluster: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

impl NatsArguments {
    /// Takes the value of the option `nats`, `cluster`, `user`, `password-file` or
    /// `token-file`.
    ///
    /// # Errors
    /// When the value is no text, or the option is another one.
    pub fn set(&mut self, option: &str, value: &OsStr) -> Result<(), UsageError> {
        let text = || match value.to_str() {
            Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
            _ => Err(UsageError::new(format!(
                "invalid value {value:?} for --{option}: expected a text"
            ))),
        };
        match option {
            "nats" => self.servers = text()?,
            "cluster" => self.cluster = text()?,
            "user" => self.user = text()?,
            "password-file" => self.password_file = Some(value.into()),
            "token-file" => self.token_file = Some(value.into()),
            _ => return Err(UsageError::new(format!("invalid option '--{option}'"))),
        }
        Ok(())
    }

    /// NATS as the options have named it; `None` without `--nats`.
    ///
    /// # Errors
    /// When an option lacks another one, a URL is wrong, or a secret cannot be read.
    pub fn nats(self) -> Result<Option<Nats>, UsageError> {
        let Some(servers) = &self.servers else {
            let others = [
                ("--cluster", self.cluster.is_some()),
                ("--user", self.user.is_some()),
                ("--password-file", self.password_file.is_some()),
                ("--token-file", self.token_file.is_some()),
            ];
            return match others.iter().find(|(_, is_given)| *is_given) {
                None => Ok(None),
                Some((option, _)) => Err(UsageError::new(format!("{option} needs --nats"))),
            };
        };
        let Some(cluster) = &self.cluster else {
            return Err(UsageError::new(
                "--nats needs --cluster, the name of the cluster".to_owned(),
            ));
        };
        let nats = Nats::new(servers, cluster)
            .map_err(|error| UsageError::new(format!("invalid value for --nats: {error}")))?;
        Ok(Some(nats.credentials(self.credentials()?)))
    }

    fn credentials(&self) -> Result<Credentials, UsageError> {
        let Some(name) = self.user.clone() else {
            if self.password_file.is_some() {
                return Err(UsageError::new("--password-file needs --user".to_owned()));
            }
            let token = secret(self.token_file.as_ref(), TOKEN_VARIABLE)?;
            return Ok(token.map_or(Credentials::None, Credentials::Token));
        };
        if self.token_file.is_some() {
            return Err(UsageError::new(
                "--user and --token-file exclude each other".to_owned(),
            ));
        }
        match secret(self.password_file.as_ref(), PASSWORD_VARIABLE)? {
            Some(password) => Ok(Credentials::User { name, password }),
            None => Err(UsageError::new(format!(
                "--user needs a password: --password-file, or the variable {PASSWORD_VARIABLE}"
            ))),
        }
    }
}

/// The secret in the first line of a file, or in a variable of the environment.
fn secret(file: Option<&PathBuf>, variable: &str) -> Result<Option<String>, UsageError> {
    let Some(file) = file else {
        return Ok(std::env::var(variable).ok());
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| UsageError::new(format!("cannot read {}: {error}", file.display())))?;
    match text.lines().next() {
        Some(first) if !first.is_empty() => Ok(Some(first.to_owned())),
        _ => Err(UsageError::new(format!(
            "the first line of {} is empty",
            file.display()
        ))),
    }
}
