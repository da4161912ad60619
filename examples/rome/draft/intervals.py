"""Sets of whole numbers kept as sorted, disjoint, half-open intervals [start, end)."""

from bisect import bisect_right


class IntervalSet:
    """A set of whole numbers. Touching intervals are kept as one."""

    def __init__(self, intervals=()):
        self._spans = []
        for start, end in intervals:
            self.add(start, end)

    def __iter__(self):
        return iter(self._spans)

    def __len__(self):
        return sum(end - start for start, end in self._spans)

    def __contains__(self, number):
        at = bisect_right(self._spans, (number, float("inf"))) - 1
        return at >= 0 and self._spans[at][0] <= number < self._spans[at][1]

    def add(self, start, end):
        """Adds [start, end). ValueError unless start < end."""
        if start >= end:
            raise ValueError(f"empty interval: [{start}, {end})")
        apart = []
        for old_start, old_end in self._spans:
            if old_start < end and start < old_end:
                start, end = min(start, old_start), max(end, old_end)
            else:
                apart.append((old_start, old_end))
        self._spans = sorted([*apart, (start, end)])

    def discard(self, start, end):
        """Takes [start, end) out, where it is in."""
        kept = []
        for old_start, old_end in self._spans:
            kept += [(old_start, min(old_end, start)), (max(old_start, end), old_end)]
        self._spans = [(low, high) for low, high in kept if low < high]
