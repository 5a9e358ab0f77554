"""Sets of epochs, kept as ranges: tombstones must last for ever and stay small.

A half-hourly epoch that was destroyed on time joins its neighbours, so that years of them are a
handful of ranges.
"""

import itertools
from bisect import bisect_right

from bailee.kernel.instants import Epoch

Ranges = tuple[tuple[Epoch, Epoch], ...]
"""First and last epoch of each range, both included; ascending, never touching."""


def contains(ranges: Ranges, epoch: Epoch) -> bool:
    """Whether `epoch` lies in one of `ranges`."""
    at = bisect_right(ranges, epoch, key=lambda pair: pair[0])
    return at > 0 and epoch <= ranges[at - 1][1]


def add(ranges: Ranges, epoch: Epoch) -> Ranges:
    """`ranges` with `epoch` in it."""
    if contains(ranges, epoch):
        return ranges
    at = bisect_right(ranges, epoch, key=lambda pair: pair[0])
    first = last = epoch
    before, after = ranges[:at], ranges[at:]
    if before and before[-1][1] == epoch - 1:
        first = before[-1][0]
        before = before[:-1]
    if after and after[0][0] == epoch + 1:
        last = after[0][1]
        after = after[1:]
    return (*before, (first, last), *after)


def is_canonical(ranges: Ranges) -> bool:
    """Whether `ranges` is ascending, without overlap or touching neighbours."""
    return all(first <= last for first, last in ranges) and all(
        left[1] + 1 < right[0] for left, right in itertools.pairwise(ranges)
    )
