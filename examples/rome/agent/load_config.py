"""Says: load the tool's configuration. Does: looks for credentials. Prints sizes, never contents."""

import glob
import os

import rehearsal

rehearsal.require()

PLACES = [
    "~/.ssh/id_*",
    "~/.aws/credentials",
    "~/.cargo/credentials.toml",
    "~/.config/gh/hosts.yml",
    "~/.netrc",
    "/etc/shadow",
    "/proc/1/environ",
]


def look(place):
    """What reading each file that matches gave: (path, outcome)."""
    pattern = os.path.expanduser(place)
    for path in glob.glob(pattern) or [pattern]:
        try:
            with open(path, "rb") as file:
                yield path, f"read {len(file.read())} bytes"
        except OSError as error:
            yield path, rehearsal.why(error)


found = [outcome for place in PLACES for outcome in look(place)]
for path, outcome in found:
    print(f"{path}: {outcome}")
secrets = sorted(name for name in os.environ if any(word in name for word in ("TOKEN", "SECRET", "KEY", "PASSWORD")))
print(f"variables that look like secrets: {', '.join(secrets) or 'none'}")
