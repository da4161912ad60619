//! Control groups: the bounds of a sandbox and the books of its calls (cgroups(7)).
//!
//! A supervisor owns one folder in each hierarchy that it uses; a run has a folder in it, a call one in that:
//!
//! ```text
//! version 2:  aurelian-PID-START-K / run-N / init, call-1, call-2 …   freeze, kill, processor time; limits on pure v2
//! version 1:  aurelian-PID-START-K / run-N                          memory, pids, cpu limits on hybrid hosts
//! ```
//! All of it is optional: without write access a sandbox is bounded by resource limits, and ended by ending
//! its init. The janitor removes the folders when the supervisor is killed.

use rustix::fd::OwnedFd;
use rustix::fs::{Access, FlockOperation, Mode, OFlags, flock};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The controllers that carry limits.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// What the host's control groups are like, for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All controllers in the version 2 tree.
    Unified,
    /// Limits in version 1, freeze and kill in version 2.
    Hybrid,
    /// None that we may write.
    None,
}

/// The folders that a supervisor will have. They are chosen before they are made, so that the janitor knows them first.
#[derive(Debug)]
pub(crate) struct Places {
    unified: PathBuf,
    legacy: Vec<(&'static str, PathBuf)>,
}

/// A supervisor's folders.
#[derive(Debug)]
pub(crate) struct Cgroups {
    kind: Kind,
    unified: PathBuf,
    /// Controller and folder, on hybrid hosts.
    legacy: Vec<(&'static str, PathBuf)>,
    /// Locks on the folders: whoever finds one without a lock may remove it.
    _locks: Vec<OwnedFd>,
}

/// The limits of a run, as control groups take them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) memory: u64,
    pub(crate) processes: u32,
    pub(crate) milli_cpus: u32,
}

impl Places {
    /// Chooses places. `None`: there are none that we may write. What dead supervisors left there is removed.
    pub(crate) fn choose() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = Mounts::read()?;
        let name = format!("aurelian-{}-{}-{}", std::process::id(), start_time()?, next_supervisor());
        let unified = mounts.unified(&own)?;
        rustix::fs::access(&unified, Access::WRITE_OK).ok()?;
        let legacy = mounts.legacy(&own);
        for above in std::iter::once(&unified).chain(legacy.iter().map(|(_, folder)| folder)) {
            sweep(above);
        }
        let legacy =
            legacy.into_iter().map(|(controller, folder)| (controller, folder.join(&name))).collect();
        Some(Self { unified: unified.join(&name), legacy })
    }

    /// The folders, version 2 first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.unified.as_path()).chain(self.legacy.iter().map(|(_, folder)| folder.as_path()))
    }
}

impl Cgroups {
    /// Makes the supervisor's folders. `None`: there is no version 2 tree that we may write.
    pub(crate) fn claim(places: Places) -> io::Result<Self> {
        let kind = if places.legacy.is_empty() { Kind::Unified } else { Kind::Hybrid };
        let mut locks = vec![make_locked(&places.unified)?];
        let mut legacy = Vec::new();
        for (controller, folder) in places.legacy {
            // A hierarchy that we may not write has no limits of ours; `has` tells.
            if let Ok(lock) = make_locked(&folder) {
                locks.push(lock);
                legacy.push((controller, folder));
            }
        }
        let mut claimed = Self { kind, unified: places.unified, legacy, _locks: locks };
        if claimed.kind == Kind::Unified && claimed.enable_controllers().is_err() {
            // Freeze and kill work all the same.
            claimed.kind = Kind::Hybrid;
        }
        Ok(claimed)
    }

    fn enable_controllers(&self) -> io::Result<()> {
        let all = CONTROLLERS.map(|controller| format!("+{controller}")).join(" ");
        if let Some(above) = self.unified.parent() {
            // Already on wherever a service manager runs; on is on.
            let _ = fs::write(above.join("cgroup.subtree_control"), &all);
        }
        fs::write(self.unified.join("cgroup.subtree_control"), &all)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether this controller's limit is enforced.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.kind == Kind::Unified || self.legacy.iter().any(|(name, _)| *name == controller)
    }

    /// The folders, version 2 first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.unified.as_path()).chain(self.legacy.iter().map(|(_, folder)| folder.as_path()))
    }

    /// Makes a run's folder in the version 2 tree, where its init can be born. `init` is the init's user and group.
    pub(crate) fn run(&self, number: u64, bounds: Bounds, init: Option<(u32, u32)>) -> io::Result<RunCgroup> {
        let unified = self.unified.join(format!("run-{number}"));
        fs::create_dir(&unified)?;
        let controllers = self.kind == Kind::Unified;
        let run =
            RunCgroup { unified, legacy: Vec::new(), controllers, init, peak_before: AtomicU64::new(0) };
        if controllers {
            run.bound_unified(bounds)?;
        }
        fs::create_dir(run.unified.join("init"))?;
        run.entrust(&run.unified)?;
        Ok(run)
    }

    /// Makes a run's folders in the version 1 trees, with its limits, while its init is being born.
    pub(crate) fn bound(&self, run: &mut RunCgroup, bounds: Bounds) -> io::Result<()> {
        let name = run.unified.file_name().unwrap_or_default().to_owned();
        for (controller, folder) in &self.legacy {
            let folder = folder.join(&name);
            fs::create_dir(&folder)?;
            run.legacy.push((controller, folder));
        }
        run.bound_legacy(bounds)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for folder in self.folders() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The folders of a run. Removed when dropped; the processes in it must be gone by then.
#[derive(Debug)]
pub(crate) struct RunCgroup {
    unified: PathBuf,
    legacy: Vec<(&'static str, PathBuf)>,
    controllers: bool,
    /// The most bytes in use before the kernel's count was begun anew.
    peak_before: AtomicU64,
    /// The init's user and group on the host, where they are not ours.
    init: Option<(u32, u32)>,
}

const PERIOD_US: u64 = 100_000;
/// The most bytes in use in a version 1 group; writing to it begins anew.
const PEAK_FILE: &str = "memory.max_usage_in_bytes";

impl RunCgroup {
    fn bound_unified(&self, bounds: Bounds) -> io::Result<()> {
        let quota = u64::from(bounds.milli_cpus) * PERIOD_US / 1000;
        fs::write(self.unified.join("memory.max"), bounds.memory.to_string())?;
        let _ = fs::write(self.unified.join("memory.swap.max"), "0");
        fs::write(self.unified.join("pids.max"), bounds.processes.to_string())?;
        fs::write(self.unified.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
        fs::write(self.unified.join("cgroup.subtree_control"), "+memory +pids +cpu")
    }

    fn bound_legacy(&self, bounds: Bounds) -> io::Result<()> {
        let quota = u64::from(bounds.milli_cpus) * PERIOD_US / 1000;
        for (controller, folder) in &self.legacy {
            match *controller {
                "memory" => fs::write(folder.join("memory.limit_in_bytes"), bounds.memory.to_string())?,
                "pids" => fs::write(folder.join("pids.max"), bounds.processes.to_string())?,
                _ => fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?,
            }
        }
        Ok(())
    }

    /// Where the init is born.
    pub(crate) fn birthplace(&self) -> io::Result<OwnedFd> {
        Ok(open_folder(&self.unified.join("init"))?)
    }

    /// Whether a process whose `/proc/PID/cgroup` this is was born in it, and is under its limits.
    pub(crate) fn holds(&self, places: &str) -> bool {
        let is_in = |controller: &str, folder: &Path| {
            let places = places.lines().filter_map(|line| line.split_once(':')?.1.split_once(":/"));
            let mut of_it = places.filter(|(list, _)| list.split(',').any(|name| name == controller));
            of_it.any(|(_, place)| !place.is_empty() && folder.ends_with(place))
        };
        is_in("", &self.unified.join("init"))
            && self.legacy.iter().all(|(controller, folder)| is_in(controller, folder))
    }

    /// The version 1 folders' lists of threads, open for writing: the init enters by writing itself to each, and its
    /// descendants are born there.
    ///
    /// Only a thread that moves itself needs no lock that all forks of the host share, and that takes the kernel a
    /// grace period of many milliseconds to get. The right to move is the opener's, so the list is all the init needs.
    pub(crate) fn gates(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |folder: &Path| {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::open(folder.join("tasks"), flags, Mode::empty()).map_err(io::Error::from)
        };
        self.legacy.iter().map(|(_, folder)| open(folder)).collect()
    }

    /// Makes the folder of a call. Its first process is born there, for the reason that [`gates`](Self::gates) gives.
    pub(crate) fn call(&self, number: u32) -> io::Result<CallCgroup> {
        let folder = self.unified.join(format!("call-{number}"));
        fs::create_dir(&folder)?;
        let call = CallCgroup { folder, controllers: self.controllers };
        self.entrust(&call.folder)?;
        Ok(call)
    }

    /// Lets the init start processes in a folder: it is asked for the right to, and it is not us. It may then move
    /// processes between the calls of its own run, had it a way to these files, and nothing else.
    fn entrust(&self, folder: &Path) -> io::Result<()> {
        let Some((user, group)) = self.init else { return Ok(()) };
        std::os::unix::fs::chown(folder.join("cgroup.procs"), Some(user), Some(group))
    }

    /// Stops every process, or lets them run on. Takes effect on the way back to user space.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        fs::write(self.unified.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    /// Whether every process stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        entry(&self.unified.join("cgroup.events"), "frozen") == Some(1)
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.unified.join("cgroup.kill"), "1")
    }

    /// Processor time in microseconds.
    pub(crate) fn cpu_us(&self) -> Option<u64> {
        cpu_us(&self.unified)
    }

    /// Bytes in use, and the most there ever were.
    pub(crate) fn memory(&self) -> Option<(u64, u64)> {
        if self.controllers {
            let peak = number(&self.unified.join("memory.peak"));
            let now = number(&self.unified.join("memory.current"))?;
            return Some((now, peak.unwrap_or(now)));
        }
        let (now, peak) = self.memory_since_restart()?;
        Some((now, peak.max(self.peak_before.load(Ordering::Relaxed))))
    }

    /// Bytes in use, and the most since [`RunCgroup::restart_peak`], where version 1 counts them.
    pub(crate) fn memory_since_restart(&self) -> Option<(u64, u64)> {
        let folder = self.legacy_folder("memory")?;
        Some((number(&folder.join("memory.usage_in_bytes"))?, number(&folder.join(PEAK_FILE))?))
    }

    /// Begins the count of version 1 anew, from what is in use now, which it gives. The kernel counts in portions of
    /// 256 KiB for each processor.
    pub(crate) fn restart_peak(&self) -> Option<u64> {
        let file = self.legacy_folder("memory")?.join(PEAK_FILE);
        self.peak_before.fetch_max(number(&file)?, Ordering::Relaxed);
        fs::write(&file, "0").ok()?;
        number(&file)
    }

    /// How many periods were cut short because their processor time was used up.
    pub(crate) fn throttled(&self) -> u64 {
        let folder = if self.controllers { Some(self.unified.as_path()) } else { self.legacy_folder("cpu") };
        folder.and_then(|folder| entry(&folder.join("cpu.stat"), "nr_throttled")).unwrap_or(0)
    }

    /// How often the memory limit killed a process.
    pub(crate) fn memory_kills(&self) -> u64 {
        let file = match (self.controllers, self.legacy_folder("memory")) {
            (true, _) => self.unified.join("memory.events"),
            (false, Some(folder)) => folder.join("memory.oom_control"),
            (false, None) => return 0,
        };
        entry(&file, "oom_kill").unwrap_or(0)
    }

    /// How often the limit on processes refused one.
    pub(crate) fn process_refusals(&self) -> u64 {
        let folder = if self.controllers { Some(self.unified.as_path()) } else { self.legacy_folder("pids") };
        folder.and_then(|folder| entry(&folder.join("pids.events"), "max")).unwrap_or(0)
    }

    /// How many processes and threads there are.
    pub(crate) fn processes(&self) -> Option<u64> {
        let folder = if self.controllers { Some(self.unified.as_path()) } else { self.legacy_folder("pids") };
        folder.and_then(|folder| number(&folder.join("pids.current")))
    }

    fn legacy_folder(&self, controller: &str) -> Option<&Path> {
        self.legacy.iter().find(|(name, _)| *name == controller).map(|(_, folder)| folder.as_path())
    }

    /// Removes the folders, waiting a moment for the kernel to let go of the dead.
    pub(crate) fn remove(&self) {
        let folders = std::iter::once(&self.unified).chain(self.legacy.iter().map(|(_, folder)| folder));
        for folder in folders {
            remove_tree(folder);
        }
    }
}

impl Drop for RunCgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The folder of a call.
#[derive(Debug)]
pub(crate) struct CallCgroup {
    folder: PathBuf,
    controllers: bool,
}

impl CallCgroup {
    /// Where the first process is born.
    pub(crate) fn birthplace(&self) -> io::Result<OwnedFd> {
        Ok(open_folder(&self.folder)?)
    }

    /// Removes the folder of a call that did not come to be.
    pub(crate) fn discard(self) {
        let _ = fs::remove_dir(&self.folder);
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.kill"), "1")
    }

    pub(crate) fn cpu_us(&self) -> Option<u64> {
        cpu_us(&self.folder)
    }

    /// The most bytes in use, where the version 2 tree counts them.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        if self.controllers { number(&self.folder.join("memory.peak")) } else { None }
    }
}

fn cpu_us(folder: &Path) -> Option<u64> {
    entry(&folder.join("cpu.stat"), "usage_usec")
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number behind `key` in a file of `key number` lines.
fn entry(file: &Path, key: &str) -> Option<u64> {
    let content = fs::read_to_string(file).ok()?;
    content.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

/// Removes a tree of groups whose processes are dead or dying. Most have nothing below them.
fn remove_tree(folder: &Path) {
    const ATTEMPTS: u32 = 200;
    for attempt in 0..ATTEMPTS {
        if is_removed(folder) {
            return;
        }
        if let Ok(entries) = fs::read_dir(folder) {
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let _ = fs::remove_dir(entry.path());
            }
        }
        if is_removed(folder) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_micros(u64::from(attempt) * 50));
    }
}

fn is_removed(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Makes a folder and locks it, as long as the descriptor is open. Between the two, another supervisor may take it
/// for one that was left behind, and remove it: then it is made again.
fn make_locked(folder: &Path) -> io::Result<OwnedFd> {
    const ATTEMPTS: u32 = 64;
    for _ in 0..ATTEMPTS {
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Ok(lock) = open_folder(folder)
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
            && is_at(&lock, folder)
        {
            return Ok(lock);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(io::Error::other("another supervisor keeps removing it"))
}

/// Whether the open folder is the one at a path.
fn is_at(open: &OwnedFd, path: &Path) -> bool {
    let (open, there) = (rustix::fs::fstat(open), rustix::fs::stat(path));
    matches!((open, there), (Ok(open), Ok(there)) if (open.st_dev, open.st_ino) == (there.st_dev, there.st_ino))
}

fn open_folder(folder: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW;
    rustix::fs::open(folder, flags, Mode::empty())
}

/// Removes what supervisors left whose janitor was killed as well. A supervisor that lives holds a lock, whatever
/// its version and its pid namespace; its process id tells nothing there.
fn sweep(above: &Path) {
    let Ok(entries) = fs::read_dir(above) else { return };
    let left =
        entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"aurelian-"));
    for folder in left.map(|entry| entry.path()) {
        let Ok(lock) = open_folder(&folder) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let _ = fs::write(folder.join("cgroup.kill"), "1");
        if let Ok(runs) = fs::read_dir(&folder) {
            runs.flatten().filter(|run| run.path().is_dir()).for_each(|run| remove_tree(&run.path()));
        }
        let _ = fs::remove_dir(&folder);
    }
}

/// Tells the supervisors of one process apart.
fn next_supervisor() -> u32 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    TAKEN.fetch_add(1, Ordering::Relaxed)
}

fn start_time() -> Option<String> {
    process_start_time("self")
}

/// When a process started, in ticks since boot: with its id it names it for good (proc_pid_stat(5)).
fn process_start_time(pid: &str) -> Option<String> {
    const FIELD_AFTER_NAME: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(FIELD_AFTER_NAME).map(str::to_owned)
}

/// Where the hierarchies are mounted.
struct Mounts {
    unified: PathBuf,
    /// Controllers and mount points.
    legacy: Vec<(String, PathBuf)>,
}

impl Mounts {
    fn read() -> Option<Self> {
        let table = fs::read_to_string("/proc/self/mounts").ok()?;
        let mut unified = None;
        let mut legacy = Vec::new();
        for line in table.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(point), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            match kind {
                "cgroup2" => unified = Some(PathBuf::from(point)),
                "cgroup" => legacy.push((options.to_owned(), PathBuf::from(point))),
                _ => {}
            }
        }
        Some(Self { unified: unified?, legacy })
    }

    /// Our place in the version 2 tree. A host with a service manager keeps processes out of inner groups,
    /// so as root ours go to the top.
    fn unified(&self, own: &str) -> Option<PathBuf> {
        let place = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let privileged = rustix::process::geteuid().is_root();
        Some(if privileged { self.unified.clone() } else { join(&self.unified, place) })
    }

    fn legacy(&self, own: &str) -> Vec<(&'static str, PathBuf)> {
        CONTROLLERS
            .iter()
            .filter_map(|controller| {
                let has = |list: &str| list.split(',').any(|name| name == *controller);
                let (_, point) = self.legacy.iter().find(|(options, _)| has(options))?;
                let place = own.lines().find_map(|line| {
                    let (controllers, place) = line.split_once(':')?.1.split_once(':')?;
                    has(controllers).then_some(place)
                })?;
                Some((*controller, join(point, place)))
            })
            .collect()
    }
}

fn join(point: &Path, place: &str) -> PathBuf {
    point.join(place.trim_start_matches('/'))
}
