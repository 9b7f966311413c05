//! A package in memory: a step, a starter or a mutant before it is written to a folder.

use crate::{Result, book, read, write};
use std::fs;
use std::path::Path;

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
                text = self.manifest(&self.name);
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

    /// The text of Cargo.toml, with another name for the package.
    pub fn manifest(&self, name: &str) -> String {
        let found = self.files.iter().find(|(file, _)| file == "Cargo.toml");
        let text = found.map_or("", |(_, text)| text.as_str());
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if line.starts_with("name = ") && !line.contains("# lib") {
                *line = format!("name = \"{name}\"");
            }
        }
        lines.join("\n") + "\n"
    }
}
