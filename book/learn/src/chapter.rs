//! A chapter's files: its step, its exercise, its mutants.

use crate::package::Package;
use crate::{Result, book, read};
use std::fs;
use std::path::{Path, PathBuf};

pub struct Chapter {
    /// As its folders are named: `02-edges`.
    pub name: String,
}

impl Chapter {
    pub fn all() -> Result<Vec<Chapter>> {
        let mut names = names_in(&book().join("exercises"))?;
        names.sort();
        Ok(names.into_iter().map(|name| Chapter { name }).collect())
    }

    pub fn find(number: &str) -> Result<Chapter> {
        let start = format!("{number:0>2}-");
        let mut chapters = Chapter::all()?;
        match chapters
            .iter()
            .position(|chapter| chapter.name.starts_with(&start))
        {
            Some(index) => Ok(chapters.swap_remove(index)),
            None => {
                let numbers: Vec<&str> = chapters.iter().map(Chapter::number).collect();
                let numbers = numbers.join(", ");
                Err(format!(
                    "There is no chapter '{number}'. The chapters are {numbers}.\n\n{}",
                    crate::HELP
                ))
            }
        }
    }

    /// The number without leading zeros.
    pub fn number(&self) -> &str {
        let digits = self.name.split('-').next().unwrap_or_default();
        match digits.trim_start_matches('0') {
            "" => "0",
            number => number,
        }
    }

    pub fn step_folder(&self) -> PathBuf {
        book().join("steps").join(&self.name)
    }

    /// The name of the step's package, which is also the name in the tests.
    pub fn package(&self) -> Result<String> {
        let text = read(&self.step_folder().join("Cargo.toml"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("name = "));
        let name = line.ok_or_else(|| format!("{} has no name", self.name))?;
        Ok(name.trim_matches('"').to_owned())
    }

    pub fn exercise_folder(&self) -> PathBuf {
        book().join("exercises").join(&self.name)
    }

    /// The step, as a package of its own.
    pub fn step(&self) -> Package {
        Package::new(&format!("step-{}", self.name), &[("", &self.step_folder())])
    }

    /// An appendix has code and known bugs, and no exercise.
    pub fn has_starter(&self) -> bool {
        self.exercise_folder().join("starter").exists()
    }

    /// The starter: the step, with the files of `starter/` in place of those of `src/`.
    pub fn starter(&self) -> Package {
        let mut package = self.step();
        package.name = format!("starter-{}", self.name);
        let own = Package::new("", &[("src/", &self.exercise_folder().join("starter"))]);
        package
            .files
            .retain(|(name, _)| own.files.iter().all(|(own, _)| own != name));
        package.files.extend(own.files);
        package
    }

    /// The tests that fail on the starter. All others pass on it.
    pub fn starter_fails(&self) -> Result<Vec<String>> {
        let text = read(&self.exercise_folder().join("fails.txt"))?;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let mut names: Vec<String> = lines.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    pub fn mutants(&self) -> Result<Vec<Mutant>> {
        let folder = self.exercise_folder().join("mutants");
        let mut names = names_in(&folder)?;
        names.sort();
        names
            .iter()
            .map(|name| Mutant::parse(name, &read(&folder.join(name))?))
            .collect()
    }

    /// The drafts and experiments that have a recorded output.
    pub fn examples(&self) -> Result<Vec<String>> {
        let folder = self.step_folder().join("examples");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let names = names_in(&folder)?;
        let mut names: Vec<String> = names
            .iter()
            .filter_map(|name| name.strip_suffix(".rs"))
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    }
}

pub fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect())
}

/// A known bug: a text of the step that is replaced by another one.
pub struct Mutant {
    pub name: String,
    /// The bug in one sentence.
    pub bug: String,
    /// The test that finds it, and the only one.
    pub fails: String,
    file: String,
    old: String,
    new: String,
}

impl Mutant {
    fn parse(name: &str, text: &str) -> Result<Mutant> {
        let wrong = || {
            format!(
                "{name}: a mutant is `# bug`, `fails = test`, `@@ replace`, text, `@@ with`, text"
            )
        };
        let (head, change) = text.split_once("@@ replace\n").ok_or_else(wrong)?;
        let (old, new) = change.split_once("@@ with\n").ok_or_else(wrong)?;
        let value = |key: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
        };
        Ok(Mutant {
            name: name.trim_end_matches(".mutant").to_owned(),
            bug: value("#").ok_or_else(wrong)?.to_owned(),
            fails: value("fails =").ok_or_else(wrong)?.to_owned(),
            file: value("file =").unwrap_or("src/lib.rs").to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        })
    }

    /// The reader is asked to find it, so the text does not show it.
    pub fn is_hidden(&self) -> bool {
        self.name == "mend"
    }

    pub fn package(&self, chapter: &Chapter) -> Result<Package> {
        let mut package = chapter.step();
        package.name = format!("mutant-{}-{}", chapter.name, self.name);
        let file = package
            .files
            .iter_mut()
            .find(|(name, _)| *name == self.file);
        let (_, text) =
            file.ok_or_else(|| format!("{}: there is no {}", package.name, self.file))?;
        if text.matches(&self.old).count() != 1 {
            return Err(format!(
                "{}: the text to replace must stand once in {}",
                package.name, self.file
            ));
        }
        *text = text.replacen(&self.old, &self.new, 1);
        Ok(package)
    }
}
