//! Builds packages with cargo, and runs their tests with a limit on time.

use crate::chapter::Chapter;
use crate::package::Package;
use crate::{Result, book, read, write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// After this time a test binary is stuck. Every wait in the tests is far shorter.
const STUCK: Duration = Duration::from_secs(120);

/// One target directory for all crates of the book.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::env::current_dir().unwrap_or_default().join(folder),
        None => book().join("target"),
    }
}

pub struct Binary {
    /// The end of the package's folder or name.
    pub package: String,
    pub path: PathBuf,
}

pub struct Build {
    pub binaries: Vec<Binary>,
    /// The name of the build, in the names of its crates.
    name: String,
}

impl Build {
    /// Builds the tests of the package or workspace in `folder`. The error is the
    /// compiler's text.
    pub fn tests(folder: &Path, is_locked: bool) -> Result<Build> {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--no-run", "--workspace", "--tests", "--quiet"]);
        command.arg("--message-format=json-render-diagnostics");
        command
            .arg("--manifest-path")
            .arg(folder.join("Cargo.toml"));
        command.arg("--target-dir").arg(target());
        if is_locked {
            command.arg("--locked");
        }
        let output = command
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let binaries = text
            .lines()
            .filter(|line| line.contains("\"kind\":[\"test\"]"));
        let binaries = binaries.filter_map(|line| {
            Some(Binary {
                package: json_text(line, "package_id")?,
                path: json_text(line, "executable")?.into(),
            })
        });
        Ok(Build {
            binaries: binaries.collect(),
            name: String::new(),
        })
    }
}

impl Binary {
    fn is_of(&self, package: &str) -> bool {
        let (end, inside) = (format!("/{package}"), format!("/{package}#"));
        self.package.ends_with(&end) || self.package.contains(&inside)
    }
}

/// The text behind a key in a line of cargo's JSON.
fn json_text(line: &str, key: &str) -> Option<String> {
    let start = line.find(&format!("\"{key}\":\""))? + key.len() + 4;
    Some(line[start..].split('"').next()?.to_owned())
}

/// Versions of one chapter's code: its step, its starter, its mutants.
pub struct Versions<'a> {
    pub chapter: &'a Chapter,
    pub packages: Vec<Package>,
}

/// Builds the tests of all versions with one call of cargo.
///
/// The versions of a chapter are modules of one test crate, each with its own code and
/// its own copy of the tests. A crate for each version would take three times as long,
/// and most of that for starting compilers and linkers. The names of the tests begin
/// with the version's module: `v3::chapter::the_echo_is_what_was_sent`.
pub fn build_together(name: &str, chapters: &[Versions<'_>]) -> Result<Build> {
    let folder = target().join("learn").join(name);
    let mut members = Vec::new();
    for versions in chapters {
        let name = crate_name(name, versions.chapter);
        write_versions(&folder.join(&name), &name, versions)?;
        members.push(format!("\"{name}\""));
    }
    let root = read(&book().join("Cargo.toml"))?;
    let rest = root
        .split_once("[workspace.package]")
        .expect("it is there")
        .1;
    let members = members.join(", ");
    let root = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[workspace.package]{rest}"
    );
    write(&folder.join("Cargo.toml"), &root)?;
    write(
        &folder.join("Cargo.lock"),
        &read(&book().join("Cargo.lock"))?,
    )?;
    Ok(Build {
        name: name.to_owned(),
        ..Build::tests(&folder, false)?
    })
}

/// The name of the crate that has all versions of a chapter. Two builds must not share
/// it: cargo would take the one for the other, which has other versions.
fn crate_name(build: &str, chapter: &Chapter) -> String {
    format!("{build}-{}", chapter.name)
}

fn write_versions(folder: &Path, name: &str, versions: &Versions<'_>) -> Result<()> {
    let code = versions.chapter.package()?.replace('-', "_");
    let mut root = String::from("#![allow(warnings)]\n");
    for (number, package) in versions.packages.iter().enumerate() {
        let inside = folder.join("versions").join(format!("v{number}"));
        root += &format!("mod v{number} {{\n");
        for (file, text) in &package.files {
            let path = inside.join(file);
            let module = match file.strip_prefix("tests/") {
                Some(test) => test.trim_end_matches(".rs"),
                None => "code",
            };
            let is_module = file == "src/lib.rs" || file.starts_with("tests/");
            if is_module {
                root += &format!("#[path = {path:?}] pub mod {module};\n");
            }
            if is_module || file.starts_with("src/") {
                let home = format!("crate::v{number}::code::");
                let text = replace_path(text, "crate", &home);
                write_if_new(&path, &replace_path(&text, &code, &home))?;
            }
            if file == "Cargo.toml" {
                write_if_new(&folder.join("Cargo.toml"), &package.manifest(name))?;
            }
        }
        root += "}\n";
    }
    write_if_new(&folder.join("src/lib.rs"), "")?;
    write_if_new(&folder.join("tests/all.rs"), &root)
}

/// Replaces the first part of paths: `from::` by `to`.
fn replace_path(text: &str, from: &str, to: &str) -> String {
    let from = format!("{from}::");
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&from) {
        let (before, after) = rest.split_at(at);
        replaced += before;
        let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        let is_start = !before.ends_with(is_inside);
        replaced += if is_start { to } else { &from };
        rest = &after[from.len()..];
    }
    replaced + rest
}

/// Cargo builds again if a file is newer.
fn write_if_new(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).ok().as_deref() == Some(text) {
        return Ok(());
    }
    write(path, text)
}

pub struct Report {
    /// Each test and whether it passed.
    pub results: Vec<(String, bool)>,
    pub is_stuck: bool,
    text: String,
}

impl Report {
    pub fn failed(&self) -> Vec<String> {
        let failed = self.results.iter().filter(|(_, ok)| !ok);
        let mut names: Vec<String> = failed.map(|(name, _)| name.clone()).collect();
        names.sort();
        if self.is_stuck {
            names.push("(stuck)".to_owned());
        }
        names
    }

    /// The output of a test that failed.
    pub fn failure(&self, name: &str) -> Option<String> {
        let (_, rest) = self
            .text
            .split_once(&format!("---- {name} stdout ----\n"))?;
        let end = rest
            .find("\n---- ")
            .or_else(|| rest.find("\nfailures:\n"))
            .unwrap_or(rest.len());
        let text: Vec<&str> = rest[..end]
            .lines()
            .filter(|line| !line.contains("RUST_BACKTRACE"))
            .collect();
        Some(text.join("\n"))
    }
}

/// Runs the tests of a binary whose names begin with `start`, and ends them if they are
/// stuck.
pub fn run_tests(binary: &Path, start: &str) -> Result<Report> {
    let file = binary.with_extension(format!("{}.log", start.trim_end_matches(':')));
    let log = fs::File::create(&file).map_err(|error| error.to_string())?;
    let mut child = Command::new(binary)
        .args(["--test-threads=8", start])
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|error| error.to_string())?)
        .stderr(log)
        .spawn()
        .map_err(|error| error.to_string())?;
    let began = Instant::now();
    let mut is_stuck = false;
    while child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none()
    {
        if began.elapsed() > STUCK {
            is_stuck = true;
            let _ended = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let text =
        String::from_utf8_lossy(&fs::read(&file).map_err(|error| error.to_string())?).into_owned();
    let _gone = fs::remove_file(&file);
    let mut results = Vec::new();
    for line in text.lines() {
        if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|line| line.split_once(" ... "))
        {
            results.push((name.to_owned(), result == "ok"));
        }
    }
    results.sort();
    Ok(Report {
        results,
        is_stuck,
        text,
    })
}

/// The tests that fail on one version of a chapter.
pub fn failures(build: &Build, chapter: &Chapter, version: usize) -> Result<Vec<String>> {
    let name = crate_name(&build.name, chapter);
    let binary = build.binaries.iter().find(|binary| binary.is_of(&name));
    let binary = binary.ok_or_else(|| format!("{name} has no tests"))?;
    let report = run_tests(&binary.path, &format!("v{version}::"))?;
    if report.results.is_empty() && !report.is_stuck {
        return Err(format!("version {version} of {name} has no tests"));
    }
    let failed = report.failed().into_iter();
    // Without the modules in front.
    let mut failed: Vec<String> = failed
        .map(|name| name.rsplit("::").next().unwrap_or_default().to_owned())
        .collect();
    failed.sort();
    Ok(failed)
}

/// Builds the examples of the steps whose packages are given. The result is the name and
/// the path of each.
pub fn build_examples(packages: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--examples", "--locked", "--quiet"]);
    for package in packages {
        command.args(["--package", package]);
    }
    let root = book().join("Cargo.toml");
    command.arg("--message-format=json-render-diagnostics");
    command.arg("--manifest-path").arg(root);
    command.arg("--target-dir").arg(target());
    let output = command
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let examples = text
        .lines()
        .filter(|line| line.contains("\"kind\":[\"example\"]"));
    let paths = examples.filter_map(|line| Some(PathBuf::from(json_text(line, "executable")?)));
    let named = paths.map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (name.into_owned(), path)
    });
    Ok(named.collect())
}

/// Runs an example. The result is its stdout.
pub fn example(path: &Path) -> Result<String> {
    let output = Command::new(path).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", path.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {text}", path.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
