//! Enough of Rust's syntax to see which paths a source file names.

use std::collections::BTreeSet;

/// A path in the source, with groups taken apart: `a::{b, c::d}` is two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    /// The name that `as` gives it.
    pub(crate) alias: Option<String>,
    pub(crate) line: usize,
    pub(crate) place: Place,
}

/// Where a path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a `use`.
    Import,
    /// In a `use` that other modules can see.
    ReExport,
    /// After a dot: the name of a field or a method.
    Member,
    /// Anywhere else.
    Code,
}

impl NamedPath {
    /// Whether `segments` stand somewhere in the path, one after another.
    pub(crate) fn contains(&self, segments: &[&str]) -> bool {
        let mut windows = self.segments.windows(segments.len());
        windows.any(|window| window == segments)
    }

    /// The name that a `use` of this path gives to its file; `*` for all names.
    pub(crate) fn name(&self) -> &str {
        let alias = self.alias.as_deref();
        let last = match &self.segments[..] {
            [.., module, last] if last == "self" => module,
            [.., last] => last,
            [] => "",
        };
        alias.unwrap_or(last)
    }

    pub(crate) fn starts_with(&self, segments: &[&str]) -> bool {
        self.segments.len() >= segments.len()
            && self.segments.iter().zip(segments).all(|(a, b)| a == b)
    }
}

/// The names in a file, outside its tests.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) paths: Vec<NamedPath>,
    /// Modules in files of their own.
    pub(crate) modules: BTreeSet<String>,
    /// Those of them that are compiled for tests and for the lab only.
    pub(crate) test_modules: BTreeSet<String>,
    /// The items that are defined here.
    pub(crate) items: BTreeSet<String>,
    /// The lines of calls of `look!`, which expands to nothing without the microscope.
    pub(crate) looks: Vec<usize>,
}

/// Keywords before the name of an item.
const ITEMS: [&str; 8] = [
    "const",
    "enum",
    "fn",
    "macro_rules",
    "static",
    "struct",
    "trait",
    "type",
];

pub(crate) fn contents(text: &str) -> Contents {
    let tokens = tokens(text);
    let mut contents = Contents::default();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = test_item(&tokens[at..], &mut contents.test_modules) {
            at += end;
            continue;
        }
        if let Some(end) = look(&tokens[at..]) {
            contents.looks.push(tokens[at].line);
            at += end;
            continue;
        }
        if let [keyword, name, end, ..] = &tokens[at..]
            && (keyword.text, end.text) == ("mod", ";")
        {
            contents.modules.insert(name.text.to_owned());
        }
        if let [keyword, name, ..] = &tokens[at..]
            && ITEMS.contains(&keyword.text)
            && name.is_name()
        {
            contents.items.insert(name.text.to_owned());
        }
        // After `>::` a name belongs to the type in angle brackets.
        let goes_on = at > 0 && tokens[at - 1].text == "::" && at > 1 && tokens[at - 2].text == ">";
        if tokens[at].is_name() && !goes_on {
            let from = contents.paths.len();
            let place = place(&tokens, at);
            at = path(&tokens, at, &mut Vec::new(), &mut contents.paths);
            for path in &mut contents.paths[from..] {
                path.place = place;
            }
        } else {
            at += 1;
        }
    }
    contents
}

/// Where the path that starts at `at` stands.
fn place(tokens: &[Token], at: usize) -> Place {
    let before = |count: usize| at.checked_sub(count).map_or("", |at| tokens[at].text);
    match (before(2), before(1)) {
        // `pub use`, `pub(crate) use`: nothing else ends in a bracket there.
        ("pub" | ")", "use") => Place::ReExport,
        (_, "use") => Place::Import,
        (".", ".") => Place::Code,
        (_, ".") => Place::Member,
        _ => Place::Code,
    }
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

impl Token<'_> {
    fn is_name(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Names, `::` and single characters; without comments, strings and numbers.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => char_or_lifetime(rest),
            'r' | 'b' | 'c' if prefixed_string(rest).is_some() => {
                prefixed_string(rest).unwrap_or(1)
            }
            _ if first.is_alphanumeric() || first == '_' => word(rest),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let token = Token {
            text: &rest[..length],
            line,
        };
        let is_text =
            matches!(first, '"' | '\'') || (token.is_name() && token.text.ends_with(['"', '#']));
        let is_comment = token.text.starts_with("//") || token.text.starts_with("/*");
        if !first.is_whitespace() && !first.is_ascii_digit() && !is_text && !is_comment {
            tokens.push(token);
        }
        line += token.text.matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A string's length, quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"`, `b"…"`, `br#"…"#`, `c"…"`; nothing if it is a name.
fn prefixed_string(text: &str) -> Option<usize> {
    let (prefix, body) = ["br", "cr", "r", "b", "c"].into_iter().find_map(|prefix| {
        let body = text.strip_prefix(prefix)?;
        body.starts_with(['"', '#']).then_some((prefix, body))
    })?;
    if !prefix.ends_with('r') {
        return body.starts_with('"').then(|| prefix.len() + string(body));
    }
    let hashes = body.len() - body.trim_start_matches('#').len();
    // `r#name` is a name.
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(prefix.len() + hashes + 1 + length)
}

fn char_or_lifetime(text: &str) -> usize {
    let mut inside = text[1..].chars();
    match (inside.next(), inside.next()) {
        // An escape: up to the quote behind the escaped character.
        (Some('\\'), Some(escaped)) => {
            let from = 2 + escaped.len_utf8();
            text[from..]
                .find('\'')
                .map_or(text.len(), |at| from + at + 1)
        }
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1 + word(&text[1..]),
    }
}

/// The marks of an item that is compiled for tests only, and of one that is
/// compiled for the room `lab` too. The feature's name is a string, and so no token.
const TEST_MARKS: [&[&str]; 2] = [
    &["#", "[", "cfg", "(", "test", ")", "]"],
    &[
        "#", "[", "cfg", "(", "any", "(", "test", ",", "feature", "=", ")", ")", "]",
    ],
];

/// The length of an item under one of the marks that starts here. A module in a
/// file of its own is noted.
fn test_item(tokens: &[Token], modules: &mut BTreeSet<String>) -> Option<usize> {
    let texts = || tokens.iter().map(|token| token.text);
    let begins = |mark: &&&[&str]| texts().take(mark.len()).eq(mark.iter().copied());
    let length = TEST_MARKS.iter().find(begins)?.len();
    let mut depth = 0_usize;
    for (at, text) in texts().enumerate().skip(length) {
        match text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_use = tokens[length..at].iter().any(|t| t.text == "use");
        let ends = text == ";" || (text == "}" && !is_use);
        if depth == 0 && ends {
            if text == ";" && tokens[at - 2].text == "mod" {
                modules.insert(tokens[at - 1].text.to_owned());
            }
            return Some(at + 1);
        }
    }
    Some(tokens.len())
}

/// The length of a call of the macro `look!` that starts here.
fn look(tokens: &[Token]) -> Option<usize> {
    let begins = ["look", "!", "("];
    let texts = || tokens.iter().map(|token| token.text);
    if !texts().take(begins.len()).eq(begins) {
        return None;
    }
    let mut depth = 0_usize;
    for (at, text) in texts().enumerate() {
        match text {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(at + 1),
            ")" => depth -= 1,
            _ => {}
        }
    }
    Some(tokens.len())
}

/// Reads a path, or a tree of a `use`, from `at`; returns where it ends.
fn path(
    tokens: &[Token],
    mut at: usize,
    prefix: &mut Vec<String>,
    paths: &mut Vec<NamedPath>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let depth = prefix.len();
    let line = tokens[at].line;
    let mut is_group = false;
    loop {
        if text(at) == "{" {
            is_group = true;
            at = group(tokens, at + 1, prefix, paths);
            break;
        }
        prefix.push(text(at).to_owned());
        at += 1;
        let more = tokens.get(at + 1);
        let more = more.is_some_and(|next| next.is_name() || matches!(next.text, "{" | "*"));
        if text(at) != "::" || !more {
            break;
        }
        at += 1;
    }
    let mut alias = None;
    if text(at) == "as" && !is_group {
        alias = Some(text(at + 1).to_owned());
        at += 2;
    }
    if !is_group {
        let segments = prefix.clone();
        paths.push(NamedPath {
            segments,
            alias,
            line,
            place: Place::Code,
        });
    }
    prefix.truncate(depth);
    at
}

/// The members of `{…}`; returns where it ends.
fn group(
    tokens: &[Token],
    mut at: usize,
    prefix: &mut Vec<String>,
    paths: &mut Vec<NamedPath>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            "*" | "{" => at = path(tokens, at, prefix, paths),
            _ if token.is_name() => at = path(tokens, at, prefix, paths),
            _ => at += 1,
        }
    }
    at
}
