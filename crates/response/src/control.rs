//! An operator's commands to runs of other processes on this host.
//!
//! Each run listens on a socket in the state folder, `live/RUN.sock`, which only the folder's owner and root can reach, and looks at who
//! it is besides (`SO_PEERCRED`). One line of JSON asks, one answers. The run does what it is asked by its own hand.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use event::{RunId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, ArchiveError};
use crate::hand::{Act, Acted, State};

/// Bytes of a line, either way.
const LINE: u64 = 64 * 1024;
/// How long who asks may take to ask, and how long an answer may take: a run with many processes is frozen and looked at.
const ASKING: Duration = Duration::from_secs(2);
const ANSWERING: Duration = Duration::from_secs(30);

/// A run, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Its id.
    pub run: RunId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: State,
    /// Since when there is it.
    pub started: Timestamp,
    /// The process that watches over it.
    pub pid: u32,
    /// Whose that is.
    pub uid: u32,
    /// Calls that were started.
    pub calls: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Findings so far.
    pub findings: u64,
}

/// A run that can be asked.
pub trait Operated: Send + Sync {
    /// How it is.
    fn status(&self) -> RunStatus;

    /// Does what is asked, and waits for it. `by` names the operator.
    fn act(&self, act: Act, by: &str, reason: Option<String>) -> Acted;
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// Absent for how it is.
    act: Option<Act>,
    reason: Option<String>,
}

/// What a run answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What came of the act; absent where it was only asked how it is.
    pub acted: Option<Acted>,
    /// How it is now.
    pub status: Option<RunStatus>,
}

/// Listens for operators, as long as there is it.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Has a run listen.
    ///
    /// # Errors
    /// The socket can't be made, or the host gives no more threads.
    pub fn of(archive: &Archive, run: RunId, operated: Arc<dyn Operated>) -> Result<Self, ArchiveError> {
        let folder = archive.folder("live")?;
        let path = folder.join(format!("{run}.sock"));
        let listen = || ArchiveError::new("listen on", &path);
        let listener = short(&path, |short| UnixListener::bind(short)).map_err(listen())?;
        let is_over = Arc::<AtomicBool>::default();
        let theirs = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().name("control".into()).spawn(move || {
            for stream in listener.incoming() {
                if theirs.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // Who asks badly is not answered.
                    let _ = serve(&stream, &*operated);
                }
            }
        });
        Ok(Self { thread: Some(thread.map_err(listen())?), is_over, path })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up.
        let woken = short(&self.path, |short| UnixStream::connect(short));
        let _ = fs::remove_file(&self.path);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// Does something with a path that is short enough for the address of a socket: sun_path has 108 bytes (unix(7)).
fn short<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = File::open(folder)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

fn serve(stream: &UnixStream, operated: &dyn Operated) -> io::Result<()> {
    stream.set_read_timeout(Some(ASKING))?;
    stream.set_write_timeout(Some(ASKING))?;
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    let (own, root) = (rustix::process::geteuid(), rustix::process::Uid::ROOT);
    let answer = if peer.uid != own && peer.uid != root {
        let why = format!("the run is of uid {}, and you are uid {}", own.as_raw(), peer.uid.as_raw());
        Answer { acted: Some(Acted::Refused(why)), status: None }
    } else {
        let mut line = Vec::new();
        BufReader::new(stream).take(LINE).read_until(b'\n', &mut line)?;
        let question: Question = serde_json::from_slice(&line)?;
        let by = format!("uid {}", peer.uid.as_raw());
        let acted = question.act.map(|act| operated.act(act, &by, question.reason));
        Answer { acted, status: Some(operated.status()) }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    (&*stream).write_all(&line)
}

/// Asks a run to do something, or, without an act, how it is.
///
/// # Errors
/// It can't be reached, or doesn't answer.
pub fn ask(archive: &Archive, run: RunId, act: Option<Act>, reason: Option<&str>) -> io::Result<Answer> {
    let path = archive.place().join("live").join(format!("{run}.sock"));
    let stream = short(&path, |short| UnixStream::connect(short))?;
    stream.set_read_timeout(Some(ANSWERING))?;
    stream.set_write_timeout(Some(ASKING))?;
    let mut line = serde_json::to_vec(&Question { act, reason: reason.map(str::to_owned) })?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(&stream).take(LINE).read_until(b'\n', &mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

/// The runs that listen, or did when they died.
///
/// # Errors
/// The folder can't be read.
pub fn live(archive: &Archive) -> Result<Vec<RunId>, ArchiveError> {
    let folder = archive.place().join("live");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ArchiveError::new("read", &folder)(error)),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut runs: Vec<RunId> = names.filter_map(|name| name.strip_suffix(".sock")?.parse().ok()).collect();
    runs.sort_unstable();
    Ok(runs)
}

/// Takes away the socket of a run that died, if nobody listens on it any more.
pub fn sweep(archive: &Archive, run: RunId) {
    let path = archive.place().join("live").join(format!("{run}.sock"));
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if short(&path, |short| UnixStream::connect(short)).is_err_and(|error| refused(&error)) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Fake(RunId, Mutex<Vec<(Act, String, Option<String>)>>);

    impl Operated for Fake {
        fn status(&self) -> RunStatus {
            RunStatus {
                run: self.0,
                labels: BTreeMap::new(),
                state: State::Running,
                started: Timestamp::from_nanos(0),
                pid: 1,
                uid: 0,
                calls: 0,
                refused: 0,
                findings: 0,
            }
        }

        fn act(&self, act: Act, by: &str, reason: Option<String>) -> Acted {
            self.1.lock().unwrap().push((act, by.to_owned(), reason));
            Acted::Done
        }
    }

    fn listening() -> (tempfile::TempDir, Archive, Arc<Fake>, Listener) {
        let state = tempfile::tempdir().unwrap();
        let long = state.path().join("a-folder-with-a-name-that-is-long-enough".repeat(4));
        let archive = Archive::open(&long).unwrap();
        let fake = Arc::new(Fake(RunId::new(), Mutex::default()));
        let listener = Listener::of(&archive, fake.0, Arc::clone(&fake) as _).unwrap();
        (state, archive, fake, listener)
    }

    #[test]
    fn who_asks_is_told_by_the_kernel() {
        let (_state, archive, fake, listener) = listening();
        assert_eq!(live(&archive).unwrap(), [fake.0]);
        let answer = ask(&archive, fake.0, Some(Act::Freeze), Some("look")).unwrap();
        assert_eq!((answer.acted, answer.status.unwrap().run), (Some(Acted::Done), fake.0));
        let by = format!("uid {}", rustix::process::geteuid().as_raw());
        assert_eq!(*fake.1.lock().unwrap(), [(Act::Freeze, by, Some("look".to_owned()))]);
        drop(listener);
        assert_eq!(live(&archive).unwrap(), []);
        assert!(ask(&archive, fake.0, None, None).is_err());
    }

    #[test]
    fn who_asks_badly_keeps_nobody_else_from_asking() {
        let (_state, archive, fake, _listener) = listening();
        let path = archive.place().join("live").join(format!("{}.sock", fake.0));
        let connect = || short(&path, |short| UnixStream::connect(short)).unwrap();
        let silent = connect();
        for words in ["\n", "{}x\n", "{\"act\":\"explode\"}\n", "{\"act\":\"kill\",\"other\":1}\n", "\0\n"] {
            connect().write_all(words.as_bytes()).unwrap();
        }
        let mut flood = connect();
        let _ = flood.write_all(&vec![b'x'; 1 << 20]);
        assert!(ask(&archive, fake.0, None, None).unwrap().status.is_some());
        assert!(fake.1.lock().unwrap().is_empty(), "nothing was done");
        drop(silent);
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_swept() {
        let (_state, archive, fake, listener) = listening();
        let path = archive.place().join("live").join(format!("{}.sock", fake.0));
        let kept = path.with_extension("kept");
        fs::hard_link(&path, &kept).unwrap();
        sweep(&archive, fake.0);
        assert!(path.exists(), "somebody listens");
        drop(listener);
        fs::rename(&kept, &path).unwrap();
        sweep(&archive, fake.0);
        assert!(!path.exists());
    }
}
