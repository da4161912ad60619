//! What an idle sandbox holds, and a thousand at once.

use crate::clock::now;
use crate::failure::{Failure, cannot};
use crate::machine::kibibytes;
use crate::peers;
use crate::samples::Samples;
use crate::site::Site;
use crate::table::{Row, Table, Unit};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use sandbox::{Command, Sandbox, Stdio};
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::process::{Child, Stdio as ProcessStdio};

const WHAT: &str = "PSS of an idle one, without its payload";
const BOUND_KB: f64 = 1024.0;
/// How many to share what is shared among.
const SOME: u32 = 50;

pub(crate) fn measure(site: &Site, table: &mut Table) -> Result<(), Failure> {
    raise_descriptor_limit();
    let own_before = pss(std::process::id());
    let sandboxes = start(site, SOME)?;
    let inits: u64 = sandboxes.iter().map(|sandbox| pss(sandbox.init_pid())).sum();
    let share = pss(std::process::id()).saturating_sub(own_before);
    drop(sandboxes);
    let each = (inits + share) as f64 / f64::from(SOME);
    table.add(Row::single(WHAT, "aurelian", Unit::Kilobytes, each).target("≤ 1 MB", each <= BOUND_KB));
    table.add(Row::single(
        "of which the supervisor's share",
        "aurelian",
        Unit::Kilobytes,
        share as f64 / f64::from(SOME),
    ));
    idle_peers(site, table)
}

/// Proportional set size of a process, in kB.
fn pss(pid: u32) -> u64 {
    kibibytes(&format!("/proc/{pid}/smaps_rollup"), "Pss").unwrap_or(0)
}

fn start(site: &Site, count: u32) -> Result<Vec<Sandbox>, Failure> {
    (0..count).map(|_| site.start()).collect()
}

/// Each sandbox has a few descriptors open; the usual limit of 1,024 is for programs that use `select`.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn idle_peers(site: &Site, table: &mut Table) -> Result<(), Failure> {
    let programs = &site.programs;
    // What works is known from a program that ends.
    let (working, missing) = peers::working(&programs.bare_true, &programs.bare_true, site.folder());
    missing.into_iter().for_each(|peer| table.missing(peer));
    let (peers, _) = peers::find(&programs.pause, &programs.pause, site.folder());
    let names: Vec<_> = working.iter().map(peers::Peer::name).filter(|name| *name != "fork+exec").collect();
    for peer in peers.iter().filter(|peer| names.contains(&peer.name())) {
        let mut child = peer
            .command()
            .stdout(ProcessStdio::piped())
            .spawn()
            .map_err(cannot(format!("run {}", peer.name())))?;
        let mut ready = [0; 1];
        if let Some(stdout) = &mut child.stdout {
            stdout.read_exact(&mut ready).map_err(cannot(format!("hear from {}", peer.name())))?;
        }
        let family = descendants(child.id());
        let own: u64 = family.iter().filter(|pid| !is_payload(**pid)).map(|pid| pss(*pid)).sum();
        table.add(Row::single(WHAT, peer.name(), Unit::Kilobytes, own as f64));
        end(&mut child, &family);
    }
    Ok(())
}

fn is_payload(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "pause")
}

/// Ends the payload, so that the peer cleans up behind it.
fn end(child: &mut Child, family: &[u32]) {
    let payload =
        family.iter().find(|pid| is_payload(**pid)).and_then(|pid| Pid::from_raw(pid.cast_signed()));
    match payload {
        Some(payload) => drop(kill_process(payload, Signal::KILL)),
        None => drop(child.kill()),
    }
    let _ = child.wait();
}

/// A process, and all that come from it.
fn descendants(pid: u32) -> Vec<u32> {
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parents.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(pid) = family.get(next) {
        family.extend(parents.remove(pid).unwrap_or_default());
        next += 1;
    }
    family
}

const MANY: u32 = 1000;
/// How many of them are asked to do something.
const ASKED: usize = 20;

/// Starts a thousand, and calls into some while all are alive.
pub(crate) fn thousand(site: &Site, table: &mut Table) -> Result<(), Failure> {
    raise_descriptor_limit();
    let (memory, descriptors) = (available(), open_descriptors());
    let own_before = pss(std::process::id());
    let before = now();
    let sandboxes = start(site, MANY)?;
    let started = now() - before;
    let memory = memory.saturating_sub(available());
    let descriptors = open_descriptors().saturating_sub(descriptors);
    let inits: u64 = sandboxes.iter().map(|sandbox| pss(sandbox.init_pid())).sum();
    let share = pss(std::process::id()).saturating_sub(own_before);
    let calls = call_some(&sandboxes)?;
    let before = now();
    drop(sandboxes);
    let ended = now() - before;

    let add = |table: &mut Table, what: &str, unit, figure| {
        table.add(Row::single(format!("1,000 at once: {what}"), "aurelian", unit, figure));
    };
    let start =
        Row::single("1,000 at once: started in", "aurelian", Unit::Seconds, started.as_secs_f64() * 1e6);
    table.add(start.target("all alive", true));
    add(table, "PSS, all together", Unit::Kilobytes, (inits + share) as f64);
    add(table, "available memory that is gone, the kernel's included", Unit::Kilobytes, memory as f64);
    add(table, "descriptors of the supervisor", Unit::Count, descriptors as f64);
    table.add(Row::new("1,000 at once: a call of `true` in one", "aurelian", Unit::Milliseconds, &calls));
    add(table, "ended in", Unit::Seconds, ended.as_secs_f64() * 1e6);
    Ok(())
}

fn call_some(sandboxes: &[Sandbox]) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    for sandbox in sandboxes.iter().step_by(sandboxes.len() / ASKED) {
        let before = now();
        let call = sandbox.call(Command::new("/bin/true").stdout(Stdio::Null).stderr(Stdio::Null))?;
        call.wait();
        samples.push(now() - before);
    }
    Ok(samples)
}

fn available() -> u64 {
    kibibytes("/proc/meminfo", "MemAvailable").unwrap_or(0)
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
