//! The offset, roughly: the cross-correlation of the starts of calls and of flows, over all lags at once.
//!
//! Starts are counted in bins of a second (more, if the time that they span is long). A place's two series go through one Fourier
//! transform, as the real and the imaginary part; the cross spectra of the places are summed, and one inverse transform gives the
//! correlation for all lags. Two things are taken out in between, for they are about habits and not about causes: slow
//! changes (both are busy by day), by leaving out low frequencies; and lines of the spectrum (heartbeats of
//! monitoring), by weighing each frequency with the root of its power (between plain correlation and "phase transform", Knapp and
//! Carter, *IEEE Trans. ASSP* 24, 1976).
//!
//! A pile may be wide: programs take their time, and a drifting clock smears it over minutes. So it is looked for at several widths.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::robust::center_and_deviation;
use super::{FARTHEST, PlaceTimes, SECOND};

/// How many bins there are at most, for both the times and the lags: 2²¹ complex numbers are 32 MiB.
const MOST_BINS: i64 = 1 << 21;
/// So many places mostly tell, and take a second or two; and so many where they don't.
pub(super) const PLACES: [usize; 2] = [24, 96];
/// Starts in one bin that count; a scan of a thousand hosts is one event.
const MOST_IN_BIN: f32 = 3.0;
/// What changes more slowly than that is a habit.
const SLOWEST: i64 = 900 * SECOND;
/// Less of the shorter one than that, brought together by a lag, tells nothing.
const LEAST_OVERLAP: f64 = 0.2;
/// How wide a pile may be, in bins.
const WIDTHS: [usize; 5] = [1, 2, 4, 16, 64];
/// Points of the correlogram that is shown.
const SHOWN: usize = 600;

/// What stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    /// The lag, in nanoseconds, at its middle.
    pub(crate) lag: i64,
    /// How wide it is, in nanoseconds.
    pub(crate) width: i64,
    /// How far it stands out, in deviations of the noise.
    pub(crate) height: f64,
}

/// The best two, and what is around.
#[derive(Clone, Debug)]
pub(crate) struct Peaks {
    pub(crate) first: Peak,
    /// The highest that is no part of the first.
    pub(crate) second: Option<Peak>,
    pub(crate) correlogram: Vec<(i64, f64)>,
}

/// How times become bins.
#[derive(Clone, Copy, Debug)]
struct Bins {
    calls_from: i64,
    flows_from: i64,
    /// How long the times of each go on.
    calls: i64,
    flows: i64,
    width: i64,
    count: usize,
}

impl Bins {
    fn over(places: &[PlaceTimes]) -> Self {
        let first = |of: fn(&PlaceTimes) -> &Vec<i64>| {
            places.iter().filter_map(|place| of(place).first()).min().copied()
        };
        let last = |of: fn(&PlaceTimes) -> &Vec<i64>| {
            places.iter().filter_map(|place| of(place).last()).max().copied()
        };
        let (calls_from, flows_from) = (first(|p| &p.calls).unwrap_or(0), first(|p| &p.flows).unwrap_or(0));
        let calls = last(|p| &p.calls).unwrap_or(0).saturating_sub(calls_from);
        let flows = last(|p| &p.flows).unwrap_or(0).saturating_sub(flows_from);
        // Padded by the other's length, so that the circular correlation does not wrap.
        let length = calls.saturating_add(flows).saturating_add(4 * SECOND);
        let width = (length / MOST_BINS + 1).max(SECOND);
        let count = usize::try_from(length / width + 1).unwrap_or(1).next_power_of_two();
        Self { calls_from, flows_from, calls, flows, width, count }
    }

    /// The lag of a bin of the correlation, in nanoseconds.
    fn lag(&self, at: usize) -> i64 {
        let at = if at > self.count / 2 { at as i64 - self.count as i64 } else { at as i64 };
        at.saturating_mul(self.width).saturating_add(self.flows_from - self.calls_from)
    }

    /// How much of the shorter one a lag brings together with the other.
    fn overlap(&self, lag: i64) -> f64 {
        let begin = self.flows_from.max(self.calls_from.saturating_add(lag));
        let end = self
            .flows_from
            .saturating_add(self.flows)
            .min(self.calls_from.saturating_add(self.calls).saturating_add(lag));
        end.saturating_sub(begin) as f64 / self.calls.min(self.flows).max(SECOND) as f64
    }
}

/// The best lags between calls and flows, by so many places at most.
pub(crate) fn peaks(places: &[PlaceTimes], most: usize) -> Peaks {
    let bins = Bins::over(places);
    let correlation = correlation(&most_telling(places, most), bins);
    let mut lags: Vec<(i64, f64)> = correlation
        .iter()
        .enumerate()
        .map(|(at, value)| (bins.lag(at), f64::from(value.re)))
        .filter(|(lag, _)| lag.abs() <= FARTHEST)
        .filter_map(|(lag, value)| {
            // The noise grows with the root of what is brought together.
            let overlap = bins.overlap(lag);
            (overlap >= LEAST_OVERLAP).then(|| (lag, value / overlap.min(1.0).sqrt()))
        })
        .collect();
    lags.sort_unstable_by_key(|(lag, _)| *lag);
    let candidates: Vec<Peak> =
        WIDTHS.iter().filter_map(|width| highest(&lags, *width, bins.width, None)).collect();
    let first = candidates.into_iter().max_by(|a, b| a.height.total_cmp(&b.height));
    let first = first.unwrap_or(Peak { lag: 0, width: bins.width, height: 0.0 });
    let width = usize::try_from(first.width / bins.width).unwrap_or(1).max(1);
    let second = highest(&lags, width, bins.width, Some(first));
    Peaks { first, second, correlogram: shown(&lags, first) }
}

/// The places with the most to tell: many starts on both sides.
fn most_telling(places: &[PlaceTimes], most: usize) -> Vec<&PlaceTimes> {
    let mut places: Vec<&PlaceTimes> = places.iter().collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.calls.len().min(place.flows.len())));
    places.truncate(most);
    places
}

fn correlation(places: &[&PlaceTimes], bins: Bins) -> Vec<Complex<f32>> {
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(bins.count), planner.plan_fft_inverse(bins.count));
    let mut cross = vec![Complex::<f32>::default(); bins.count];
    for place in places {
        let mut both = series(place, bins);
        forward.process(&mut both);
        for (at, sum) in cross.iter_mut().enumerate() {
            let (here, mirrored) = (both[at], both[(bins.count - at) % bins.count].conj());
            // The transforms of the real part and of the imaginary part, out of that of both.
            let calls = (here + mirrored) * 0.5;
            let flows = (here - mirrored) * Complex::new(0.0, -0.5);
            *sum += calls.conj() * flows;
        }
    }
    let slow = usize::try_from(bins.count as i64 * bins.width / SLOWEST).unwrap_or(0);
    for (at, value) in cross.iter_mut().enumerate() {
        let frequency = at.min(bins.count - at);
        let power = value.norm();
        *value = if frequency <= slow || power == 0.0 { Complex::default() } else { *value / power.sqrt() };
    }
    inverse.process(&mut cross);
    cross
}

fn series(place: &PlaceTimes, bins: Bins) -> Vec<Complex<f32>> {
    let mut series = vec![Complex::<f32>::default(); bins.count];
    let bin = |time: i64, from: i64| usize::try_from((time - from) / bins.width).ok();
    for slot in place.calls.iter().filter_map(|time| bin(*time, bins.calls_from)) {
        if let Some(value) = series.get_mut(slot) {
            value.re = (value.re + 1.0).min(MOST_IN_BIN);
        }
    }
    for slot in place.flows.iter().filter_map(|time| bin(*time, bins.flows_from)) {
        if let Some(value) = series.get_mut(slot) {
            value.im = (value.im + 1.0).min(MOST_IN_BIN);
        }
    }
    series
}

/// The highest sum of `width` neighbours, except near `but`.
fn highest(lags: &[(i64, f64)], width: usize, bin: i64, but: Option<Peak>) -> Option<Peak> {
    let mut sum: f64 = lags.iter().take(width).map(|(_, value)| value).sum();
    let mut sums = Vec::with_capacity(lags.len());
    for at in 0..(lags.len() + 1).checked_sub(width)? {
        sums.push(sum);
        sum += lags.get(at + width).map_or(0.0, |(_, value)| *value) - lags[at].1;
    }
    let (center, deviation) = center_and_deviation(&sums);
    if deviation == 0.0 {
        return None;
    }
    let half = (width as i64 - 1) * bin / 2;
    let is_apart = |lag: i64| but.is_none_or(|but| (lag - but.lag).abs() > 2 * but.width + 30 * bin);
    let best = sums
        .iter()
        .enumerate()
        .filter(|(at, _)| is_apart(lags[*at].0 + half))
        .max_by(|a, b| a.1.total_cmp(b.1))?;
    Some(Peak {
        lag: lags[best.0].0 + half,
        width: width as i64 * bin,
        height: (best.1 - center) / deviation,
    })
}

/// The correlation in deviations, thinned: the highest of each stretch, so that no peak is lost.
fn shown(lags: &[(i64, f64)], first: Peak) -> Vec<(i64, f64)> {
    let values: Vec<f64> = lags.iter().map(|(_, value)| *value).collect();
    let (center, deviation) = center_and_deviation(&values);
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
    let near = lags.iter().filter(|(lag, _)| (lag - first.lag).abs() <= 120 * SECOND);
    let far = lags
        .chunks((lags.len() / SHOWN).max(1))
        .filter_map(|part| part.iter().max_by(|a, b| a.1.total_cmp(&b.1)));
    let mut points: Vec<(i64, f64)> =
        near.chain(far).map(|(lag, value)| (*lag, (value - center) * scale)).collect();
    points.sort_unstable_by_key(|(lag, _)| *lag);
    points.dedup_by_key(|(lag, _)| *lag);
    points
}
