"""What must hold of all records of a month together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from gateway.month_package.spool import (
    BILL,
    CARD,
    RECORD,
    SETTLED,
    TAKEN_BACK,
    TOTAL,
    UNDONE,
    Row,
    read_buckets,
)

Runs = Sequence[tuple[int, int]]
"""First and last index of each unbroken stretch, ascending."""

#: Figures that the clear claims do not tell.
_SEALED_FIGURES = frozenset({"tilt_fen"})
_SEALED_GROUPS = frozenset({"by_category", "by_subdistrict", "by_care_type"})


def split_runs(runs: Runs, at: int) -> tuple[list[tuple[int, int]], ...]:
    """What lies below an index, and what lies from it on."""
    below = [(first, min(last, at - 1)) for first, last in runs if first < at]
    beyond = [(max(first, at), last) for first, last in runs if last >= at]
    return below, beyond


def joined(*parts: Runs) -> tuple[list[tuple[int, int]], list[int]]:
    """All runs together, and the first indexes that stand in two of them."""
    together: list[tuple[int, int]] = []
    twice: list[int] = []
    for first, last in sorted(run for part in parts for run in part):
        if together and first <= together[-1][1]:
            twice.append(first)
            together[-1] = (together[-1][0], max(last, together[-1][1]))
        elif together and first == together[-1][1] + 1:
            together[-1] = (together[-1][0], last)
        else:
            together.append((first, last))
    return together, twice


def completeness_findings(
    present: Runs, deferred: Runs, first_index: int, tree_size: int
) -> Iterator[str]:
    """Whether each index from the earlier cut to this one is here or deferred, once."""
    _earlier, own = split_runs(present, first_index)
    _waiting, put_off = split_runs(deferred, first_index)
    together, twice = joined(own, put_off)
    for index in twice:
        yield f"index {index} is called deferred and is here too"
    at = first_index
    for first, last in [*together, (tree_size, tree_size)]:
        if first > at:
            yield f"{_span(at, first - 1)} of the log is missing"
        at = max(at, last + 1)
    if together and together[-1][1] >= tree_size:
        yield f"index {together[-1][1]} lies beyond the month's cut"


def continuation_findings(
    from_earlier: Runs, deferred: Runs, previous: Mapping[str, Any], first_index: int
) -> Iterator[str]:
    """Whether what the earlier package deferred is here now, or still deferred."""
    if previous["tree_size"] != first_index:
        yield "the month does not begin where the earlier package ends"
    still, _new = split_runs(deferred, first_index)
    here, twice = joined(from_earlier, still)
    for index in twice:
        yield f"index {index} is called deferred and is here too"
    expected = [(first, last) for first, last in previous["deferred"]]
    if here != expected:
        yield (
            f"the earlier package deferred {_spans(expected)};"
            f" here, or deferred further, are {_spans(here)}"
        )


def spool_findings(folder: Path, present: Runs) -> Iterator[tuple[int, str]]:
    """Index and sentence of what contradicts itself between records.

    A settlement may stand once and be undone once, and each running total must go on
    where it was left, as far as all entries between are here.
    """
    begins = [first for first, _last in present]

    def run_of(index: int) -> int:
        return bisect_right(begins, index)

    for rows in read_buckets(folder):
        for (kind, _key), group in groupby(rows, key=lambda row: (row.kind, row.key)):
            if kind == TOTAL:
                yield from _chain_findings(group, run_of)
            elif kind == BILL:
                yield from _bill_findings(group, run_of)
            elif kind != CARD:
                yield from _twice(group, kind)


def cards_of_many(folder: Path) -> Iterator[int]:
    """Indexes whose card stood for another person before.

    A roster that was corrected does that, and so does whoever wants a second cap.
    """
    for rows in read_buckets(folder):
        cards = [row for row in rows if row.kind == CARD]
        for before, row in pairwise(cards):
            if before.key == row.key and before.posted_fen != row.posted_fen:
                yield row.log_index


def _twice(rows: Iterable[Row], kind: int) -> Iterator[tuple[int, str]]:
    first, *others = rows
    for row in others:
        if kind == RECORD:
            yield row.log_index, f"its id stands at index {first.log_index} too"
        elif kind == UNDONE:
            yield (
                row.log_index,
                f"it undoes what index {first.log_index} has undone already",
            )


def _bill_findings(
    rows: Iterable[Row], run_of: Callable[[int], int]
) -> Iterator[tuple[int, str]]:
    """Of one bill: whether aid is paid on it twice, without a reason being given."""
    in_force: list[int] = []
    for row in rows:
        # Between two stretches it may have been taken back elsewhere.
        in_force = [at for at in in_force if run_of(at) == run_of(row.log_index)]
        if row.posted_fen == TAKEN_BACK:
            in_force = in_force[1:]
            continue
        if row.posted_fen == SETTLED and in_force:
            yield row.log_index, f"its bill is paid at index {in_force[0]} already"
        in_force.append(row.log_index)


def _chain_findings(
    rows: Iterable[Row], run_of: Callable[[int], int]
) -> Iterator[tuple[int, str]]:
    left_fen: int | None = None
    left_at = 0
    for row in rows:
        if left_fen is not None and run_of(left_at) != run_of(row.log_index):
            left_fen = None  # An entry between them may have changed it.
        before_fen = left_fen if row.before_fen is None else row.before_fen
        if left_fen is not None and before_fen != left_fen:
            yield (
                row.log_index,
                f"a running total is not what the entry before, {left_at}, has left",
            )
        left_fen = None if before_fen is None else before_fen + row.posted_fen
        left_at = row.log_index


def differences(
    found: Any, expected: Any, path: str = "", *, with_sealed: bool = True
) -> Iterator[str]:
    """Where a statement says something else than its records add up to.

    Without the contents, what rests on them alone is passed over.
    """
    if not isinstance(found, dict) or not isinstance(expected, dict):
        if found != expected:
            yield f"{path} is {_short(found)}; the records give {_short(expected)}"
        return
    for name in sorted(found.keys() | expected.keys()):
        if not with_sealed and (name in _SEALED_FIGURES or name in _SEALED_GROUPS):
            continue
        below = f"{path}.{name}" if path else name
        if name not in found or name not in expected:
            yield f"{below} is {'missing' if name in expected else 'too much'}"
        else:
            yield from differences(
                found[name], expected[name], below, with_sealed=with_sealed
            )


def group_findings(ledger: Any) -> Iterator[str]:
    """Whether each grouping of a ledger adds up to its net."""
    try:
        for group in sorted(_SEALED_GROUPS):
            for name, net in ledger["net"].items():
                if sum(figures[name] for figures in ledger[group].values()) != net:
                    yield f"ledger.{group} does not add up to ledger.net.{name}"
    except (KeyError, TypeError, AttributeError):
        yield "ledger does not have its members"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."  # noqa: PLR2004  # a line


def _span(first: int, last: int) -> str:
    return f"index {first}" if first == last else f"index {first} to {last}"


def _spans(runs: Runs) -> str:
    return ", ".join(_span(*run) for run in runs) or "nothing"
