//! Times of the same thing, done again and again.

use std::time::Duration;

/// Times in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e6);
    }

    /// Adds a time in microseconds, or any other figure.
    pub(crate) fn push_number(&mut self, number: f64) {
        self.0.push(number);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    /// The smallest sample that at least this share of all do not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let mut samples = Samples::default();
        (1..=200).rev().for_each(|number| samples.push_number(f64::from(number)));
        assert_eq!((samples.median(), samples.p99(), samples.count()), (100.0, 198.0, 200));
    }

    #[test]
    fn nothing_has_no_median() {
        assert!(Samples::default().median().is_nan());
    }
}
