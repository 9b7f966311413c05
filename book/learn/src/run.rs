//! Builds packages with cargo, and runs their tests with a limit on time.

use crate::chapter::Chapter;
use crate::{Result, book, read, write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// After this time a test binary is stuck. Every wait in the tests is far shorter.
const STUCK: Duration = Duration::from_secs(120);

/// A package in memory: file names and texts.
#[derive(Clone)]
pub struct Package {
    pub name: String,
    pub files: Vec<(String, String)>,
}

impl Package {
    pub fn new(name: &str, folders: &[(&str, &Path)]) -> Package {
        let mut package = Package {
            name: name.to_owned(),
            files: Vec::new(),
        };
        for (prefix, folder) in folders {
            package.add(prefix, folder);
        }
        package
    }

    /// Adds the files of a folder, under `prefix`. Programs and examples stay out.
    pub fn add(&mut self, prefix: &str, folder: &Path) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if path.is_dir() {
                if name != "examples" {
                    self.add(&format!("{prefix}{name}/"), &path);
                }
            } else if name != "main.rs"
                && let Ok(text) = fs::read_to_string(&path)
            {
                self.files.push((format!("{prefix}{name}"), text));
            }
        }
    }

    /// Writes the package; if it stands alone, with a workspace and a lock of its own.
    pub fn write(&self, folder: &Path, is_alone: bool) -> Result<()> {
        for (name, text) in &self.files {
            let mut text = text.clone();
            if name == "Cargo.toml" {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                for line in &mut lines {
                    if line.starts_with("name = ") && !line.contains("# lib") {
                        *line = format!("name = \"{}\"", self.name);
                    }
                }
                text = lines.join("\n") + "\n";
                if is_alone {
                    let root = read(&book().join("Cargo.toml"))?;
                    let rest = root
                        .split_once("[workspace.package]")
                        .expect("it is there")
                        .1;
                    text += &format!("\n[workspace]\n\n[workspace.package]{rest}");
                }
            }
            let path = folder.join(name);
            if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                write(&path, &text)?;
            }
        }
        if is_alone {
            write(
                &folder.join("Cargo.lock"),
                &read(&book().join("Cargo.lock"))?,
            )?;
        }
        Ok(())
    }
}

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
        let value = |line: &str, key: &str| {
            let start = line.find(&format!("\"{key}\":\""))? + key.len() + 4;
            Some(line[start..].split('"').next()?.to_owned())
        };
        let binaries = text
            .lines()
            .filter(|line| line.contains("\"kind\":[\"test\"]"));
        let binaries = binaries.filter_map(|line| {
            Some(Binary {
                package: value(line, "package_id")?,
                path: value(line, "executable")?.into(),
            })
        });
        Ok(Build {
            binaries: binaries.collect(),
        })
    }

    pub fn of(&self, package: &str) -> Vec<&Binary> {
        let (end, inside) = (format!("/{package}"), format!("/{package}#"));
        let is_it = |id: &str| id.ends_with(&end) || id.contains(&inside);
        self.binaries
            .iter()
            .filter(|binary| is_it(&binary.package))
            .collect()
    }
}

/// Builds packages in one workspace with one call of cargo.
pub fn build_together(name: &str, packages: &[Package]) -> Result<Build> {
    let folder = target().join("learn").join(name);
    let _absent = fs::remove_dir_all(&folder);
    for package in packages {
        package.write(&folder.join(&package.name), false)?;
    }
    let root = read(&book().join("Cargo.toml"))?;
    let rest = root
        .split_once("[workspace.package]")
        .expect("it is there")
        .1;
    let root =
        format!("[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n\n[workspace.package]{rest}");
    write(&folder.join("Cargo.toml"), &root)?;
    write(
        &folder.join("Cargo.lock"),
        &read(&book().join("Cargo.lock"))?,
    )?;
    Build::tests(&folder, false)
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

/// Runs a test binary, and ends it if it is stuck.
pub fn run_tests(binary: &Path) -> Result<Report> {
    let file = binary.with_extension("log");
    let log = fs::File::create(&file).map_err(|error| error.to_string())?;
    let mut child = Command::new(binary)
        .arg("--test-threads=8")
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

/// The tests of a package that fail.
pub fn failures(build: &Build, package: &str) -> Result<Vec<String>> {
    let binaries = build.of(package);
    if binaries.is_empty() {
        return Err(format!("{package} has no tests"));
    }
    let mut failed = Vec::new();
    for binary in binaries {
        failed.extend(run_tests(&binary.path)?.failed());
    }
    failed.sort();
    Ok(failed)
}

/// Runs an example of a chapter's step. The result is its stdout.
pub fn example(chapter: &Chapter, name: &str) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "run",
        "--quiet",
        "--locked",
        "--example",
        name,
        "--package",
        &chapter.package()?,
    ]);
    command
        .arg("--manifest-path")
        .arg(book().join("Cargo.toml"));
    command
        .arg("--target-dir")
        .arg(target())
        .stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{} {name}: {}",
            chapter.name,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
