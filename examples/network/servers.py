"""Servers on this machine's loopback: a git server over SSH, and files over TLS and in the clear.

They are made for one run, with keys of their own, in one folder, and end with it.
"""

import base64
import functools
import hashlib
import http.server
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import threading
import zipfile
from pathlib import Path

GIT, PACKAGES = "git.example.test", "packages.example.test"


def tool(*command: str, **options) -> str:
    """Runs a program, and gives what it prints."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    return done.stdout


class GitServer:
    """A repository behind an SSH server that lets one key read it."""

    def __init__(self, folder: Path, workspace: Path, port: int) -> None:
        self.folder, self.workspace, self.port = folder, workspace, port
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self._repository()
        self._keys()
        self.process = subprocess.Popen(
            [shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd", "-D", "-e", "-f", str(self._settings())],
            stdin=subprocess.DEVNULL, stderr=open(folder / "sshd.log", "wb"),
        )  # fmt: skip

    def _repository(self) -> None:
        source, self.repository = self.folder / "source", self.folder / "intervals.git"
        source.mkdir()
        (source / "intervals.py").write_text('"""Intervals of numbers."""\n\n\ndef joined(a, b):\n    return a[0] <= b[1] and b[0] <= a[1]\n')
        git = functools.partial(tool, "git", "-c", "user.name=Example", "-c", "user.email=example@example.test", "-C", str(source))
        git("init", "-q", "-b", "main")
        git("add", ".")
        git("commit", "-q", "-m", "Intervals")
        tool("git", "clone", "-q", "--bare", str(source), str(self.repository))

    def _keys(self) -> None:
        for name in ("host", "agent"):
            tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name))
        # What the agent is given: its own key, and the server's to know it by.
        shutil.move(self.folder / "agent", self.workspace / "deploy-key")
        host = (self.folder / "host.pub").read_text()
        (self.workspace / "known-hosts").write_text(f"[{GIT}]:{self.port} {host}")
        reads = f'command="git-upload-pack {self.repository}",restrict {(self.folder / "agent.pub").read_text()}'
        (self.folder / "authorized").write_text(reads)
        (self.workspace / "ssh-settings").write_text(
            f"Host {GIT}\n  Port {self.port}\n  User {self.user}\n  IdentityFile ./deploy-key\n  IdentitiesOnly yes\n"
            "  UserKnownHostsFile ./known-hosts\n  StrictHostKeyChecking yes\n"
        )

    def _settings(self) -> Path:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        settings = self.folder / "sshd_config"
        settings.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder / 'host'}\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder / 'authorized'}\nPasswordAuthentication no\nUsePAM no\n"
            "StrictModes no\nPermitRootLogin prohibit-password\n"
        )
        return settings

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


class Files:
    """Files of a folder, over TLS or in the clear."""

    def __init__(self, root: Path, port: int, identity: "Identity | None" = None) -> None:
        root.mkdir(exist_ok=True)
        handler = functools.partial(Quiet, directory=str(root))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        if identity:
            self.server.socket = identity.context().wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()


class Identity:
    """A certificate for one name that nobody signed, and its key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate, self.key = folder / "identity.pem", folder / "identity.key"
        tool(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(self.key), "-out", str(self.certificate),
        )  # fmt: skip

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def package_index(root: Path) -> None:
    """Writes an index with one package (PEP 503)."""
    name = "greetings-1.0-py3-none-any.whl"
    page = root / "simple" / "greetings"
    page.mkdir(parents=True)
    files = {
        "greetings.py": b'def hello(name):\n    return f"hello, {name}"\n',
        "greetings-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n",
        "greetings-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: example\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={digest(content)},{len(content)}\n" for path, content in files.items())
    with zipfile.ZipFile(page / name, "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
        wheel.writestr("greetings-1.0.dist-info/RECORD", record + "greetings-1.0.dist-info/RECORD,,\n")
    (page / "index.html").write_text(f'<!DOCTYPE html><a href="{name}">{name}</a>\n')


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


def digest(content: bytes) -> str:
    """As a wheel's RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def free_port() -> int:
    """A port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def missing(needs: dict[str, str]) -> list[str]:
    """Programs that aren't there, with the packages of Debian that have them."""
    path = os.environ["PATH"] + ":/usr/sbin"
    return [f"{name} (package {package})" for name, package in needs.items() if shutil.which(name, path=path) is None]
