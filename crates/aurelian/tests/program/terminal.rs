//! A command with a terminal, run from one. `setsid` of util-linux makes a pty the program's controlling terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::desk::Desk;

/// A terminal, and what it showed.
struct Screen {
    ours: File,
    theirs: OwnedFd,
    shown: mpsc::Receiver<Vec<u8>>,
    all: Vec<u8>,
}

impl Screen {
    fn new() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 31, ws_col: 97, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let ours = File::from(ours);
        let (sender, shown) = mpsc::channel();
        let mut reader = ours.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count) = reader.read(&mut chunk) {
                if count == 0 || sender.send(chunk[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { ours, theirs, shown, all: Vec::new() }
    }

    fn stdio(&self) -> Stdio {
        self.theirs.try_clone().unwrap().into()
    }

    fn type_in(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this was shown.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let all = String::from_utf8_lossy(&self.all).into_owned();
            if all.contains(text) {
                return all;
            }
            let more = self.shown.recv_timeout(Duration::from_secs(30));
            self.all.extend(more.unwrap_or_else(|_| panic!("{text:?} was not shown, but {all:?}")));
        }
    }

    fn is_cooked(&self) -> bool {
        tcgetattr(&self.theirs).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

/// The program on this screen; none where there is no `setsid`.
fn on(screen: &Screen, desk: &Desk, arguments: &[&str]) -> Option<std::process::Child> {
    let run = desk.run_command(arguments);
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(run.get_program()).args(run.get_args());
    command
        .env_clear()
        .envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("TERM", "xterm");
    command.current_dir(desk.workspace()).stdin(screen.stdio()).stdout(screen.stdio()).stderr(screen.stdio());
    let child = command.spawn().ok();
    if child.is_none() {
        eprintln!("skipped: {}: there is no setsid", std::thread::current().name().unwrap_or("?"));
    }
    child
}

#[test]
fn the_command_gets_a_terminal_of_its_own_with_the_size_of_ours() {
    let desk = crate::desk_or_skip!();
    let mut screen = Screen::new();
    let Some(mut child) =
        on(&screen, &desk, &["--", "sh", "-c", "test -t 0 && test -t 1 && stty size && tty"])
    else {
        return;
    };
    assert!(child.wait().unwrap().success());
    let shown = screen.wait_for("events");
    assert!(shown.contains("31 97\r\n/dev/pts/0\r\n"), "{shown}");
    assert!(shown.contains("clean"), "{shown}");
    assert!(screen.is_cooked());
}

#[test]
fn keys_go_to_the_command_and_the_terminal_is_set_back() {
    let desk = crate::desk_or_skip!();
    let mut screen = Screen::new();
    // Not a program that the shell starts: one that has not begun yet may miss the interrupt.
    let script = "echo ready; read line; echo got $line; read more";
    let Some(mut child) = on(&screen, &desk, &["--", "sh", "-c", script]) else { return };
    screen.wait_for("ready");
    assert!(!screen.is_cooked());
    screen.type_in("some keys\r");
    screen.wait_for("got some keys");
    screen.type_in("\x03");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(screen.is_cooked());
}

#[test]
fn what_could_harm_the_terminal_is_kept_from_it() {
    let desk = crate::desk_or_skip!();
    let mut screen = Screen::new();
    let script = r"printf 'a\033]52;c;eA==\007b\033[31mc\n'";
    let Some(mut child) = on(&screen, &desk, &["--", "sh", "-c", script]) else { return };
    assert!(child.wait().unwrap().success());
    let shown = screen.wait_for("events");
    assert!(shown.contains("ab\x1b[31mc"), "{shown:?}");
    assert!(shown.contains("1 clipboard"), "{shown:?}");
}

#[test]
fn a_terminal_that_goes_away_takes_the_run_with_it() {
    let desk = crate::desk_or_skip!();
    let mut screen = Screen::new();
    let Some(mut child) = on(&screen, &desk, &["--", "sh", "-c", "echo ready; sleep 60"]) else { return };
    screen.wait_for("ready");
    rustix::process::kill_process(session_leader(&child), rustix::process::Signal::HUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert!(screen.is_cooked());
}

/// `setsid` may have forked: the program is then its child.
fn session_leader(child: &std::process::Child) -> rustix::process::Pid {
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    let pid =
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(child.id() as i32);
    rustix::process::Pid::from_raw(pid).unwrap()
}
