//! With a control switched off, the proof notices: nothing is started, and the error names the control.
//!
//! `cargo test -p sandbox --features break-controls --test break_controls`
#![cfg(feature = "break-controls")]

use sandbox::image::Image;
use sandbox::{Blind, Sandbox, Setup, Supervisor, Workspace};
use std::process::Command;
use std::sync::Arc;

/// Runs in a process of its own, whose environment names the control.
#[test]
fn victim() {
    if std::env::var_os("AURELIAN_BREAK").is_none() {
        return;
    }
    let supervisor = Supervisor::new().unwrap();
    let workspace = tempfile::tempdir().unwrap();
    let setup = Setup {
        policy: policy::Policy::default(),
        workspace: Workspace::new(workspace.path(), None, None).unwrap(),
        image: Image::Host,
    };
    match Sandbox::start(&supervisor, &setup, Arc::new(Blind)) {
        Ok(_) => println!("started"),
        Err(error) => println!("refused: control={} message={error}", error.control()),
    }
}

fn outcome(broken: &str) -> String {
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own)
        .args(["--exact", "victim", "--nocapture"])
        .env("AURELIAN_BREAK", broken)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    output
        .lines()
        .find(|line| line.contains("started") || line.contains("refused"))
        .unwrap_or(&output)
        .to_owned()
}

fn refuses(control: &str) {
    let outcome = outcome(control);
    assert!(outcome.contains(&format!("control={control} ")), "{control} is off, and: {outcome}");
}

#[test]
fn whole_boundary_starts() {
    assert_eq!(outcome("nothing"), "started");
}

macro_rules! broken {
    ($($name:ident = $control:literal,)*) => { $(#[test] fn $name() { refuses($control); })* };
}

broken! {
    no_network_namespace = "network namespace",
    no_ipc_namespace = "ipc namespace",
    no_cgroup_namespace = "cgroup namespace",
    no_seccomp = "seccomp",
    no_landlock = "landlock",
    capabilities_kept = "capabilities",
    root_not_entered = "root",
    root_writable = "read-only-root",
    settings_writable = "proc",
}

/// Without it the kernel takes neither a Landlock domain nor a filter.
#[test]
fn new_privileges_allowed() {
    let outcome = outcome("no_new_privs");
    let named = ["landlock", "seccomp"].map(|control| format!("refused: control={control} "));
    assert!(named.iter().any(|named| outcome.contains(named)), "{outcome}");
}

#[test]
fn not_in_its_cgroup() {
    // Only where control groups can be written is there one to be missing.
    if Supervisor::new().unwrap().cgroups() == sandbox::CgroupKind::None {
        println!("skipped: not_in_its_cgroup: this user may not write control groups");
        return;
    }
    refuses("cgroup");
}
