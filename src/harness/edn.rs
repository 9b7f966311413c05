//! EDN, the notation of Clojure: Maelstrom keeps its results and histories in it.
//!
//! ```text
//!   {:type :invoke, :f :add, :value 7}      a map of keywords
//!   [[:r 9 nil] [:append 9 1]]              vectors
//!   #jepsen.history.Op{:index 381}          a tag, which is passed over
//! ```
//!
//! The reader knows everything that a history contains, and of the rest as much as is needed
//! to pass over it. The crates that read EDN are larger than this file or have not been kept
//! up, and none writes `:valid? true` the way that Jepsen's own printer does.

use serde_json::{Map, Number, Value};
use std::fmt::{self, Write as _};
use std::iter::Peekable;
use std::str::Chars;

/// How deep forms may stand inside each other. A history has six.
const DEPTH_MAX: usize = 64;

/// A form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Edn {
    Nil,
    Bool(bool),
    Number(Number),
    Text(String),
    /// `:name`, without the colon.
    Keyword(String),
    /// Another word.
    Symbol(String),
    /// `(…)`, `[…]` or `#{…}`, by the character that opens it.
    Sequence(char, Vec<Edn>),
    Map(Vec<(Edn, Edn)>),
}

impl Edn {
    pub(crate) fn keyword(name: impl Into<String>) -> Edn {
        Edn::Keyword(name.into())
    }

    pub(crate) fn text(text: impl Into<String>) -> Edn {
        Edn::Text(text.into())
    }

    pub(crate) fn vector(items: impl IntoIterator<Item = Edn>) -> Edn {
        Edn::Sequence('[', items.into_iter().collect())
    }

    /// A map of keywords.
    pub(crate) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Edn)>) -> Edn {
        let entries = entries.into_iter();
        Edn::Map(
            entries
                .map(|(key, value)| (Edn::keyword(key), value))
                .collect(),
        )
    }

    /// The form of a JSON value. Names of fields become keywords, if they can be.
    pub(crate) fn of(value: &Value) -> Edn {
        match value {
            Value::Null => Edn::Nil,
            Value::Bool(value) => Edn::Bool(*value),
            Value::Number(number) => Edn::Number(number.clone()),
            Value::String(text) => Edn::text(text.as_str()),
            Value::Array(items) => Edn::vector(items.iter().map(Edn::of)),
            Value::Object(fields) => {
                let entry = |(name, value): (&String, &Value)| {
                    let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic())
                        && name.chars().all(is_of_word);
                    let key = if is_word {
                        Edn::keyword(name.as_str())
                    } else {
                        Edn::text(name.as_str())
                    };
                    (key, Edn::of(value))
                };
                Edn::Map(fields.iter().map(entry).collect())
            }
        }
    }

    /// The form as JSON: keywords and words are strings, sets and lists are arrays, and keys
    /// of maps are texts.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Edn::Nil => Value::Null,
            Edn::Bool(value) => Value::Bool(*value),
            Edn::Number(number) => Value::Number(number.clone()),
            Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => text.as_str().into(),
            Edn::Sequence(_, items) => items.iter().map(Edn::to_json).collect(),
            Edn::Map(entries) => {
                let entry = |(key, value): &(Edn, Edn)| {
                    let key = match key.to_json() {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    (key, value.to_json())
                };
                Value::Object(entries.iter().map(entry).collect::<Map<String, Value>>())
            }
        }
    }

    /// Reads all forms of a text. The error is a line, from 1, and the mistake in it.
    pub(crate) fn read_all(text: &str) -> Result<Vec<(usize, Edn)>, (usize, String)> {
        let mut reader = Reader {
            rest: text.chars().peekable(),
            line: 1,
            depth: 0,
        };
        let mut forms = Vec::new();
        loop {
            reader.skip_space();
            let line = reader.line;
            if reader.rest.peek().is_none() {
                return Ok(forms);
            }
            let form = reader.form().map_err(|why| (reader.line, why))?;
            forms.extend(form.map(|form| (line, form)));
        }
    }
}

/// Whether a character can be part of a keyword or another word.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || "*+!-_?.<>=/&$%'#:".contains(c)
}

impl fmt::Display for Edn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edn::Nil => f.write_str("nil"),
            Edn::Bool(value) => write!(f, "{value}"),
            Edn::Number(number) => write!(f, "{number}"),
            Edn::Text(text) => write_text(f, text),
            Edn::Keyword(name) => write!(f, ":{name}"),
            Edn::Symbol(name) => f.write_str(name),
            Edn::Sequence(open, items) => {
                f.write_str(if *open == '{' { "#{" } else { "" })?;
                if *open != '{' {
                    f.write_char(*open)?;
                }
                for (index, item) in items.iter().enumerate() {
                    let space = if index > 0 { " " } else { "" };
                    write!(f, "{space}{item}")?;
                }
                f.write_char(closing(*open))
            }
            Edn::Map(entries) => {
                f.write_char('{')?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{key} {value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    /// Passes over white space, commas and comments.
    fn skip_space(&mut self) {
        while let Some(&c) = self.rest.peek() {
            if c == ';' {
                while !matches!(self.next(), None | Some('\n')) {}
            } else if c.is_whitespace() || c == ',' {
                self.next();
            } else {
                return;
            }
        }
    }

    /// The next form; `None` if it is one that `#_` hides.
    fn form(&mut self) -> Result<Option<Edn>, String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("forms are nested deeper than {DEPTH_MAX}"));
        }
        self.skip_space();
        let form = match self.next() {
            None => return Err("the text ends inside a form".to_owned()),
            Some('"') => Edn::Text(self.text()?),
            Some(':') => Edn::Keyword(self.word()),
            Some('\\') => {
                let first = self.next().map(String::from).unwrap_or_default();
                Edn::Text(first + &self.word())
            }
            Some(open @ ('(' | '[')) => Edn::Sequence(open, self.items(closing(open))?),
            Some('{') => self.map()?,
            Some('#') => return self.tagged(),
            Some(c) if is_of_word(c) => atom(format!("{c}{}", self.word())),
            Some(c) => return Err(format!("no form begins with {c:?}")),
        };
        Ok(Some(form))
    }

    /// A form behind a `#`: a set, a hidden form, or a form with a tag.
    fn tagged(&mut self) -> Result<Option<Edn>, String> {
        match self.rest.peek() {
            Some('{') => {
                self.next();
                Ok(Some(Edn::Sequence('{', self.items('}')?)))
            }
            Some('_') => {
                self.next();
                self.inside(Reader::form)?;
                Ok(None)
            }
            _ => {
                self.word();
                self.inside(Reader::form)
            }
        }
    }

    fn inside<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn items(&mut self, end: char) -> Result<Vec<Edn>, String> {
        self.inside(|reader| {
            let mut items = Vec::new();
            loop {
                reader.skip_space();
                if reader.rest.peek() == Some(&end) {
                    reader.next();
                    return Ok(items);
                }
                items.extend(reader.form()?);
            }
        })
    }

    fn map(&mut self) -> Result<Edn, String> {
        let items = self.items('}')?;
        if items.len() % 2 == 1 {
            return Err("a map has a key without a value".to_owned());
        }
        let mut items = items.into_iter();
        let mut entries = Vec::new();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(Edn::Map(entries))
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(&c) = self.rest.peek()
            && is_of_word(c)
        {
            word.push(c);
            self.next();
        }
        word
    }

    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err("the text ends inside a string".to_owned()),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let digits: String = (0..4).filter_map(|_| self.next()).collect();
                let number = u32::from_str_radix(&digits, 16);
                let number = number.map_err(|_| format!("\\u{digits} is no character"))?;
                char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(c @ ('"' | '\\' | '/')) => c,
            other => return Err(format!("a string has the escape {other:?}")),
        })
    }
}

/// A word that is no keyword.
fn atom(word: String) -> Edn {
    match &*word {
        "nil" => return Edn::Nil,
        "true" => return Edn::Bool(true),
        "false" => return Edn::Bool(false),
        _ => {}
    }
    let is_number = word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let digits = word.trim_start_matches('+').trim_end_matches(['N', 'M']);
    if is_number {
        if let Ok(number) = digits.parse::<i64>() {
            return Edn::Number(number.into());
        }
        if let Ok(number) = digits.parse::<u64>() {
            return Edn::Number(number.into());
        }
        if let Some(number) = digits.parse().ok().and_then(Number::from_f64) {
            return Edn::Number(number);
        }
    }
    Edn::Symbol(word)
}

#[cfg(test)]
mod tests {
    use super::Edn;
    use serde_json::json;

    fn one(text: &str) -> Edn {
        let mut forms = Edn::read_all(text).unwrap();
        assert_eq!(forms.len(), 1, "{text}");
        forms.remove(0).1
    }

    #[test]
    fn every_form_of_a_history_is_read() {
        let op = r#"#jepsen.history.Op{:index 381, :time 4172966026, :type :ok, :process 2, :f :txn,
            :value [[:r 9 nil] [:append 9 1]], :error [:timeout "no \"reply\"\n"], :final? true}"#;
        assert_eq!(
            one(op).to_json(),
            json!({"index": 381, "time": 4_172_966_026_u64, "type": "ok", "process": 2, "f": "txn",
                "value": [["r", 9, null], ["append", 9, 1]], "error": ["timeout", "no \"reply\"\n"],
                "final?": true})
        );
        let odd = "{1 #{-2 3.5}, \"a\" (nil), b \\c, :d/e 7N #_ hidden} ; the end";
        assert_eq!(
            one(odd).to_json(),
            json!({"1": [-2, 3.5], "a": [null], "b": "c", "d/e": 7})
        );
    }

    #[test]
    fn a_printed_form_is_read_back() {
        let value =
            json!({"valid?": true, "list": [1, -2.5, "a\"\\\t\u{1}é", null], "8": {"x y": {}}});
        let form = Edn::of(&value);
        assert_eq!(one(&form.to_string()), form);
        assert_eq!(form.to_json(), value);
    }

    #[test]
    fn a_wrong_text_is_named_with_its_line() {
        let cases = [
            ("{:a 1}\n{:a", "the text ends inside a form"),
            ("\n{:a 1 :b}", "a map has a key without a value"),
            ("\n\"x", "the text ends inside a string"),
            ("\n\"\\x\"", "a string has the escape Some('x')"),
            ("\n)", "no form begins with ')'"),
        ];
        for (text, why) in cases {
            assert_eq!(Edn::read_all(text), Err((2, why.to_owned())), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(
            Edn::read_all(&deep)
                .unwrap_err()
                .1
                .contains("nested deeper")
        );
    }
}
