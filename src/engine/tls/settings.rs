//! The certificates of an operator.

use crate::engine::nats_error::NatsError;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Certificates for connections to NATS servers by `tls://`.
///
/// ```no_run
/// use eddyline::{Nats, Tls};
///
/// let tls = Tls::new(&std::fs::read("ca.pem")?)?
///     .identity(&std::fs::read("n1.pem")?, &std::fs::read("n1.key")?)?;
/// let nats = Nats::new("tls://broker.example:4222", "orders")?.tls(tls);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    roots: Arc<RootCertStore>,
    pub(super) config: Arc<ClientConfig>,
    pub(super) time: Arc<TimeOfDay>,
    pub(super) has_identity: bool,
    pub(super) is_first: bool,
}

impl Tls {
    /// Trusts the servers that have a certificate from one of these CAs, in PEM.
    ///
    /// # Errors
    /// When the text has no certificate of a CA in it.
    pub fn new(ca_pem: &[u8]) -> Result<Tls, NatsError> {
        let all = CertificateDer::pem_slice_iter(ca_pem).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|error| wrong("the certificate of the CA", &error))?;
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(all);
        if taken == 0 {
            return Err(NatsError::new("there is no certificate of a CA (PEM)"));
        }
        let (roots, time) = (Arc::new(roots), Arc::new(TimeOfDay::default()));
        let config = builder(&time)?.with_root_certificates(roots.clone());
        Ok(Tls {
            config: Arc::new(finish(config.with_no_client_auth())),
            roots,
            time,
            has_identity: false,
            is_first: false,
        })
    }

    /// The certificate that proves to a server which client this is, with those that lead
    /// to its CA, and its private key; all in PEM.
    ///
    /// # Errors
    /// When a text has no certificate or no key in it, or they do not belong together.
    pub fn identity(self, certificate_pem: &[u8], key_pem: &[u8]) -> Result<Tls, NatsError> {
        let chain = CertificateDer::pem_slice_iter(certificate_pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| wrong("the certificate of this node", &error))?;
        if chain.is_empty() {
            return Err(NatsError::new("there is no certificate of this node (PEM)"));
        }
        let key = PrivateKeyDer::from_pem_slice(key_pem);
        let key = key.map_err(|error| wrong("the private key of this node", &error))?;
        let config = builder(&self.time)?.with_root_certificates(self.roots.clone());
        let config = config.with_client_auth_cert(chain, key);
        let config = config.map_err(|error| wrong("certificate and key of this node", &error))?;
        Ok(Tls {
            config: Arc::new(finish(config)),
            has_identity: true,
            ..self
        })
    }

    /// TLS begins before the server says anything: for servers whose configuration has
    /// `handshake_first`.
    pub fn handshake_first(self) -> Tls {
        Tls {
            is_first: true,
            ..self
        }
    }

    pub(in crate::engine) fn is_first(&self) -> bool {
        self.is_first
    }
}

/// Shows no key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("has_identity", &self.has_identity)
            .finish_non_exhaustive()
    }
}

fn builder(time: &Arc<TimeOfDay>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, NatsError> {
    let provider = Arc::new(default_provider());
    ClientConfig::builder_with_details(provider, time.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| wrong("the cryptography of this program", &error))
}

/// A connection to NATS lives long, so the saving of a resumed session is not worth its state.
fn finish(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config
}

fn wrong(part: &str, error: &dyn fmt::Display) -> NatsError {
    NatsError::new(format!("{part} cannot be used: {error}"))
}

/// The time of day, as the owner of a link has said it last. Certificates end by it.
#[derive(Debug, Default)]
pub(super) struct TimeOfDay(AtomicU64);

impl TimeOfDay {
    pub(super) fn set(&self, unix_time: Duration) {
        self.0.store(unix_time.as_secs(), Ordering::Relaxed);
    }
}

impl TimeProvider for TimeOfDay {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
