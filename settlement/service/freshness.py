"""How fresh the roster must be to answer by it, and what is done where it is not.

Two measures. A roster is old when the bureau's file describes a state of too long ago;
and a cache is unconfirmed when this worker has not found it equal to the database for
too long, because it is cut off or falls behind. Either makes an answer stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from settlement.domain.eligibility import RosterVersion
from settlement.domain.errors import RequestRefused

#: A file of the bureau, or the way to the database, takes longer than a moment.
_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessLimits:
    """What the operator has set; docs/operations.md, The roster."""

    age_s: int = 40 * 86_400
    """A file may describe a state of so long ago; 0: any."""
    unconfirmed_s: int = 60
    """A worker may answer so long without having seen its cache confirmed; 0: ever."""
    refuses: bool = False
    """Whether a stale roster gives no answer, instead of a marked one."""

    def is_old(self, roster: RosterVersion | None, at: datetime) -> bool:
        """Whether the file's state is too old at an instant; without one it is not."""
        return (
            roster is not None
            and self.age_s > 0
            and at > _as_of(roster.as_of) + timedelta(seconds=self.age_s)
        )


class Freshness:
    """One worker's view: the limits, and when its cache was last confirmed."""

    def __init__(self, limits: FreshnessLimits, clock: Callable[[], float]) -> None:
        """Count from now; `clock` is monotonic, in seconds."""
        self.limits = limits
        self._clock = clock
        self._confirmed_at = clock()

    def confirm(self) -> None:
        """The cache was just seen at the version that the database has."""
        self._confirmed_at = self._clock()

    @property
    def unconfirmed_s(self) -> float:
        """Seconds since the cache was last confirmed."""
        return self._clock() - self._confirmed_at

    def is_stale(self, roster: RosterVersion | None, at: datetime) -> bool:
        """Whether what the cache says at an instant is to be marked."""
        limit = self.limits.unconfirmed_s
        return self.limits.is_old(roster, at) or 0 < limit < self.unconfirmed_s

    def refuses(self, roster: RosterVersion | None, at: datetime) -> bool:
        """Whether the cache is too stale to be answered by."""
        return self.limits.refuses and self.is_stale(roster, at)

    def require(self, roster: RosterVersion | None, at: datetime) -> None:
        """Raise `RequestRefused` MA-2106 where the operator lets nobody answer."""
        if self.refuses(roster, at):
            raise RequestRefused("MA-2106", retry_after_s=_RETRY_AFTER_S)

    def require_age(self, roster: RosterVersion | None, at: datetime) -> None:
        """The same for settling, which reads what the cache lacks in the database."""
        if self.limits.refuses and self.limits.is_old(roster, at):
            raise RequestRefused("MA-2106", retry_after_s=_RETRY_AFTER_S)


@lru_cache(maxsize=16)
def _as_of(text: str) -> datetime:
    """The same text in every answer until the next file."""
    return datetime.fromisoformat(text)
