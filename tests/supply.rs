//! Checks the dependencies of this package: their licences, their origin, and that no
//! node contains two versions of one. A package in tests/ is part of the tests. It reads the output of `cargo metadata` and needs
//! no network.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

/// Licences that are compatible with "MIT OR Apache-2.0". The last two are those of the
/// feature `tls`. deny.toml has the same list.
const LICENCES: [&str; 5] = ["MIT", "Apache-2.0", "Unicode-3.0", "ISC", "BSD-3-Clause"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The folder of packages that only tests use.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/");

/// A part of the dependency graph.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The dependencies of a node.
    Library,
    /// These, and the dependencies of tests and benches.
    All,
}

/// The output of `cargo metadata` for the present platform.
fn metadata() -> Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version=1"])
        .args(["--filter-platform", &platform, "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {stderr}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The packages that the root depends on, including the root itself.
fn packages(metadata: &Value, reach: Reach) -> Vec<&Value> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(node, "id"), node))
        .collect();
    let root = text(&metadata["resolve"], "root");
    let mut queue = VecDeque::from([root]);
    let mut seen = BTreeSet::new();
    while let Some(id) = queue.pop_front() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes.get(id).map_or(&[][..], |node| list(&node["deps"])) {
            let is_wanted = |kind: &Value| reach == Reach::All || text(kind, "kind") != "dev";
            if list(&dependency["dep_kinds"]).iter().any(is_wanted) {
                queue.push_back(text(dependency, "pkg"));
            }
        }
    }
    let packages = list(&metadata["packages"]).iter();
    packages
        .filter(|package| seen.contains(text(package, "id")))
        .collect()
}

/// Whether the list allows a licence expression: one choice of each OR, for all parts
/// of an AND. No package here nests them deeper.
fn is_allowed(expression: &str) -> bool {
    let is_listed = |name: &str| LICENCES.contains(&name.trim().trim_matches(['(', ')']));
    let is_met = |part: &str| part.replace('/', " OR ").split(" OR ").any(is_listed);
    expression.split(" AND ").all(is_met)
}

/// The violations, one text each.
fn violations(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages(metadata, Reach::All) {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !is_allowed(licence) {
            found.push(format!("{name}: licence {licence:?} is not on the list"));
        }
        let source = &package["source"];
        let is_root = package["id"] == metadata["resolve"]["root"];
        let is_test = source.is_null() && text(package, "manifest_path").starts_with(TESTS);
        if !is_root && !is_test && source != CRATES_IO {
            found.push(format!("{name}: comes from {source}, not from crates.io"));
        }
    }
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages(metadata, Reach::Library) {
        *versions.entry(text(package, "name")).or_default() += 1;
    }
    let doubled = versions.into_iter().filter(|&(_, count)| count > 1);
    found.extend(doubled.map(|(name, count)| format!("{name}: {count} versions in one binary")));
    found
}

#[test]
fn every_dependency_comes_once_from_crates_io_under_a_known_licence() {
    let metadata = metadata();
    assert!(
        packages(&metadata, Reach::Library).len() > 5,
        "there are too few"
    );
    let found = violations(&metadata);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_forbidden_dependency_is_found() {
    let metadata = metadata();
    let changed = |key: &str, value: &str| {
        let mut metadata = metadata.clone();
        let all = metadata["packages"].as_array_mut().expect("packages");
        let slab = all.iter_mut().find(|package| package["name"] == "slab");
        slab.expect("slab is among them")[key] = value.into();
        violations(&metadata)
    };
    for (key, value) in [
        ("license", "GPL-3.0-only"),
        ("license", "MIT AND GPL-3.0-only"),
        ("license", ""),
        ("source", "git+https://example.org/slab"),
        ("name", "memchr"),
    ] {
        let found = changed(key, value);
        assert_eq!(found.len(), 1, "{key} {value}: {found:?}");
    }
    assert_eq!(changed("license", "GPL-3.0-only OR MIT").len(), 0);
}

#[test]
fn the_list_of_licences_is_the_same_as_in_deny_toml() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let deny = std::fs::read_to_string(path).expect("deny.toml");
    let allow = deny.split_once("allow = [").expect("a list").1;
    let allow = allow.split_once(']').expect("its end").0;
    let listed: Vec<&str> = allow.split('"').skip(1).step_by(2).collect();
    assert_eq!(listed, LICENCES);
}
