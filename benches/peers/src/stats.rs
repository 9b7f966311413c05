//! A sample of one quantity, with one value per round.

/// The values in the order of their rounds.
#[derive(Clone, Default)]
pub struct Sample(Vec<f64>);

/// The median of some values, and their least and greatest.
#[derive(Clone, Copy)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
}

impl Sample {
    /// Adds a round's value.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The spread of the values.
    pub fn spread(&self) -> Spread {
        spread(self.0.clone())
    }

    /// The spread of each round's ratio to the same round of `base`.
    pub fn ratio(&self, base: &Sample) -> Spread {
        let pairs = self.0.iter().zip(&base.0);
        spread(pairs.map(|(own, base)| own / base).collect())
    }
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    Spread {
        least: values[0],
        median: values[values.len() / 2],
        greatest: values[values.len() - 1],
    }
}
