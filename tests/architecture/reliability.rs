//! Every test that docs/RELIABILITY.md names exists.

use super::rust_files;
use std::collections::BTreeSet;
use std::path::Path;

/// Every function under src and tests, by name.
fn functions() -> BTreeSet<String> {
    let files = ["src", "tests"].into_iter().flat_map(rust_files);
    files
        .flat_map(|(_, text)| {
            let names = text.lines().filter_map(function);
            names.map(ToOwned::to_owned).collect::<Vec<String>>()
        })
        .collect()
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("fn ")?;
    rest.find('(').map(|end| &rest[..end])
}

/// The cells of a table's row. `None` for a line outside a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inside.split('|').map(str::trim).collect())
}

/// The texts between backticks in a cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Complaints about the tables of faults, which are those with a column of tests.
fn complaints(page: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_matrix = false;
    for (number, line) in (1..).zip(page.lines()) {
        let Some(cells) = cells(line) else {
            is_matrix = false;
            continue;
        };
        if cells.get(2) == Some(&"tests") {
            is_matrix = true;
            continue;
        }
        let is_rule = cells.iter().all(|cell| cell.chars().all(|c| c == '-'));
        if !is_matrix || is_rule {
            continue;
        }
        let tests = cells.get(2).map_or(Vec::new(), |cell| quoted(cell));
        if cells.len() != 4 || cells.iter().any(|cell| cell.is_empty()) || tests.is_empty() {
            found.push(format!(
                "line {number}: not fault, promise, tests and breakage"
            ));
        }
        for test in tests.into_iter().filter(|&test| !functions.contains(test)) {
            found.push(format!("line {number}: there is no test `{test}`"));
        }
    }
    found
}

#[test]
fn every_test_that_the_reliability_page_names_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/RELIABILITY.md");
    let page = std::fs::read_to_string(path).expect("docs/RELIABILITY.md");
    assert!(
        page.lines()
            .filter(|line| line.contains("| tests |"))
            .count()
            > 5
    );
    let found = complaints(&page, &functions());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_row_that_has_rotted_is_found() {
    let functions = BTreeSet::from(["a_test".to_owned()]);
    let judge = |row: &str| {
        let page = format!("| fault | promise | tests | broken by |\n|---|---|---|---|\n{row}\n");
        complaints(&page, &functions).len()
    };
    assert_eq!(judge("| a | b | `a_test` | c |"), 0);
    assert_eq!(judge("| a | b | `a_test`, `gone` | c |"), 1);
    assert_eq!(judge("| a | b | none | c |"), 1);
    assert_eq!(judge("| a | b | `a_test` | |"), 1);
    assert_eq!(judge("| a | b | `a_test` |"), 1);
    assert_eq!(judge("\n| of | another | table |\n"), 0);
    assert_eq!(function("    fn a_test() {"), Some("a_test"));
}
