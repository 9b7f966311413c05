//! The options that name NATS servers and credentials.
//!
//! A secret is read from a file or from the environment. It never stands on the command
//! line, which every user of the machine can read, and never in a text for a person.

use super::usage_error::UsageError;
#[cfg(not(any(test, feature = "tls")))]
use crate::engine::NO_TLS;
use crate::engine::{Credentials, Nats};
#[cfg(any(test, feature = "tls"))]
use crate::engine::{Nkey, Tls};
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

/// The variable with the password of `--user`.
const PASSWORD_VARIABLE: &str = "EDDYLINE_NATS_PASSWORD";

/// The variable with the token.
const TOKEN_VARIABLE: &str = "EDDYLINE_NATS_TOKEN";

/// The options about NATS. The last six need the feature `tls`.
pub(super) const OPTIONS: [&str; 11] = [
    "nats",
    "cluster",
    "user",
    "password-file",
    "token-file",
    "nkey-file",
    "creds-file",
    "ca-file",
    "cert-file",
    "key-file",
    "tls-handshake",
];

/// Options about certificates, in the order in which a missing one is told.
const OF_CERTIFICATES: [&str; 4] = ["ca-file", "cert-file", "key-file", "tls-handshake"];

/// Options that prove the node to the server. One of them is enough.
const PROOFS: [&str; 4] = ["user", "token-file", "nkey-file", "creds-file"];

/// The largest secret, and the largest file with one: 16 KiB. nats-server takes a `CONNECT`
/// of 4 KiB unless its operator has set more, and the PEM of a long private key has 13 KiB.
const SECRET_BYTES_MAX: usize = 16 << 10;

/// The largest file with certificates: 4 MiB. The system's list of all CAs has 230 KB.
#[cfg(any(test, feature = "tls"))]
const CERTIFICATES_BYTES_MAX: usize = 4 << 20;

/// The permission of every user of the machine to read a file.
const READABLE_BY_OTHERS: u32 = 0o004;

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
    /// Names and values, in their order. Of two values the last one counts.
    given: Vec<(&'static str, String)>,
}

impl NatsArguments {
    /// Takes the value of an option about NATS: `nats`, `cluster`, `user`, or one of the files.
    ///
    /// # Errors
    /// When the value is no text, or the option is another one.
    pub fn set(&mut self, option: &str, value: &OsStr) -> Result<(), UsageError> {
        let Some(option) = OPTIONS.into_iter().find(|&known| known == option) else {
            return Err(UsageError::new(format!("invalid option '--{option}'")));
        };
        match value.to_str() {
            Some(text) if !text.is_empty() => self.given.push((option, text.to_owned())),
            _ => {
                return Err(UsageError::new(format!(
                    "invalid value {value:?} for --{option}: expected a text"
                )));
            }
        }
        Ok(())
    }

    /// NATS as the options have named it; `None` without `--nats`. It reads the files.
    ///
    /// # Errors
    /// When an option lacks another one, a URL is wrong, or a file cannot be used.
    pub fn nats(self) -> Result<Option<Nats>, UsageError> {
        let Some(servers) = self.get("nats") else {
            return match self.given.first() {
                None => Ok(None),
                Some((option, _)) => Err(UsageError::new(format!("--{option} needs --nats"))),
            };
        };
        let Some(cluster) = self.get("cluster") else {
            return Err(UsageError::new(
                "--nats needs --cluster, the name of the cluster",
            ));
        };
        let nats = Nats::new(servers, cluster)
            .map_err(|error| UsageError::new(format!("invalid value for --nats: {error}")))?;
        let mut files = Files::default();
        let nats = nats.credentials(self.credentials(&mut files)?);
        let mut nats = self.with_certificates(nats, &mut files)?;
        files.warnings.into_iter().for_each(|text| nats.warn(text));
        Ok(Some(nats))
    }

    fn get(&self, option: &str) -> Option<&str> {
        let mut given = self.given.iter().rev();
        let found = given.find(|(name, _)| *name == option);
        found.map(|(_, value)| value.as_str())
    }

    fn credentials(&self, files: &mut Files) -> Result<Credentials, UsageError> {
        let mut proofs = PROOFS.into_iter().filter(|proof| self.get(proof).is_some());
        let proof = proofs.next();
        if let (Some(one), Some(other)) = (proof, proofs.next()) {
            return Err(UsageError::new(format!(
                "--{one} and --{other} exclude each other"
            )));
        }
        if self.get("password-file").is_some() && proof != Some("user") {
            return Err(UsageError::new("--password-file needs --user"));
        }
        match proof {
            Some("user") => self.user(files),
            Some("nkey-file") => self.nkey(files),
            Some("creds-file") => self.creds(files),
            _ => {
                let token = files.secret(self.get("token-file"), TOKEN_VARIABLE)?;
                Ok(token.map_or(Credentials::None, Credentials::Token))
            }
        }
    }

    fn user(&self, files: &mut Files) -> Result<Credentials, UsageError> {
        let name = self.get("user").unwrap_or_default().to_owned();
        match files.secret(self.get("password-file"), PASSWORD_VARIABLE)? {
            Some(password) => Ok(Credentials::User { name, password }),
            None => Err(UsageError::new(format!(
                "--user needs a password: --password-file, or the variable {PASSWORD_VARIABLE}"
            ))),
        }
    }
}

#[cfg(any(test, feature = "tls"))]
impl NatsArguments {
    fn nkey(&self, files: &mut Files) -> Result<Credentials, UsageError> {
        let path = self.get("nkey-file").unwrap_or_default();
        let text = files.secret_text(path)?;
        // `nk` writes the seed alone, or with the public key on the next line.
        let mut lines = text.lines().map(str::trim);
        let seed = lines.find(|line| line.starts_with('S')).unwrap_or_default();
        let nkey = Nkey::from_seed(seed);
        nkey.map(Credentials::Nkey)
            .map_err(|error| of(path, &error))
    }

    fn creds(&self, files: &mut Files) -> Result<Credentials, UsageError> {
        let path = self.get("creds-file").unwrap_or_default();
        let text = files.secret_text(path)?;
        Credentials::from_creds(&text).map_err(|error| of(path, &error))
    }

    /// Certificates, if a server is named by `tls://`.
    fn with_certificates(&self, nats: Nats, files: &mut Files) -> Result<Nats, UsageError> {
        let mut given = OF_CERTIFICATES.into_iter();
        let given = given.find(|option| self.get(option).is_some());
        match given {
            Some(option) if !nats.has_tls_servers() => {
                let text = format!("--{option} needs a server that --nats names by tls://");
                return Err(UsageError::new(text));
            }
            None if !nats.has_tls_servers() => return Ok(nats),
            _ => {}
        }
        let Some(ca) = self.get("ca-file") else {
            return Err(UsageError::new(
                "tls:// needs --ca-file, the certificate of the CA of the servers (where it is \
                 public: /etc/ssl/certs/ca-certificates.crt)",
            ));
        };
        let mut tls = Tls::new(&certificates(ca)?).map_err(|error| of(ca, &error))?;
        match (self.get("cert-file"), self.get("key-file")) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                let text = files.secret_text(key)?;
                let with = tls.identity(&certificates(certificate)?, text.as_bytes());
                let both = format!("{certificate} or {key}");
                tls = with.map_err(|error| of(&both, &error))?;
            }
            _ => {
                return Err(UsageError::new(
                    "--cert-file and --key-file need each other",
                ));
            }
        }
        match self.get("tls-handshake") {
            None => {}
            Some("first") => tls = tls.handshake_first(),
            Some(other) => {
                return Err(UsageError::new(format!(
                    "invalid value {other:?} for --tls-handshake: expected first"
                )));
            }
        }
        Ok(nats.tls(tls))
    }
}

#[cfg(not(any(test, feature = "tls")))]
impl NatsArguments {
    fn nkey(&self, _files: &mut Files) -> Result<Credentials, UsageError> {
        Err(not_built("nkey-file"))
    }

    fn creds(&self, _files: &mut Files) -> Result<Credentials, UsageError> {
        Err(not_built("creds-file"))
    }

    fn with_certificates(&self, nats: Nats, _files: &mut Files) -> Result<Nats, UsageError> {
        let mut given = OF_CERTIFICATES.into_iter();
        match given.find(|option| self.get(option).is_some()) {
            Some(option) => Err(not_built(option)),
            None => Ok(nats),
        }
    }
}

#[cfg(not(any(test, feature = "tls")))]
fn not_built(option: &str) -> UsageError {
    UsageError::new(format!("--{option} cannot be used: {NO_TLS}"))
}

/// An error about a file.
#[cfg(any(test, feature = "tls"))]
fn of(path: &str, error: &dyn fmt::Display) -> UsageError {
    UsageError::new(format!("{path}: {error}"))
}

#[cfg(any(test, feature = "tls"))]
fn certificates(path: &str) -> Result<Vec<u8>, UsageError> {
    bytes(path, CERTIFICATES_BYTES_MAX)
}

/// A file of up to `max` bytes. A device without an end is no file of so many bytes either.
fn bytes(path: &str, max: usize) -> Result<Vec<u8>, UsageError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| UsageError::new(format!("cannot read {path}: {error}")))?;
    match bytes.len() > max {
        true => Err(too_long(path, max)),
        false => Ok(bytes),
    }
}

fn too_long(place: &str, max: usize) -> UsageError {
    UsageError::new(format!(
        "{place} has more than {max} bytes: it is not the file or the secret that is meant"
    ))
}

/// Reads files with secrets, and warns of those that are none.
#[derive(Default)]
struct Files {
    warnings: Vec<String>,
}

impl Files {
    /// The secret in the first line of a file, or in a variable of the environment.
    fn secret(&mut self, path: Option<&str>, variable: &str) -> Result<Option<String>, UsageError> {
        let Some(path) = path else {
            return match std::env::var(variable).ok() {
                Some(secret) if secret.len() > SECRET_BYTES_MAX => Err(too_long(
                    &format!("the variable {variable}"),
                    SECRET_BYTES_MAX,
                )),
                secret => Ok(secret),
            };
        };
        let text = self.secret_text(path)?;
        match text.lines().next() {
            Some(first) if !first.is_empty() => Ok(Some(first.to_owned())),
            _ => Err(UsageError::new(format!(
                "the first line of {path} is empty"
            ))),
        }
    }

    fn secret_text(&mut self, path: &str) -> Result<String, UsageError> {
        let cannot =
            |error: &dyn fmt::Display| UsageError::new(format!("cannot read {path}: {error}"));
        let text = bytes(path, SECRET_BYTES_MAX)?;
        let text = String::from_utf8(text).map_err(|_| cannot(&"it is no text (UTF-8)"))?;
        let mode = std::fs::metadata(path)
            .map_err(|error| cannot(&error))?
            .mode();
        if mode & READABLE_BY_OTHERS != 0 {
            self.warnings.push(format!(
                "{path} has a secret in it, and every user of this machine can read it: chmod \
                 600 {path}"
            ));
        }
        Ok(text)
    }
}
