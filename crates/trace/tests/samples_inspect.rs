//! Real logs of Inspect, where they lie beside the repository: no call and no command of them is lost. What is in them is
//! counted here without the crate's own readers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod present;

use std::io::Read;
use std::path::Path;

use present::{read, samples};
use rawzip::{CompressionMethod, ZipArchive};
use serde_json::Value;
use trace::{Format, Means, Span, SpanKind};

/// The samples of a log.
fn samples_of(file: &Path) -> Vec<Value> {
    let bytes = std::fs::read(file).unwrap();
    if bytes.starts_with(b"PK") {
        return members(&bytes).iter().map(|member| serde_json::from_slice(member).unwrap()).collect();
    }
    let log: Value = serde_json::from_slice(&bytes).unwrap();
    log["samples"].as_array().unwrap().clone()
}

/// What the members of an archive hold that are samples.
fn members(bytes: &[u8]) -> Vec<Vec<u8>> {
    let archive = ZipArchive::from_slice(bytes).unwrap();
    let mut members = Vec::new();
    for entry in archive.entries() {
        let entry = entry.unwrap();
        if !entry.file_path().as_ref().starts_with(b"samples/") {
            continue;
        }
        let packed = archive.get_entry(entry.wayfinder()).unwrap();
        let mut member = Vec::new();
        match entry.compression_method() {
            CompressionMethod::DEFLATE => {
                flate2::read::DeflateDecoder::new(packed.data()).read_to_end(&mut member).unwrap()
            }
            _ => ruzstd::decoding::StreamingDecoder::new(packed.data())
                .unwrap()
                .read_to_end(&mut member)
                .unwrap(),
        };
        members.push(member);
    }
    members
}

fn events<'a>(samples: &'a [Value], wanted: &[&str]) -> Vec<&'a Value> {
    let all = samples.iter().flat_map(|sample| sample["events"].as_array().unwrap());
    all.filter(|event| wanted.contains(&event["event"].as_str().unwrap())).collect()
}

/// The text of an event, which may stand among the attachments of its sample.
fn text<'a>(value: &'a Value, samples: &'a [Value]) -> Option<&'a str> {
    let text = value.as_str()?;
    let Some(key) = text.strip_prefix("attachment://") else { return Some(text) };
    samples.iter().find_map(|sample| sample["attachments"][key].as_str())
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

#[test]
fn each_tool_event_is_a_call() {
    let mut counted = 0;
    let Some(files) = samples(Format::Inspect) else { return };
    for file in files {
        let samples = samples_of(&file);
        assert!(!events(&samples, &["model"]).is_empty(), "{}", file.display());
        let calls: Vec<_> = events(&samples, &["tool"])
            .iter()
            .map(|event| (event["id"].as_str().unwrap(), event["arguments"].clone()))
            .collect();
        let spans = read(&file);
        let found: Vec<_> = of_kind(&spans, SpanKind::Call)
            .iter()
            .map(|span| {
                let arguments = serde_json::from_str(span.command.as_ref().unwrap()).unwrap();
                (span.tool_call_id.as_deref().unwrap(), arguments)
            })
            .collect();
        assert_eq!(found, calls, "{}", file.display());
        counted += calls.len();
    }
    assert!(counted >= 4);
}

#[test]
fn each_command_in_a_sandbox_is_a_process_that_lies_in_its_call() {
    let mut counted = 0;
    let Some(files) = samples(Format::Inspect) else { return };
    for file in files {
        let samples = samples_of(&file);
        let mut commands = events(&samples, &["sandbox"]);
        commands.retain(|event| event["action"] == "exec");
        let spans = read(&file);
        let (calls, processes) = (of_kind(&spans, SpanKind::Call), of_kind(&spans, SpanKind::Process));
        assert_eq!((processes.len(), calls.len() + processes.len()), (commands.len(), spans.len()));
        for (span, event) in processes.iter().zip(&commands) {
            let command = text(&event["cmd"], &samples).unwrap().to_owned();
            let input = text(&event["input"], &samples);
            let command = input.map_or_else(|| command.clone(), |input| format!("{command}\n{input}"));
            assert_eq!(span.command.as_ref(), Some(&command));
            assert_eq!(span.exit_code.map(i64::from), event["result"].as_i64());
            let call = calls.iter().find(|call| call.tool_call_id == span.tool_call_id).unwrap();
            let (start, end) = (span.start.unwrap(), span.end.unwrap());
            assert_eq!((start.means, end.means), (Means::CommandStarted, Means::CommandEnded));
            assert!(call.start.unwrap().stamp.nanos <= start.stamp.nanos);
            assert!(end.stamp.nanos <= call.end.unwrap().stamp.nanos);
        }
        assert!(!serde_json::to_string(&spans).unwrap().contains("attachment://"));
        counted += commands.len();
    }
    assert!(counted >= 10);
}
