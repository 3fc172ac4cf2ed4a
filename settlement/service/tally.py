"""What the settle path counts for the operator: plain numbers, copied each second.

Counting is an addition to an integer; whoever shows the numbers reads them later
and elsewhere, so that the money path waits for no metric.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

#: Batches remembered for whoever shows their sizes and times; more are forgotten.
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """One batch that the database has kept."""

    claims: int
    seconds: float
    """From BEGIN to the answer of COMMIT."""
    sealing_s: float
    """Of these: applying the policy, sealing and signing its records."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """Faults of one sequencer since its start, and its batches since last asked."""

    committed: deque[CommittedBatch] = field(
        default_factory=lambda: deque(maxlen=_KEPT)
    )
    conflicts: int = 0
    """Deadlocks and serialization failures: the batch was run again."""
    divided: int = 0
    """Batches that raised and were run again in halves."""
    claims_failed: int = 0
    """Claims answered MA-5107: nothing stored, the others settled."""
    claims_late: int = 0
    """Claims whose deadline passed before their batch began."""
    pool_full: int = 0
    """Claims refused because too many waited."""
    database_lost: int = 0
    unknown: int = 0
    """Commits whose answer did not come."""
    unknown_kept: int = 0
    """Of these: the database had kept the batch."""
    unknown_not_kept: int = 0
    """Of these: the database had kept nothing."""
    unknown_unresolved: int = 0
    """Of these: the database did not tell in time; callers got MA-5103."""
