//! A folder for one test, with all certificates and keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// It is removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let name = format!("tls-{}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/certificates");
        for file in std::fs::read_dir(source)
            .expect("the certificates")
            .flatten()
        {
            let copy = path.join(file.file_name());
            std::fs::copy(file.path(), &copy).expect("a copy");
            // git does not keep this.
            let owner_only = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&copy, owner_only).expect("permissions");
        }
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("text").to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("a file")
    }

    /// Writes a file. Names of files with a known ending become paths in this folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let words = text.split_inclusive([' ', ',', '\n']);
        let text: String = words
            .map(|word| {
                let name = word.trim_end_matches([' ', ',', '\n']);
                let is_file = [".pem", ".key"].iter().any(|end| name.ends_with(end));
                match is_file {
                    true => word.replace(name, &format!("\"{}\"", self.path(name))),
                    false => word.to_owned(),
                }
            })
            .collect();
        std::fs::write(self.0.join(name), text).expect("a file");
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}
