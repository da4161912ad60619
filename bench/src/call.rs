//! One more call in a live sandbox, against fork and exec of the same program.

use crate::clock::now;
use crate::failure::{Failure, cannot};
use crate::samples::Samples;
use crate::site::Site;
use crate::table::{Row, Table, Unit};
use sandbox::{Command, Sandbox, Stdio};
use std::process;
use std::time::Duration;

const PROGRAM: &str = "/bin/true";
const WHAT: &str = "one more call of `true`, begin to end";

pub(crate) fn measure(site: &Site, table: &mut Table) -> Result<(), Failure> {
    let sandbox = site.start()?;
    let (mut inside, mut outside, mut extra) = <(Samples, Samples, Samples)>::default();
    for _ in 0..site.rounds {
        let (here, there) = (call_inside(&sandbox)?, call_outside()?);
        inside.push(here);
        outside.push(there);
        extra.push_number((here.as_secs_f64() - there.as_secs_f64()) * 1e6);
    }
    sandbox.end();
    let over = inside.median() - outside.median();
    table.add(
        Row::new(WHAT, "aurelian", Unit::Milliseconds, &inside)
            .against("fork+exec", outside.median())
            .target("≤ 1 ms over fork+exec", over <= 1000.0),
    );
    table.add(Row::new(WHAT, "fork+exec", Unit::Milliseconds, &outside));
    table.add(Row::new("the difference, pair by pair", "aurelian − fork+exec", Unit::Milliseconds, &extra));
    Ok(())
}

fn call_inside(sandbox: &Sandbox) -> Result<Duration, Failure> {
    let before = now();
    let call = sandbox.call(Command::new(PROGRAM).stdout(Stdio::Null).stderr(Stdio::Null))?;
    call.wait();
    Ok(now() - before)
}

fn call_outside() -> Result<Duration, Failure> {
    let null = process::Stdio::null;
    let mut command = process::Command::new(PROGRAM);
    command.stdin(null()).stdout(null()).stderr(null());
    let before = now();
    command.status().map_err(cannot("run true"))?;
    Ok(now() - before)
}
