//! Tables of two by two: those with a property and those without, who did it and who didn't.
//!
//! ```text
//!              did it   didn't
//! with it        a        b       n
//! without        c        d       N − n
//!                K
//! ```
//!
//! The odds ratio is ad/bc with a half added to each cell (Haldane, *Ann. Hum. Genet.* 20, 1956; Anscombe, *Biometrika* 43,
//! 1956), so that an empty cell gives a finite one; its interval is that of its logarithm as a normal variable (Woolf, *Ann. Hum.
//! Genet.* 19, 1955). Whether the property matters at all is Fisher's exact test: with the margins given, `a` is hypergeometric;
//! two-sided, all tables count that are no more probable than the one that was seen.

/// The normal's 97.5 % quantile.
const TWO_SIDED_95: f64 = 1.959_964;
/// Tables as probable as the one seen, but for rounding, count too.
const ALIKE: f64 = 1.0 + 1e-7;
/// What adds nothing to a sum any more.
const NOTHING: f64 = 1e-17;

/// Counts; expected ones, and so fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fourfold {
    /// With the property, and did it.
    pub(super) a: f64,
    /// With the property, and didn't.
    pub(super) b: f64,
    /// Without it, and did.
    pub(super) c: f64,
    /// Without it, and didn't.
    pub(super) d: f64,
}

impl Fourfold {
    /// How many times the odds, and the interval in which that lies with 95 % confidence.
    pub(super) fn odds_ratio(&self) -> (f64, (f64, f64)) {
        let [a, b, c, d] = [self.a, self.b, self.c, self.d].map(|count| count.max(0.0) + 0.5);
        let logarithm = (a * d / (b * c)).ln();
        let reach = TWO_SIDED_95 * (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d).sqrt();
        (logarithm.exp(), ((logarithm - reach).exp(), (logarithm + reach).exp()))
    }

    /// The same in whole numbers.
    pub(super) fn margins(&self) -> (Margins, u64) {
        // Not negative, and far below 2^53.
        let [a, b, c, d] = [self.a, self.b, self.c, self.d].map(|count| count.max(0.0).round() as u64);
        (Margins { with: a + b, without: c + d, did: a + c }, a)
    }
}

/// The sums of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Margins {
    /// With the property.
    pub(super) with: u64,
    /// Without it.
    pub(super) without: u64,
    /// Who did it.
    pub(super) did: u64,
}

impl Margins {
    fn lowest(self) -> u64 {
        self.did.saturating_sub(self.without)
    }

    fn highest(self) -> u64 {
        self.did.min(self.with)
    }

    /// The logarithm of the probability of a table.
    fn logarithm(self, a: u64) -> f64 {
        choose(self.with, a) + choose(self.without, self.did - a) - choose(self.with + self.without, self.did)
    }

    /// The smallest p that any table with these sums could have. If even that is not small, there is nothing to test (Tarone,
    /// *Biometrics* 46, 1990); it says nothing of what was seen, and so may choose what is tested.
    pub(super) fn least(self) -> f64 {
        let (low, high) = (self.lowest(), self.highest());
        if low >= high {
            return 1.0;
        }
        self.logarithm(low).min(self.logarithm(high)).exp()
    }

    /// Fisher's exact test, two-sided.
    pub(super) fn fisher(self, a: u64) -> f64 {
        let (low, high) = (self.lowest(), self.highest());
        if low >= high || a < low || a > high {
            return 1.0;
        }
        let seen = self.logarithm(a).exp();
        let middle = self.most_probable().clamp(low, high);
        let summit = self.logarithm(middle).exp();
        let mut sum = if summit <= seen * ALIKE { summit } else { 0.0 };
        sum += tail(seen, summit, (middle..high).map(|at| self.step_up(at)));
        sum += tail(seen, summit, (low..middle).rev().map(|at| 1.0 / self.step_up(at)));
        // Too improbable for a number is still not impossible.
        sum.clamp(f64::MIN_POSITIVE, 1.0)
    }

    fn most_probable(self) -> u64 {
        let product = u128::from(self.did + 1) * u128::from(self.with + 1);
        u64::try_from(product / u128::from(self.with + self.without + 2)).unwrap_or(u64::MAX)
    }

    /// How many times more probable one more is.
    fn step_up(self, a: u64) -> f64 {
        let up = (self.with - a) as f64 * (self.did - a) as f64;
        up / ((a + 1) as f64 * (self.without + a + 1 - self.did) as f64)
    }
}

/// From the summit downwards, all that is no more probable than what was seen.
pub(super) fn tail(seen: f64, summit: f64, steps: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut probability) = (0.0, summit);
    for step in steps {
        probability *= step;
        if probability <= seen * ALIKE {
            sum += probability;
        }
        if probability < seen * NOTHING || probability == 0.0 {
            break;
        }
    }
    sum
}

/// The logarithm of "n choose k".
pub(super) fn choose(n: u64, k: u64) -> f64 {
    let factorial = |of: u64| libm::lgamma(of as f64 + 1.0);
    factorial(n) - factorial(k) - factorial(n.saturating_sub(k))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(a: u64, b: u64, c: u64, d: u64) -> f64 {
        Margins { with: a + b, without: c + d, did: a + c }.fisher(a)
    }

    #[test]
    fn known_tables() {
        // The lady who tasted tea, three of four right: 34/70.
        assert!((p(3, 1, 1, 3) - 0.485_714_285_7).abs() < 1e-9);
        assert!((p(4, 0, 0, 4) - 2.0 / 70.0).abs() < 1e-12);
        // Men and women who study.
        assert!((p(1, 9, 11, 3) - 0.002_759_456).abs() < 1e-8);
        // Convictions of twins of criminals (Fisher 1935): 10 and 3, 2 and 15.
        assert!((p(10, 3, 2, 15) - 0.000_536_7).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_differ_is_not_tested() {
        assert_eq!((p(0, 5, 0, 7), p(5, 0, 7, 0), p(0, 0, 3, 4)), (1.0, 1.0, 1.0));
        let margins = Margins { with: 1, without: 1, did: 1 };
        assert!((margins.least() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn great_tables_are_quick_and_small_chances_not_zero() {
        let chance = p(60_000, 40_000, 20_000, 380_000);
        assert!(chance > 0.0 && chance < 1e-300);
        assert!(p(200, 99_800, 800, 399_200) > 0.9);
    }

    #[test]
    fn odds_with_an_empty_cell() {
        let (ratio, (low, high)) = Fourfold { a: 5.0, b: 5.0, c: 0.0, d: 90.0 }.odds_ratio();
        assert!((ratio - 181.0).abs() < 1e-9 && low > 1.0 && high.is_finite());
        let (even, interval) = Fourfold { a: 10.0, b: 10.0, c: 10.0, d: 10.0 }.odds_ratio();
        assert!((even - 1.0).abs() < 1e-12 && interval.0 < 1.0 && interval.1 > 1.0);
    }

    proptest! {
        #[test]
        fn p_is_a_probability_and_no_less_than_the_least(a in 0..60_u64, b in 0..60_u64, c in 0..60_u64, d in 0..60_u64) {
            let margins = Margins { with: a + b, without: c + d, did: a + c };
            let p = margins.fisher(a);
            prop_assert!(p > 0.0 && p <= 1.0);
            prop_assert!(p >= margins.least() * (1.0 - 1e-6));
            // Turned around it is the same table.
            let turned = Margins { with: c + d, without: a + b, did: a + c }.fisher(c);
            prop_assert!((p - turned).abs() < 1e-9);
        }
    }
}
