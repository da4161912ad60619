//! From the request to the agent's first instruction, all controls and the proof on.
//!
//! The program reads the clock as its first instruction and writes it down; every peer runs the same one.
//! A pool is full again before the next is taken from it: what it takes to fill it is a start.

use crate::clock::{STAMP, now, read_stamp};
use crate::failure::{Failure, cannot};
use crate::peers::{self, Peer};
use crate::samples::Samples;
use crate::site::{Site, recorder};
use crate::table::{Row, Table, Unit};
use sandbox::{Command, Pool, Sandbox, Stdio};
use std::io::{Error, Read};
use std::thread;
use std::time::Duration;

const WHAT: &str = "start to first instruction";
const BOUND_US: f64 = 3000.0;
const POOL_BOUND_US: f64 = 1200.0;
const POOL_SIZE: usize = 2;

pub(crate) fn measure(site: &Site, table: &mut Table) -> Result<(), Failure> {
    let programs = &site.programs;
    let (peers, missing) = peers::working(&programs.stamp, &programs.stamp, site.folder());
    missing.into_iter().for_each(|peer| table.missing(peer));
    let pool = site.pool(POOL_SIZE)?;
    let (mut ours, mut pooled) = <(Ours, Ours)>::default();
    let mut theirs: Vec<_> =
        peers.iter().map(|peer| (peer, Samples::default(), Samples::default())).collect();
    for round in 0..site.rounds + WARM_UP {
        let life = live(site, || site.start())?;
        wait_for(&pool);
        let from_pool = live(site, || Ok(pool.take(recorder())?))?;
        if round >= WARM_UP {
            ours.add(&life);
            pooled.add(&from_pool);
        }
        wait_for(&pool);
        for (peer, first, whole) in &mut theirs {
            let (to_first, to_end) = run_peer(peer)?;
            if round >= WARM_UP {
                first.push(to_first);
                whole.push(to_end);
            }
        }
    }
    drop(pool);
    report(&ours, &theirs, table);
    report_pool(&pooled, &ours, table);
    two_at_a_time(site, &peers, table)
}

/// Until nothing is being prepared.
fn wait_for(pool: &Pool) {
    while pool.ready() < POOL_SIZE {
        thread::sleep(Duration::from_micros(200));
    }
}

const WARM_UP: u32 = 3;

/// What one short life of a sandbox took.
struct Life {
    start: Duration,
    proof: Duration,
    first_instruction: Duration,
    call: Duration,
    end: Duration,
}

fn live(site: &Site, start: impl Fn() -> Result<Sandbox, Failure>) -> Result<Life, Failure> {
    let before = now();
    let sandbox = start()?;
    let started = now();
    let mut call = sandbox.call(Command::new(site.programs.stamp.as_os_str()).stderr(Stdio::Null))?;
    let mut bytes = [0; STAMP];
    if let Some(stdout) = &mut call.stdout {
        stdout.read_exact(&mut bytes).map_err(cannot("read from the sandbox"))?;
    }
    call.wait();
    let first = stamp(&bytes)?;
    let proof = Duration::from_micros(sandbox.proof().duration_us);
    let ending = now();
    sandbox.end();
    Ok(Life {
        start: started - before,
        proof,
        first_instruction: first.saturating_sub(before),
        call: first.saturating_sub(started),
        end: now() - ending,
    })
}

fn stamp(bytes: &[u8]) -> Result<Duration, Failure> {
    read_stamp(bytes).ok_or_else(|| cannot("read the stamp")(Error::other("it is too short")))
}

/// The time to its first instruction, and to its end.
fn run_peer(peer: &Peer) -> Result<(Duration, Duration), Failure> {
    let before = now();
    let output = peer.command().output().map_err(cannot(format!("run {}", peer.name())))?;
    let whole = now() - before;
    Ok((stamp(&output.stdout)?.saturating_sub(before), whole))
}

#[derive(Default)]
struct Ours {
    start: Samples,
    proof: Samples,
    first_instruction: Samples,
    call: Samples,
    end: Samples,
}

impl Ours {
    fn add(&mut self, life: &Life) {
        self.start.push(life.start);
        self.proof.push(life.proof);
        self.first_instruction.push(life.first_instruction);
        self.call.push(life.call);
        self.end.push(life.end);
    }
}

fn report(ours: &Ours, theirs: &[(&Peer, Samples, Samples)], table: &mut Table) {
    let own = ours.first_instruction.median();
    let bubblewrap = theirs.iter().find(|(peer, ..)| matches!(peer, Peer::Bubblewrap { .. }));
    let bound = bubblewrap.map_or(BOUND_US, |(_, _, whole)| whole.median().min(BOUND_US));
    let mut row = Row::new(WHAT, "aurelian", Unit::Milliseconds, &ours.first_instruction)
        .target("≤ 3 ms, and below bubblewrap's whole process", own <= bound);
    if let Some((peer, first, _)) = bubblewrap {
        row = row.against(peer.name(), first.median());
    }
    table.add(row);
    let parts = [
        ("of which `Sandbox::start`", &ours.start),
        ("of which the proof", &ours.proof),
        ("of which the call", &ours.call),
        ("its end, not part of it", &ours.end),
    ];
    for (what, samples) in parts {
        table.add(Row::new(what, "aurelian", Unit::Milliseconds, samples));
    }
    for (peer, first, whole) in theirs {
        table.add(Row::new(WHAT, peer.name(), Unit::Milliseconds, first));
        table.add(Row::new("start to end of process", peer.name(), Unit::Milliseconds, whole));
    }
}

fn report_pool(pooled: &Ours, fresh: &Ours, table: &mut Table) {
    let first = &pooled.first_instruction;
    let row = Row::new("from a pool to first instruction", "aurelian", Unit::Milliseconds, first);
    let row = row.against("a fresh start", fresh.first_instruction.median());
    table.add(row.target("≤ 1.2 ms", first.median() <= POOL_BOUND_US));
    table.add(Row::new("of which taking it", "aurelian", Unit::Milliseconds, &pooled.start));
}

/// How many in a row make a figure, and how many figures.
const BLOCK: u32 = 50;
const BLOCKS: u32 = 6;

fn two_at_a_time(site: &Site, peers: &[Peer], table: &mut Table) -> Result<(), Failure> {
    let mut ours = Samples::default();
    let mut theirs: Vec<_> = peers.iter().map(|peer| (peer, Samples::default())).collect();
    for _ in 0..BLOCKS {
        ours.push_number(rate(&|| live(site, || site.start()).map(drop))?);
        for (peer, samples) in &mut theirs {
            samples.push_number(rate(&|| run_peer(peer).map(drop))?);
        }
    }
    let what = "lives a second, two at a time";
    table.add(Row::new(what, "aurelian", Unit::PerSecond, &ours).target("≥ 400 /s", ours.median() >= 400.0));
    for (peer, samples) in &theirs {
        table.add(Row::new(what, peer.name(), Unit::PerSecond, samples));
    }
    Ok(())
}

/// How many a second two threads get done.
fn rate(action: &(dyn Fn() -> Result<(), Failure> + Sync)) -> Result<f64, Failure> {
    let before = now();
    let repeat = || (0..BLOCK).try_for_each(|_| action());
    thread::scope(|scope| {
        let other = scope.spawn(repeat);
        repeat().and(other.join().unwrap_or(Ok(())))
    })?;
    Ok(f64::from(2 * BLOCK) / (now() - before).as_secs_f64())
}
