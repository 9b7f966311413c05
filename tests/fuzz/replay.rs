//! Runs a check over a fuzz target's corpus, and over random inputs.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::path::Path;

/// Runs every input of a target's corpus.
pub(crate) fn corpus(target: &str, check: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a file of the corpus").path())
        .collect();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.sort();
    for path in paths {
        let _name = PrintOnPanic(&path);
        check(&std::fs::read(&path).expect("a file of the corpus"));
    }
}

/// Prints the path of the input if its check panics.
struct PrintOnPanic<'a>(&'a Path);

impl Drop for PrintOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}", self.0.display());
        }
    }
}

/// Runs random inputs. Each begins with one of `beginnings`.
pub(crate) fn random(cases: u32, beginnings: &[u8], check: impl Fn(&[u8])) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    for &first in beginnings {
        let inputs = vec(any::<u8>(), 0..600);
        let run = TestRunner::new(config.clone()).run(&inputs, |mut input| {
            input.insert(0, first);
            check(&input);
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{error}"));
    }
}
