//! `cargo learn check`: everything that must hold before the book is published.

use crate::chapter::{Chapter, names_in};
use crate::run::{self, Versions};
use crate::{Result, book, made, read, words};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many test binaries run at once.
const AT_ONCE: usize = 6;

/// The longest library of a step, in lines.
const STEP_LINES_MAX: usize = 500;

/// The longest library of chapter 4: its loop.
const LOOP_LINES_MAX: usize = 200;

/// The most lines of the node that the last chapters build. Comments and blank lines do not
/// count.
const NODE_LINES_MAX: usize = 700;

/// Checks the whole book, or the chapters whose numbers are given.
pub fn check(numbers: &[&str]) -> Result<bool> {
    let began = Instant::now();
    let mut wrong = Vec::new();
    let mut chapters = Chapter::all()?;
    chapters.retain(|chapter| numbers.is_empty() || numbers.contains(&chapter.number()));
    packages(&chapters, &mut wrong)?;
    examples(&chapters, &mut wrong)?;
    for chapter in &chapters {
        sizes(chapter, &mut wrong)?;
        given(chapter, &mut wrong)?;
    }
    pages(&mut wrong)?;
    wrong.extend(words::wrong()?);
    for text in &wrong {
        println!("WRONG  {text}");
    }
    println!(
        "{} chapters, {} wrong, {} s",
        chapters.len(),
        wrong.len(),
        began.elapsed().as_secs()
    );
    Ok(wrong.is_empty())
}

/// One version of a chapter, and the tests that should fail on it.
struct Expected {
    chapter: usize,
    version: usize,
    name: String,
    fails: Vec<String>,
}

/// Starters, steps and mutants: the tests that fail are those that should.
fn packages(chapters: &[Chapter], wrong: &mut Vec<String>) -> Result<()> {
    let mut expected = Vec::new();
    let mut all = Vec::new();
    for (index, chapter) in chapters.iter().enumerate() {
        let mut packages = vec![chapter.step()];
        let mut fails = vec![Vec::new()];
        if chapter.has_starter() {
            packages.push(chapter.starter());
            fails.push(chapter.starter_fails()?);
        }
        for mutant in chapter.mutants()? {
            packages.push(mutant.package(chapter)?);
            fails.push(vec![mutant.fails.clone()]);
        }
        for (version, fails) in fails.into_iter().enumerate() {
            expected.push(Expected {
                chapter: index,
                version,
                name: packages[version].name.clone(),
                fails,
            });
        }
        all.push(Versions { chapter, packages });
    }
    let build = run::build_together("check", &all)?;
    // A stuck loop is found by waiting for it, so several binaries run at once.
    let next = AtomicUsize::new(0);
    let judged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(expected) = expected.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let chapter = &chapters[expected.chapter];
                    let name = &expected.name;
                    let text = match run::failures(&build, chapter, expected.version) {
                        Ok(failed) if failed == expected.fails => {
                            println!("ok     {name}");
                            continue;
                        }
                        Ok(failed) => {
                            format!("{name}: {failed:?} fail, not {:?}", expected.fails)
                        }
                        Err(error) => error,
                    };
                    println!("WRONG  {text}");
                    judged.lock().expect("no thread panics").push(text);
                }
            });
        }
    });
    wrong.extend(judged.into_inner().expect("no thread panics"));
    Ok(())
}

/// The examples print what the text says. Their names differ in the whole book, so that
/// one call of cargo can build them all.
fn examples(chapters: &[Chapter], wrong: &mut Vec<String>) -> Result<()> {
    let packages: Result<Vec<String>> = chapters.iter().map(Chapter::package).collect();
    let built = run::build_examples(&packages?)?;
    let mut runs = Vec::new();
    for chapter in chapters {
        for name in chapter.examples()? {
            let found: Vec<_> = built.iter().filter(|(built, _)| *built == name).collect();
            match found[..] {
                [(_, path)] => runs.push((chapter, name, path)),
                _ => wrong.push(format!("there must be one example {name}: {found:?}")),
            }
        }
    }
    let outputs: Vec<Result<String>> = std::thread::scope(|scope| {
        let runs: Vec<_> = runs
            .iter()
            .map(|(_, _, path)| scope.spawn(|| run::example(path)))
            .collect();
        let outputs = runs.into_iter().map(|run| run.join());
        outputs.map(|output| output.expect("no panic")).collect()
    });
    for ((chapter, name, _), output) in runs.iter().zip(outputs) {
        let output = output?;
        let folder = chapter.step_folder().join("examples");
        let file = folder.join(format!("{name}.out"));
        if std::env::var_os("LEARN_RECORD").is_some() {
            crate::write(&file, &output)?;
        }
        if read(&file).unwrap_or_default() != output {
            wrong.push(format!("{} {name} prints:\n{output}", chapter.name));
        }
    }
    Ok(())
}

fn sizes(chapter: &Chapter, wrong: &mut Vec<String>) -> Result<()> {
    if chapter.number() == "17" {
        let lines = lines_of_code(&chapter.step_folder().join("src"))?;
        if lines >= NODE_LINES_MAX {
            wrong.push(format!(
                "the node has {lines} lines: {NODE_LINES_MAX} or more"
            ));
        }
    }
    for (name, text) in &chapter.step().files {
        let max = if chapter.number() == "4" {
            LOOP_LINES_MAX
        } else {
            STEP_LINES_MAX
        };
        if name.starts_with("src/") && text.lines().count() >= max {
            wrong.push(format!("{} {name} has {max} lines or more", chapter.name));
        }
        if name == "src/lib.rs" && !text.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{} does not forbid unsafe code", chapter.name));
        }
    }
    Ok(())
}

/// The lines of all files that are neither blank nor comments.
fn lines_of_code(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for name in names_in(folder)? {
        let text = read(&folder.join(name))?;
        let lines = text.lines().map(str::trim);
        count += lines
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .count();
    }
    Ok(count)
}

/// A starter has no copy of a file of the step. With places to fill in, all its other
/// functions are those of the step.
fn given(chapter: &Chapter, wrong: &mut Vec<String>) -> Result<()> {
    if !chapter.has_starter() {
        return Ok(());
    }
    let folder = chapter.exercise_folder().join("starter");
    for name in names_in(&folder)? {
        let own = read(&folder.join(&name))?;
        if read(&chapter.step_folder().join("src").join(&name)).is_ok_and(|step| step == own) {
            wrong.push(format!("{}: {name} is a copy of the step's", chapter.name));
        }
    }
    let starter = read(&chapter.exercise_folder().join("starter/lib.rs"))?;
    let step = read(&chapter.step_folder().join("src/lib.rs"))?;
    if !starter.contains("todo!(") {
        return Ok(()); // it is a draft of another kind
    }
    let mut lines = starter.lines();
    while let Some(head) = lines.next() {
        let code = head.trim_start();
        if !(code.starts_with("fn ") || code.starts_with("pub fn ")) {
            continue;
        }
        let end = format!("{}}}", &head[..head.len() - code.len()]);
        let mut function = format!("{head}\n");
        for line in lines.by_ref() {
            function += &format!("{line}\n");
            if line == end {
                break;
            }
        }
        if !function.contains("todo!(") && !step.contains(&function) {
            wrong.push(format!(
                "{}: the starter gives another `{code}` than the step",
                chapter.name
            ));
        }
    }
    Ok(())
}

/// The pages are current, are in the summary, and name only files that exist.
fn pages(wrong: &mut Vec<String>) -> Result<()> {
    wrong.extend(made::wrong_links()?);
    let summary = read(&book().join("src/SUMMARY.md"))?;
    for page in made::pages()? {
        let text = read(&page)?;
        let name = page
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if made::made(&text)? != text {
            wrong.push(format!("{name} is not current: run `cargo learn diffs`"));
        }
        if name != "SUMMARY.md" && !summary.contains(&format!("({name})")) {
            wrong.push(format!("{name} is not in SUMMARY.md"));
        }
        for target in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            let is_inside = !file.is_empty() && !file.contains("://");
            if is_inside && !book().join("src").join(file).exists() {
                wrong.push(format!("{name}: the link to {target} is dead"));
            }
            if let Some((_, part)) = target.split_once('#')
                && !file.ends_with(".html")
            {
                let text = if file.is_empty() {
                    text.clone()
                } else {
                    read(&book().join("src").join(file))?
                };
                if !text
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == part)
                {
                    wrong.push(format!("{name}: there is no heading {target}"));
                }
            }
        }
        for file in files_named(&text) {
            if !book().join("..").join(&file).exists() {
                wrong.push(format!("{name} names {file}, which does not exist"));
            }
        }
    }
    Ok(())
}

/// The targets of a page's links and pictures.
fn links(text: &str) -> Vec<String> {
    let ends = text.split("](").skip(1);
    let mut links: Vec<String> = ends
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect();
    links.retain(|link| !link.contains([' ', '\n', '`']));
    links
}

/// The anchor that mdBook gives to a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Files of the project that a page names in code: from `src/`, `book/`, `tests/` or `benches/`.
fn files_named(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut files = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let words = line.split('`').skip(1).step_by(2).filter(|_| !is_code);
        for word in words {
            let is_file = ["src/", "book/", "tests/", "benches/"]
                .iter()
                .any(|start| word.starts_with(start));
            let is_plain = word
                .chars()
                .all(|c| c.is_alphanumeric() || "/._-".contains(c));
            if is_file && is_plain && !word.starts_with("book/mine") {
                files.push(word.to_owned());
            }
        }
    }
    files
}
