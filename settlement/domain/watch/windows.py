"""Sliding windows: what stands too close together, each pattern found once.

Windows slide from claim to claim, so that the end of a month or year makes no hole.
Windows that share a claim are one pattern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from settlement.domain.watch.seen import SeenClaim, by_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class Tally(Protocol):
    """What a window holds, kept up while it slides. Never falls as claims are added."""

    @property
    def many(self) -> int:
        """Fewer claims than this are never too many."""
        ...

    def add(self, claim: SeenClaim) -> None:
        """Take a claim in."""
        ...

    def drop(self, claim: SeenClaim) -> None:
        """Let the earliest claim go."""
        ...

    def is_many(self) -> bool:
        """Whether the window holds too much."""
        ...


class Distinct:
    """Counts claims; of one key no more than `at_most`."""

    def __init__(
        self,
        many: int,
        key: Callable[[SeenClaim], Hashable],
        at_most: int = 1,
    ) -> None:
        self.many = many
        self._key = key
        self._at_most = at_most
        self._counts: Counter[Hashable] = Counter()
        self._sum = 0

    def add(self, claim: SeenClaim) -> None:
        """Count it, unless its key is full."""
        key = self._key(claim)
        self._counts[key] += 1
        self._sum += self._counts[key] <= self._at_most

    def drop(self, claim: SeenClaim) -> None:
        """The opposite."""
        key = self._key(claim)
        self._sum -= self._counts[key] <= self._at_most
        self._counts[key] -= 1

    def is_many(self) -> bool:
        """Whether the count has reached the limit."""
        return self._sum >= self.many


class Amounts:
    """Counts claims and adds up one amount of theirs."""

    def __init__(
        self, many: int, amount: Callable[[SeenClaim], int], limit_fen: int
    ) -> None:
        self.many = many
        self._amount = amount
        self._limit_fen = limit_fen
        self._count = 0
        self._sum_fen = 0

    def add(self, claim: SeenClaim) -> None:
        """Count it and add its amount."""
        self._count += 1
        self._sum_fen += self._amount(claim)

    def drop(self, claim: SeenClaim) -> None:
        """The opposite."""
        self._count -= 1
        self._sum_fen -= self._amount(claim)

    def is_many(self) -> bool:
        """Whether there are enough of them, and together they reach the limit."""
        return self._count >= self.many and self._sum_fen >= self._limit_fen


def day_of(claim: SeenClaim) -> int:
    """The day on which care began, as a number."""
    return claim.service_start.toordinal()


def second_of(claim: SeenClaim) -> int:
    """The second at which the bill was made, as a number."""
    return (claim.occurred_at - _EPOCH) // _SECOND


def patterns(
    claims: Sequence[SeenClaim],
    position: Callable[[SeenClaim], int],
    width: int,
    tally: Tally,
) -> list[list[SeenClaim]]:
    """Maximal runs of claims covered by windows that hold too much.

    `claims` ascend by position; a window holds positions that differ by less than
    `width`.
    """
    at = [position(claim) for claim in claims]
    if not _are_close(at, tally.many, width):
        return []
    found: list[tuple[int, int]] = []
    left = 0
    for right, claim in enumerate(claims):
        tally.add(claim)
        while at[right] - at[left] >= width:
            tally.drop(claims[left])
            left += 1
        if tally.is_many():
            first = left
            if found and first <= found[-1][1]:
                first = found.pop()[0]
            found.append((first, right))
    return [list(claims[first : last + 1]) for first, last in found]


def _are_close(at: Sequence[int], many: int, width: int) -> bool:
    """Quick, for most subjects: whether any window holds so many at all."""
    return any(
        last - first < width for first, last in zip(at, at[many - 1 :], strict=False)
    )


def united(groups: Iterable[Sequence[SeenClaim]]) -> list[list[SeenClaim]]:
    """Groups that share a claim put together, each in the order of `by_time`."""
    apart: list[dict[bytes, SeenClaim]] = []
    for group in groups:
        whole = {claim.id: claim for claim in group}
        rest = []
        for other in apart:
            if whole.keys().isdisjoint(other):
                rest.append(other)
            else:
                whole |= other
        apart = [*rest, whole]
    return [sorted(group.values(), key=by_time) for group in apart]
