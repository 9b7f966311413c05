//! Nkeys: a key of Ed25519 as NATS writes it.
//!
//! ```text
//!   seed    base32( 2 bytes of kind │ 32 bytes │ CRC-16 )     SU…, 58 characters
//!   public  base32( 1 byte of kind  │ 32 bytes │ CRC-16 )     U…, 56 characters
//! ```
//!
//! The text is read here, and ring signs. The crate `nkeys` would bring a second
//! implementation of Ed25519 and fourteen more crates.

use crate::engine::nats_error::NatsError;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::fmt;
use std::sync::Arc;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const URL_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The five bits that make the first character `S`, and those for `U`.
const SEED: u8 = 18;
const USER: u8 = 20;

/// The length of a seed as bytes.
const SEED_BYTES: usize = 2 + 32 + 2;

/// The key by which a NATS server knows a user. `Debug` shows its public part.
///
/// ```
/// use eddyline::{Credentials, Nats, Nkey};
///
/// // As `nk -gen user` writes it. A real one comes from a file.
/// let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
/// let nkey = Nkey::from_seed(seed)?;
/// assert_eq!(nkey.public(), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
/// let nats = Nats::new("tls://broker.example:4222", "orders")?.credentials(Credentials::Nkey(nkey));
/// assert!(!format!("{nats:?}").contains("SUAC"));
/// # Ok::<(), eddyline::NatsError>(())
/// ```
#[derive(Clone)]
pub struct Nkey {
    pair: Arc<Ed25519KeyPair>,
    public: String,
}

impl Nkey {
    /// The key of a seed.
    ///
    /// # Errors
    /// When the text is no seed of a user's key. The error does not show it.
    pub fn from_seed(text: &str) -> Result<Nkey, NatsError> {
        let wrong = |why: &str| NatsError::new(format!("the seed of the nkey is wrong: {why}"));
        let bytes = decode(text.trim()).ok_or_else(|| wrong("it is no base32"))?;
        let Ok(bytes) = <[u8; SEED_BYTES]>::try_from(bytes) else {
            return Err(wrong("a seed has 58 characters"));
        };
        let (content, sum) = bytes.split_at(SEED_BYTES - 2);
        if crc(content).to_le_bytes() != *sum {
            return Err(wrong("its checksum does not fit, so a character differs"));
        }
        if content[0] >> 3 != SEED {
            return Err(wrong("it does not begin with S"));
        }
        if ((content[0] & 7) << 2) | (content[1] >> 6) != USER {
            return Err(wrong("it is not the seed of a user (SU…)"));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&content[2..]);
        let pair = pair.map_err(|_| wrong("Ed25519 refuses it"))?;
        let mut public = vec![USER << 3];
        public.extend_from_slice(pair.public_key().as_ref());
        public.extend_from_slice(&crc(&public).to_le_bytes());
        Ok(Nkey {
            pair: Arc::new(pair),
            public: base32(&public),
        })
    }

    /// The public key, by which the server's configuration names the user.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The signature of a server's nonce, as `CONNECT` has it.
    pub(in crate::engine) fn sign(&self, nonce: &str) -> String {
        base64_url(self.pair.sign(nonce.as_bytes()).as_ref())
    }
}

impl fmt::Debug for Nkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nkey({}, ..)", self.public)
    }
}

impl PartialEq for Nkey {
    fn eq(&self, other: &Nkey) -> bool {
        self.public == other.public
    }
}

impl Eq for Nkey {}

/// CRC-16 with the polynomial 0x1021, as XMODEM has it.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc >> 15 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.bytes() {
        let value = ALPHABET.iter().position(|&known| known == character)?;
        bits = (bits << 5) | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

fn base32(bytes: &[u8]) -> String {
    encode(bytes, 5, ALPHABET)
}

fn base64_url(bytes: &[u8]) -> String {
    encode(bytes, 6, URL_ALPHABET)
}

/// Writes bytes as characters of so many bits, without padding.
fn encode(bytes: &[u8], width: u32, alphabet: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    let mut push = |bits: u32| text.push(char::from(alphabet[(bits as usize) % alphabet.len()]));
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= width {
            count -= width;
            push(bits >> count);
            bits &= (1 << count) - 1;
        }
    }
    if count > 0 {
        push(bits << (width - count));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the crate `nkeys`, and its public key.
    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    #[test]
    fn a_wrong_seed_is_refused_and_not_shown() {
        for (text, why) in [
            ("", "58 characters"),
            ("SUAC", "58 characters"),
            ("suacssl3", "no base32"),
            (&SEED.replace("SSL", "SSM"), "checksum"),
            (
                "SAANDLKMXL6CUS3CP52WIXBEDN6YJ545GDKC65U5JZPPV6WH6ESWUA6YAI",
                "a user",
            ),
            (
                "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
                "58 characters",
            ),
        ] {
            let error = Nkey::from_seed(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        let debug = format!("{:?}", Nkey::from_seed(SEED).unwrap());
        assert!(debug.starts_with("Nkey(U") && !debug.contains("SUAC"));
    }

    #[test]
    fn a_signature_is_one_of_its_public_key() {
        let nkey = Nkey::from_seed(&format!(" {SEED}\n")).unwrap();
        let signature = nkey.sign("a nonce");
        assert_eq!(signature.len(), 86);
        assert_ne!(signature, nkey.sign("another"));
        let bytes = decode(nkey.public()).unwrap();
        assert_eq!((bytes.len(), bytes[0]), (35, USER << 3));
        assert_eq!(base32(&bytes), nkey.public());
    }
}
