//! The scanner: one pass over JSON text that checks it and finds its parts.
//!
//! serde_json's parser is general: it asks a visitor about each token. A node
//! needs three strings, two numbers and the place of the body. So the scanner
//! reads the text once, from front to back, skips all other values, and copies
//! nothing.
//!
//! The scanner accepts exactly the texts that serde_json accepts when it skips a
//! value (`RawValue`, `IgnoredAny`): the grammar of RFC 8259, no limit on depth,
//! and escapes checked for their form alone. It does not say why it refuses a
//! text. The plain parser does that.
//!
//! It does not recurse. A level of nesting costs one bit, and memory on the heap
//! only past the 63rd.

mod nesting;
mod string;
#[cfg(test)]
mod tests;

pub(super) use string::plain_prefix;

pub(crate) use string::is_plain;

use nesting::{Container, Nesting};
use std::borrow::Cow;
use string::{WORD, are_hex_digits, first_word, special_bytes};

/// The text is not JSON, or it is JSON and not a message. The plain parser says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// Reads JSON text from the front.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

type Result<T> = std::result::Result<T, Refused>;

/// A JSON string between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    inside: &'a str,
    /// Where `inside` begins in the scanned text.
    begin: usize,
    /// How many runs of escapes it has. A number costs no more than a flag.
    escapes: usize,
}

/// A field of an object, up to its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// The index of its name among the names that were asked for; past the last one
    /// if it has another name.
    pub(super) name: usize,
    /// Where its key begins and ends between the quotes; `None` if it has
    /// escapes.
    pub(super) key: Option<(usize, usize)>,
}

impl<'a> Quoted<'a> {
    /// The text that the string stands for. `None` if it has an escaped half of a
    /// surrogate pair, which is JSON and no text.
    #[inline(always)]
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self.escapes {
            0 => Some(Cow::Borrowed(self.inside)),
            _ => self.unescaped().map(Cow::Owned),
        }
    }

    /// This is rare, so the speed of serde_json will do.
    #[cold]
    fn unescaped(self) -> Option<String> {
        serde_json::from_str(&format!("\"{}\"", self.inside)).ok()
    }
}

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `text`.
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// A scanner at the byte `at` of `text`.
    pub(super) fn at(text: &'a str, at: usize) -> Scanner<'a> {
        Scanner { text, at }
    }

    /// How many bytes of the text were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The text since `begin`.
    #[inline(always)]
    pub(super) fn since(&self, begin: usize) -> &'a str {
        self.piece(begin, self.at)
    }

    /// A piece of the text. It always begins and ends at an ASCII character, so the
    /// default is never taken. Indexing would check the ends even of a piece that is
    /// not used.
    #[inline(always)]
    fn piece(&self, begin: usize, end: usize) -> &'a str {
        self.text.get(begin..end).unwrap_or_default()
    }

    /// Skips blanks, and returns the byte after them without reading it.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            // Most text has no blanks, so this is one comparison.
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Skips blanks, and reads `byte` if it is next.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads the next field of an object up to its value, or the object's end after
    /// the last field. `is_first` says that only the object's brace was read.
    ///
    /// Each name is given in its usual spelling, with its quotes and its colon.
    /// Comparing a few bytes with a constant takes 4 instructions; reading a key
    /// takes 60. Any other spelling is read.
    #[inline(always)]
    pub(super) fn next_field<const N: usize>(
        &mut self,
        is_first: bool,
        names: [&'static str; N],
    ) -> Result<Option<Field>> {
        if !self.has_next_field(is_first)? {
            return Ok(None);
        }
        let rest = &self.text.as_bytes()[self.at..];
        for (index, name) in names.iter().enumerate() {
            if rest.starts_with(name.as_bytes()) {
                let key = Some((self.at + 1, self.at + name.len() - 2));
                self.at += name.len();
                return Ok(Some(Field { name: index, key }));
            }
        }
        let key = self.key()?;
        let range = (key.begin, key.begin + key.inside.len());
        let text = key.text().ok_or(Refused)?;
        let is_named = |name: &&str| name[1..name.len() - 2] == *text;
        Ok(Some(Field {
            name: names.iter().position(is_named).unwrap_or(N),
            key: (key.escapes == 0).then_some(range),
        }))
    }

    /// Reads the comma before a field, or the object's end.
    #[inline(always)]
    fn has_next_field(&mut self, is_first: bool) -> Result<bool> {
        match self.peek() {
            // The caller reads the key, and refuses anything else there.
            Some(b',') if !is_first => self.at += 1,
            Some(b'}') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b'"') if is_first => {}
            _ => return Err(Refused),
        }
        Ok(true)
    }

    #[inline(always)]
    fn key(&mut self) -> Result<Quoted<'a>> {
        if !self.take(b'"') {
            return Err(Refused);
        }
        let key = self.string()?;
        if !self.take(b':') {
            return Err(Refused);
        }
        Ok(key)
    }

    /// Reads the rest of a string whose opening quote was read.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Quoted<'a>> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        // Names are short, so most strings end in their first word.
        if let Some(word) = first_word(bytes, begin) {
            let plain = special_bytes(word).trailing_zeros() as usize / 8;
            if plain < WORD && word[plain] == b'"' {
                self.at = begin + plain;
                let inside = self.since(begin);
                self.at += 1;
                return Ok(Quoted {
                    inside,
                    begin,
                    escapes: 0,
                });
            }
        }
        let escapes = self.apart(Scanner::any_string)?;
        Ok(Quoted {
            inside: self.piece(begin, self.at - 1),
            begin,
            escapes,
        })
    }

    /// Runs a part on a copy of the scanner. The code that is inlined around the call
    /// can then keep the position in a register, which saves a tenth of a scan.
    #[inline(always)]
    fn apart<T>(&mut self, part: fn(&mut Self) -> Result<T>) -> Result<T> {
        let mut copy = self.clone();
        let result = part(&mut copy);
        self.at = copy.at;
        result
    }

    /// Reads the rest of a string, and returns how many runs of escapes it has.
    #[inline(never)]
    fn any_string(&mut self) -> Result<usize> {
        let mut escapes = 0;
        loop {
            self.at += plain_prefix(&self.text.as_bytes()[self.at..]);
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escapes);
                }
                Some(b'\\') => {
                    escapes += 1;
                    self.escapes()?;
                }
                _ => return Err(Refused),
            }
        }
    }

    /// Reads a run of escapes. They often come together, and here each costs little
    /// more than its bytes.
    fn escapes(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at) == Some(&b'\\') {
            match bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') => {
                    let digits = bytes.get(self.at + 2..).and_then(<[u8]>::first_chunk);
                    if !are_hex_digits(digits.ok_or(Refused)?) {
                        return Err(Refused);
                    }
                    self.at += 6;
                }
                _ => return Err(Refused),
            }
        }
        Ok(())
    }

    /// Reads a value of any kind, and returns its text.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<&'a str> {
        self.skip().map(|begin| self.since(begin))
    }

    /// Reads a value of any kind, and returns where it begins.
    #[inline(always)]
    pub(super) fn skip(&mut self) -> Result<usize> {
        let first = self.peek();
        let begin = self.at;
        match first {
            Some(b'{' | b'[') => self.apart(Scanner::nested)?,
            first => self.scalar(first)?,
        }
        Ok(begin)
    }

    /// Reads a value that is neither an object nor an array; `first` is its first byte.
    #[inline(always)]
    fn scalar(&mut self, first: Option<u8>) -> Result<()> {
        match first {
            Some(b'"') => {
                self.at += 1;
                self.string().map(|_| ())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.apart(Scanner::literal),
        }
    }

    /// Reads an object or an array with all that is in it.
    #[inline(never)]
    fn nested(&mut self) -> Result<()> {
        let mut nesting = Nesting::default();
        let mut first = self.peek();
        loop {
            // A value begins here.
            match first {
                Some(b'{') => {
                    self.at += 1;
                    if !self.take(b'}') {
                        nesting.enter(Container::Object);
                        self.key()?;
                        first = self.peek();
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    first = self.peek();
                    if first != Some(b']') {
                        nesting.enter(Container::Array);
                        continue;
                    }
                    self.at += 1;
                }
                _ => self.scalar(first)?,
            }
            // A value ends here. It may be the last one of its container, which then
            // ends with it, and so on.
            loop {
                let Some(container) = nesting.innermost() else {
                    return Ok(());
                };
                match (container, self.peek()) {
                    (Container::Object, Some(b',')) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Container::Array, Some(b',')) => {
                        self.at += 1;
                        break;
                    }
                    (Container::Object, Some(b'}')) | (Container::Array, Some(b']')) => {
                        self.at += 1;
                        nesting.leave();
                    }
                    _ => return Err(Refused),
                }
            }
            first = self.peek();
        }
    }

    #[inline(always)]
    fn number(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes.get(self.at) == Some(&b'-'));
        let begin = self.at;
        self.digits()?;
        if bytes[begin] == b'0' && self.at > begin + 1 {
            return Err(Refused);
        }
        match bytes.get(self.at) {
            Some(b'.' | b'e' | b'E') => self.apart(Scanner::fraction_and_exponent),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn fraction_and_exponent(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// Reads digits, at least one.
    #[inline(always)]
    fn digits(&mut self) -> Result<()> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == begin {
            return Err(Refused);
        }
        Ok(())
    }

    #[inline(never)]
    fn literal(&mut self) -> Result<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let word: &[u8] = match rest.first() {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            Some(b'n') => b"null",
            _ => return Err(Refused),
        };
        if !rest.starts_with(word) {
            return Err(Refused);
        }
        self.at += word.len();
        Ok(())
    }

    /// Checks that nothing but blanks is left.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Refused),
        }
    }
}

/// The fields of a JSON object, one after another.
pub(crate) struct ObjectFields<'a> {
    /// Stands before a key, or before the value of the last key.
    scanner: Scanner<'a>,
    is_first: bool,
}

impl<'a> ObjectFields<'a> {
    /// The fields of the object in `json`.
    #[inline(always)]
    pub(crate) fn of(json: &'a str) -> Result<ObjectFields<'a>> {
        let mut scanner = Scanner::new(json);
        if !scanner.take(b'{') {
            return Err(Refused);
        }
        let is_first = true;
        Ok(ObjectFields { scanner, is_first })
    }

    /// The key of the next field; `None` after the last one.
    #[inline(always)]
    pub(crate) fn next_key(&mut self) -> Result<Option<Cow<'a, str>>> {
        let is_first = std::mem::take(&mut self.is_first);
        if !self.scanner.has_next_field(is_first)? {
            return Ok(None);
        }
        self.scanner.key()?.text().map(Some).ok_or(Refused)
    }

    /// The value of the field whose key was read last.
    #[inline(always)]
    pub(crate) fn value(&mut self) -> Result<&'a str> {
        self.scanner.value()
    }

    /// Checks that nothing but blanks follows the object.
    pub(super) fn end(&mut self) -> Result<()> {
        self.scanner.end()
    }
}
