//! The page: what it is word for word, that nothing breaks out of it, that it needs nothing else, and that it is bounded.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "sample/mod.rs"]
mod sample;

use investigate::report::html;
use investigate::report::model::{Culprit, Report, Share};

/// The page without style and script, with a line for each element: so that a change can be read.
fn outline(page: &str) -> String {
    let body = page.find("<body>").map_or(page, |at| &page[at..]);
    let body = body.find("<script>").map_or(body, |at| &body[..at]);
    body.replace("><", ">\n<")
}

#[test]
fn the_page_of_a_small_report() {
    insta::assert_snapshot!(outline(&html(&sample::report())));
}

#[test]
fn the_page_of_an_empty_report() {
    let report = Report {
        inputs: vec![],
        clocks: vec![],
        totals: Default::default(),
        classes: vec![],
        culprits: vec![],
        episodes: vec![],
        activity: None,
        heat: Default::default(),
        behaviour: vec![],
        behaviour_untestable: 0,
        baseline: None,
        onset: vec![],
        hours: vec![],
        calibration: None,
        untold: vec![],
        ..sample::report()
    };
    insta::assert_snapshot!(outline(&html(&report)));
}

/// What tries to be more than text.
const HOSTILE: &str = "a\"b'c</script><script>alert(1)</script><img src=x onerror=alert(1)>--><!--&amp;]]>\u{202e}txt.exe\u{2028}\u{0}\u{1b}[2J\u{feff}javascript:alert(1)";

/// A report in which everything that comes from files is that.
fn hostile() -> Report {
    let mut report = sample::report();
    let bad = || HOSTILE.to_owned();
    report.title = bad();
    report.untold = vec![bad()];
    for input in &mut report.inputs {
        (input.file, input.format) = (bad(), Some(bad()));
        for problem in &mut input.problems {
            problem.what = bad();
            problem.samples.iter_mut().for_each(|sample| sample.text = bad());
        }
    }
    for clock in &mut report.clocks {
        (clock.trace_clock, clock.sensor) = (bad(), bad());
        clock.refused = clock.refused.as_ref().map(|_| bad());
    }
    for class in &mut report.classes {
        (class.class, class.title) = (bad(), bad());
    }
    report.culprits.iter_mut().for_each(spoil);
    for episode in &mut report.episodes {
        (episode.run, episode.task, episode.place) = (bad(), Some(bad()), Some(bad()));
        episode.calls.iter_mut().for_each(|call| call.label = bad());
        episode.flows.iter_mut().for_each(|flow| (flow.class, flow.destination) = (Some(bad()), bad()));
    }
    report
        .activity
        .iter_mut()
        .flat_map(|activity| &mut activity.classes)
        .for_each(|class| class.class = bad());
    report.heat.destinations.iter_mut().chain(&mut report.heat.tools).for_each(|name| *name = bad());
    report.behaviour.iter_mut().for_each(|pair| (pair.class, pair.value) = (bad(), bad()));
    if let Some(baseline) = &mut report.baseline {
        baseline.rates_untold = Some(bad());
        baseline.held_back_to.iter_mut().for_each(|each| (each.class, each.destination) = (bad(), bad()));
    }
    report.onset.iter_mut().for_each(|onset| onset.class = bad());
    report.hours.iter_mut().for_each(|hours| hours.class = bad());
    report
}

fn spoil(culprit: &mut Culprit) {
    let bad = || Some(HOSTILE.to_owned());
    culprit.run = HOSTILE.to_owned();
    (culprit.task, culprit.model, culprit.tool_call_id) = (bad(), bad(), bad());
    (culprit.tool, culprit.command) = (bad(), bad());
    culprit.evidence = vec![HOSTILE.to_owned()];
    culprit.classes = vec![Share { of: HOSTILE.to_owned(), flows: f64::NAN }];
    culprit.destinations = vec![Share { of: HOSTILE.to_owned(), flows: f64::INFINITY }];
}

/// The names of all elements, in order: what a text adds to them broke out.
fn elements(page: &str) -> Vec<&str> {
    let name = |part: &'_ str| part.find([' ', '>']).map(|end| part.get(..end).unwrap_or_default().len());
    page.split('<').skip(1).filter_map(|part| name(part).map(|end| &part[..end])).collect()
}

#[test]
fn nothing_breaks_out() {
    let page = html(&hostile());
    let body = &page[page.find("<body>").unwrap()..page.find("<script>").unwrap()];
    let names = elements(body);
    assert!(!names.contains(&"img") && !names.contains(&"script") && !names.contains(&"!--"), "{names:?}");
    for broken in ["alert(1)</script>", "<img", "onerror=alert(1)>", "a\"b", "]]>"] {
        assert!(!body.contains(broken), "{broken}");
    }
    let is_hidden = |c: char| matches!(c, '\u{202e}' | '\u{2028}' | '\0' | '\u{1b}' | '\u{feff}');
    assert!(!body.contains(is_hidden), "made visible");
    assert!(body.contains(r"\u{202e}txt.exe\u{2028}\x00\x1b[2J"), "and shown");
    assert_eq!(page.matches("<script>").count(), 1, "ours");
}

#[test]
fn the_page_needs_nothing_else() {
    let page = html(&sample::report());
    for outside in [
        "http://",
        "https://",
        "src=",
        "@import",
        "<link",
        "<iframe",
        "<object",
        "<base",
        "fetch(",
        "XMLHttpRequest",
        "innerHTML",
        "eval(",
    ] {
        let found: Vec<_> = page.match_indices(outside).map(|(at, _)| page.get(at..at + 60)).collect();
        let is_namespace =
            |text: &Option<&str>| text.is_some_and(|text| text.starts_with("http://www.w3.org/2000/svg"));
        assert!(found.iter().all(is_namespace), "{outside}: {found:?}");
    }
    let urls: Vec<_> =
        page.match_indices("url(").map(|(at, _)| page.get(at..at + 10).unwrap_or_default()).collect();
    assert!(urls.iter().all(|url| url.starts_with("url(#clip-")), "{urls:?}");
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    assert!(!page.contains(" style=") && !page.contains(" onclick="), "the policy lets none of them work");
}

#[test]
fn references_inside_the_page_lead_somewhere_and_ids_are_unique() {
    let page = html(&sample::report());
    let values = |name: &str| -> Vec<String> {
        let value = |part: &str| part.split('"').next().unwrap_or_default().to_owned();
        page.split(name).skip(1).map(value).collect()
    };
    let mut ids = values(" id=\"");
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "{ids:?}");
    for target in values("href=\"#").into_iter().chain(values("aria-labelledby=\"")) {
        assert!(ids.contains(&target), "{target}");
    }
}

/// Them again and again, until there are so many.
fn many<T: Clone>(few: &[T], wanted: usize) -> Vec<T> {
    few.iter().cycle().take(wanted).cloned().collect()
}

#[test]
fn a_page_is_bounded_whatever_was_found() {
    let mut report = hostile();
    let long = HOSTILE.repeat(60);
    for culprit in &mut report.culprits {
        culprit.command = Some(long.clone());
        (culprit.run, culprit.evidence) = (long.clone(), vec![long.clone(); 9]);
        culprit.destinations = vec![Share { of: long.clone(), flows: 1.0 }; 9];
    }
    for call in report.episodes.iter_mut().flat_map(|episode| &mut episode.calls) {
        call.label = HOSTILE.repeat(4);
    }
    report.culprits = many(&report.culprits, 120);
    for episode in &mut report.episodes {
        episode.calls = many(&episode.calls, 600);
        episode.flows = many(&episode.flows, 1_500);
        for (flow, at) in episode.flows.iter_mut().zip(0..) {
            flow.time = sample::at(at * 97);
        }
    }
    report.episodes = many(&report.episodes, 50);
    report.inputs = many(&report.inputs, 20_000);
    report.behaviour = many(&report.behaviour, 10_000);
    report.classes = many(&report.classes, 3_000);
    report.untold = vec![long; 500];
    let size = html(&report).len();
    assert!(size < 5_000_000, "{size} bytes");
}
