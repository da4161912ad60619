//! Telling the operator's own command and web hook of findings.
//!
//! Neither may hold the run up or decide anything: both have a thread, a bounded queue and little time. What was not told is an event.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event::fact::{Finding, Outcome, ResponseStep, Step};
use event::{Cause, Observation, RunId, Text};
use policy::Response;

use crate::webhook::Hook;

/// Findings that may wait.
const WAITING: usize = 256;
/// How long the command may take, and everything that is left to tell at the end of the run.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST_PATIENCE: Duration = Duration::from_secs(20);

type Record = Box<dyn Fn(Observation) + Send + Sync>;

/// What is told.
#[derive(Clone, Debug)]
struct Message {
    finding: u64,
    rule: event::Name,
    cause: Option<Cause>,
    json: Vec<u8>,
}

/// Tells of findings.
#[derive(Debug)]
pub(crate) struct Notifier {
    messages: SyncSender<Message>,
    results: Receiver<(Message, Result<(), String>)>,
    thread: JoinHandle<()>,
}

impl Notifier {
    /// None where nobody is to be told.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        let command = response.on_finding().to_vec();
        let hook = response.webhook().map(Hook::new);
        if command.is_empty() && hook.is_none() {
            return None;
        }
        let (messages, waiting) = mpsc::sync_channel::<Message>(WAITING);
        let (told, results) = mpsc::channel();
        let thread = std::thread::Builder::new().name("notify".into());
        let thread = thread.spawn(move || {
            for message in waiting {
                if !command.is_empty() {
                    let _ = told.send((message.clone(), run(&command, &message.json)));
                }
                if let Some(hook) = &hook {
                    let _ = told.send((message.clone(), hook.post(&message.json)));
                }
            }
        });
        Some(Self { messages, results, thread: thread.ok()? })
    }

    /// Has a finding told, and takes down what became of those before it.
    pub(crate) fn notify(&self, run: RunId, finding: &Finding, cause: Option<&Cause>, record: &Record) {
        self.take_down(record);
        let json = serde_json::json!({
            "run": run,
            "call": cause.map(|cause| cause.call),
            "tool_call_id": cause.and_then(|cause| cause.tool_call_id.as_ref()),
            "finding": finding,
        });
        let message = Message {
            finding: finding.finding,
            rule: finding.rule.clone(),
            cause: cause.cloned(),
            json: json.to_string().into_bytes(),
        };
        match self.messages.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                tell(&message, &Err("too many findings wait to be told".to_owned()), record);
            }
        }
    }

    /// Waits a while for what is left to be told.
    pub(crate) fn finish(self, record: &Record) {
        drop(self.messages);
        let until = Instant::now() + LAST_PATIENCE;
        while let Ok((message, result)) =
            self.results.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            tell(&message, &result, record);
        }
        if self.thread.is_finished() {
            let _ = self.thread.join();
        }
    }

    fn take_down(&self, record: &Record) {
        self.results.try_iter().for_each(|(message, result)| tell(&message, &result, record));
    }
}

fn tell(message: &Message, result: &Result<(), String>, record: &Record) {
    let step = ResponseStep {
        step: Step::Notify,
        outcome: if result.is_ok() { Outcome::Done } else { Outcome::Failed },
        finding: Some(message.finding),
        rule: Some(message.rule.clone()),
        by: "policy".into(),
        reason: None,
        latency_us: 0,
        took_us: 0,
        detail: result.as_ref().err().map(|why| Text::truncated(why.as_bytes(), 1024)),
    };
    let seen = Observation::new(step);
    record(match &message.cause {
        Some(cause) => seen.caused_by(cause.clone()),
        None => seen,
    });
}

/// Runs the operator's command, with a finding as its input.
fn run(command: &[String], json: &[u8]) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let failed = |what: &str, error: std::io::Error| format!("cannot {what} `{program}`: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("start", error))?;
    if let Some(mut input) = child.stdin.take() {
        // Who doesn't read it all has read enough: how it exits is what counts. A finding fits into a pipe.
        let _ = input.write_all(json).and_then(|()| input.write_all(b"\n"));
    }
    match wait(&mut child) {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(format!("`{program}` ended with {status}")),
        Ok(None) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("`{program}` took longer than {} s, and was killed", PATIENCE.as_secs()))
        }
        Err(error) => Err(failed("wait for", error)),
    }
}

fn wait(child: &mut Child) -> std::io::Result<Option<std::process::ExitStatus>> {
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= until => return Ok(None),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
