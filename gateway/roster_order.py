"""What a worker and the process that takes a roster file in say to each other."""

from __future__ import annotations

from dataclasses import dataclass

#: What the process writes when it has told the database how it ended.
DONE = b"done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterOrder:
    """Which file is to be taken in. It holds the database's address: no argument."""

    dsn: str
    data_dir: str
    """Keys, trust file and sub-districts of this installation."""
    fd: int
    """The data file, which has no name."""
    manifest: str
    """As it was sent."""
    encoding: str
    version: int
    attempt: str
    """16 bytes in hex: tells this attempt from another one at the same version."""
