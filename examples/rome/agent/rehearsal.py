"""What the misbehaving scripts share: the guard and the wording of a failure."""

import os
import sys


def require():
    """Ends the program unless the call asked for a rehearsal, as calls.jsonl does.

    This is no protection from anyone: it keeps a curious reader who starts a
    script by hand from probing a real network.
    """
    if os.environ.get("ROME_REHEARSAL") != "1":
        sys.exit("this script misbehaves on purpose; run it with: aurelian run --calls examples/rome/calls.jsonl")


def why(error):
    """The reason in an OSError, in the system's own words."""
    return error.strerror or str(error) or type(error).__name__
