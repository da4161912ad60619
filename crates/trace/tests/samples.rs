//! Real trajectories, where they lie beside the repository: no command of them is lost. What is in them is counted here
//! without the crate's own readers; those of Inspect in `samples_inspect`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod present;

use std::path::Path;

use present::{all, format, read, samples};
use serde_json::Value;
use trace::{Format, Means, Span};

fn document(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[test]
fn each_sample_is_of_a_format_that_is_counted() {
    const COUNTED: [Format; 4] = [Format::MiniSweAgent, Format::Commands, Format::OpenHands, Format::Inspect];
    for file in all().unwrap_or_default() {
        assert!(format(&file).is_some_and(|format| COUNTED.contains(&format)), "{}", file.display());
    }
}

#[test]
fn mini_swe_agent_each_tool_call_is_a_span_with_both_times() {
    for file in samples(Format::MiniSweAgent).unwrap_or_default() {
        let spans = read(&file);
        let whole = document(&file);
        let messages = whole["messages"].as_array().unwrap();
        let calls: Vec<_> = messages
            .iter()
            .flat_map(|message| message["tool_calls"].as_array().cloned().unwrap_or_default())
            .map(|call| {
                let arguments = call["function"]["arguments"].as_str().unwrap();
                let arguments: Value = serde_json::from_str(arguments).unwrap();
                (text(&call["id"]).unwrap(), text(&arguments["command"]).unwrap())
            })
            .collect();
        let found: Vec<_> = spans
            .iter()
            .map(|span| (span.tool_call_id.clone().unwrap(), span.command.clone().unwrap()))
            .collect();
        assert_eq!(found, calls, "{}", file.display());
        assert!(!calls.is_empty());
        let submits =
            |span: &Span| span.command.as_ref().unwrap().contains("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT");
        for span in &spans {
            let (start, end) = (span.start.unwrap(), span.end);
            assert_eq!(start.means, Means::ModelFinished);
            // The one that hands in ends the episode: its result is never written.
            let Some(end) = end else {
                assert!(submits(span), "{span:?}");
                continue;
            };
            assert_eq!(end.means, Means::ResultSeen);
            assert!(start.stamp.nanos <= end.stamp.nanos);
        }
    }
}

#[test]
fn commands_each_line_is_a_span() {
    for file in samples(Format::Commands).unwrap_or_default() {
        let lines = lines(&file);
        assert!(lines.len() > 800);
        let commands: Vec<_> =
            lines.iter().map(|line| ["run", "tool_call_id", "cmd"].map(|name| text(&line[name]))).collect();
        let told = |span: Span| [Some(span.run), span.tool_call_id, span.command];
        assert_eq!(read(&file).into_iter().map(told).collect::<Vec<_>>(), commands);
    }
}

#[test]
fn openhands_each_action_is_a_span_with_both_times() {
    for file in samples(Format::OpenHands).unwrap_or_default() {
        // Whose it is, its id, and its text where that is a command.
        let mut actions = Vec::new();
        for episode in lines(&file) {
            for event in episode["history"].as_array().unwrap() {
                let id = text(&event["tool_call_metadata"]["tool_call_id"]);
                let (Some(action), Some(id)) = (event["action"].as_str(), id) else { continue };
                let command = match action {
                    "run" => text(&event["args"]["command"]),
                    "run_ipython" => text(&event["args"]["code"]),
                    _ => None,
                };
                actions.push((text(&episode["instance_id"]).unwrap(), id, command));
            }
        }
        assert!(actions.iter().filter(|(.., command)| command.is_some()).count() > 40);
        let spans = read(&file);
        let is_shell =
            |span: &Span| ["execute_bash", "execute_ipython_cell"].contains(&span.tool.as_deref().unwrap());
        let told = |span: &Span| {
            let command = span.command.clone().filter(|_| is_shell(span));
            (span.run.clone(), span.tool_call_id.clone().unwrap(), command)
        };
        assert_eq!(spans.iter().map(told).collect::<Vec<_>>(), actions);
        for span in spans.iter().filter(|span| is_shell(span)) {
            let (start, end) = (span.start.unwrap(), span.end.unwrap());
            assert_eq!((start.means, end.means), (Means::ModelFinished, Means::ResultSeen));
            assert!(start.stamp.nanos <= end.stamp.nanos);
            assert_eq!(start.stamp.zone, intake::Zone::Inferred, "answers of the model show it");
            assert!(span.exit_code.is_some() && span.sandbox.is_some());
        }
        // 2025-04-30T16:32:57.821635 at UTC+8.
        assert_eq!(spans[0].start.unwrap().stamp.nanos, 1_746_001_977_821_635_000);
    }
}
