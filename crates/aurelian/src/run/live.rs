//! A line on stderr that shows how a long run is doing.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use sensor::Recorder;

use super::screen::Screen;
use super::session::Session;
use crate::summary::units;
use crate::{operator, style};

/// A run that is over by then needs no line.
const PATIENCE: Duration = Duration::from_secs(2);
const BEAT: Duration = Duration::from_millis(500);

/// Draws the line until the sender is gone.
pub(crate) fn show(
    session: &Session<'_>,
    screen: &Screen,
    recorder: &Recorder,
    calls: usize,
    end: &Receiver<()>,
) {
    let began = Instant::now();
    let mut wait = PATIENCE;
    while end.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        wait = BEAT;
        let line = line(session, recorder, calls, began.elapsed());
        let width = operator::window_size(&std::io::stderr()).map_or(80, |size| usize::from(size.columns));
        let short: String = line.chars().take(width.saturating_sub(1)).collect();
        screen.draw(&style::Paint::for_stderr().faint(&style::for_stderr(short)));
    }
    screen.clear();
}

fn line(session: &Session<'_>, recorder: &Recorder, calls: usize, elapsed: Duration) -> String {
    let (usage, progress) = (session.sandbox.usage(), recorder.progress());
    let mut parts = vec![format!("running {}", units::time(elapsed))];
    if let (Some(number), true) = (session.call_number(), calls > 1) {
        parts.push(format!("call {number} of {calls}"));
    }
    parts.extend(usage.cpu_us.map(|cpu| format!("cpu {}", units::time(Duration::from_micros(cpu)))));
    parts.extend(usage.memory_bytes.map(units::bytes));
    parts.extend((progress.refused > 0).then(|| format!("{} refused", progress.refused)));
    parts.extend((progress.gaps > 0).then(|| "telemetry was lost".to_owned()));
    parts.join(" · ")
}
