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
    todo!("once")
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
        todo!("without escapes")
    }

    /// A number that has only digits.
    fn natural(&mut self) -> Option<u64> {
        todo!("only digits")
    }

    fn number(&mut self) -> Option<()> {
        todo!("the grammar of JSON, without exponents")
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
        todo!("any value, not too deep")
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
