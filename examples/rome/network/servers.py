"""The two honest servers of the example, on this machine's loopback: a git server over SSH and a package index over TLS.

Both are made for one run, with keys of their own, in one folder, and end with it.
"""

import base64
import functools
import hashlib
import http.server
import os
import pwd
import shutil
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


class PackageIndex:
    """An index with one package (PEP 503), behind TLS."""

    def __init__(self, folder: Path, workspace: Path, port: int) -> None:
        self.folder, self.root = folder, folder / "index"
        certificate, key = folder / "index.pem", folder / "index.key"
        tool(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={PACKAGES}", "-addext", f"subjectAltName=DNS:{PACKAGES}", "-keyout", str(key), "-out", str(certificate),
        )  # fmt: skip
        shutil.copy(certificate, workspace / "index.pem")
        self._package()
        handler = functools.partial(Quiet, directory=str(self.root))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _package(self) -> None:
        name = "greetings-1.0-py3-none-any.whl"
        page = self.root / "simple" / "greetings"
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

    def close(self) -> None:
        self.server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


def digest(content: bytes) -> str:
    """As a wheel's RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
