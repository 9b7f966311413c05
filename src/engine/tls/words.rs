//! Why a TLS connection failed, and what to do about it.

use rustls::{AlertDescription, CertificateError, Error};

/// The words for an error of rustls. `name` is the one that the certificate must have.
///
/// | the failure | what to do |
/// |---|---|
/// | another CA | the right `--ca-file` |
/// | another name | a name of the certificate in `--nats`, or a new certificate |
/// | expired, not valid yet | a new certificate, or the right time |
/// | the server wants a certificate, or another one | `--cert-file`, `--key-file` |
/// | no TLS, or an old one | a port or a server with TLS 1.3 |
pub(super) fn words(error: &Error, name: &str, has_identity: bool) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error, name),
        Error::AlertReceived(alert) if is_about_certificate(*alert) => match has_identity {
            true => format!(
                "it refuses the certificate of this node ({alert:?}): compare --cert-file with \
                 the CA of the server"
            ),
            false => {
                "it demands a certificate of this node: give --cert-file and --key-file".to_owned()
            }
        },
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            format!("it does not speak TLS 1.3: {error}")
        }
        Error::InvalidMessage(_) => format!("it does not speak TLS here: {error}"),
        other => format!("TLS failed: {other}"),
    }
}

fn of_certificate(error: &CertificateError, name: &str) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate does not come from the CA that was given: compare --ca-file with \
             the CA of the server"
                .to_owned()
        }
        CertificateError::NotValidForName => not_for(name, "other names"),
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            not_for(name, &presented.join(", "))
        }
        CertificateError::NotValidForNameContext { .. } => not_for(name, "no name"),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it there, or set the clock of this machine"
                .to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: compare the clocks of both machines".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not one for servers: make one with extendedKeyUsage=serverAuth"
                .to_owned()
        }
        other => format!("its certificate cannot be used: {other}"),
    }
}

fn not_for(name: &str, presented: &str) -> String {
    format!(
        "its certificate is not for {name}, but for {presented}: name one of these in --nats, \
         or make a certificate with this one (subjectAltName)"
    )
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}
