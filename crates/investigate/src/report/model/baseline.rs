//! What a baseline says of an incident.

use serde::Serialize;

/// A baseline, beside what was investigated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineSummary {
    /// Records that it has.
    pub records: u64,
    /// Destinations that were counted one by one.
    pub destinations: u64,
    /// Records to others, which were counted together.
    pub records_to_others: u64,
    /// Records of addresses that the host map doesn't know; they don't count for rates.
    pub records_elsewhere: u64,
    /// Hours at which a place was seen, summed over the places, in what was investigated.
    pub place_hours_here: u64,
    /// The same in the baseline.
    pub place_hours: u64,
    /// How often each class comes, the clearest difference first.
    pub rates: Vec<ClassRate>,
    /// Why nothing is said of rates, if nothing is.
    pub rates_untold: Option<String>,
    /// Flows that have no class because the baseline has such flows to their destination as a matter of course.
    pub held_back: u64,
    /// To which destinations, the most frequent first: the first few.
    pub held_back_to: Vec<HeldBack>,
    /// Destinations that there are besides.
    pub held_back_left_out: u64,
}

/// How often a class comes, in bouts: hours one after the other at one place are one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassRate {
    /// The class.
    pub class: String,
    /// Bouts in what was investigated.
    pub here: u64,
    /// Bouts in the baseline.
    pub baseline: u64,
    /// How many here there would be at the baseline's rate.
    pub expected: f64,
    /// How many times the baseline's rate; null if the baseline never has it.
    pub ratio: Option<f64>,
    /// The interval that the ratio lies in with 95 % confidence; without an end if the baseline never has it.
    pub interval: (f64, Option<f64>),
    /// The probability of such a difference by chance, by an exact test; null if there are too few to show any.
    pub p: Option<f64>,
    /// The same after all that was tested, the associations too (Benjamini and Hochberg).
    pub q: Option<f64>,
}

/// A weak class that was not given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldBack {
    /// Which.
    pub class: String,
    /// To which destination.
    pub destination: String,
    /// How many flows here.
    pub flows: u64,
    /// How many in the baseline.
    pub baseline: u64,
}
