"""What a detector has found: a subject, the claims that together show it, a score."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SubjectKind(StrEnum):
    """Whose claims a detector looks at together."""

    PERSON = "person"
    OPERATOR = "operator"
    HOUSEHOLD = "household"
    FACILITY = "facility"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One person, operator (of a facility), household or facility."""

    kind: SubjectKind
    facility: int | None = None
    """Number of the hospital, for an operator and a facility."""
    token: bytes | None = None
    """Of a person or a household."""
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """The fact that raises an alert.

    Two signals of one detector about one subject never share their whole set of
    claims. A signal that a late claim enlarges shares claims with what it was before:
    by that the alert is found again.
    """

    detector: str
    subject: Subject
    claims: tuple[bytes, ...]
    """Ids of the claims that together show it, in the order of `by_time`."""
    latest: bytes
    """The one of them that completes it: what staff would not have paid."""
    score: int
    """How strongly it speaks for misuse, 0 to 100."""
    facts: tuple[tuple[str, int | str], ...]
    """Numbers for its sentence: counts, days, fen. No names, no tokens."""
