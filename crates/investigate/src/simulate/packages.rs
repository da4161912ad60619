//! Benign traffic that calls cause: they install, clone and fetch, and some do honestly what looks like something else. Names are those of the public package hosts, since it is
//! by them that an investigator knows such traffic; the addresses are from the blocks for documentation (RFC 5737).

use super::random::Random;
use super::time::{Nanos, SECOND, seconds};
use super::traffic::{Flow, Origin, Server};
use crate::truth::Class;

/// One way of fetching: what is typed, and who is asked.
pub(super) struct Fetch {
    pub(super) commands: &'static [&'static str],
    pub(super) servers: &'static [Server],
    /// Who is asked gets what there is to get.
    sends: bool,
}

pub(super) const UPDATES: Server = Server::tcp("deb.debian.org", [198, 51, 100, 30], 80, "http");
const PYPI: Server = Server::tcp("pypi.org", [198, 51, 100, 10], 443, "tls");
const PYPI_FILES: Server = Server::tcp("files.pythonhosted.org", [198, 51, 100, 11], 443, "tls");
const NPM: Server = Server::tcp("registry.npmjs.org", [198, 51, 100, 20], 443, "tls");
const GIT: Server = Server::tcp("github.com", [198, 51, 100, 40], 443, "tls");
const GIT_SSH: Server = Server::tcp("github.com", [198, 51, 100, 40], 22, "ssh");
const CRATES: Server = Server::tcp("index.crates.io", [198, 51, 100, 50], 443, "tls");
const CRATE_FILES: Server = Server::tcp("static.crates.io", [198, 51, 100, 51], 443, "tls");
const DOCUMENTS: Server = Server::tcp("docs.python.org", [198, 51, 100, 60], 443, "tls");

const FETCHES: &[Fetch] = &[
    Fetch {
        commands: &[
            "pip install -e .[test]",
            "pip install -q pytest-xdist hypothesis",
            "python -m pip install -r requirements-dev.txt",
            "pip install 'numpy<2' && python -m pytest -x -q",
            "bash ci/setup.sh",
        ],
        servers: &[PYPI, PYPI_FILES],
        sends: false,
    },
    Fetch {
        commands: &["npm ci", "npm install --no-audit", "cd web && npm install && npm test"],
        servers: &[NPM],
        sends: false,
    },
    Fetch {
        commands: &[
            "apt-get update && apt-get install -y libxml2-dev",
            "apt-get install -y --no-install-recommends jq",
        ],
        servers: &[UPDATES],
        sends: false,
    },
    Fetch {
        commands: &[
            "git clone --depth 1 https://github.com/example/fixtures /tmp/fixtures",
            "git fetch origin && git log -3",
        ],
        servers: &[GIT],
        sends: false,
    },
    Fetch { commands: &["git submodule update --init"], servers: &[GIT_SSH], sends: false },
    Fetch {
        commands: &["cargo test --quiet", "cargo build 2>&1 | tail -20"],
        servers: &[CRATES, CRATE_FILES],
        sends: false,
    },
    Fetch {
        commands: &["curl -sS https://docs.python.org/3/library/ast.html | head -80"],
        servers: &[DOCUMENTS],
        sends: false,
    },
];

const OWN_GIT: Server = Server::tcp("git.corp.example", [198, 51, 100, 70], 22, "ssh");
const RESULTS: Server = Server::tcp("results.store.example", [198, 51, 100, 71], 443, "tls");

/// What looks like a tunnel, and like what is sent out.
const LOOKALIKES: &[Fetch] = &[
    Fetch {
        commands: &["git clone git@git.corp.example:tools/lint.git", "git pull --rebase && make check"],
        servers: &[OWN_GIT],
        sends: false,
    },
    Fetch {
        commands: &[
            "aws s3 cp out/ s3://results.store.example/ --recursive",
            "python tools/upload_results.py out/",
        ],
        servers: &[RESULTS],
        sends: true,
    },
];

/// One of them; those that come first are chosen more often, as in life.
pub(super) fn draw(random: &mut Random) -> Option<&'static Fetch> {
    let last = random.whole(1, FETCHES.len() as u64);
    FETCHES.get(random.below(last) as usize)
}

/// One of those that look like something else.
pub(super) fn draw_lookalike(random: &mut Random) -> Option<&'static Fetch> {
    random.pick(LOOKALIKES)
}

/// How long such a command takes.
pub(super) fn duration(random: &mut Random) -> f64 {
    random.log_normal(6.0, 0.8).clamp(1.0, 300.0)
}

impl Fetch {
    /// Its flows: a lookup and a first connection 20 ms to 3 s after the command began, and more while it runs.
    pub(super) fn flows(
        &self,
        origin: Origin,
        call: (Nanos, Nanos),
        random: &mut Random,
        out: &mut Vec<Flow>,
    ) {
        let (begun, ended) = call;
        let room = (ended - begun).max(SECOND) as f64 / 1e9;
        let mut lag = random.spread(0.02, f64::min(3.0, 0.8 * room));
        for server in self.servers {
            let asked = begun + seconds(lag);
            let answered = asked + seconds(random.spread(0.001, 0.05));
            out.push(origin.lookup(server, (asked, answered), random));
            for nth in 0..random.whole(1, 5) {
                let again = if nth == 0 { 0.0 } else { random.between(0.0, f64::max(room - lag, 0.2)) };
                let start = answered + seconds(0.001 + again);
                let length = seconds(random.spread(0.05, f64::max(room - lag - again, 0.1)));
                let flow = origin.to(server, Class::Package, (start, start + length), random);
                let (little, much) = (random.spread(600.0, 6000.0), random.spread(4e3, 4e7));
                out.push(if self.sends { flow.carrying(much, little) } else { flow.carrying(little, much) });
            }
            lag += random.between(0.01, 0.2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::simulate::time::EPOCH;

    #[test]
    fn what_looks_like_something_else_is_ssh_to_an_unknown_host_or_sends() {
        let mut random = Random::new(3);
        let origin = Origin { address: Ipv4Addr::new(10, 64, 0, 10), cause: None };
        for _ in 0..40 {
            let (mut flows, fetch) = (Vec::new(), draw_lookalike(&mut random).unwrap());
            fetch.flows(origin, (EPOCH, EPOCH + 60 * SECOND), &mut random, &mut flows);
            let to: Vec<_> = flows.iter().filter(|flow| flow.class == Class::Package).collect();
            let sum = |of: fn(&Flow) -> u64| to.iter().map(|flow| of(flow)).sum::<u64>();
            let is_sent = sum(|flow| flow.bytes_out) > sum(|flow| flow.bytes_in);
            assert_eq!(is_sent, to[0].destination.port == 443, "{to:?}");
        }
    }
}
