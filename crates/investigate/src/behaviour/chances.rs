//! Probabilities of what came out by chance: tails of distributions, and corrections for how much was tried.

/// The probability of at least `statistic` under χ² with so many degrees of freedom, by its finite series (Abramowitz and
/// Stegun, *Handbook of Mathematical Functions*, 1964, 26.4.4 and 26.4.5).
pub(super) fn chi_square(statistic: f64, freedom: u32) -> f64 {
    if freedom == 0 || statistic.is_nan() || statistic <= 0.0 {
        return 1.0;
    }
    let half = statistic / 2.0;
    let is_odd = freedom % 2 == 1;
    // Each term is the one before times x/2 over the next of 1, 2, 3 … or of 3/2, 5/2 …
    let mut term = if is_odd { half.sqrt() * 2.0 / std::f64::consts::PI.sqrt() } else { 1.0 };
    let mut sum = 0.0;
    for at in 0..freedom / 2 {
        sum += term;
        term *= half / (f64::from(at) + if is_odd { 1.5 } else { 1.0 });
    }
    let center = if is_odd { libm::erfc(half.sqrt()) } else { 0.0 };
    // What is too improbable for a number is 0, and so is what it is multiplied with.
    let density = (-half).exp();
    let rest = if density > 0.0 { density * sum } else { 0.0 };
    (center + rest).clamp(0.0, 1.0)
}

/// For each p-value the smallest false discovery rate at which it would be taken among all of them: min over the larger ones of
/// p·m/rank (Benjamini and Hochberg, *J. R. Stat. Soc. B* 57, 1995).
pub(crate) fn false_discovery_rates(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    let mut rates = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (place, at) in order.into_iter().enumerate() {
        let rank = p.len() - place;
        least = least.min(p[at] * p.len() as f64 / rank as f64);
        // By rounding alone it could come out below p.
        rates[at] = least.max(p[at]);
    }
    rates
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_the_tables() {
        for (statistic, freedom, expected) in [
            (3.841_459, 1, 0.05),
            (5.991_465, 2, 0.05),
            (7.814_728, 3, 0.05),
            (19.675_138, 11, 0.05),
            (35.172_462, 23, 0.05),
            (41.638_398, 23, 0.01),
            (36.415_029, 24, 0.05),
        ] {
            let p = chi_square(statistic, freedom);
            assert!((p - expected).abs() < 1e-6, "{statistic} {freedom}: {p}");
        }
        assert_eq!((chi_square(0.0, 5), chi_square(f64::NAN, 5), chi_square(1e9, 5)), (1.0, 1.0, 0.0));
    }

    #[test]
    fn the_example_of_benjamini_and_hochberg() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        let q = false_discovery_rates(&p);
        assert!((q[0] - 0.0015).abs() < 1e-12 && (q[3] - 0.035_625).abs() < 1e-12);
        assert_eq!(q.iter().filter(|q| **q <= 0.05).count(), 4);
        assert_eq!(false_discovery_rates(&[]), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn rates_keep_the_order_and_are_no_less_than_p(p in prop::collection::vec(0.0..=1.0_f64, 1..60)) {
            let q = false_discovery_rates(&p);
            for (at, rate) in q.iter().enumerate() {
                prop_assert!(*rate >= p[at] && *rate <= 1.0);
                for (other, beside) in q.iter().enumerate() {
                    prop_assert!(p[at] > p[other] || rate <= beside);
                }
            }
        }

        #[test]
        fn tails_are_probabilities_and_fall(low in 0.0..2000.0_f64, more in 0.0..500.0_f64, freedom in 1..60_u32) {
            let (near, far) = (chi_square(low, freedom), chi_square(low + more, freedom));
            prop_assert!((0.0..=1.0).contains(&near) && (0.0..=1.0).contains(&far) && far <= near + 1e-12);
        }
    }
}
