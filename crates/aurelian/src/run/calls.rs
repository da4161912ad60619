//! The calls of a run: the operator's one command, or those of a file, one after the other.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use event::Text;
use event::fact::EndReason;
use sandbox::{Call, CallError, Command, Ended, Sandbox, Stdio, WindowSize};
use sensor::Recorder;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use super::calls_file::CallLine;
use super::request::{Request, Work};
use super::screen::{Screen, Stream};
use super::session::Session;
use super::{live, relay, terminal};
use crate::failure::{self, NOTHING_STARTED};
use crate::operator;
use crate::summary::{NotStarted, title};
use crate::terminal_guard::TerminalGuard;

/// Not all calls of a file could be started.
const SOME_NOT_STARTED: u8 = 1;
/// Characters of a heading's command.
const HEADING: usize = 80;

/// What came of the calls.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) exit_code: u8,
    pub(crate) ended_by_signal: Option<i32>,
    pub(crate) not_started: Vec<NotStarted>,
    /// Calls of the file that it did not come to.
    pub(crate) not_reached: usize,
    /// What was kept from the operator's terminal.
    pub(crate) filtered: BTreeMap<&'static str, u64>,
}

impl Outcome {
    fn filtered(&mut self, guards: impl IntoIterator<Item = TerminalGuard>) {
        for guard in guards {
            for (refusal, count) in guard.refusals().iter() {
                *self.filtered.entry(refusal.name()).or_default() += count;
            }
        }
    }

    fn failed(&mut self, id: Option<String>, error: &dyn std::error::Error) {
        self.not_started.push(NotStarted { tool_call_id: id, reason: failure::chain(error) });
    }
}

/// Has the calls run, with signals served and the live line shown.
pub(crate) fn perform(
    sandbox: &Sandbox,
    request: &Request,
    recorder: &Recorder,
    screen: &Screen,
    signals: Signals,
) -> Outcome {
    let session = &Session::new(sandbox);
    let closer = signals.handle();
    let performance = Performance { session, request, screen };
    let (end, ended) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || session.serve(signals));
        if performance.shows_progress() {
            let calls = performance.count();
            scope.spawn(move || live::show(session, screen, recorder, calls, &ended));
        }
        let outcome = performance.perform();
        drop(end);
        closer.close();
        outcome
    })
}

struct Performance<'a> {
    session: &'a Session<'a>,
    request: &'a Request,
    screen: &'a Screen,
}

impl Performance<'_> {
    fn count(&self) -> usize {
        match &self.request.work {
            Work::Command(_) => 1,
            Work::Calls(calls) => calls.len(),
        }
    }

    fn is_passed_through(&self) -> bool {
        let is_one = matches!(self.request.work, Work::Command(_));
        is_one && self.request.output() == Stream::Stdout && operator::is_interactive()
    }

    fn shows_progress(&self) -> bool {
        !self.request.quiet && Stream::Stderr.is_terminal() && !self.is_passed_through()
    }

    fn perform(&self) -> Outcome {
        let mut outcome = Outcome::default();
        match &self.request.work {
            Work::Command(words) => self.command(words, &mut outcome),
            Work::Calls(calls) => self.calls(calls, &mut outcome),
        }
        if let Some(signal) = self.session.killed_by() {
            outcome.ended_by_signal = Some(signal);
            outcome.exit_code = exit_code(128 + signal);
        }
        outcome
    }

    fn command(&self, words: &[OsString], outcome: &mut Outcome) {
        let Some((program, arguments)) = words.split_first() else { return };
        let command = Command::new(program).args(arguments);
        let ended = if self.is_passed_through() {
            self.in_terminal(command, outcome)
        } else {
            self.piped(command, outcome)
        };
        match ended {
            Ok(ended) => {
                outcome.exit_code = exit_code(ended.exit_code);
                explain(&ended, program);
            }
            Err(error) => {
                outcome.exit_code = NOTHING_STARTED;
                outcome.failed(None, &error);
            }
        }
    }

    /// A command whose streams are pipes to ours.
    fn piped(&self, command: Command, outcome: &mut Outcome) -> Result<Ended, CallError> {
        // In the background a terminal can't be read, only waited for.
        let is_readable = !io::IsTerminal::is_terminal(&io::stdin()) || operator::is_foreground();
        let mut call =
            self.session.sandbox.call(command.stdin(if is_readable { Stdio::Pipe } else { Stdio::Null }))?;
        if let Some(input) = call.stdin.take() {
            // Without a thread the command has no input, which is better than no end.
            let _ = relay::our_stdin(input);
        }
        Ok(self.follow(call, outcome))
    }

    /// A command with a terminal of its own.
    fn in_terminal(&self, command: Command, outcome: &mut Outcome) -> Result<Ended, CallError> {
        let size = operator::window_size(&io::stdout()).unwrap_or(WindowSize { rows: 24, columns: 80 });
        let mut call = self.session.sandbox.call(command.terminal(size))?;
        let terminal = call.terminal.take().map(Arc::new);
        let call = Arc::new(call);
        self.session.attend(&call, terminal.as_ref());
        if let Some(terminal) = &terminal {
            match terminal::pass_through(self.screen, &call, terminal) {
                Ok(guard) => outcome.filtered(guard),
                Err(error) => failure::complain(&format_args!("the terminal is gone: {error}")),
            }
        }
        Ok(call.wait())
    }

    /// Passes the output of a call on until it ends.
    fn follow(&self, mut call: Call, outcome: &mut Outcome) -> Ended {
        let (stdout, stderr) = (call.stdout.take(), call.stderr.take());
        let call = Arc::new(call);
        self.session.attend(&call, None);
        outcome.filtered(relay::outputs(self.screen, stdout, stderr, self.request.output()));
        call.wait()
    }

    fn calls(&self, calls: &[CallLine], outcome: &mut Outcome) {
        for (done, line) in calls.iter().enumerate() {
            if self.session.is_asked_to_end() {
                outcome.ended_by_signal = Some(SIGINT);
                outcome.exit_code = exit_code(128 + SIGINT);
                outcome.not_reached = calls.len() - done;
                return;
            }
            self.head(done + 1, line);
            match self.one(line, outcome) {
                Ok(()) => {}
                Err(CallError::Gone) => {
                    outcome.exit_code = SOME_NOT_STARTED;
                    outcome.not_reached = calls.len() - done;
                    return;
                }
                Err(error) => {
                    outcome.exit_code = SOME_NOT_STARTED;
                    outcome.failed(line.id.clone(), &error);
                }
            }
        }
    }

    fn one(&self, line: &CallLine, outcome: &mut Outcome) -> Result<(), CallError> {
        let mut call = self.session.sandbox.call(self.command_of(line))?;
        if let (Some(input), Some(text)) = (call.stdin.take(), line.stdin.clone()) {
            let _ = relay::text(text, input);
        }
        self.follow(call, outcome);
        Ok(())
    }

    fn command_of(&self, line: &CallLine) -> Command {
        let (program, arguments) =
            line.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        let mut command = Command::new(program).args(arguments);
        for (name, value) in &line.environment {
            command = command.env(name, value);
        }
        if let Some(folder) = &line.cwd {
            command = command.current_dir(self.request.setup.workspace.inside().join(folder));
        }
        if let Some(timeout) = line.timeout {
            command = command.timeout(timeout);
        }
        if let Some(id) = &line.id {
            command = command.tool_call_id(id.as_str());
        }
        command.stdin(if line.stdin.is_some() { Stdio::Pipe } else { Stdio::Null })
    }

    /// Says which call the output that follows is of.
    fn head(&self, number: usize, line: &CallLine) {
        if self.request.quiet || self.request.json {
            return;
        }
        let words: Vec<_> = line.command.iter().map(|word| Text::from(word.as_str())).collect();
        let id = line.id.as_deref().map_or_else(String::new, |id| format!(" · {}", Text::from(id)));
        let heading = format!("── call {number}{id} · {}", title(&words, HEADING));
        let paint = crate::style::Paint::for_stderr();
        self.screen.note(&paint.faint(&crate::style::for_stderr(heading)));
    }
}

/// Says why a program could not be executed, as a shell would.
fn explain(ended: &Ended, program: &OsStr) {
    let program = program.to_string_lossy();
    match ended.reason {
        EndReason::NotFound => {
            failure::complain(&format_args!("there is no program `{program}` in the sandbox"))
        }
        EndReason::NotExecutable => {
            failure::complain(&format_args!("`{program}` can't be executed in the sandbox"))
        }
        _ => {}
    }
}

/// An exit code as a process can have one.
fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}
