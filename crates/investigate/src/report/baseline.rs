//! What is ordinary: rates against a baseline's, and what it excused.

use maud::{Markup, html};

use super::figures::{chance, count, expected, ratio, some};
use super::model::{BaselineSummary, ClassRate, HeldBack};
use super::palette::Palette;
use super::shown;
use super::table::{Column, Number, Text, table};

/// How many classes are shown.
const CLASSES: usize = 60;
/// Up to which false discovery rate something is called clear.
const CLEAR: f64 = 0.05;

const RATES: [Column; 8] = [
    Text("Kind"),
    Number("Here"),
    Number("Expected"),
    Number("Baseline"),
    Number("Rate ×"),
    Number("95 %"),
    Number("p"),
    Number("q"),
];
const HELD_BACK: [Column; 4] =
    [Text("Would be"), Text("Destination"), Number("Flows here"), Number("In the baseline")];

pub(super) fn section(baseline: &BaselineSummary, palette: &Palette<'_>) -> Markup {
    html! {
        section #baseline aria-labelledby="baseline-title" {
            h2 #baseline-title { "Against the baseline" }
            p.about {
                "The baseline has " (some(baseline.records, "record", "records")) " to "
                (some(baseline.destinations, "destination", "destinations"))
                @if baseline.records_to_others > 0 {
                    ", and " (some(baseline.records_to_others, "record", "records")) " to more, which are counted together"
                }
                ", and " (some(baseline.place_hours, "hour", "hours")) " of places, against "
                (some(baseline.place_hours_here, "hour", "hours")) " here. It is taken to be clean: what it has is called ordinary."
                @if baseline.records_elsewhere > 0 {
                    " " (some(baseline.records_elsewhere, "record is", "records are")) " of addresses that the host map doesn't know; they don't count for rates."
                }
            }
            (rates(baseline, palette))
            (held_back(baseline, palette))
        }
    }
}

fn rates(baseline: &BaselineSummary, palette: &Palette<'_>) -> Markup {
    let all = &baseline.rates;
    let tested = all.iter().filter(|rate| rate.p.is_some()).count() as u64;
    let clear = all.iter().filter(|rate| is_clear(rate)).count();
    html! {
        @if let Some(why) = &baseline.rates_untold { p { (shown::line(why, 300)) } }
        @else if all.is_empty() { p { "Neither here nor in the baseline was a flow of a known kind." } }
        @else {
            p.about {
                "How often a kind of traffic began at a place, in bouts: hours one after the other are one. Of "
                (some(tested, "kind", "kinds")) " tested, " b { (clear) }
                " differ at a false discovery rate of 5 % (exact test of two rates, Benjamini and Hochberg together with "
                "what traffic goes with)."
            }
            (table("Rates against the baseline", &RATES, html! { @for rate in all.iter().take(CLASSES) { (row(rate, palette)) } }))
            @if all.len() > CLASSES {
                p.note { (some((all.len() - CLASSES) as u64, "kind is", "kinds are")) " not shown." }
            }
        }
    }
}

fn is_clear(rate: &ClassRate) -> bool {
    rate.q.is_some_and(|q| q <= CLEAR)
}

fn row(rate: &ClassRate, palette: &Palette<'_>) -> Markup {
    html! {
        tr class=(if is_clear(rate) { "clear" } else { "unclear" }) {
            th scope="row" { (palette.chip(&rate.class)) }
            td.n { (count(rate.here)) } td.n { (expected(rate.expected)) } td.n { (count(rate.baseline)) }
            td.n { b { (rate.ratio.map_or_else(|| "new".to_owned(), ratio)) } }
            td.n { (ratio(rate.interval.0)) "–" (rate.interval.1.map_or_else(|| "∞".to_owned(), ratio)) }
            td.n { (rate.p.map_or_else(|| "too few".to_owned(), chance)) } td.n { (rate.q.map_or_else(String::new, chance)) }
        }
    }
}

fn held_back(baseline: &BaselineSummary, palette: &Palette<'_>) -> Markup {
    if baseline.held_back == 0 {
        return html! {};
    }
    html! {
        h3 { "Not called suspicious" }
        p.about {
            (some(baseline.held_back, "flow has", "flows have"))
            " no kind because the baseline has such flows to the same destination from many places, at many hours, and only a port, "
            "a length or a volume speaks against them. If the baseline was not clean, look here."
        }
        (table("Not called suspicious", &HELD_BACK, html! { @for each in &baseline.held_back_to { (excused(each, palette)) } }))
        @if baseline.held_back_left_out > 0 {
            p.note { (some(baseline.held_back_left_out, "further destination is", "further destinations are")) " not shown." }
        }
    }
}

fn excused(each: &HeldBack, palette: &Palette<'_>) -> Markup {
    html! {
        tr {
            td { (palette.chip(&each.class)) }
            th.wide scope="row" { code { (shown::name(&each.destination)) } }
            td.n { (count(each.flows)) } td.n { (count(each.baseline)) }
        }
    }
}
