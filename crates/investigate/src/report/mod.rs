//! `report.html`: an investigation for people.
//!
//! One file that needs nothing else: style and script are in it, and its Content-Security-Policy lets nothing
//! be loaded and no other script run. It is read by people who can't trust what they investigate, so all that
//! came from files is escaped by [`maud`] and made visible where it would mislead (module `shown`), and there
//! is no data inside a script that something could break out of. All text and tables are there without
//! scripts; the script narrows lists, zooms, and shows what a mark stands for.
//!
//! It is bounded, whatever was investigated: each part shows the first so many and says what it left out. The
//! whole stands in the other outputs ([`export`](crate::export)).
//!
//! Left out: how any of it was found. [`gather`] fills a [`Report`] with what was.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

mod baseline;
mod behaviour;
mod calibration;
mod clocks;
mod course;
mod culprits;
mod episodes;
pub(crate) mod figures;
pub mod gather;
mod heat;
pub mod model;
mod palette;
mod shown;
mod sources;
mod summary;
mod svg;
mod table;
mod traffic;

use model::Report;
use palette::Palette;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The sections and their names in the navigation.
const SECTIONS: [(&str, &str); 12] = [
    ("summary", "In short"),
    ("culprits", "Who did it"),
    ("traffic", "What was seen"),
    ("episodes", "Episodes"),
    ("heat", "Where to"),
    ("behaviour", "Goes with"),
    ("baseline", "Baseline"),
    ("course", "When"),
    ("clocks", "Clocks"),
    ("calibration", "Calibration"),
    ("untold", "Not told"),
    ("sources", "Sources"),
];

/// The page of a report.
pub fn html(report: &Report) -> String {
    let palette = Palette::of(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(report))
            body {
                a.skip href="#summary" { "To the summary" }
                (header(report))
                (navigation(report))
                main { (sections(report, &palette)) }
                (footer(report))
                div #tip role="status" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn sections(report: &Report, palette: &Palette<'_>) -> Markup {
    html! {
        (summary::section(report))
        (culprits::section(report, palette))
        (traffic::section(report, palette))
        (episodes::section(report, palette))
        (heat::section(&report.heat))
        (behaviour::section(report, palette))
        @if let Some(baseline) = &report.baseline { (baseline::section(baseline, palette)) }
        (course::section(report, palette))
        (clocks::section(report))
        @if let Some(calibration) = &report.calibration { (calibration::section(calibration)) }
        (sources::untold(report))
        (sources::section(report))
    }
}

fn head(report: &Report) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="robots" content="noindex";
            title { (shown::line(&report.title, 120)) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// Nothing is loaded from anywhere, and of styles and scripts only ours hold, by their digests.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

fn header(report: &Report) -> Markup {
    html! {
        header.top {
            div.brand { (mark()) span { "Aurelian" } span.kind { "Investigation" } }
            h1 { (shown::line(&report.title, 160)) }
            p.made {
                "Made " (figures::moment(report.made_at)) " UTC from "
                (figures::some(report.inputs.len() as u64, "file", "files")) ". All times are UTC, on one clock to which all others were brought."
            }
        }
    }
}

/// The wall.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            path d="M2 22V7h4v3h4V7h4v3h4V7h4v15h-7v-4a3 3 0 0 0-6 0v4z" {}
        }
    }
}

fn navigation(report: &Report) -> Markup {
    let is_there = |id: &str| match id {
        "baseline" => report.baseline.is_some(),
        "calibration" => report.calibration.is_some(),
        _ => true,
    };
    html! {
        nav aria-label="Sections" {
            ul {
                @for (id, name) in SECTIONS.iter().filter(|(id, _)| is_there(id)) {
                    li { a href={ "#" (id) } { (name) } }
                }
            }
        }
    }
}

fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p {
                "Numbers of caused flows are expected counts: sums of probabilities, and so fractions. A probability is "
                "that of a cause among all candidates and none of them; it says what these records show, and is no proof "
                "of intent. What is cut here stands in full in " code { "attribution.jsonl" } " and in the traces."
            }
            p {
                "Made by Aurelian " (env!("CARGO_PKG_VERSION")) " on " (figures::plain(report.made_at)) " UTC. "
                "This file loads nothing from anywhere."
            }
        }
    }
}
