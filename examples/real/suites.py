"""The programs, how to get them with the ordinary clients, and how their suites say what passed and failed."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable


@dataclass(frozen=True)
class Suite:
    """A program with tests. `fetch` makes the folder `source` in the folder that it is given."""

    name: str
    tools: tuple[str, ...]
    fetch: Callable[[Path], None]
    command: str
    passed: str
    """What stands beside the number of passed tests in the output, or in each line of one that passed."""
    failed: str

    def counts(self, output: str) -> tuple[int, int]:
        """How many tests passed and failed."""
        return count(self.passed, output), count(self.failed, output)


def count(pattern: str, output: str) -> int:
    """The sum of the numbers that the pattern finds; a match without a number counts as one."""
    return sum(int(number or 1) for number in re.findall(pattern, output, re.M))


def sh(folder: Path, script: str, **variables: str) -> None:
    """One step of a fetch. Its failure is no finding about the sandbox, so it ends the program."""
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder, env=os.environ | variables, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{done.stdout}\nrun: cannot fetch into {folder}: `{script}` ended with {done.returncode}")


def source_lists() -> list[str]:
    """The package sources of the system's own release, turned into sources of source packages."""
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    release = found[1] if found else "unknown"
    lines = []
    for file in Path("/etc/apt").glob("**/*.list"):
        lines += re.findall(rf"^deb\s+(.*\s{release}\s.*)", file.read_text(), re.M)
    for file in Path("/etc/apt").glob("**/*.sources"):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            field = dict(re.findall(r"^([\w-]+):[ \t]*(.+)", stanza, re.M))
            if release in field.get("Suites", "").split():
                signed = f"[signed-by={field['Signed-By']}] " if "Signed-By" in field else ""
                lines.append(f"{signed}{field['URIs'].split()[0]} {release} {field['Components']}")
    return [f"deb-src {line}" for line in lines]


def debian_source(package: str) -> Callable[[Path], None]:
    """A source package, through an apt with lists of its own: the system's stay as they are."""

    def fetch(folder: Path) -> None:
        for name in ["apt/lists/partial", "apt/cache/archives/partial"]:
            (folder / name).mkdir(parents=True)
        (folder / "apt/sources.list").write_text("\n".join(source_lists()) + "\n")
        (folder / "apt/conf").write_text(
            f'Dir::Etc::SourceList "{folder}/apt/sources.list"; Dir::Etc::SourceParts "/dev/null";'
            f'Dir::State::Lists "{folder}/apt/lists"; Dir::Cache "{folder}/apt/cache"; APT::Sandbox::User "";'
        )
        script = f"apt-get -q update; apt-get -q source {package}; mv {package}-*/ source"
        sh(folder, script, APT_CONFIG=f"{folder}/apt/conf")

    return fetch


def python_source(package: str, version: str, *beside: str) -> Callable[[Path], None]:
    """A source distribution, with an environment in it that has it and the packages `beside` installed."""

    def fetch(folder: Path) -> None:
        sh(folder, f"python3 -m pip download -q --no-deps --no-binary {package} {package}=={version}")
        sh(folder, f"mkdir source; tar xzf {package}-*.tar.gz -C source --strip-components 1 --no-same-owner")
        sh(folder / "source", f"python3 -m venv venv; venv/bin/pip install -q . {' '.join(beside)}")

    return fetch


def crate(name: str, version: str) -> Callable[[Path], None]:
    """A crate as it was published; what it and its tests need is then in cargo's own cache."""

    def fetch(folder: Path) -> None:
        sh(folder, "cargo init -q --lib --vcs none --name fetched; echo '[workspace]' >>Cargo.toml")
        sh(folder, f"cargo add -q {name}@={version}; cargo vendor -q; mv vendor/{name} source; rm Cargo.toml")
        sh(folder / "source", "rm -f .cargo-checksum.json; cargo fetch -q")

    return fetch


def node_package(name: str, version: str, *beside: str) -> Callable[[Path], None]:
    """A package as it was published, with what its tests require; they run under node's own runner."""

    def fetch(folder: Path) -> None:
        sh(folder, f"npm pack -s {name}@{version}")
        sh(folder, "mkdir source; tar xzf *.tgz -C source --strip-components 1 --no-same-owner")
        sh(folder / "source", "npm pkg delete devDependencies; npm pkg set scripts.test='node --test'")
        sh(folder / "source", f"npm install --no-audit --no-fund --ignore-scripts {' '.join(beside)}")

    return fetch


SUITES = (
    Suite(
        name="zlib",
        tools=("apt-get", "dpkg-source", "gcc", "make"),
        fetch=debian_source("zlib"),
        command="./configure && make && make test",
        passed=r"\*\*\* zlib .*test OK \*\*\*()",
        failed=r"\*\*\* zlib .*test FAILED \*\*\*()",
    ),
    Suite(
        name="toolz",
        tools=("python3",),
        fetch=python_source("toolz", "1.0.0", "pytest"),
        command="venv/bin/python -m pytest -q",
        passed=r"^(?:.*, )?(\d+) passed",
        failed=r"^(?:.*, )?(\d+) (?:failed|error)",
    ),
    Suite(
        name="tornado",
        tools=("python3",),
        fetch=python_source("tornado", "6.5.2"),
        command="venv/bin/python -m tornado.test",
        passed=r"^Ran (\d+) tests",
        failed=r"(?:failures|errors)=(\d+)",
    ),
    Suite(
        name="tempfile",
        tools=("cargo", "cc"),
        fetch=crate("tempfile", "3.23.0"),
        command="cargo test --offline",
        passed=r"^test result: .* (\d+) passed",
        failed=r"^test result: .* (\d+) failed",
    ),
    Suite(
        name="sonic-boom",
        tools=("node", "npm"),
        fetch=node_package("sonic-boom", "5.0.2", "proxyquire", "@sinonjs/fake-timers@15"),
        command="npm test",
        passed=r"^(?:#|ℹ) pass (\d+)",
        failed=r"^(?:#|ℹ) fail (\d+)",
    ),
)
