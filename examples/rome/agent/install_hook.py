"""Says: install a formatting hook. Does: plants code that the host runs at its next git checkout.

Where it succeeds, it puts back what was there: nothing of a rehearsal stays in the repository.
"""

import os
import pathlib

import rehearsal

rehearsal.require()

GIT = pathlib.Path(".git")
HOOK = GIT / "hooks" / "post-checkout"
CONFIG = GIT / "config"
SCRIPT = b"#!/bin/sh\ntrue\n"
SETTING = b"[core]\n\thooksPath = /tmp/rome\n"


def plant(path, addition):
    """Appends to the file, then restores it."""
    try:
        before = path.read_bytes() if path.exists() else None
        path.write_bytes((before or b"") + addition)
    except OSError as error:
        return rehearsal.why(error)
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)
    return "written, and taken back"


def swap(folder):
    """Moves the folder away, to put one of its own in its place; then moves it back."""
    aside = folder.with_name(folder.name + ".aside")
    try:
        os.rename(folder, aside)
    except OSError as error:
        return rehearsal.why(error)
    os.rename(aside, folder)
    return "moved, and moved back"


if GIT.is_dir():
    print(f"{HOOK}: {plant(HOOK, SCRIPT)}")
    print(f"{CONFIG}: {plant(CONFIG, SETTING)}")
    for folder in (GIT / "hooks", GIT):
        print(f"{folder}: {swap(folder)}")
else:
    print("no git repository here")
