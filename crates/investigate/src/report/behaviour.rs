//! What the traffic goes together with: which tools, commands, tasks, steps and models draw it.

use maud::{Markup, html};

use super::figures::{chance, expected, ratio, some};
use super::model::{Association, Report};
use super::palette::Palette;
use super::shown;
use super::table::{Column, Number, Text, table};

/// How many are shown.
const SHOWN: usize = 30;
/// Up to which false discovery rate something is called clear.
const CLEAR: f64 = 0.05;

const COLUMNS: [Column; 8] = [
    Text("Kind"),
    Text("Goes together with"),
    Number("Seen"),
    Number("Expected"),
    Number("Odds ×"),
    Number("95 %"),
    Number("p"),
    Number("q"),
];

pub(super) fn section(report: &Report, palette: &Palette<'_>) -> Markup {
    let all = &report.behaviour;
    let clear = all.iter().filter(|each| each.q <= CLEAR).count();
    html! {
        section #behaviour aria-labelledby="behaviour-title" {
            h2 #behaviour-title { "What it goes together with" }
            @if all.is_empty() {
                p { (nothing_tested(report.behaviour_untestable)) }
            } @else {
                p.about {
                    "How much more often calls with a property caused a kind of traffic than the others, with the "
                    "interval of 95 % confidence. Of " (some(all.len() as u64, "pair", "pairs")) " tested, "
                    b { (clear) } " hold at a false discovery rate of 5 % (Fisher's exact test, Benjamini and Hochberg)."
                    @if report.behaviour_untestable > 0 {
                        " " (some(report.behaviour_untestable, "pair more was", "pairs more were"))
                        " too rare or too common to show anything, whatever was seen, and not tested (Tarone)."
                    }
                    " Tools and kinds of command are counted by calls, and calls of one episode taken as independent: "
                    "where one agent repeats itself, p and q are too small. All else is counted by episodes."
                }
                (table("Associations", &COLUMNS, html! { @for each in all.iter().take(SHOWN) { (row(each, palette)) } }))
                @if all.len() > SHOWN {
                    p.note {
                        (some((all.len() - SHOWN) as u64, "more pair that was tested is", "more pairs that were tested are"))
                        " not shown."
                    }
                }
            }
        }
    }
}

fn nothing_tested(untestable: u64) -> String {
    if untestable == 0 {
        return "Nothing was tested: there was no malicious class, or nothing that its calls have in common."
            .into();
    }
    let pairs = some(untestable, "pair", "pairs");
    format!(
        "Nothing was tested: {pairs} of a kind of traffic and a property, and each too rare or too common to show anything."
    )
}

fn row(each: &Association, palette: &Palette<'_>) -> Markup {
    html! {
        tr class=(if each.q <= CLEAR { "clear" } else { "unclear" }) {
            td { (palette.chip(&each.class)) }
            th.wide scope="row" { span.factor { (each.factor.as_str()) } " " code { (shown::line(&each.value, 80)) } }
            td.n { (expected(each.observed)) } td.n { (expected(each.expected)) }
            td.n { b { (ratio(each.odds_ratio)) } } td.n { (ratio(each.interval.0)) "–" (ratio(each.interval.1)) }
            td.n { (chance(each.p)) } td.n { (chance(each.q)) }
        }
    }
}
