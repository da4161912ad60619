//! What watching costs the agent, as the agent sees it: connections and executions, inside and outside.

use crate::failure::{Failure, cannot};
use crate::samples::Samples;
use crate::site::Site;
use crate::table::{Row, Table, Unit};
use sandbox::{Command, Sandbox, Stdio};
use std::io::{Error, Read};
use std::process;

/// How many operations make a figure, and how many figures.
const OPERATIONS: usize = 2000;
const EXECUTIONS: usize = 200;
const BLOCKS: usize = 5;

pub(crate) fn measure(site: &Site, table: &mut Table) -> Result<(), Failure> {
    let sandbox = site.start()?;
    let own = || process::Command::new(&site.programs.latency);
    // A namespace without a network, so that outside it is refused too and nothing leaves.
    let own_network = || {
        let mut command = process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]).arg(&site.programs.latency);
        command
    };
    let refused = Operation { name: "refused", what: "a refused connect", times: OPERATIONS };
    match pair(site, &sandbox, &refused, &own_network) {
        Ok((inside, outside)) => {
            let reached = inside.p50.median() <= 50.0;
            table.add(inside.row(&refused, "aurelian").target("≤ 50 µs", reached));
            table.add(outside.row(&refused, "unshare -rn, plain"));
        }
        Err(failure) => table.missing(format!("a refused connect: {failure}")),
    }
    let loopback = Operation { name: "loopback", what: "a connect to the loopback", times: OPERATIONS };
    compare(site, &sandbox, &loopback, &own, table)?;
    let exec = Operation { name: "exec", what: "posix_spawn and wait for `true`", times: EXECUTIONS };
    compare(site, &sandbox, &exec, &own, table)?;
    sandbox.end();
    Ok(())
}

struct Operation {
    name: &'static str,
    what: &'static str,
    times: usize,
}

/// Medians and 99th percentiles of several blocks.
#[derive(Default)]
struct Blocks {
    p50: Samples,
    p99: Samples,
}

impl Blocks {
    fn add(&mut self, said: &str) -> Result<(), Failure> {
        let malformed = || cannot("read what `latency` says")(Error::other(said.to_owned()));
        let mut numbers = said.split_whitespace().map(str::parse::<f64>);
        for samples in [&mut self.p50, &mut self.p99] {
            let nanoseconds = numbers.next().and_then(Result::ok).ok_or_else(malformed)?;
            samples.push_number(nanoseconds / 1e3);
        }
        Ok(())
    }

    /// The median of the medians, and the median of the 99th percentiles.
    fn row(&self, operation: &Operation, who: &str) -> Row {
        Row::new(operation.what, who, Unit::Microseconds, &self.p50)
            .with_p99(self.p99.median(), BLOCKS * operation.times)
    }
}

type Outside<'a> = &'a dyn Fn() -> process::Command;

fn pair(
    site: &Site,
    sandbox: &Sandbox,
    operation: &Operation,
    outside: Outside<'_>,
) -> Result<(Blocks, Blocks), Failure> {
    let (mut inside, mut plain) = <(Blocks, Blocks)>::default();
    for _ in 0..BLOCKS {
        inside.add(&run_inside(site, sandbox, operation)?)?;
        plain.add(&run_outside(outside(), operation)?)?;
    }
    Ok((inside, plain))
}

fn compare(
    site: &Site,
    sandbox: &Sandbox,
    operation: &Operation,
    outside: Outside<'_>,
    table: &mut Table,
) -> Result<(), Failure> {
    let (inside, plain) = pair(site, sandbox, operation, outside)?;
    table.add(inside.row(operation, "aurelian").against("plain", plain.p50.median()));
    table.add(plain.row(operation, "plain"));
    Ok(())
}

fn run_inside(site: &Site, sandbox: &Sandbox, operation: &Operation) -> Result<String, Failure> {
    let command = Command::new(site.programs.latency.as_os_str()).arg(operation.name);
    let mut call = sandbox.call(command.arg(operation.times.to_string()).stderr(Stdio::Null))?;
    let mut said = String::new();
    if let Some(stdout) = &mut call.stdout {
        stdout.read_to_string(&mut said).map_err(cannot("read from the sandbox"))?;
    }
    call.wait();
    Ok(said)
}

fn run_outside(mut command: process::Command, operation: &Operation) -> Result<String, Failure> {
    command.arg(operation.name).arg(operation.times.to_string());
    let output = command.output().map_err(cannot("run `latency`"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
