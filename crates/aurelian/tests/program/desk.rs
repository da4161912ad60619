//! An operator's desk: a workspace, a place for records, and the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use event::Event;
use tempfile::TempDir;

/// A workspace and a folder for records beside it.
pub(crate) struct Desk {
    folder: TempDir,
}

/// What a program run to its end came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why no sandbox can be started here; none where one can.
static OBSTACLE: LazyLock<Option<String>> = LazyLock::new(|| {
    let doctor = program().arg("doctor").output().unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    (!doctor.status.success())
        .then(|| told.lines().find(|line| line.starts_with("not ready")).unwrap_or("?").to_owned())
});

/// A desk to start sandboxes at, or a line that says why the test is skipped.
#[macro_export]
macro_rules! desk_or_skip {
    () => {
        match $crate::desk::Desk::with_sandboxes() {
            Ok(desk) => desk,
            Err(reason) => {
                eprintln!("skipped: {}: {reason}", std::thread::current().name().unwrap_or("?"));
                return;
            }
        }
    };
}

/// The program, with nothing of the environment that the tests were started in but the search path.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurelian"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ws")).unwrap();
        Self { folder }
    }

    pub(crate) fn with_sandboxes() -> Result<Self, String> {
        OBSTACLE.clone().map_or_else(|| Ok(Self::new()), Err)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.path("ws")
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `aurelian` with these arguments, in the workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).current_dir(self.workspace()).env("HOME", self.path("home"));
        command
    }

    /// `aurelian run --state STATE` with these arguments.
    pub(crate) fn run_command(&self, arguments: &[&str]) -> Command {
        let state = self.path("state");
        let mut command = self.command(&["run", "--state", state.to_str().unwrap()]);
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.run_command(arguments).output().unwrap())
    }

    /// Calls from a file with this content.
    pub(crate) fn run_calls(&self, lines: &str, arguments: &[&str]) -> Run {
        let file = self.write("calls.jsonl", lines);
        self.run(&[arguments, &["--calls", file.to_str().unwrap()]].concat())
    }

    /// The events of the one run that was.
    pub(crate) fn events(&self) -> Vec<Event> {
        let runs: Vec<_> = std::fs::read_dir(self.path("state/runs")).unwrap().flatten().collect();
        let [run] = runs.as_slice() else { panic!("{} runs", runs.len()) };
        events_of(&run.path().join("events.jsonl"))
    }
}

/// The events in a file.
pub(crate) fn events_of(file: &Path) -> Vec<Event> {
    parse_events(&std::fs::read_to_string(file).unwrap())
}

/// Events, one a line.
pub(crate) fn parse_events(lines: &str) -> Vec<Event> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
