"""What a worker and the process that matches a list for it say to each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOrder:
    """What is to be matched, for whom. It holds the database's address: no argument."""

    dsn: str
    fd: int
    """The file, which has no name."""
    facility: str
    period: str
    operator: str
    today: str
    """The Shanghai day of asking."""
