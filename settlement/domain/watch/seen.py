"""What a detector may know of a claim: tokens, places, days, codes and amounts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

#: Of all declines, detectors ask about those alone: the person's aid had ended before
#: the service, because they were struck from the roster or died.
WATCHED_REASONS = frozenset({"MA-2102"})


class SeenClaim(NamedTuple):
    """One claim as it was decided, and what became of it since. Holds no name.

    A tuple, because a look reads tens of thousands: rows become claims as they are.
    """

    id: bytes
    """Of the settlement, 16 bytes."""
    person: bytes | None
    """Token; `None` where the card is on no roster."""
    facility: int
    """Number of the hospital."""
    operator: str
    care_type: str
    service_start: date
    service_end: date
    occurred_at: datetime
    """When the bill was made at the desk, UTC; a claim sent late keeps it."""
    total_fen: int
    funds_fen: int
    base_fen: int
    aid_fen: int
    reason: str
    """Stable code of the decision, `MA-...`."""
    is_approved: bool
    repeat_reason: str | None = None
    reversed_at: datetime | None = None
    """When it was undone; `None` while it stands."""
    reversal_reason: str | None = None
    """`refund`, `timeout` or `mistake`, where it was undone."""
    place: str = ""
    """Sub-district of the hospital, 9 digits; empty where it is not known."""
    household: bytes | None = None
    prescription_days: int | None = None
    diagnoses: tuple[str, ...] = ()
    cap_fen: int | None = None
    """The yearly cap that its aid was posted under; `None`: no limit, or no aid."""
    used_fen: int | None = None
    """What that pot held after it."""

    @property
    def stands(self) -> bool:
        """Whether it was approved and not undone: what remains after netting."""
        return self.is_approved and self.reversed_at is None


def netted(claims: Iterable[SeenClaim]) -> list[SeenClaim]:
    """What stands once cancelled pairs are dropped, in the order of `by_time`."""
    return sorted((claim for claim in claims if claim.stands), key=by_time)


def by_time(claim: SeenClaim) -> tuple[date, datetime, bytes]:
    """The one order of a subject's claims, whatever the order they came in."""
    return (claim.service_start, claim.occurred_at, claim.id)
