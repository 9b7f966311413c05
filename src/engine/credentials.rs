//! The proof that a client is the one that it says.

#[cfg(any(test, feature = "tls"))]
use super::nats_error::NatsError;
#[cfg(any(test, feature = "tls"))]
use super::tls::Nkey;
use crate::protocol::Quote;
use serde::Serialize;
use std::fmt;

/// How a node proves to a NATS server what it is. `Debug` shows no secret.
///
/// ```
/// use eddyline::Credentials;
///
/// let user = Credentials::User { name: "n1".to_owned(), password: "secret".to_owned() };
/// assert!(!format!("{user:?}").contains("secret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all, or by the certificate of `Tls::identity`.
    #[default]
    None,
    /// By a token that all clients of the server share.
    Token(String),
    /// By a name and a password. The server's permissions belong to the name.
    User {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// By a signature. The server knows the public key. Only with the feature `tls`.
    #[cfg(any(test, feature = "tls"))]
    Nkey(Nkey),
    /// By a signature, with the JWT of an account that has the public key in it. Only with
    /// the feature `tls`.
    #[cfg(any(test, feature = "tls"))]
    Jwt {
        /// The JWT of the user. It is no secret.
        jwt: String,
        /// The key of the user.
        nkey: Nkey,
    },
}

/// The fields of a `CONNECT` that prove a client.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Proof<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
}

impl Credentials {
    /// The credentials in the text of a `.creds` file, as `nsc` writes it: a JWT and a seed.
    ///
    /// # Errors
    /// When one of them is missing or the seed is wrong. The error does not show it.
    #[cfg(any(test, feature = "tls"))]
    pub fn from_creds(text: &str) -> Result<Credentials, NatsError> {
        let part = |name: &str| {
            let title = format!("BEGIN {name}");
            let behind = text.lines().skip_while(|line| !line.contains(&title));
            let part = behind.skip(1).map(str::trim).find(|line| !line.is_empty());
            part.ok_or_else(|| NatsError::new(format!("there is no {name} in the credentials")))
        };
        Ok(Credentials::Jwt {
            jwt: part("NATS USER JWT")?.to_owned(),
            nkey: Nkey::from_seed(part("USER NKEY SEED")?)?,
        })
    }

    /// The proof for a server that wants this nonce signed. `Err` says that it wants none.
    pub(super) fn proof(&self, nonce: Option<&str>) -> Result<Proof<'_>, String> {
        let nothing = Proof::default();
        #[cfg(any(test, feature = "tls"))]
        let sign = |nkey: &Nkey| match nonce {
            Some(nonce) => Ok(Some(nkey.sign(nonce))),
            None => Err("it wants no signature, so it knows no user by an nkey".to_owned()),
        };
        #[cfg(not(any(test, feature = "tls")))]
        let _not_signed = nonce;
        Ok(match self {
            Credentials::None => nothing,
            Credentials::Token(token) => Proof {
                auth_token: Some(token),
                ..nothing
            },
            Credentials::User { name, password } => Proof {
                user: Some(name),
                pass: Some(password),
                ..nothing
            },
            #[cfg(any(test, feature = "tls"))]
            Credentials::Nkey(nkey) => Proof {
                nkey: Some(nkey.public()),
                sig: sign(nkey)?,
                ..nothing
            },
            #[cfg(any(test, feature = "tls"))]
            Credentials::Jwt { jwt, nkey } => Proof {
                jwt: Some(jwt),
                sig: sign(nkey)?,
                ..nothing
            },
        })
    }

    /// The likely mistake, when a server has refused the proof.
    pub(super) fn doubt(&self) -> String {
        match self {
            Credentials::None => "this node has given no token, user or nkey".to_owned(),
            Credentials::Token(_) => "the token is another one there".to_owned(),
            Credentials::User { name, .. } => {
                format!(
                    "there is no user {}, or its password is another one",
                    Quote(name)
                )
            }
            #[cfg(any(test, feature = "tls"))]
            Credentials::Nkey(nkey) => {
                format!("there is no user with the nkey {}", nkey.public())
            }
            #[cfg(any(test, feature = "tls"))]
            Credentials::Jwt { nkey, .. } => format!(
                "the JWT of the user {} has expired, or its account is not known there",
                nkey.public()
            ),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Token(_) => f.write_str("Token(..)"),
            Credentials::User { name, .. } => write!(f, "User {{ name: {name:?}, .. }}"),
            #[cfg(any(test, feature = "tls"))]
            Credentials::Nkey(nkey) => nkey.fmt(f),
            #[cfg(any(test, feature = "tls"))]
            Credentials::Jwt { nkey, .. } => write!(f, "Jwt {{ nkey: {nkey:?}, .. }}"),
        }
    }
}
