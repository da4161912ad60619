//! The root: the host's programs, read-only, and nothing else of the host; a scratch layer of the run's own; and a
//! `/proc` and `/dev` that lead nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::{Stage, alone, canonical_tempdir};

/// Answers that mean: this is not there, or not yours.
const ABSENT: &str = "ENOENT|EACCES|EPERM|ENOTDIR";

// Row "AF_UNIX sockets, abstract sockets or D-Bus lead out", and DESIGN.md: nothing else of the host.
#[test]
fn what_the_host_keeps_to_itself_is_absent() {
    let ran = Stage::new()
        .python(
            r#"
for path in ["/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/sudoers", "/etc/ssl/private", "/etc/machine-id",
             "/etc/fstab", "/etc/crontab", "/etc/cron.d", "/run/docker.sock", "/var/run/docker.sock", "/run/dbus",
             "/run/systemd", "/run/user", "/run/containerd", "/run/podman", "/var/lib/docker", "/var/lib/dpkg",
             "/var/log", "/var/spool", "/boot", "/srv", "/mnt", "/media", "/opt", "/sys", "/sys/fs/cgroup",
             "/sys/kernel", "/dev/kvm", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/net/tun", "/dev/console",
             "/dev/mqueue", "/dev/vda", "/dev/sda", "/dev/nvidia0", "/lost+found", "/.dockerenv", "/oldroot"]:
    say(path, attempt(os.stat, path))
"#,
        )
        .well();
    ran.assert_all(41, &["ENOENT", "EACCES"]);
}

#[test]
fn what_lies_in_temporary_folders_of_the_host_is_absent() {
    let marks: Vec<_> = ["/tmp", "/var/tmp", "/dev/shm"]
        .into_iter()
        .filter_map(|folder| tempfile::Builder::new().prefix("aurelian-mark-").tempfile_in(folder).ok())
        .collect();
    assert!(!marks.is_empty(), "a temporary folder of the host can be written");
    let stage = Stage::new();
    let ran = stage.python(
        r#"
for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run"]:
    say(folder, [name for name in os.listdir(folder) if "mark" in name])
"#,
    );
    ran.well().assert_all(4, &["[]"]);
}

#[test]
fn homes_hold_toolchains_and_no_credentials() {
    const TEST: &str = "homes_hold_toolchains_and_no_credentials";
    let (_folder, home) = canonical_tempdir();
    let secrets = [
        ".ssh/id_ed25519",
        ".aws/credentials",
        ".cargo/credentials.toml",
        ".cargo/credentials",
        ".netrc",
        ".docker/config.json",
        ".gnupg/private.key",
        ".config/gh/hosts.yml",
        ".kube/config",
        ".git-credentials",
        ".pypirc",
        ".bash_history",
        ".npmrc",
        ".cargo/config.toml",
        "Documents/letter",
    ];
    for secret in secrets {
        fs::create_dir_all(home.join(secret).parent().unwrap()).unwrap();
        fs::write(home.join(secret), "token = 'sk-secret'").unwrap();
    }
    fs::create_dir_all(home.join(".cargo/bin")).unwrap();
    fs::write(home.join(".cargo/bin/tool"), "#!/bin/sh\necho tool=runs\n").unwrap();
    fs::set_permissions(home.join(".cargo/bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:/usr/bin:/bin", home.join(".cargo/bin").display());
    if !alone(TEST, &[("HOME", home.as_os_str()), ("PATH", OsStr::new(&search))]) {
        return;
    }
    // In the process of its own, the folder above is another: the home is what `HOME` says.
    let home = std::env::var("HOME").unwrap();
    let stage = Stage::new();
    assert_eq!(stage.sandbox.home(), Path::new(&home));
    let ran = stage.python(&format!("home = {home:?}\nsecrets = {secrets:?}\n{READ_SECRETS}")).well();
    ran.assert_said(&[("found", "[]"), ("others", "[]"), ("tool", "runs"), ("write", "EROFS|EACCES")]);
}

const READ_SECRETS: &str = r#"
found = []
for secret in secrets:
    try:
        if read(f"{home}/{secret}"):
            found.append(secret)
    except OSError:
        pass
say("found", found)
others = [name for name in os.listdir("/home") if not home.startswith(f"/home/{name}")] if os.path.isdir("/home") else []
if home != "/root" and os.path.isdir("/root"):
    others += os.listdir("/root")
say("others", others)
os.system("tool")
say("write", attempt(write, f"{home}/.cargo/bin/tool"))
"#;

#[test]
fn the_image_cannot_be_changed() {
    let stage = Stage::new();
    let ran = stage.python(
        r#"
say("create", attempt(write, "/created"))
say("folder", attempt(os.mkdir, "/usr/created"))
say("local", attempt(write, "/usr/local/bin/created"))
say("accounts", attempt(write, "/etc/passwd"))
say("resolver", attempt(write, "/etc/resolv.conf"))
say("program", attempt(write, "/usr/bin/env"))
say("append", attempt(lambda: os.close(os.open("/usr/bin/env", os.O_WRONLY | os.O_APPEND))))
say("remove", attempt(os.unlink, "/usr/bin/env"))
say("rename", attempt(os.rename, "/usr/bin", "/usr/bin2"))
say("mode", attempt(os.chmod, "/usr/bin/env", 0o777))
say("owner", attempt(os.chown, "/usr/bin/env", os.getuid(), os.getgid()))
say("times", attempt(os.utime, "/usr/bin/env", (0, 0)))
say("attribute", attempt(os.setxattr, "/usr/bin/env", "user.x", b"x"))
say("link", attempt(os.link, "/usr/bin/env", "/tmp/env"))
say("device", attempt(os.mkdir, "/dev/created"))
say("point", attempt(os.rmdir, "/tmp"))
say("replace", attempt(os.rename, "/tmp", "/tmp2"))
"#,
    );
    ran.well().assert_all(17, &["EROFS", "EACCES", "EPERM", "EXDEV", "EBUSY", "ETXTBSY"]);
}

// Row "/proc/self/exe of the runtime overwritten from inside" (runc CVE-2019-5736).
#[test]
fn no_running_program_can_be_overwritten() {
    let stage = Stage::new();
    let before = fs::read("/bin/sh").unwrap();
    let ran = stage.python(
        r##"
say("self", attempt(write, "/proc/self/exe"))
say("init", attempt(write, "/proc/1/exe"))
say("init_read", attempt(read, "/proc/1/exe"))
write("/tmp/trap", b"#!/proc/self/exe\n")
os.chmod("/tmp/trap", 0o755)
pid = os.fork()
if pid == 0:
    try:
        os.execv("/tmp/trap", ["/tmp/trap"])
    finally:
        os._exit(3)
os.waitpid(pid, 0)
import glob
for exe in glob.glob("/proc/[0-9]*/exe"):
    # The file behind an open descriptor, once nothing executes it any more, is what the attack overwrote.
    try:
        fd = os.open(exe, os.O_PATH)
        say(f"by_descriptor_{exe}", attempt(write, f"/proc/self/fd/{fd}"))
    except OSError:
        pass
"##,
    );
    let ran = ran.well();
    ran.assert_said(&[
        ("self", "ETXTBSY|EROFS|EACCES"),
        ("init", "EACCES|EPERM"),
        ("init_read", "EACCES|EPERM"),
    ]);
    assert!(!ran.all_said().values().any(|answer| *answer == "open"), "{ran:?}");
    assert_eq!(fs::read("/bin/sh").unwrap(), before);
    assert_eq!(stage.shell("echo runs=yes").well().said("runs"), "yes", "another call starts as before");
}

#[test]
fn the_init_shows_nothing_of_itself() {
    let ran = Stage::new().python(
        r#"
for name in ["root", "cwd", "exe"]:
    say(name, attempt(os.readlink, f"/proc/1/{name}"))
for name in ["root/", "root/etc/shadow", "cwd/", "map_files", "ns/user", "ns/mnt"]:
    say(name, attempt(os.listdir, f"/proc/1/{name}"))
# That it has descriptors may be seen, where the agent has its user id; what they are may not.
for fd in range(0, 16):
    for name in (f"fd/{fd}", f"fdinfo/{fd}"):
        say(name, attempt(os.readlink, f"/proc/1/{name}"))
        say(name + " opened", attempt(lambda: os.close(os.open(f"/proc/1/{name}", os.O_RDWR))))
for name in ["mem", "environ", "auxv", "io", "syscall", "stack", "personality", "pagemap"]:
    # Some of these open, and then read as nothing: only a byte counts.
    say(name, attempt(lambda: read(f"/proc/1/{name}") or (_ for _ in ()).throw(OSError(2, "empty"))))
say("maps", attempt(lambda: read("/proc/1/maps") or (_ for _ in ()).throw(OSError(2, "empty"))))
"#,
    );
    ran.well().assert_all(82, &["EACCES", "EPERM", "ENOENT", "ENOTDIR", "EIO"]);
}

// Row "with a GPU, /proc becomes writable" (OpenShell #1486), and runc CVE-2025-31133, -52565, -52881.
#[test]
fn nothing_of_the_kernel_can_be_written() {
    let ran = Stage::new().python(
        r#"
writable = []
for top, folders, files in os.walk("/proc"):
    if top == "/proc":
        folders[:] = [f for f in folders if not f.isdigit() and f not in ("self", "thread-self")]
    for file in files:
        path = os.path.join(top, file)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            writable.append(path)
        except OSError:
            pass
say("writable", writable)
for path in ["kernel/hostname", "kernel/core_pattern", "kernel/modprobe", "net/ipv4/ip_forward", "vm/drop_caches",
             "kernel/ns_last_pid", "user/max_user_namespaces", "fs/binfmt_misc/register"]:
    say(path, attempt(write, "/proc/sys/" + path))
say("covered", [name for name in ("kcore", "kallsyms", "keys", "timer_list", "sysrq-trigger")
                if os.path.exists(f"/proc/{name}") and attempt(read, f"/proc/{name}") == "open" and read(f"/proc/{name}")])
say("oom", attempt(write, "/proc/self/oom_score_adj", b"-1000"))
"#,
    );
    let ran = ran.well();
    ran.assert_said(&[("writable", "[]"), ("covered", "[]"), ("kernel/core_pattern", "EROFS|EACCES|ENOENT")]);
    let opened: Vec<_> = ran.all_said().into_iter().filter(|(_, answer)| *answer == "open").collect();
    assert!(opened.is_empty(), "{opened:?}");
}

#[test]
fn devices_are_the_harmless_ones() {
    let ran = Stage::new().python(
        r#"
import stat
allowed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "stdin", "stdout", "stderr", "pts", "shm"}
say("strangers", sorted(set(os.listdir("/dev")) - allowed))
say("missing", sorted(allowed - set(os.listdir("/dev"))))
say("pts", [name for name in os.listdir("/dev/pts") if name != "ptmx"])
devices = []
for folder in ["/tmp", os.getcwd(), "/dev/shm"]:
    for kind, number in ((stat.S_IFCHR, os.makedev(1, 3)), (stat.S_IFBLK, os.makedev(8, 0))):
        devices.append(attempt(os.mknod, folder + "/device", kind | 0o666, number))
say("mknod", sorted(set(devices)))
os.mkfifo("/tmp/fifo")
say("null", attempt(write, "/dev/null"))
"#,
    );
    ran.well().assert_said(&[
        ("strangers", "[]"),
        ("missing", "[]"),
        ("pts", "[]"),
        ("mknod", "['EPERM']"),
        ("null", "open"),
    ]);
}

#[test]
fn the_scratch_layer_belongs_to_one_run() {
    let (one, two) = (Stage::new(), Stage::new());
    let write = r#"
home = os.environ["HOME"]
for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run", home]:
    path = f"{folder}/left-behind-5b1a2c3d"
    say(folder, os.path.exists(path))
    write(path)
"#;
    one.python(write).well().assert_all(5, &["False"]);
    two.python(write).well().assert_all(5, &["False"]);
    one.python(write).well().assert_all(5, &["True"]);
    for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run"] {
        assert!(!Path::new(folder).join("left-behind-5b1a2c3d").exists(), "{folder} of the host");
    }
}

#[test]
fn what_a_policy_hides_looks_empty() {
    let (folder, workspace) = canonical_tempdir();
    fs::create_dir(workspace.join("secrets")).unwrap();
    fs::write(workspace.join("secrets/key"), "key").unwrap();
    fs::write(workspace.join("token"), "token").unwrap();
    let hide = format!("filesystem: {{ hide: ['{0}/secrets', '{0}/token'] }}", workspace.display());
    let stage = Stage::at(&hide, folder, workspace);
    let ran = stage.python(
        r#"
say("folder", os.listdir("secrets"))
say("file", read("token"))
say("write", attempt(write, "token"))
say("plant", attempt(write, "secrets/key"))
say("remove", attempt(os.unlink, "token"))
say("move", attempt(os.rename, "secrets", "elsewhere"))
say("link", attempt(os.link, "token", "token2"))
say("through", attempt(read, "/proc/self/cwd/secrets/key"))
"#,
    );
    let no = "EROFS|EACCES|EPERM|EBUSY|EXDEV";
    let ran = ran.well();
    ran.assert_said(&[("folder", "[]"), ("file", "b''"), ("write", no), ("plant", no), ("remove", no)]);
    ran.assert_said(&[("move", no), ("link", no), ("through", "ENOENT")]);
    assert_eq!(
        (stage.host_reads("token"), stage.host_reads("secrets/key")),
        (b"token".into(), b"key".into())
    );
}

#[test]
fn a_hidden_folder_cannot_be_reached_by_renaming_the_one_above() {
    let (folder, workspace) = canonical_tempdir();
    fs::create_dir_all(workspace.join("a/b/secrets")).unwrap();
    fs::write(workspace.join("a/b/secrets/key"), "key").unwrap();
    let hide = format!("filesystem: {{ hide: ['{}/a/b/secrets'] }}", workspace.display());
    let stage = Stage::at(&hide, folder, workspace);
    let ran = stage.python(
        r#"
say("rename", attempt(os.rename, "a", "c"))
say("rename_near", attempt(os.rename, "a/b", "c"))
found = [path for path, _, files in os.walk(".") if "key" in files]
say("found", found)
"#,
    );
    ran.well().assert_said(&[("found", "[]")]);
    assert_eq!(stage.host_reads("a/b/secrets/key"), b"key", "what is hidden stays in its place for the host");
}

#[test]
fn what_a_policy_lets_read_can_only_be_read() {
    let (_data, data) = canonical_tempdir();
    fs::write(data.join("set"), "data").unwrap();
    std::os::unix::fs::symlink("/etc/machine-id", data.join("out")).unwrap();
    let stage = Stage::with(&format!("filesystem: {{ read: ['{}'] }}", data.display()));
    let ran = stage.python(&format!(
        r#"
os.chdir({:?})
say("read", read("set"))
say("write", attempt(write, "set"))
say("create", attempt(write, "new"))
say("remove", attempt(os.unlink, "set"))
say("out", attempt(read, "out"))
"#,
        data.display()
    ));
    let no = "EROFS|EACCES|EPERM";
    ran.well().assert_said(&[
        ("read", "b'data'"),
        ("write", no),
        ("create", no),
        ("remove", no),
        ("out", ABSENT),
    ]);
}

#[test]
fn what_a_policy_lets_write_is_the_operators_folder() {
    let (_results, results) = canonical_tempdir();
    let stage = Stage::with(&format!("filesystem: {{ write: ['{}'] }}", results.display()));
    let ran = stage.python(&format!(
        "os.chdir({:?}); write('new'); os.mkdir('folder'); \
         say('near', [n for n in os.listdir('..') if n not in ({:?}, {:?})\n\
         and not os.environ['HOME'].startswith(os.path.abspath('../' + n))]); attempt(write, '../beside')",
        results.display(),
        results.file_name().unwrap(),
        stage.workspace.file_name().unwrap(),
    ));
    ran.well().assert_said(&[("near", "[]")]);
    assert_eq!(fs::read(results.join("new")).unwrap(), b"agent");
    assert!(!results.join("../beside").exists(), "the folder above is the scratch layer's");
}

// Row "the audit log lies where the agent can write" (ROCK, OpenShell): an output that the operator keeps is such a
// log, and `/proc/self/fd/1` is a way to it.
#[test]
fn an_output_file_cannot_be_read_or_rewritten_through_its_descriptor() {
    let (_folder, folder) = canonical_tempdir();
    let log = folder.join("log");
    fs::write(&log, "what was said before\n").unwrap();
    let file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    let stage = Stage::new();
    let command = support::python(
        r#"
answers = [attempt(lambda: os.close(os.open(f"/proc/self/fd/{fd}", flags)))
           for fd in ("1", "../../self/fd/1") for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC)]
os.write(2, repr(sorted(set(answers))).encode())
os.write(1, b"and after\n")
"#,
    );
    let command = sandbox::Command::new(&command[0])
        .args(&command[1..])
        .stdout(sandbox::Stdio::File(file.into()))
        .timeout(std::time::Duration::from_secs(60));
    let ran = stage.start_command(command).wait().well();
    assert_eq!(fs::read_to_string(&log).unwrap(), "what was said before\nand after\n", "{}", ran.err);
}
