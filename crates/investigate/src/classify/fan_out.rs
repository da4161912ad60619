//! Scans: many destinations in little time, most of which don't answer.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use flows::Action;

use crate::incident::FlowRow;
use crate::model::Id;

/// In how much time, in nanoseconds.
const WINDOW: i64 = 60_000_000_000;
/// How many ends of the network.
const MANY: usize = 20;
/// What comes after a pause so long, and so many times as long as from one end to the next until then, is something else.
const PAUSE: i64 = WINDOW / MANY as i64;
const TIMES: i64 = 20;

/// For each flow of some places, whether it is part of one.
pub(super) fn find(rows: &[FlowRow]) -> Vec<bool> {
    let mut by_source: HashMap<(Option<Id>, Option<IpAddr>), Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.place.is_some() && is_unanswered(row)) {
        by_source.entry((row.place, row.source.0)).or_default().push(at);
    }
    let mut found = vec![false; rows.len()];
    for mut flows in by_source.into_values().filter(|flows| flows.len() >= MANY) {
        flows.sort_by_key(|at| rows[*at].time);
        let mut pace = Pace::default();
        for flows in flows.chunk_by(|_, next| pace.goes_on(rows[*next].time)) {
            mark(rows, flows, &mut found);
        }
    }
    found
}

/// How quickly flows follow each other.
#[derive(Default)]
struct Pace {
    flows: i64,
    first: i64,
    last: i64,
}

impl Pace {
    /// Whether a flow belongs to those before it.
    fn goes_on(&mut self, time: i64) -> bool {
        let pause = time.saturating_sub(self.last);
        let usual = self.last.saturating_sub(self.first) / self.flows.max(1);
        let is_over = self.flows >= MANY as i64 && pause > PAUSE && pause > TIMES * usual;
        if self.flows == 0 || is_over {
            *self = Self { flows: 0, first: time, last: time };
        }
        self.flows += 1;
        self.last = time;
        !is_over
    }
}

/// Refused, or nothing came back.
fn is_unanswered(flow: &FlowRow) -> bool {
    flow.action == Some(Action::Blocked) || flow.bytes.1 == Some(0)
}

fn mark(rows: &[FlowRow], flows: &[usize], found: &mut [bool]) {
    let mut window: VecDeque<usize> = VecDeque::new();
    let mut counts: HashMap<Id, usize> = HashMap::new();
    // How many of the last of the window are not marked yet: each is marked once, however many a minute has.
    let mut unmarked = 0;
    for at in flows {
        let flow = &rows[*at];
        window.push_back(*at);
        unmarked += 1;
        *counts.entry(flow.destination).or_default() += 1;
        while let Some(first) =
            window.front().copied().filter(|first| flow.time.saturating_sub(rows[*first].time) > WINDOW)
        {
            window.pop_front();
            let destination = rows[first].destination;
            if let Some(count) = counts.get_mut(&destination) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&destination);
                }
            }
        }
        if counts.len() >= MANY {
            window.iter().rev().take(unmarked).for_each(|at| found[*at] = true);
            unmarked = 0;
        }
    }
}
