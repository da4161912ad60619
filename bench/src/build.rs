//! Building and testing a project, inside and outside: a C project with make, a Rust project with Cargo.

use crate::clock::now;
use crate::failure::{Failure, cannot};
use crate::projects;
use crate::samples::Samples;
use crate::site::Site;
use crate::table::{Row, Table, Unit};
use sandbox::{Command, Sandbox, Stdio};
use std::path::Path;
use std::process;
use std::time::Duration;

const ROUNDS: usize = 7;

/// A way to build and test a project.
struct Project {
    what: &'static str,
    folder: &'static str,
    build: &'static str,
    clean: &'static str,
    needs: &'static str,
}

const PROJECTS: &[Project] = &[
    Project {
        what: "build and test a C project (60 files, make -j2)",
        folder: "c-project",
        build: "make -s -j2 && ./test",
        clean: "make -s clean",
        needs: "make --version && cc --version",
    },
    Project {
        what: "build and test a Rust project (20 modules, cargo)",
        folder: "rust-project",
        build: "cargo build --quiet --offline && cargo test --quiet --offline",
        clean: "rm -rf target",
        needs: "cargo --version",
    },
];

pub(crate) fn measure(site: &Site, table: &mut Table) -> Result<(), Failure> {
    projects::write_c(&site.folder().join("c-project")).map_err(cannot("write the C project"))?;
    projects::write_rust(&site.folder().join("rust-project")).map_err(cannot("write the Rust project"))?;
    let sandbox = site.start()?;
    for project in PROJECTS {
        let folder = site.folder().join(project.folder);
        if outside(project.needs, &folder).is_err() {
            table.missing(format!("{}: `{}` fails here", project.what, project.needs));
            continue;
        }
        match compare(&sandbox, project, &folder) {
            Ok((inside, plain)) => report(project, &inside, &plain, table),
            Err(failure) => table.missing(format!("{}: {failure}", project.what)),
        }
    }
    sandbox.end();
    Ok(())
}

fn compare(sandbox: &Sandbox, project: &Project, folder: &Path) -> Result<(Samples, Samples), Failure> {
    let (mut within, mut plain) = <(Samples, Samples)>::default();
    for round in 0..=ROUNDS {
        outside(project.clean, folder)?;
        let here = inside(sandbox, project.build, folder)?;
        outside(project.clean, folder)?;
        let there = outside(project.build, folder)?;
        // The first fills the caches.
        if round > 0 {
            within.push(here);
            plain.push(there);
        }
    }
    outside(project.clean, folder)?;
    Ok((within, plain))
}

fn report(project: &Project, inside: &Samples, plain: &Samples, table: &mut Table) {
    let ratio = inside.median() / plain.median();
    table.add(
        Row::new(project.what, "aurelian", Unit::Seconds, inside)
            .against("outside", plain.median())
            .target("≤ 1.05 × outside", ratio <= 1.05),
    );
    table.add(Row::new(project.what, "outside", Unit::Seconds, plain));
}

fn inside(sandbox: &Sandbox, script: &str, folder: &Path) -> Result<Duration, Failure> {
    let shell = Command::new("/bin/sh").arg("-c").arg(script).current_dir(folder);
    let before = now();
    let call = sandbox.call(shell.stdout(Stdio::Null).stderr(Stdio::Null))?;
    let ended = call.wait();
    let taken = now() - before;
    checked(script, ended.exit_code == 0, || format!("exit code {} inside", ended.exit_code)).map(|()| taken)
}

fn outside(script: &str, folder: &Path) -> Result<Duration, Failure> {
    let null = process::Stdio::null;
    let mut shell = process::Command::new("/bin/sh");
    shell.arg("-c").arg(script).current_dir(folder).stdin(null()).stdout(null()).stderr(null());
    let before = now();
    let status = shell.status().map_err(cannot("run sh"))?;
    let taken = now() - before;
    checked(script, status.success(), || status.to_string()).map(|()| taken)
}

fn checked(script: &str, holds: bool, status: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds {
        return Ok(());
    }
    Err(Failure::Program { program: script.to_owned(), status: status(), said: String::new() })
}
