//! A fast path: finds the fields of a message without building a tree.
//!
//! It finds exactly what the plain parser finds, or it finds nothing, and then the plain
//! parser is asked.

#![forbid(unsafe_code)]

/// The fields of a message, as parts of its line.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Outline<'a> {
    pub src: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub msg_id: Option<u64>,
    pub in_reply_to: Option<u64>,
    /// The JSON text of any value.
    pub echo: Option<&'a str>,
}

/// Values may be nested this deep.
const DEPTH_MAX: usize = 32;

/// Numbers may have this many characters. Longer ones may be too large for a `u64`, or
/// even for an `f64`.
const NUMBER_CHARS_MAX: usize = 18;

/// The outline of a line. `None` if the line is wrong, or unusual.
pub fn outline(line: &str) -> Option<Outline<'_>> {
    let mut found = Outline::default();
    let mut scan = Scan { line, at: 0 };
    scan.object(|scan, key| {
        match key {
            "src" => set(&mut found.src, scan.string()?)?,
            "body" => scan.object(|scan, key| {
                match key {
                    "type" => set(&mut found.kind, scan.string()?)?,
                    "msg_id" => set(&mut found.msg_id, scan.natural()?)?,
                    "in_reply_to" => set(&mut found.in_reply_to, scan.natural()?)?,
                    "echo" => set(&mut found.echo, scan.value(DEPTH_MAX)?)?,
                    _ => _ = scan.value(DEPTH_MAX)?,
                }
                Some(())
            })?,
            _ => _ = scan.value(DEPTH_MAX)?,
        }
        Some(())
    })?;
    scan.spaces();
    (scan.at == line.len()).then_some(found)
}

/// Sets a field once. A key that comes twice is unusual.
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

struct Scan<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes this byte, with spaces in front of it.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.spaces();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// A string without escapes: its text is a part of the line.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.line.get(start..self.at - 1)
    }

    /// A number that has only digits.
    fn natural(&mut self) -> Option<u64> {
        let text = self.value(0)?;
        let is_natural = text.bytes().all(|byte| byte.is_ascii_digit());
        is_natural.then(|| text.parse().ok())?
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.at;
        self.digits()?;
        if self.at - first > 1 && self.line.as_bytes()[first] == b'0' {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let is_usual = !matches!(self.peek(), Some(b'e' | b'E'));
        (is_usual && self.at - start <= NUMBER_CHARS_MAX).then_some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Any value, which may be nested `depth` times more. Its text.
    fn value(&mut self, depth: usize) -> Option<&'a str> {
        self.spaces();
        let start = self.at;
        match self.peek()? {
            b'"' => _ = self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.object(|scan, _key| scan.value(depth).map(|_| ()))?;
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                self.items(b']', |scan| scan.value(depth).map(|_| ()))?;
            }
            _ => {
                let rest = self.line.get(self.at..)?;
                let words = ["true", "false", "null"];
                self.at += words.iter().find(|word| rest.starts_with(**word))?.len();
            }
        }
        self.line.get(start..self.at)
    }

    /// Calls `field` for each key, with its value next.
    fn object(
        &mut self,
        mut field: impl FnMut(&mut Scan<'a>, &'a str) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        self.items(b'}', |scan| {
            let key = scan.string()?;
            scan.take(b':')?;
            field(scan, key)
        })
    }

    /// Items with commas between them, up to the closing bracket.
    fn items(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Scan<'a>) -> Option<()>,
    ) -> Option<()> {
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(close).is_some() {
                return Some(());
            }
            self.take(b',')?;
        }
    }
}
