//! Two rates: how often something came here in so much exposure, and there.
//!
//! If both are Poisson's, then of all that came, those here are binomial with the share of the exposure that is here: whether
//! the rates differ is an exact test of that share (Przyborowski and Wilenski, *Biometrika* 31, 1940). Two-sided, all outcomes count that are no more probable
//! than the one that was seen. The interval of the ratio is that of the share (Clopper and Pearson, *Biometrika* 26, 1934), turned.

use super::fourfold::{choose, tail};

/// Half of what lies outside of an interval with 95 % confidence.
const OUTSIDE: f64 = 0.025;
/// Halvings until an interval's end is found: to more digits than are shown.
const HALVINGS: usize = 60;

/// How often something came in two exposures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    /// Here, and in how much.
    pub(crate) here: (u64, u64),
    /// There.
    pub(crate) there: (u64, u64),
}

impl Rates {
    /// The share of the exposure that is here.
    fn share(self) -> f64 {
        let (here, there) = (self.here.1 as f64, self.there.1 as f64);
        here / (here + there)
    }

    fn all(self) -> u64 {
        self.here.0 + self.there.0
    }

    /// Whether there is anything to compare.
    fn is_comparable(self) -> bool {
        self.here.1 > 0 && self.there.1 > 0 && self.all() > 0
    }

    /// How many times the rate there it is here; nothing, if it never came there.
    pub(crate) fn ratio(self) -> Option<f64> {
        let rate = |(count, exposure): (u64, u64)| count as f64 / exposure as f64;
        (self.is_comparable() && self.there.0 > 0).then(|| rate(self.here) / rate(self.there))
    }

    /// The interval that the ratio lies in with 95 % confidence; it has no end if it never came there.
    pub(crate) fn interval(self) -> Option<(f64, Option<f64>)> {
        if !self.is_comparable() {
            return None;
        }
        let (k, n) = (self.here.0, self.all());
        let exposures = self.there.1 as f64 / self.here.1 as f64;
        let ratio = |share: f64| share / (1.0 - share) * exposures;
        let low = if k == 0 { 0.0 } else { ratio(cross(|share| at_least(k, n, share) < OUTSIDE)) };
        let high = (k < n).then(|| ratio(cross(|share| 1.0 - at_least(k + 1, n, share) > OUTSIDE)));
        Some((low, high))
    }

    /// The smallest p that so many in all could have: if even that is not small, there is nothing to test.
    pub(crate) fn least(self) -> f64 {
        if !self.is_comparable() {
            return 1.0;
        }
        let (share, n) = (self.share(), self.all() as f64);
        (n * share.ln()).min(n * (1.0 - share).ln()).exp()
    }

    /// The probability that they differ so much by chance.
    pub(crate) fn p(self) -> f64 {
        if !self.is_comparable() {
            return 1.0;
        }
        let (k, n, share) = (self.here.0, self.all(), self.share());
        let seen = probability(k, n, share);
        let middle = ((n + 1) as f64 * share).floor().min(n as f64) as u64;
        let summit = probability(middle, n, share);
        let mut sum = if summit <= seen * (1.0 + 1e-7) { summit } else { 0.0 };
        sum += tail(seen, summit, (middle..n).map(|at| step_up(at, n, share)));
        sum += tail(seen, summit, (0..middle).rev().map(|at| 1.0 / step_up(at, n, share)));
        // Too improbable for a number is still not impossible.
        sum.clamp(f64::MIN_POSITIVE, 1.0)
    }
}

fn probability(k: u64, n: u64, share: f64) -> f64 {
    (choose(n, k) + k as f64 * share.ln() + (n - k) as f64 * (1.0 - share).ln()).exp()
}

/// How many times more probable one more is.
fn step_up(k: u64, n: u64, share: f64) -> f64 {
    (n - k) as f64 / (k + 1) as f64 * share / (1.0 - share)
}

/// The probability of so many or more.
fn at_least(k: u64, n: u64, share: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    // From the side on which the terms fall.
    if k as f64 >= n as f64 * share {
        return falling(probability(k, n, share), (k..n).map(|at| step_up(at, n, share)));
    }
    let below = k
        .checked_sub(1)
        .map(|k| falling(probability(k, n, share), (0..k).rev().map(|at| 1.0 / step_up(at, n, share))));
    1.0 - below.unwrap_or(0.0)
}

fn falling(first: f64, steps: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut term) = (first, first);
    for step in steps {
        term *= step;
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum.min(1.0)
}

/// The share up to which something holds.
fn cross(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(here: (u64, u64), there: (u64, u64)) -> Rates {
        Rates { here, there }
    }

    #[test]
    fn known_tests_of_two_rates() {
        // Cancers after fluoroscopy (Boice and Monson, *J. Natl. Cancer Inst.* 59, 1977): 41 in 28,010 person-years, 15 in 19,017; the
        // figures by adding up all terms one by one.
        let fluoroscopy = rates((41, 28_010), (15, 19_017));
        assert!((fluoroscopy.ratio().unwrap() - 1.855_759).abs() < 1e-5);
        assert!((fluoroscopy.p() - 0.040_852).abs() < 1e-6, "{}", fluoroscopy.p());
        let (low, high) = fluoroscopy.interval().unwrap();
        assert!((low - 1.005_684).abs() < 1e-4 && (high.unwrap() - 3.609_300).abs() < 1e-4, "{low} {high:?}");
        // Eight of ten with an even chance: (45 + 10 + 1) · 2 / 1024.
        assert!((rates((8, 100), (2, 100)).p() - 112.0 / 1024.0).abs() < 1e-12);
    }

    #[test]
    fn what_never_came_there_has_no_ratio_and_an_interval_without_an_end() {
        let new = rates((5, 100), (0, 300));
        assert_eq!(new.ratio(), None);
        let (low, high) = new.interval().unwrap();
        // Of five, all here: the share is at least 0.025^(1/5).
        let share = 0.025_f64.powf(0.2);
        assert!((low - 3.0 * share / (1.0 - share)).abs() < 1e-6 && high.is_none());
        assert!((new.p() - 0.25_f64.powi(5)).abs() < 1e-12 && (new.least() - new.p()).abs() < 1e-12);
    }

    #[test]
    fn without_exposure_nothing_is_told() {
        for empty in [rates((5, 0), (1, 10)), rates((5, 10), (1, 0)), rates((0, 10), (0, 10))] {
            assert_eq!((empty.p(), empty.least(), empty.ratio(), empty.interval()), (1.0, 1.0, None, None));
        }
    }

    #[test]
    fn great_counts_are_quick_and_small_chances_not_zero() {
        let chance = rates((900_000, 1_000_000), (100_000, 1_000_000));
        assert!(chance.p() > 0.0 && chance.p() < 1e-300);
        assert!(rates((1_000_000, 4_000_000), (1_000_100, 4_000_000)).p() > 0.9);
    }

    proptest! {
        #[test]
        fn p_is_a_probability_and_the_interval_holds_the_ratio(k in 0..80_u64, m in 0..80_u64, e in 1..5000_u64, f in 1..5000_u64) {
            let both = rates((k, e), (m, f));
            prop_assert!(both.p() > 0.0 && both.p() <= 1.0);
            prop_assert!(both.p() >= both.least() * (1.0 - 1e-6));
            let turned = rates((m, f), (k, e));
            prop_assert!((both.p() - turned.p()).abs() < 1e-9);
            if let (Some(ratio), Some((low, high))) = (both.ratio(), both.interval()) {
                prop_assert!(low <= ratio * (1.0 + 1e-9) && high.is_none_or(|high| high >= ratio * (1.0 - 1e-9)));
            }
        }
    }
}
