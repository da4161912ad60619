//! Starting a call: its streams, its record, the meeting with its first process, and leave to go on.
//!
//! ```text
//! supervisor                      init                     first process
//!   control group
//!   order: call, descriptors ──►    fork ──────────────────►  set up: streams, mark, filter
//!   fetch the listener  ◄─────────────────────────────────── "my listener is descriptor N"
//!   call.started
//!   wait for notifications
//!   leave ──────────────────────────────────────────────────► execute
//! ```

use crate::call::{Call, CallError, CallState};
use crate::cgroup::CallCgroup;
use crate::channel::Channel;
use crate::command::{Command, Stdio, WindowSize};
use crate::inside::Inside;
use crate::plan::Record;
use crate::protocol::{Order, Report};
use crate::reactor::lock;
use crate::sources::ListenerSource;
use crate::start::fetch_listener;
use crate::streams::{Ends, Input, Output, TerminalEnd, Which};
use event::fact::{CallStarted, EndReason};
use event::{CallId, Cause, Observation, Text};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long the first process may take to set itself up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a call.
pub(crate) fn launch(inside: &Arc<Inside>, id: CallId, command: Command) -> Result<Call, CallError> {
    let cause = Cause { call: id, tool_call_id: command.tool_call_id.clone() };
    let folder = command.folder.clone().unwrap_or_else(|| inside.setup.workspace.inside().to_owned());
    let started = started(&command, &folder);
    let record = record(inside, &command, &folder)?;
    let timeout = command.timeout;
    let streams = Streams::make(inside, command).map_err(refused("make its streams"))?;
    let (channel, theirs) = Channel::pair().map_err(refused("make its socket"))?;
    let group = inside.cgroup.as_ref().map(|cgroup| cgroup.call(id.number())).transpose();
    let group = group.map_err(|error| refused("make its control group")(errno_of(&error)))?;
    let met =
        order(inside, id, &record, &streams, theirs, group.as_ref()).and_then(|()| meet(&channel, &folder));
    let first = match met {
        Ok(first) => first,
        Err(error) => {
            if let Some(group) = group {
                group.discard();
            }
            return Err(error);
        }
    };
    let state = enroll(cause, first.pid, group, channel).map_err(refused("book its first process"))?;
    inside.witness.see(Observation::new(started).caused_by(state.cause.clone()));
    inside.remember(&state);
    listen(inside, &state, first.listener).map_err(refused("wait for its system calls"))?;
    inside.limit_call(&state, timeout);
    if !state.launch(PATIENCE).map_err(refused("let it go on"))? {
        inside.kill_call(&state, EndReason::Killed);
        return Err(refused("execute its command in time: a process of the sandbox holds it up")(
            Errno::TIMEDOUT,
        ));
    }
    Ok(streams.into_call(inside, state))
}

fn refused(what: &'static str) -> impl Fn(Errno) -> CallError {
    move |errno| CallError::Refused { what, errno }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn started(command: &Command, folder: &std::path::Path) -> CallStarted {
    let mut started =
        CallStarted::new(command.arguments.iter().map(|argument| argument.as_bytes()), Text::from(folder));
    started.timeout_ms =
        command.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    started
}

/// Writes down what the first process is to execute.
fn record(inside: &Inside, command: &Command, folder: &std::path::Path) -> Result<OwnedFd, CallError> {
    let mut environment = inside.environment.clone();
    environment.extend(command.environment.iter().cloned());
    let search = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let strings = |(name, value): (&OsString, &OsString)| {
        let mut string = name.clone();
        string.push("=");
        string.push(value);
        string
    };
    let environment: Vec<OsString> = environment.iter().map(strings).collect();
    let has_nul = |string: &OsString| string.as_bytes().contains(&0);
    if command.arguments.iter().chain(&environment).any(has_nul) {
        return Err(refused("write its record: an argument or a variable holds a NUL byte")(Errno::INVAL));
    }
    let record = Record {
        terminal: command.terminal.is_some(),
        folder: folder.as_os_str(),
        search: search.as_bytes().split(|byte| *byte == b':').map(OsStr::from_bytes).collect(),
        arguments: &command.arguments,
        environment,
    };
    record.seal().map_err(|error| refused("write its record")(errno_of(&error)))
}

/// Both ends of all streams.
struct Streams {
    stdin: Ends,
    stdout: Ends,
    stderr: Ends,
    terminal: Option<TerminalEnd>,
}

impl Streams {
    fn make(inside: &Inside, command: Command) -> Result<Self, Errno> {
        match command.terminal {
            Some(size) => Self::on_terminal(inside, size),
            None => Ok(Self {
                stdin: Ends::input(command.stdin)?,
                stdout: Ends::output(command.stdout)?,
                stderr: Ends::output(command.stderr)?,
                terminal: None,
            }),
        }
    }

    fn on_terminal(inside: &Inside, size: WindowSize) -> Result<Self, Errno> {
        let (terminal, theirs) = TerminalEnd::open(inside.root.as_fd(), size)?;
        let copy = || rustix::io::fcntl_dupfd_cloexec(&theirs, 0).map(Stdio::File);
        Ok(Self {
            stdin: Ends::input(copy()?)?,
            stdout: Ends::output(copy()?)?,
            stderr: Ends::output(copy()?)?,
            terminal: Some(terminal),
        })
    }

    /// Keeps our ends; theirs are closed here, so that the call's are the only ones.
    fn into_call(self, inside: &Arc<Inside>, state: Arc<CallState>) -> Call {
        let output = |pipe: Option<OwnedFd>, which| {
            pipe.map(|pipe| Output::new(pipe, which, Arc::clone(&state), Arc::downgrade(inside)))
        };
        Call {
            stdin: self.stdin.ours.map(Input::new),
            stdout: output(self.stdout.ours, Which::Stdout),
            stderr: output(self.stderr.ours, Which::Stderr),
            terminal: self.terminal.map(|terminal| terminal.of(Arc::clone(&state), Arc::downgrade(inside))),
            inside: Arc::clone(inside),
            state,
        }
    }
}

fn order(
    inside: &Inside,
    id: CallId,
    record: &OwnedFd,
    streams: &Streams,
    theirs: OwnedFd,
    group: Option<&CallCgroup>,
) -> Result<(), CallError> {
    let Streams { stdin, stdout, stderr, .. } = streams;
    let birthplace = group.map(CallCgroup::birthplace).transpose();
    let birthplace = birthplace.map_err(|error| refused("open its control group")(errno_of(&error)))?;
    let mut descriptors = vec![
        record.as_fd(),
        stdin.theirs.as_fd(),
        stdout.theirs.as_fd(),
        stderr.theirs.as_fd(),
        theirs.as_fd(),
    ];
    descriptors.extend(birthplace.as_ref().map(AsFd::as_fd));
    let number = id.number().to_le_bytes();
    inside.channel.order(Order::Call, &number, &descriptors).map_err(|_| CallError::Gone)
}

/// The first process of a call, which waits for leave.
struct First {
    pid: Pid,
    listener: OwnedFd,
}

fn meet(channel: &Channel, folder: &std::path::Path) -> Result<First, CallError> {
    let message =
        channel.receive(PATIENCE).map_err(refused("hear from its first process"))?.ok_or(CallError::Gone)?;
    let errno = |errno: Option<i32>| Errno::from_raw_os_error(errno.unwrap_or(libc::EIO));
    match (message.report(), message.sender) {
        (Some((Report::Listening, mut fields)), Some(pid)) => {
            let listener =
                fetch_listener(pid, fields.signed().unwrap_or(-1)).map_err(refused("take its listener"))?;
            Ok(First { pid, listener })
        }
        (Some((Report::NotExecuted, mut fields)), _) => {
            Err(CallError::Folder { folder: folder.to_owned(), errno: errno(fields.signed()) })
        }
        (Some((Report::NotSetUp, mut fields)), _) => {
            let errno = errno(fields.signed());
            Err(CallError::Refused { what: set_up_step(fields.short()), errno })
        }
        (Some((Report::TooManyCalls, _)), _) => Err(CallError::TooMany),
        _ => Err(CallError::Gone),
    }
}

/// The places that the init's `set_up_call` names.
fn set_up_step(place: Option<u32>) -> &'static str {
    match place {
        Some(0) => "make a process: the limit on processes is reached",
        Some(1 | 2) => "read its record: it has too many arguments and variables",
        Some(3) => "place its streams",
        Some(4) => "give it its terminal",
        Some(6) => "mark its processes",
        Some(9) => "enter its Landlock domain",
        Some(7) => "enter its filter of system calls",
        _ => "set its first process up",
    }
}

/// Books the first process to the call, before it may do anything.
fn enroll(
    cause: Cause,
    pid: Pid,
    group: Option<CallCgroup>,
    channel: Channel,
) -> Result<Arc<CallState>, Errno> {
    let number = pid.as_raw_nonzero().get().cast_unsigned();
    let mark: PathBuf =
        std::fs::read_link(format!("/proc/{number}/ns/uts")).map_err(|error| errno_of(&error))?;
    Ok(Arc::new(CallState::new(cause, number, mark, group, channel)?))
}

fn listen(inside: &Arc<Inside>, state: &Arc<CallState>, listener: OwnedFd) -> Result<(), Errno> {
    let source = Arc::new(ListenerSource {
        listener: Arc::new(listener),
        call: Arc::clone(state),
        inside: Arc::downgrade(inside),
        token: Mutex::default(),
    });
    let mut token = lock(&source.token);
    let added = inside.shared.reactor.add(Arc::clone(&source) as Arc<_>, EventFlags::IN);
    *token = Some(added.map_err(|error| errno_of(&error))?);
    Ok(())
}
