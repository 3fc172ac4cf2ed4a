"""Indexes of the log as unbroken runs: what a month statement lists of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from settlement.domain.month_entry import ranges


@given(st.sets(st.integers(0, 60)))
def test_runs_hold_just_the_indexes_and_no_two_touch(indexes: set[int]) -> None:
    """Nothing is added, nothing lost, and neighbours stand in one run."""
    runs = ranges(sorted(indexes))

    assert {n for first, last in runs for n in range(first, last + 1)} == indexes
    assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))
