//! `aurelian trace`: what a trace holds, for people and for programs.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use intake::Clock;
use trace::{Options, Span};

use crate::cli::{TraceAction, TraceOptions};
use crate::convert;
use crate::failure::Failure;
use crate::terminal::{self, say};

pub(crate) fn run(action: &TraceAction) -> Result<ExitCode, Failure> {
    match action {
        TraceAction::Show(options) => {
            let mut out = BufWriter::new(io::stdout().lock());
            each(&options.traces, |span| show(&mut out, span).map_err(Failure::Stdout))?;
            out.flush().map_err(Failure::Stdout)?;
        }
        TraceAction::Convert(options) => convert::run(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads all, and gives each span to `write`.
pub(crate) fn each(
    options: &TraceOptions,
    mut write: impl FnMut(&Span) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let clock = Clock { zone: options.zone.clone(), year: None };
    let reading = Options { format: options.format, clock, columns: options.columns.clone() };
    for path in &options.paths {
        for file in intake::expand(path)? {
            let mut failed = None;
            let outcome = trace::read(&file, &reading, |span| {
                if failed.is_none() {
                    failed = write(&span).err();
                }
            })?;
            if let Some(failure) = failed {
                return Err(failure);
            }
            for problem in outcome.problems.each() {
                say!("{}: {} ({} times)", file.display(), problem.what, problem.count);
            }
            say!("{}: {}, {} spans", file.display(), outcome.format, outcome.spans);
        }
    }
    Ok(())
}

/// A span in a line: when, how long, its id, its tool, its command.
fn show(out: &mut impl Write, span: &Span) -> io::Result<()> {
    let time = |moment: Option<trace::Moment>| moment.map(|moment| moment.stamp.nanos);
    let start = time(span.start)
        .map_or_else(|| "-".to_owned(), |nanos| event::Timestamp::from_nanos(nanos).to_string());
    let took =
        time(span.start).zip(time(span.end)).map(|(start, end)| end.saturating_sub(start) as f64 / 1e9);
    let took = took.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2} s"));
    let command: String = span
        .command
        .as_deref()
        .unwrap_or("-")
        .chars()
        .map(|char| if char.is_whitespace() { ' ' } else { char })
        .take(100)
        .collect();
    let shown = |text: Option<&str>| terminal::shown(text.unwrap_or("-"));
    let (run, id, tool) =
        (shown(Some(&span.run)), shown(span.tool_call_id.as_deref()), shown(span.tool.as_deref()));
    writeln!(out, "{start}  {took:>9}  {run}  {id}  {tool}  {}", shown(Some(&command)))
}
