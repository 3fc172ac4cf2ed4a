"""Completeness to the single index, and from month to month without a step."""

from __future__ import annotations

import pytest

from gateway.month_package.wholeness import (
    completeness_findings,
    continuation_findings,
)


@pytest.mark.parametrize("missing", [10, 14, 19])
def test_one_missing_index_is_found_wherever_it_stands(missing: int) -> None:
    """At the beginning, inside and at the end of the month."""
    runs = [
        (first, last)
        for first, last in [(10, missing - 1), (missing + 1, 19)]
        if first <= last
    ]
    found = list(completeness_findings(runs, [], 10, 20))
    assert len(found) == 1
    assert "is missing" in found[0]
    assert str(missing) in found[0]


def test_what_is_whole_is_whole_deferred_or_not() -> None:
    """A deferred index counts as long as it is not here too."""
    assert list(completeness_findings([(10, 13), (15, 19)], [(14, 14)], 10, 20)) == []
    assert list(completeness_findings([(10, 19)], [(14, 14)], 10, 20)) != []


@pytest.mark.parametrize(("begins", "count"), [(10, 0), (9, 1), (11, 1)])
def test_a_month_begins_where_the_earlier_one_ends(begins: int, count: int) -> None:
    """Neither an index between them, nor one that both hold."""
    previous = {"tree_size": 10, "deferred": []}
    assert len(list(continuation_findings([], [], previous, begins))) == count
