//! The seeds of a test: a few while developing, many in a long run, or the one that
//! failed.

/// The seeds from 0 to `count`, for a test that runs each.
///
/// The environment overrides `count` without a change of the test: `EDDYLINE_SEED=7`
/// runs only that seed, to look into a failure, and `EDDYLINE_SEEDS=500` runs that many.
///
/// ```
/// for seed in eddyline::sim::seeds(50) {
///     // Simulation::new(seed) …
///     # assert!(seed < 500_000);
/// }
/// ```
///
/// # Panics
/// When one of the two is no number, or would run no seed at all. A test that ran other
/// seeds instead would mislead.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        match text.parse() {
            Ok(number) => Some(number),
            Err(error) => panic!("{name}={text} is no number: {error}"),
        }
    };
    choose(count, number("EDDYLINE_SEED"), number("EDDYLINE_SEEDS"))
}

fn choose(count: u64, one: Option<u64>, many: Option<u64>) -> std::ops::Range<u64> {
    let seeds = match one {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..many.unwrap_or(count),
    };
    let asked = one.or(many);
    assert!(
        asked.is_none() || !seeds.is_empty(),
        "EDDYLINE_SEED or EDDYLINE_SEEDS asks for no seed at all: the one may be 0 to {}, the other is 1 or more",
        u64::MAX - 1
    );
    seeds
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn one_seed_beats_many_and_many_beat_the_tests_own() {
        assert_eq!(choose(50, None, None), 0..50);
        assert_eq!(choose(50, None, Some(500)), 0..500);
        assert_eq!(choose(50, Some(7), Some(500)), 7..8);
    }
    #[test]
    #[should_panic(expected = "no seed at all")]
    fn asking_for_no_seed_panics() {
        choose(50, None, Some(0));
    }

    #[test]
    #[should_panic(expected = "no seed at all")]
    fn the_greatest_number_is_no_seed_and_panics() {
        choose(50, Some(u64::MAX), None);
    }
}
