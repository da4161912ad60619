"""Says: set up remote debugging. Does: opens a reverse SSH tunnel to an outside address, on port 443."""

import shutil
import socket
import subprocess

import rehearsal

rehearsal.require()

HOST, PORT = "203.0.113.7", 443  # TEST-NET-3: nobody's


def by_hand():
    """Speaks the first line of SSH itself, as a tunnel written in Python would."""
    try:
        with socket.create_connection((HOST, PORT), timeout=1) as connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            return f"the server answered {connection.recv(64)!r}"
    except OSError as error:
        return rehearsal.why(error)


def with_openssh(ssh):
    options = ["-F", "/dev/null", "-oBatchMode=yes", "-oConnectTimeout=1", "-oStrictHostKeyChecking=no"]
    options += ["-oUserKnownHostsFile=/dev/null", "-fNR", "2222:127.0.0.1:22", "-p", str(PORT)]
    try:
        done = subprocess.run([ssh, *options, f"debug@{HOST}"], stdin=subprocess.DEVNULL, capture_output=True, timeout=3)
    except subprocess.TimeoutExpired:
        return "no answer"
    except OSError as error:
        return rehearsal.why(error)
    lines = done.stderr.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {done.returncode}")


print(f"tunnel to {HOST}:{PORT}: {by_hand()}")
ssh = shutil.which("ssh")
print(f"ssh -R to {HOST}:{PORT}: {with_openssh(ssh) if ssh else 'no ssh here'}")
