"""The verdict of `check-books`, and how a violation is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from settlement.store.books import BookCounts

#: Violations that are listed; where everything is broken, memory stays flat.
LISTED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that does not hold, and where: never a value, never a person."""

    rule: str
    """`kind: what does not hold (tables or columns)`."""
    place: str
    """Index in the log, id of a settlement or reversal, or file."""


@dataclass(slots=True)
class BooksReport:
    """No violations means that every invariant holds."""

    counts: BookCounts
    leaves: int = 0
    violations: list[Violation] = field(default_factory=list)
    """The first `LISTED_MAX`."""
    unlisted: int = 0
    """Violations beyond those listed."""
    compared: int = 0
    """Records and checkpoints in other hands that the log was held against."""
    decisions: int | None = None
    """Contents opened and recomputed; `None` without the bureau's key."""

    def note(self, rule: str, place: str) -> None:
        """Add a violation."""
        if len(self.violations) < LISTED_MAX:
            self.violations.append(Violation(rule, place))
        else:
            self.unlisted += 1
