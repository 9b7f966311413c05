//! The scanner: one pass over JSON text that proves it and finds its pieces.
//!
//! serde_json's parser is general: it asks a visitor what to do with each
//! token. What a node needs of a message is three strings, two numbers and
//! where the body lies, so this reads the text once, front to back, skips what
//! it is not asked for, and copies nothing. It takes and refuses exactly what
//! serde_json takes and refuses when it skips a value (`RawValue`,
//! `IgnoredAny`): the grammar of RFC 8259, no limit on depth, escapes checked
//! for their form alone. A test compares the two on whole lines.
//!
//! It never recurses: what is nested costs a bit a level, on the heap only past
//! the 63rd.

mod nesting;
mod plain;
mod problem;
#[cfg(test)]
mod tests;

pub(super) use plain::plain_prefix;
pub(super) use problem::Problem;

use nesting::{Container, Nesting};
use plain::{WORD, are_hex_digits, first_word, special_bytes};
use std::borrow::Cow;

/// Reads JSON text from the front.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

type Result<T> = std::result::Result<T, Problem>;

/// A JSON string between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    inside: &'a str,
    /// Where it begins in the scanned text.
    begin: usize,
    /// How many runs of escapes are in it. A word wide, as [`Problem`] is.
    escapes: usize,
}

/// A field of an object, up to its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Which of the names that were asked for it has; any other number if none.
    pub(super) name: usize,
    /// Where its key begins and ends between the quotes; `None` if it has
    /// escapes.
    pub(super) key: Option<(usize, usize)>,
}

impl<'a> Quoted<'a> {
    /// The text that it stands for. `None` when an escaped surrogate is alone:
    /// that is JSON by its grammar, and no text.
    #[inline(always)]
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self.escapes {
            0 => Some(Cow::Borrowed(self.inside)),
            _ => self.unescaped().map(Cow::Owned),
        }
    }

    /// Rare, so that serde_json may take its time.
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

    /// A scanner of the rest of `text` from `at` on.
    pub(super) fn at(text: &'a str, at: usize) -> Scanner<'a> {
        Scanner { text, at }
    }

    /// Where it stands: how many bytes lie behind it.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The text since `begin`.
    #[inline(always)]
    pub(super) fn since(&self, begin: usize) -> &'a str {
        self.piece(begin, self.at)
    }

    /// A piece of the text. It begins and ends at ASCII characters, always, so
    /// nothing is made up here; but indexing would have to prove it even where
    /// nobody looks at the piece.
    #[inline(always)]
    fn piece(&self, begin: usize, end: usize) -> &'a str {
        self.text.get(begin..end).unwrap_or_default()
    }

    /// Skips blanks, and returns the byte that follows them, which stays.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            // Most text has no blanks at all, so this is one comparison.
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next, blanks before it included.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Steps to the next field of an object, up to its value; `None` after the
    /// last one, and the object is behind. `is_first` says that only its brace
    /// was read.
    ///
    /// Each name is given as it is spelled almost always, with its quotes and its
    /// colon: comparing a few bytes with a constant takes 4 instructions, where
    /// reading a key takes 60. Any other spelling is read.
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
        let text = key.text().ok_or(Problem::Surrogate)?;
        let is_named = |name: &&str| name[1..name.len() - 2] == *text;
        Ok(Some(Field {
            name: names.iter().position(is_named).unwrap_or(N),
            key: (key.escapes == 0).then_some(range),
        }))
    }

    /// The key of the next field, for whoever wants them all.
    #[inline(always)]
    pub(super) fn next_key(&mut self, is_first: bool) -> Result<Option<Quoted<'a>>> {
        match self.has_next_field(is_first)? {
            true => self.key().map(Some),
            false => Ok(None),
        }
    }

    /// Steps over the comma before a field, or over the object's end.
    #[inline(always)]
    fn has_next_field(&mut self, is_first: bool) -> Result<bool> {
        match self.peek() {
            // Whether a key follows the comma is seen when it is read.
            Some(b',') if !is_first => self.at += 1,
            Some(b'}') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b'"') if is_first => {}
            _ if is_first => return self.fail(Problem::Key),
            _ => return self.fail(Problem::CommaOrBrace),
        }
        Ok(true)
    }

    #[inline(always)]
    fn key(&mut self) -> Result<Quoted<'a>> {
        if !self.take(b'"') {
            return self.fail(Problem::Key);
        }
        let key = self.string()?;
        if !self.take(b':') {
            return self.fail(Problem::Colon);
        }
        Ok(key)
    }

    /// The rest of a string whose opening quote is behind.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Quoted<'a>> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        // Names are short: most strings end in their first word.
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

    /// Runs a part on a copy: whatever is inlined around it can then keep the
    /// position in a register. It is worth a tenth of a scan.
    #[inline(always)]
    fn apart<T>(&mut self, part: fn(&mut Self) -> Result<T>) -> Result<T> {
        let mut copy = self.clone();
        let result = part(&mut copy);
        self.at = copy.at;
        result
    }

    /// Steps over the rest of a string; returns how many runs of escapes it has.
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
                Some(_) => return Err(Problem::Control),
                None => return Err(Problem::Cut),
            }
        }
    }

    /// Steps over a run of escapes. They often come together, and each costs
    /// little more than its bytes here.
    fn escapes(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at) == Some(&b'\\') {
            match bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') => {
                    let digits = bytes.get(self.at + 2..).and_then(<[u8]>::first_chunk);
                    if !are_hex_digits(digits.ok_or(Problem::Cut)?) {
                        return Err(Problem::Escape);
                    }
                    self.at += 6;
                }
                Some(_) => return Err(Problem::Escape),
                None => return Err(Problem::Cut),
            }
        }
        Ok(())
    }

    /// Steps over any value, and returns its text.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<&'a str> {
        self.skip().map(|begin| self.since(begin))
    }

    /// Steps over any value, and returns where it begins.
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

    /// Steps over a value that is no object and no array; `first` is its first
    /// byte.
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

    /// Steps over an object or an array, and all that is in it.
    #[inline(never)]
    fn nested(&mut self) -> Result<()> {
        let mut nesting = Nesting::default();
        let mut first = self.peek();
        loop {
            // Here a value begins.
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
            // Here one has ended, and with it perhaps what it was the last of.
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
                    (Container::Object, _) => return self.fail(Problem::CommaOrBrace),
                    (Container::Array, _) => return self.fail(Problem::CommaOrBracket),
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
            return Err(Problem::LeadingZero);
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

    /// Steps over digits, at least one.
    #[inline(always)]
    fn digits(&mut self) -> Result<()> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == begin {
            return self.fail(Problem::Digit);
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
            _ => return self.fail(Problem::Value),
        };
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        let is_cut = word.starts_with(rest);
        Err(if is_cut {
            Problem::Cut
        } else {
            Problem::Literal
        })
    }

    /// Makes sure that nothing but blanks is left.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Problem::Trailing),
        }
    }

    /// The problem, unless it is that the text ends here.
    #[inline(always)]
    fn fail<T>(&self, problem: Problem) -> Result<T> {
        let is_cut = self.at >= self.text.len();
        Err(if is_cut { Problem::Cut } else { problem })
    }
}
