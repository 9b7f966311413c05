//! `cargo learn`: runs a chapter's tests on the reader's own copy, and checks the book.

#![forbid(unsafe_code)]

mod chapter;
mod check;
mod made;
mod package;
mod run;
mod words;

use chapter::Chapter;
use package::Package;
use run::{Build, Versions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

type Result<T> = std::result::Result<T, String>;

const HELP: &str = "\
cargo learn N          run the tests of chapter N on your copy, book/mine/NN-name
                       (the first time, the copy is made from the chapter's starter)
cargo learn mutants N  run the known bugs of chapter N, and show the test that finds each
cargo learn mend N     get the chapter's code with a bug that the chapter does not show
cargo learn show N     the result that chapter N's drafts and experiments print
cargo learn diffs      make the parts of the text that come from files
cargo learn links      print the links into the microscope as JSON, for the browser's tests
cargo learn check [N…] check the whole book as CI does, or these chapters";

/// The folder `book/`: that of the command line. The binary in a target folder that two copies of
/// the book share can have been built in the other one.
fn book() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let learn = env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, PathBuf::from);
    learn.parent().expect("book/learn has a parent").to_owned()
}

/// Reads a text file; the error names it.
fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a text file, and makes its folder; the error names it.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().expect("a file has a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["check", ref numbers @ ..] => check::check(numbers),
        ["diffs"] => made::make(),
        ["links"] => made::links_as_json().map(|text| {
            print!("{text}");
            true
        }),
        ["mutants", number] => Chapter::find(number).and_then(|chapter| mutants(&chapter)),
        ["mend", number] => Chapter::find(number).and_then(|chapter| mend(&chapter)),
        ["show", number] => Chapter::find(number).and_then(|chapter| show(&chapter)),
        [number] => Chapter::find(number).and_then(|chapter| learn(&chapter)),
        _ => Err(HELP.to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the chapter's tests on the reader's copy.
fn learn(chapter: &Chapter) -> Result<bool> {
    if !chapter.has_starter() {
        let name = &chapter.name;
        return Err(format!(
            "{name} is an appendix without an exercise: its code is in book/steps/{name}."
        ));
    }
    let mine = book().join("mine").join(&chapter.name);
    let lib = mine.join("src/lib.rs");
    if !lib.exists() {
        chapter.starter().write(&mine, true)?;
        println!("Your copy of the starter is book/mine/{}.", chapter.name);
        println!("Edit book/mine/{}/src/lib.rs.\n", chapter.name);
    }
    // Cargo.toml and the tests are the book's, and follow it.
    let mut package = chapter.starter();
    package.files.retain(|(name, _)| !name.starts_with("src/"));
    package.write(&mine, true)?;
    let passed = tell(&mine)?;
    let number = chapter.number();
    if passed {
        println!("\nAll tests of chapter {number} pass.");
        println!(
            "Compare your copy with book/steps/{}/src/lib.rs.",
            chapter.name
        );
        println!("Next: `cargo learn mutants {number}` shows the bugs that these tests find.");
        println!("Then: `cargo learn mend {number}` gives you one to find yourself.");
    } else {
        println!(
            "\nNext: edit book/mine/{}/src/lib.rs, then run `cargo learn {number}` again.",
            chapter.name
        );
    }
    Ok(passed)
}

/// Gives the reader the step with the bug that the chapter does not show.
fn mend(chapter: &Chapter) -> Result<bool> {
    let name = format!("{}-mend", chapter.name);
    let mine = book().join("mine").join(&name);
    let mutants = chapter.mutants()?;
    let mutant = mutants.iter().find(|mutant| mutant.is_hidden());
    let mutant = mutant.ok_or("this chapter has no bug to mend")?;
    if !mine.exists() {
        mutant.package(chapter)?.write(&mine, true)?;
        println!("book/mine/{name} is the chapter's code with one bug.");
        println!("Find it in src/lib.rs and mend it.\n");
    }
    let mut package = mutant.package(chapter)?;
    package.files.retain(|(name, _)| !name.starts_with("src/"));
    package.write(&mine, true)?;
    let passed = tell(&mine)?;
    if passed {
        println!("\nMended: all tests pass. The bug was: {}", mutant.bug);
    } else {
        let number = chapter.number();
        println!(
            "\nNext: edit book/mine/{name}/src/lib.rs, then run `cargo learn mend {number}` again."
        );
    }
    Ok(passed)
}

/// Builds the package in a folder, runs its tests, and tells the result.
fn tell(folder: &Path) -> Result<bool> {
    let build = match Build::tests(folder, false) {
        Ok(build) => build,
        Err(text) => {
            println!("{text}");
            println!("It does not compile yet. Start with the first message of the compiler.");
            return Ok(false);
        }
    };
    let mut reports = Vec::new();
    for binary in &build.binaries {
        reports.push(run::run_tests(&binary.path, "")?);
    }
    // In the order of the chapter's table, so that the first failure is the one to begin with.
    let order = tests_in_order(folder);
    let place = |name: &str| order.iter().position(|test| test == name);
    let mut results: Vec<_> = reports.iter().flat_map(|report| &report.results).collect();
    results.sort_by_key(|(name, _)| place(name));
    for (name, ok) in &results {
        println!("{}  {name}", if *ok { "pass" } else { "FAIL" });
    }
    let is_stuck = reports.iter().any(|report| report.is_stuck);
    if is_stuck {
        println!("FAIL  the tests did not end: the loop is stuck");
    }
    let failed = results.iter().find(|(_, ok)| !ok);
    if let Some((name, _)) = failed {
        println!("\nThe first test that fails is {name}. It says:\n");
        let text = reports.iter().find_map(|report| report.failure(name));
        println!("{}", text.unwrap_or_default().trim());
    }
    Ok(failed.is_none() && !is_stuck)
}

/// The names of a package's tests, as they stand in its files.
fn tests_in_order(folder: &Path) -> Vec<String> {
    let mut tests = Package::new("", &[("", &folder.join("tests"))]).files;
    tests.sort();
    let mut names = Vec::new();
    for (_, text) in &tests {
        for after in text.split("#[test]\nfn ").skip(1) {
            names.extend(after.split('(').next().map(str::to_owned));
        }
    }
    names
}

/// Runs the mutants of a chapter, and shows which test finds each.
fn mutants(chapter: &Chapter) -> Result<bool> {
    let mut packages: Vec<Package> = Vec::new();
    let mutants = chapter.mutants()?;
    for mutant in &mutants {
        packages.push(mutant.package(chapter)?);
    }
    let versions = Versions { chapter, packages };
    let build = run::build_together("mutants", &[versions])?;
    for (version, mutant) in mutants.iter().enumerate() {
        if mutant.is_hidden() {
            continue;
        }
        let failed = run::failures(&build, chapter, version)?;
        println!("{}: {}", mutant.name, mutant.bug);
        println!("  found by {}\n", failed.join(", "));
    }
    Ok(true)
}

/// Runs the programs whose output the chapter shows.
fn show(chapter: &Chapter) -> Result<bool> {
    let page = read(&book().join("src").join(format!("{}.md", chapter.name)))?;
    for line in page.lines() {
        let Some(words) = line.strip_prefix("<!-- made: output ") else {
            continue;
        };
        let mut words = words.split(' ');
        let (step, name) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        println!("== book/steps/{step}/examples/{name}.rs");
        let step = Chapter {
            name: step.to_owned(),
        };
        let built = run::build_examples(&[step.package()?])?;
        let path = built.iter().find(|(built, _)| built == name);
        let (_, path) = path.ok_or_else(|| format!("{} has no example {name}", step.name))?;
        println!("{}", run::example(path)?);
    }
    Ok(true)
}
