//! The parts of the text that are made from files.
//!
//! A part stands between two comments, so that the Markdown can be read as it is:
//!
//! ```text
//! <!-- made: diff steps/01-poll/src/lib.rs steps/02-edges/src/lib.rs -->
//! …
//! <!-- /made -->
//! ```
//!
//! | words | the part |
//! |---|---|
//! | `diff A B` | the lines that differ between two files |
//! | `file A` | a file |
//! | `item A TEXT` | the item of a file whose first line contains the text |
//! | `output STEP NAME` | the recorded output of an example |
//! | `tests STEP` | the tests that the starter fails |
//! | `mutants STEP` | the known bugs, and the test that finds each |
//! | `watch STEP` | the links into the microscope |

use crate::chapter::{Chapter, names_in};
use crate::{Result, book, read, write};
use std::path::PathBuf;

const BEGIN: &str = "<!-- made: ";
const END: &str = "<!-- /made -->";

/// The pages of the book.
pub fn pages() -> Result<Vec<PathBuf>> {
    let folder = book().join("src");
    let mut names = names_in(&folder)?;
    names.retain(|name| name.ends_with(".md"));
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Makes the parts of all pages.
pub fn make() -> Result<bool> {
    for page in pages()? {
        let old = read(&page)?;
        let new = made(&old).map_err(|error| format!("{}: {error}", page.display()))?;
        if new != old {
            write(&page, &new)?;
            println!("{}", page.display());
        }
    }
    Ok(true)
}

/// A page with its parts as they must be now.
pub fn made(page: &str) -> Result<String> {
    let mut text = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        text += line;
        text.push('\n');
        let Some(words) = line.strip_prefix(BEGIN) else {
            continue;
        };
        let words = words.trim_end_matches("-->").trim();
        text += &part(words)?;
        if !lines.any(|line| line == END) {
            return Err(format!("`{words}` has no end"));
        }
        text += END;
        text.push('\n');
    }
    Ok(text)
}

fn part(words: &str) -> Result<String> {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let chapter = || Chapter {
        name: first.to_owned(),
    };
    match kind {
        "diff" => {
            let (old, new) = (read(&book().join(first))?, read(&book().join(second))?);
            Ok(format!("```diff\n{}```\n", difference(&old, &new)))
        }
        "file" => Ok(format!(
            "```rust,ignore\n{}```\n",
            read(&book().join(first))?
        )),
        "item" => {
            let found = item(&read(&book().join(first))?, second);
            let found = found.ok_or_else(|| format!("no item `{second}` in {first}"))?;
            Ok(format!("```rust,ignore\n{found}```\n"))
        }
        "output" => {
            let output = book()
                .join("steps")
                .join(first)
                .join("examples")
                .join(format!("{second}.out"));
            Ok(format!("```text\n{}```\n", read(&output)?))
        }
        "tests" => tests(&chapter()),
        "mutants" => {
            let mut text = String::from("| name | bug | found by |\n|---|---|---|\n");
            for mutant in chapter()
                .mutants()?
                .iter()
                .filter(|mutant| !mutant.is_hidden())
            {
                text += &format!(
                    "| {} | {} | `{}` |\n",
                    mutant.name, mutant.bug, mutant.fails
                );
            }
            Ok(text)
        }
        "watch" => watch(first),
        _ => Err(format!("`{kind}` is not a kind of part")),
    }
}

/// The chapter's tests with their documentation, in the order of the file.
fn tests(chapter: &Chapter) -> Result<String> {
    let fails = chapter.starter_fails()?;
    let source = read(&chapter.step_folder().join("tests/chapter.rs"))?;
    let mut text = String::from("| test | with the starter |\n|---|---|\n");
    let mut is_test = false;
    for line in source.lines() {
        if is_test
            && let Some(name) = line
                .strip_prefix("fn ")
                .and_then(|line| line.split('(').next())
        {
            let result = if fails.iter().any(|test| test == name) {
                "fails"
            } else {
                "passes"
            };
            text += &format!("| `{name}` | {result} |\n");
        }
        is_test = line == "#[test]";
    }
    Ok(text)
}

/// The value of a key in a part of the table of links.
fn value(part: &str, key: &str) -> Result<String> {
    let find = |line: &str| {
        Some(
            line.strip_prefix(key)?
                .trim()
                .strip_prefix('=')?
                .trim()
                .to_owned(),
        )
    };
    let found = part.lines().find_map(find);
    let text =
        found.ok_or_else(|| format!("microscope-links.toml: no {key} in: {}", part.trim()))?;
    Ok(text.trim_matches('"').to_owned())
}

/// The links into the microscope, from their table.
fn watch(chapter: &str) -> Result<String> {
    let table = read(&book().join("microscope-links.toml"))?;
    let page = value(&table, "page")?;
    let mut text = String::new();
    for part in table.split("[[link]]").skip(1) {
        if value(part, "chapter")? == chapter {
            let get = |key| value(part, key);
            let (run, turn, step, says) = (get("run")?, get("turn")?, get("step")?, get("text")?);
            text += &format!(
                "- [{run}, turn {turn}]({page}#run={run}&turn={turn}&step={step}): {says}\n"
            );
        }
    }
    match text.is_empty() {
        true => Err(format!("microscope-links.toml has no link of {chapter}")),
        false => Ok(text),
    }
}

/// Links whose recording does not show what the table says. A recording has a line for
/// each event.
pub fn wrong_links() -> Result<Vec<String>> {
    let table = read(&book().join("microscope-links.toml"))?;
    let mut wrong = Vec::new();
    let folder = book().join("../docs/recordings");
    if !folder.exists() {
        println!("there are no recordings: the links into the microscope are not checked");
        return Ok(wrong);
    }
    for part in table.split("[[link]]").skip(1) {
        let (run, turn, step) = (
            value(part, "run")?,
            value(part, "turn")?,
            value(part, "step")?,
        );
        let recording = read(&folder.join(format!("{run}.json")))?;
        let start = format!("{{\"turn\":{turn},");
        let mut events = recording.lines().filter(|line| line.starts_with(&start));
        let event = step
            .parse()
            .ok()
            .and_then(|step| events.nth(step))
            .unwrap_or_default();
        let has_step = event.contains(&format!("\"step\":\"{}\"", value(part, "event_step")?));
        if !has_step || !event.contains(&value(part, "event_text")?) {
            wrong.push(format!(
                "the link to {run}, turn {turn}, step {step} shows: {event}"
            ));
        }
    }
    Ok(wrong)
}

/// The item whose first line contains `text`, with the comments in front of it.
fn item(source: &str, text: &str) -> Option<String> {
    let lines: Vec<&str> = source.lines().collect();
    let line = lines.iter().position(|line| line.contains(text))?;
    let indent = lines[line].len() - lines[line].trim_start().len();
    let is_above = |line: &&str| line.trim().starts_with("//") || line.trim().starts_with("#[");
    let above = lines[..line]
        .iter()
        .rev()
        .take_while(|line| is_above(line))
        .count();
    let is_end = |line: &&str| {
        let inside = line.trim_start();
        line.len() - inside.len() == indent && (inside.starts_with('}') || inside.ends_with(';'))
    };
    let length = lines[line..].iter().position(is_end)? + 1;
    let item = &lines[line - above..line + length];
    Some(
        item.iter()
            .map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n")
            .collect(),
    )
}

/// How many equal lines stand around a change.
const AROUND: usize = 2;

/// The difference of two texts: lines with `-`, `+` or a space in front, and `@@`
/// where equal lines are left out. From the longest common subsequence.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines: Vec<(char, &str)> = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    let is_near = |index: usize| {
        let from = index.saturating_sub(AROUND);
        let to = (index + AROUND + 1).min(lines.len());
        lines[from..to].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut is_cut = false;
    for (index, (sign, line)) in lines.iter().enumerate() {
        if is_near(index) {
            text += format!("{sign}{line}").trim_end();
            text.push('\n');
        } else if !is_cut {
            text += "@@\n";
        }
        is_cut = !is_near(index);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_changes_and_what_stands_around_them() {
        let old = "a\nb\nc\nd\ne\nf\n";
        let new = "a\nb\nc\nD\ne\nf\n";
        assert_eq!(difference(old, new), "@@\n b\n c\n-d\n+D\n e\n f\n");
    }

    #[test]
    fn an_item_is_found_with_its_comment() {
        let source = "fn a() {\n}\n\n/// b.\nfn b() {\n    c();\n}\n";
        assert_eq!(
            item(source, "fn b"),
            Some("/// b.\nfn b() {\n    c();\n}\n".to_owned())
        );
    }

    #[test]
    fn a_part_without_an_end_is_an_error() {
        assert!(made("<!-- made: tests 00-blocking -->\n").is_err());
    }
}
