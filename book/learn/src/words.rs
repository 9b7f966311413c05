//! The book's list of words beside its chapters and beside ARCHITECTURE.md.

use crate::{Result, book, read};

/// A row of the list.
struct Row {
    /// As it stands in the first column, without the marks of bold text.
    term: String,
    meaning: String,
    /// The other columns.
    links: Vec<String>,
}

/// The rows of the first table behind `heading`.
fn table(text: &str, heading: &str) -> Vec<Row> {
    let rest = text.split_once(heading).map_or("", |(_, rest)| rest);
    let lines = rest.lines().skip_while(|line| !line.starts_with("|---"));
    let lines = lines.skip(1).take_while(|line| line.starts_with('|'));
    let rows = lines.map(|line| {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let mut next = || cells.next().unwrap_or_default().to_owned();
        Row {
            term: next().replace("**", ""),
            meaning: next(),
            links: cells.map(str::to_owned).collect(),
        }
    });
    rows.collect()
}

/// Words that their chapter does not use, that have no way into `src/`, or that only one
/// of the two lists has. That the linked files exist is checked with all other links.
pub fn wrong() -> Result<Vec<String>> {
    let page = read(&book().join("src/words.md"))?;
    let built = table(&page, "# C. Words");
    let foreign = table(&page, "## Words of Eddyline only");
    let program = table(&read(&book().join("../ARCHITECTURE.md"))?, "## Glossary");
    let mut wrong = Vec::new();
    for row in &built {
        let term = &row.term;
        let chapter = row.links.first().and_then(|link| link.split_once("]("));
        let file = chapter.map_or("", |(_, target)| target.trim_end_matches(')'));
        let text = read(&book().join("src").join(file)).map_err(|_| format!("{term}: no chapter"));
        let text = text?.to_lowercase().replace('\n', " ");
        for word in term.split(", ") {
            let word = word.trim_start_matches("to ");
            if !text.contains(word) {
                wrong.push(format!("words.md: {file} does not use the word {word}"));
            }
        }
    }
    for row in built.iter().chain(&foreign) {
        let source = row.links.last().map_or("", String::as_str);
        if !source.contains("(../../src/") && source != "not in `src/`" {
            wrong.push(format!("words.md: {} has no file of src/", row.term));
        }
        if row.meaning.contains(". ") || row.meaning.is_empty() {
            wrong.push(format!("words.md: {} needs one sentence", row.term));
        }
    }
    for row in &program {
        if !built.iter().chain(&foreign).any(|own| own.term == row.term) {
            wrong.push(format!(
                "words.md lacks ARCHITECTURE.md's word {}",
                row.term
            ));
        }
    }
    for row in &foreign {
        if !program.iter().any(|own| own.term == row.term) {
            wrong.push(format!("ARCHITECTURE.md lacks the word {}", row.term));
        }
    }
    if built.is_empty() || foreign.is_empty() || program.is_empty() {
        wrong.push("words.md or ARCHITECTURE.md: a table of words is not where it was".to_owned());
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_to_its_end() {
        let text =
            "## Glossary\n| term | meaning |\n|---|---|\n| **a**, **b** | c |\n\n| d | e |\n";
        let rows = table(text, "## Glossary");
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0].term, &*rows[0].meaning), ("a, b", "c"));
    }
}
