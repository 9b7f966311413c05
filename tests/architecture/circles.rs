//! No files of a room form a circle.
//!
//! A file points at another one when its code, without its tests, takes a name
//! from it. A name is followed to the file that defines it: `use super::Name`,
//! where the parent only re-exports `Name` from a sibling, points at the sibling.
//! A module that re-exports names of its children does not point at them; it does
//! when its own code uses those names.
//!
//! Files are read as text, so methods are not seen: a call of a method whose
//! `impl` block stands in another file than its type points at neither.

use crate::paths::{Contents, NamedPath, Place, contents};
use crate::rules::Source;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// More re-exports of re-exports than any name goes through.
const STEPS_MAX: usize = 20;

/// A module's path from the crate's root on.
type Module = [String];

/// An arrow's start and end, and the line that it starts from.
type Arrows = BTreeMap<usize, BTreeMap<usize, usize>>;

/// For each room, its circles: each as one shortest way round, and the files that
/// can reach each other.
fn circles(sources: &[Source]) -> Vec<String> {
    let house = House::new(sources);
    let arrows = house.arrows();
    let mut found = Vec::new();
    let mut is_told = BTreeSet::<usize>::new();
    for file in 0..house.files.len() {
        if is_told.contains(&file) {
            continue;
        }
        let Some(way) = way_back(&arrows, file) else {
            continue;
        };
        let ahead = reachable(&arrows, file);
        let members: Vec<usize> = ahead
            .into_iter()
            .filter(|&other| reachable(&arrows, other).contains(&file))
            .collect();
        is_told.extend(&members);
        // The members' shortest way round is the clearest one to show.
        let ways = members.iter().filter_map(|&file| way_back(&arrows, file));
        let way = ways.min_by_key(Vec::len).unwrap_or(way);
        found.push(house.circle(&members, &way, &arrows));
    }
    found
}

struct House<'a> {
    files: Vec<(&'a Source, Contents)>,
    modules: BTreeMap<Vec<String>, usize>,
}

impl<'a> House<'a> {
    fn new(sources: &'a [Source]) -> House<'a> {
        let is_read = |source: &&Source| {
            let module = module(&source.name);
            // Unit tests use what they like.
            !module.iter().any(|name| name == "tests") && source.name != "main.rs"
        };
        let files: Vec<(&Source, Contents)> = sources
            .iter()
            .filter(is_read)
            .map(|source| (source, contents(&source.text)))
            .collect();
        let modules = files.iter().enumerate();
        let modules = modules.map(|(at, (source, _))| (module(&source.name), at));
        House {
            modules: modules.collect(),
            files,
        }
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (module, &from) in &self.modules {
            for path in &self.files[from].1.paths {
                let Some(to) = self.target(module, path) else {
                    continue;
                };
                let to_module = &self.module_of(to);
                let is_inside = module
                    .first()
                    .is_some_and(|room| to_module.first() == Some(room));
                if is_inside && to != from {
                    arrows
                        .entry(from)
                        .or_default()
                        .entry(to)
                        .or_insert(path.line);
                }
            }
        }
        arrows
    }

    /// The file that a path points at, if it is one of this crate.
    fn target(&self, module: &Module, path: &NamedPath) -> Option<usize> {
        if path.place == Place::Member {
            return None;
        }
        let is_word = path.segments.len() == 1;
        // A word that is the name of a module may be a variable.
        if is_word && !self.imports(module, &path.segments[0]) {
            return None;
        }
        let to = self.resolve(module, &path.segments, 0)?;
        let is_below = self.module_of(to).starts_with(module);
        (path.place != Place::ReExport || !is_below).then_some(to)
    }

    fn imports(&self, module: &Module, name: &str) -> bool {
        self.paths_of_uses(module).any(|path| path.name() == name)
    }

    fn paths_of_uses(&self, module: &Module) -> impl Iterator<Item = &NamedPath> {
        let file = self.modules.get(module);
        let paths = file.map_or(&[][..], |&file| &self.files[file].1.paths);
        paths
            .iter()
            .filter(|path| matches!(path.place, Place::Import | Place::ReExport))
    }

    /// The file that defines what `segments` name in `module`.
    fn resolve(&self, module: &Module, segments: &[String], steps: usize) -> Option<usize> {
        if steps > STEPS_MAX {
            return None;
        }
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => return self.walk(&[], rest, steps + 1),
            "self" => return self.walk(module, rest, steps + 1),
            "super" => {
                let mut at = module.split_last()?.1;
                let mut rest = rest;
                while let Some(("super", more)) = rest.split_first().map(|(s, m)| (s.as_str(), m)) {
                    (at, rest) = (at.split_last()?.1, more);
                }
                return self.walk(at, rest, steps + 1);
            }
            _ => {}
        }
        if self.child(module, first).is_some() {
            return self.walk(module, segments, steps + 1);
        }
        self.by_a_use(module, first, rest, steps + 1)
    }

    /// Follows `segments` downwards from a module.
    fn walk(&self, module: &Module, segments: &[String], steps: usize) -> Option<usize> {
        let here = self.modules.get(module).copied();
        let Some((first, rest)) = segments.split_first() else {
            return here;
        };
        if matches!(first.as_str(), "self" | "*") {
            return here;
        }
        if let Some(child) = self.child(module, first) {
            return self.walk(&child, rest, steps);
        }
        // A name that comes from another crate by way of this module points here.
        self.by_a_use(module, first, rest, steps).or(here)
    }

    /// Follows a name to where a `use` of the module has it from.
    fn by_a_use(
        &self,
        module: &Module,
        name: &str,
        rest: &[String],
        steps: usize,
    ) -> Option<usize> {
        let is_own = |path: &&NamedPath| path.segments[0] != name || path.segments.len() > 1;
        let mut named = self.paths_of_uses(module).filter(is_own);
        if let Some(path) = named.find(|path| path.name() == name) {
            let whole: Vec<String> = path.segments.iter().chain(rest).cloned().collect();
            return self.resolve(module, &whole, steps + 1);
        }
        let globs = self.paths_of_uses(module).filter(|path| path.name() == "*");
        let mut behind = globs.filter_map(|path| self.resolve(module, &path.segments, steps + 1));
        behind.find(|&file| self.files[file].1.items.contains(name))
    }

    fn child(&self, module: &Module, name: &str) -> Option<Vec<String>> {
        let child: Vec<String> = module.iter().cloned().chain([name.to_owned()]).collect();
        self.modules.contains_key(&child).then_some(child)
    }

    fn module_of(&self, file: usize) -> Vec<String> {
        module(&self.files[file].0.name)
    }

    fn circle(&self, members: &[usize], way: &[usize], arrows: &Arrows) -> String {
        let name = |file: usize| self.files[file].0.name.as_str();
        let room = self.module_of(way[0])[0].clone();
        let steps = way.iter().zip(way.iter().cycle().skip(1));
        let steps = steps.map(|(&from, &to)| {
            let line = arrows[&from][&to];
            format!("\n    {}:{line} uses {}", name(from), name(to))
        });
        let steps: String = steps.collect();
        format!("`{room}`: {} files form a circle:{steps}", members.len())
    }
}

/// A file's module.
fn module(name: &str) -> Vec<String> {
    let stem = name.trim_end_matches(".rs").trim_end_matches("/mod");
    let is_root = stem == "lib";
    let names = stem.split('/').filter(|_| !is_root);
    names.map(str::to_owned).collect()
}

/// The files of a shortest way from a file back to itself.
fn way_back(arrows: &Arrows, file: usize) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([file]);
    while let Some(at) = queue.pop_front() {
        for &next in arrows.get(&at).into_iter().flat_map(BTreeMap::keys) {
            if next == file {
                let mut way = vec![at];
                while let Some(&before) = way.last().and_then(|last| came_from.get(last)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if let Entry::Vacant(entry) = came_from.entry(next) {
                entry.insert(at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn reachable(arrows: &Arrows, file: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open = vec![file];
    while let Some(at) = open.pop() {
        for &next in arrows.get(&at).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen
}

/// The rule's complaints about made-up sources.
fn judge(sources: &[(&str, &str)]) -> Vec<String> {
    let source = |&(name, text): &(&str, &str)| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let sources: Vec<Source> = sources.iter().map(source).collect();
    circles(&sources)
}

#[test]
fn no_files_of_a_room_form_a_circle() {
    let found = circles(&super::sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_circle_of_files_is_found() {
    let found = judge(&[
        ("wire/mod.rs", "mod a; mod b; mod c; mod d;"),
        ("wire/a.rs", "use super::b::B;"),
        ("wire/b.rs", "use crate::wire::{c, d::D};"),
        ("wire/c.rs", "\nfn f(_: super::a::A) {}"),
        ("wire/d.rs", "struct D;"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("`wire`: 3 files"), "{found:?}");
    assert!(found[0].contains("wire/c.rs:2 uses wire/a.rs"), "{found:?}");
}

#[test]
fn files_that_point_one_way_form_no_circle() {
    let found = judge(&[
        ("wire/a.rs", "use super::{b::B, c::C};"),
        ("wire/b.rs", "use super::c::C; // and super::a"),
        (
            "wire/c.rs",
            "#[cfg(test)] mod tests { use super::super::a::A; }",
        ),
        ("wire/tests.rs", "use super::a::A;"),
        ("time/a.rs", "use super::b::B;"),
        ("time/b.rs", "fn f(a: u8) { self.a.b(a); }"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_name_that_the_parent_re_exports_points_at_the_file_that_defines_it() {
    let parent = (
        "wire/mod.rs",
        "mod a; mod b; pub use a::A; pub(crate) use b::*;",
    );
    let a = ("wire/a.rs", "use super::B; pub struct A;");
    let b = ("wire/b.rs", "pub struct B;");
    assert!(judge(&[parent, a, b]).is_empty());
    let b = ("wire/b.rs", "use super::A; pub struct B;");
    let found = judge(&[parent, a, b]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("`wire`: 2 files"), "{found:?}");
    let front = ("lib.rs", "mod wire; pub use wire::A;");
    let b = ("wire/b.rs", "use crate::A; pub struct B;");
    assert_eq!(judge(&[front, parent, a, b]).len(), 1);
}

#[test]
fn a_parent_whose_own_code_uses_a_child_that_uses_it_is_found() {
    let child = ("wire/a.rs", "use super::Trait; pub struct A;");
    let re_exports = ("wire/mod.rs", "mod a; pub use a::A; pub trait Trait {}");
    assert!(judge(&[re_exports, child]).is_empty());
    let uses = (
        "wire/mod.rs",
        "mod a; pub use a::A; pub trait Trait { fn f() -> A; }",
    );
    assert_eq!(judge(&[uses, child]).len(), 1);
    let uses = ("wire/mod.rs", "mod a; use a::A; pub trait Trait {}");
    assert_eq!(judge(&[uses, child]).len(), 1);
    let uses = (
        "wire/mod.rs",
        "mod a; pub trait Trait { fn f() { a::g() } }",
    );
    assert_eq!(judge(&[uses, child]).len(), 1);
}

#[test]
fn a_circle_by_way_of_a_module_s_name_is_found() {
    let found = judge(&[
        ("wire/a.rs", "use super::b; fn f() { b::g(); }"),
        ("wire/b.rs", "use super::a as first; fn g() { first::f(); }"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
}
