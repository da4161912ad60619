//! What honest work does all day, and must not notice the boundary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::ffi::OsStr;
use std::fs;

use support::{Stage, alone, canonical_tempdir};

// Each Landlock domain refuses this unless a rule of its own allows it; every cargo build needs it.
#[test]
fn files_move_and_link_between_folders() {
    let stage = Stage::new();
    let ran = stage.python(
        r#"
for place in [".", "/tmp", os.environ["HOME"]]:
    os.makedirs(f"{place}/from/deep"), os.makedirs(f"{place}/to")
    write(f"{place}/from/file")
    say(f"link {place}", attempt(os.link, f"{place}/from/file", f"{place}/to/link"))
    say(f"move {place}", attempt(os.rename, f"{place}/from/file", f"{place}/to/file"))
    say(f"folder {place}", attempt(os.rename, f"{place}/from/deep", f"{place}/to/deep"))
"#,
    );
    ran.well().assert_all(9, &["open"]);
}

// As uid 0, GNU tar wants to give files to whom the archive says, which nobody inside can.
#[test]
fn an_archive_of_somebody_else_can_be_unpacked() {
    let stage = Stage::new();
    let ran = stage.python(
        r#"
import subprocess, tarfile
with tarfile.open("archive.tar", "w") as archive:
    entry = tarfile.TarInfo("program")
    entry.uid = entry.gid = 4242
    entry.mode = 0o755
    archive.addfile(entry)
say("tar", subprocess.run(["tar", "xf", "archive.tar"]).returncode)
say("mode", oct(os.stat("program").st_mode & 0o777))
"#,
    );
    ran.well().assert_said(&[("tar", "0"), ("mode", "0o755")]);
}

#[test]
fn git_knows_who_commits_and_nothing_else_of_the_operator() {
    const TEST: &str = "git_knows_who_commits_and_nothing_else_of_the_operator";
    let (_folder, home) = canonical_tempdir();
    let settings = "[user]\n\tname = Ada\n\temail = ada@example.org\n[http]\n\textraHeader = secret\n";
    fs::write(home.join(".gitconfig"), settings).unwrap();
    if !alone(TEST, &[("HOME", home.as_os_str()), ("PATH", OsStr::new("/usr/bin:/bin"))]) {
        return;
    }
    let stage = Stage::new();
    let ran = stage.python(
        r#"
text = read(os.environ["HOME"] + "/.gitconfig").decode()
say("name", "Ada" in text)
say("address", "ada@example.org" in text)
say("rest", "secret" in text)
"#,
    );
    ran.well().assert_said(&[("name", "True"), ("address", "True"), ("rest", "False")]);
}
