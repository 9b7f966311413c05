//! Subjects: how names travel in them.
//!
//! ```text
//!   P.C.<dest>.<src>                      a message from src to dest
//!   P.C.<src>.bounce.<number>-<dest>      where the server reports that dest is not there
//! ```
//!
//! P is the prefix and C the cluster. Each name is one token. `%` and two hexadecimal
//! digits stand for a byte that a token cannot have: a space, `.`, `*`, `>`, a control
//! character, and `%` itself. A lone `%` is the empty name.
//!
//! Invariant: a name has one token and a token one name. A second spelling of a name
//! would let its owner publish as the other one, past the server's permissions.
//!
//! The number of a call and the name that was called stand in the subject, so no table
//! has to remember them, and there is no table to bound.

/// The token of subjects to which the server reports that there is no receiver.
const BOUNCE: &str = "bounce";

/// Appends the token of a name.
pub(crate) fn push_token(out: &mut Vec<u8>, name: &str) {
    if name.is_empty() {
        out.push(b'%');
    }
    for byte in name.bytes() {
        if is_plain(byte) {
            out.push(byte);
        } else {
            let digit = |half: u8| b"0123456789ABCDEF"[usize::from(half & 0xf)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
}

/// Whether a byte of a name stands for itself in a token.
fn is_plain(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | 0x7f | b'.' | b'*' | b'>' | b'%')
}

/// The name of a token; `None` if it is not the token of any name.
pub(crate) fn name_of(token: &[u8]) -> Option<String> {
    let mut name = Vec::with_capacity(token.len());
    let mut rest = if token == b"%" { &[][..] } else { token };
    while let [first, behind @ ..] = rest {
        rest = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                name.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                behind
            }
            _ => {
                name.push(*first);
                behind
            }
        };
    }
    let name = String::from_utf8(name).ok()?;
    let mut again = Vec::with_capacity(token.len());
    push_token(&mut again, &name);
    (again == token).then_some(name)
}

/// The subjects of one cluster.
#[derive(Debug)]
pub(crate) struct Subjects {
    /// `P.C.`
    front: Vec<u8>,
}

impl Subjects {
    pub(crate) fn new(prefix: &str, cluster: &str) -> Subjects {
        let mut front = Vec::new();
        for name in [prefix, cluster] {
            push_token(&mut front, name);
            front.push(b'.');
        }
        Subjects { front }
    }

    /// Appends the subject of a message.
    pub(crate) fn push_message(&self, out: &mut Vec<u8>, dest: &str, src: &str) {
        out.extend_from_slice(&self.front);
        push_token(out, dest);
        out.push(b'.');
        push_token(out, src);
    }

    /// Appends the subject where the server reports that `dest` is not there.
    pub(crate) fn push_bounce(&self, out: &mut Vec<u8>, src: &str, number: &str, dest: &str) {
        self.push_message(out, src, BOUNCE);
        out.push(b'.');
        out.extend_from_slice(number.as_bytes());
        out.push(b'-');
        push_token(out, dest);
    }

    /// Appends the subject of all messages to `name`.
    pub(crate) fn push_messages_to(&self, out: &mut Vec<u8>, name: &str) {
        out.extend_from_slice(&self.front);
        push_token(out, name);
        out.extend_from_slice(b".*");
    }

    /// Appends the subject of all reports to `name`.
    pub(crate) fn push_bounces_to(&self, out: &mut Vec<u8>, name: &str) {
        self.push_message(out, name, BOUNCE);
        out.extend_from_slice(b".*");
    }
}

/// The last token of a subject.
pub(crate) fn last_token(subject: &[u8]) -> &[u8] {
    subject.rsplit(|&byte| byte == b'.').next().unwrap_or(&[])
}

/// The number and the name in the last token of a report's subject.
pub(crate) fn bounced(subject: &[u8]) -> Option<(String, String)> {
    let token = std::str::from_utf8(last_token(subject)).ok()?;
    let (number, dest) = token.split_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let name = name_of(dest.as_bytes())?;
    is_number.then(|| (number.to_owned(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> String {
        let mut out = Vec::new();
        push_token(&mut out, name);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_name_has_one_token_and_a_token_one_name() {
        for (name, expected) in [
            ("n1", "n1"),
            ("lin-kv", "lin-kv"),
            ("a.b", "a%2Eb"),
            ("a b*>%", "a%20b%2A%3E%25"),
            ("\0\t\r\n\x7f", "%00%09%0D%0A%7F"),
            ("", "%"),
            ("größe", "größe"),
        ] {
            assert_eq!(token(name), expected);
            assert_eq!(name_of(expected.as_bytes()).as_deref(), Some(name));
        }
    }

    #[test]
    fn another_spelling_of_a_name_is_no_token() {
        // The first would be n1, the others are cut off, in lower case, or no text.
        for token in ["%6E1", "n%", "n%2", "a%2eb", "%FF", "%%", "a.b", "*", ""] {
            assert_eq!(name_of(token.as_bytes()), None, "{token}");
        }
    }

    #[test]
    fn a_report_names_the_call_and_its_destination() {
        let subjects = Subjects::new("eddyline", "my.cluster");
        let mut subject = Vec::new();
        subjects.push_bounce(&mut subject, "n1", "7", "a-b.c");
        assert_eq!(subject, b"eddyline.my%2Ecluster.n1.bounce.7-a-b%2Ec");
        let expected = Some(("7".to_owned(), "a-b.c".to_owned()));
        assert_eq!(bounced(&subject), expected);
        for other in ["7", "-n1", "x-n1", "7-%6E1"] {
            assert_eq!(bounced(other.as_bytes()), None, "{other}");
        }
    }
}
