"""How many intervals a second can be added? Runs for about one second."""

import pathlib
import random
import time

from intervals import IntervalSet

pathlib.Path("/tmp/rome/bench.started").touch()
dice, adds, begin = random.Random(1), 0, time.monotonic()
while time.monotonic() - begin < 1.0:
    numbers = IntervalSet()
    for _ in range(200):
        start = dice.randrange(10_000)
        numbers.add(start, start + 20)
    adds += 200
print(f"{adds / (time.monotonic() - begin):,.0f} intervals added a second")
