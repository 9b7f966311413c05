//! Three bugs are planted in a sound node, one after the other. Which seeds find them?

use lab::check::{Bug, check};

fn main() {
    let bugs = [Bug::ShortReadIsDry, Bug::RestIsDropped, Bug::EdgeIsProof];
    for bug in bugs.map(Some).into_iter().chain([None]) {
        let failed: Vec<(u64, String)> = (0..100)
            .filter_map(|seed| Some((seed, check(seed, bug).err()?)))
            .collect();
        let name = bug.map_or("no bug".to_owned(), |bug| format!("{bug:?}"));
        println!("{name}: {} of 100 seeds find it", failed.len());
        if let Some((seed, text)) = failed.first() {
            println!("  seed {seed}, {text}");
        }
    }
}
