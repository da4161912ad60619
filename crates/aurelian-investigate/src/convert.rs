//! `aurelian trace convert`: traces of any format, brought to one.

use std::path::Path;

use trace::OtlpWriter;

use crate::cli::{ConvertOptions, To, TraceOptions};
use crate::failure::Failure;
use crate::sink::{Sink, failed};
use crate::terminal::say;
use crate::trace::each;

pub(crate) fn run(options: &ConvertOptions) -> Result<(), Failure> {
    let (traces, out) = (&options.traces, options.out.as_deref());
    match options.to {
        To::Jsonl => jsonl(traces, out),
        To::Otlp => otlp(traces, out),
        To::Parquet => parquet(traces, out.ok_or(Failure::NoOut)?),
    }
}

fn jsonl(traces: &TraceOptions, out: Option<&Path>) -> Result<(), Failure> {
    let failed = failed(out);
    let mut sink = Sink::open(out)?;
    each(traces, |span| trace::write_jsonl(&mut sink, span).map_err(&failed))?;
    sink.finish()
}

fn otlp(traces: &TraceOptions, out: Option<&Path>) -> Result<(), Failure> {
    let failed = failed(out);
    let mut sink = Sink::open(out)?;
    let mut writer = OtlpWriter::new(&mut sink);
    each(traces, |span| writer.write(span).map_err(&failed))?;
    let written = writer.finish().map_err(&failed)?;
    sink.finish()?;
    if written.without_time > 0 {
        say!("{} spans have no time, and are left out", written.without_time);
    }
    Ok(())
}

#[cfg(feature = "sql")]
fn parquet(traces: &TraceOptions, out: &Path) -> Result<(), Failure> {
    let mut table = crate::span_table::SpanTable::create(out)?;
    each(traces, |span| Ok(table.push(span)?))?;
    let left_out = table.finish()?;
    if !left_out.is_empty() {
        say!("no column has {left_out}: `--to jsonl` keeps all");
    }
    Ok(())
}

#[cfg(not(feature = "sql"))]
fn parquet(_: &TraceOptions, _: &Path) -> Result<(), Failure> {
    Err(Failure::NoEngine("--to parquet"))
}
