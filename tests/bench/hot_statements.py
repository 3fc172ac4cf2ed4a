"""The statements of the hot path, what each is for, and values to ask it with.

Hot is what a batch of settlements or reversals runs, what answers a caller from the
database, and what follows each commit. `tests/bench/explain.py` shows their plans at
the largest size run; a test holds that none of them reads a table whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from settlement.store.line import _KEPT
from settlement.store.statements import statement
from settlement.store.watching import MOST_CLAIMS, MOST_OF_MEMBER, MOST_OF_OPERATOR

if TYPE_CHECKING:
    from settlement.store.database import Session

#: Tables with a row for each settlement, or for each person.
LARGE = frozenset(
    {
        "settle_key", "reversal_key", "settlement", "reversal", "visit", "diagnosis",
        "accumulator", "posting", "sealed_record", "answer", "log_leaf", "log_node",
        "watched_decline", "roster_window", "roster_card", "roster_change",
    }
)  # fmt: skip
#: As many as go into one batch.
CLAIMS = 64
#: What detectors of the person reach back and forth, stays included, and some.
_REACH = timedelta(days=130)
_OPERATOR_REACH = timedelta(days=1)

_SAMPLE = """
SELECT l.log_index, s.id, s.month, s.facility_id, s.key, s.person, s.visit_identity,
       s.operator, s.service_start, s.occurred_at,
       extract(year FROM s.service_end)::int2 AS year,
       (SELECT c.card FROM roster_card c WHERE c.person = s.person LIMIT 1) AS card,
       (SELECT w.household FROM roster_window w WHERE w.person = s.person LIMIT 1)
           AS household
FROM unnest($1::bigint[]) AS wanted(log_index)
JOIN log_leaf l USING (log_index) JOIN settlement s ON s.id = l.id
WHERE s.state = 's'
"""
_REVERSED = """
SELECT v.id, v.settlement_id, v.facility_id, v.key
FROM unnest($1::bigint[]) AS wanted(log_index)
CROSS JOIN LATERAL (
    SELECT l.id FROM log_leaf l JOIN reversal v ON v.id = l.id
    WHERE l.log_index >= wanted.log_index ORDER BY l.log_index LIMIT 1
) AS near
JOIN reversal v ON v.id = near.id
"""


#: As `settlement/store/ledger.py` has it.
TOMBSTONES = (
    "SELECT count(*) FROM reversal WHERE facility_id = $1"
    " AND settlement_id IS NULL AND reversed_at >= $2"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Stored settlements from all over the log, and reversals."""

    rows: list[Any]
    reversed: list[Any]
    size: int

    def column(self, name: str) -> list[Any]:
        """One column of the settlements."""
        return [row[name] for row in self.rows]

    def reversal(self, name: str) -> list[Any]:
        """One column of the reversals."""
        return [row[name] for row in self.reversed]


async def sample(session: Session, count: int = CLAIMS) -> Sample:
    """So many settlements, spread evenly over the log."""
    size = await session.fetchval("SELECT size FROM log_head")
    indexes = [size * n // count for n in range(count)]
    rows = await session.fetch(_SAMPLE, indexes)
    return Sample(rows, await session.fetch(_REVERSED, indexes[::8]), size)


@dataclass(frozen=True, slots=True)
class Hot:
    """One statement: for whom, and values for all of `sample`."""

    name: str
    purpose: str
    values: Callable[[Sample], tuple[Any, ...]] | None
    """`None` for what only writes new rows: its plan is shown without running it."""
    sql: str = ""
    is_planned_anew: bool = False
    """Planned for its values each time, so that no plan without values is kept."""

    @property
    def text(self) -> str:
        """The statement itself."""
        return self.sql or statement(self.name)


def _spans(sampled: Sample) -> tuple[list[bytes], list[date], list[date]]:
    days = sampled.column("service_start")
    return (
        sampled.column("person"),
        [day - _REACH for day in days],
        [day + _REACH for day in days],
    )


def _pots(sampled: Sample) -> tuple[list[bytes], list[int], list[str]]:
    wanted = sorted(
        {
            (person, year, pot)
            for person, year in zip(
                sampled.column("person"), sampled.column("year"), strict=True
            )
            for pot in ("inpatient", "outpatient")
        }
    )
    return tuple(list(column) for column in zip(*wanted, strict=True))  # type: ignore[return-value]


def _keys(sampled: Sample) -> tuple[list[int], list[str]]:
    return sampled.column("facility_id"), sampled.column("key")


def _reversal_keys(sampled: Sample) -> tuple[list[int], list[str]]:
    return sampled.reversal("facility_id"), sampled.reversal("key")


def _operators(sampled: Sample) -> tuple[Any, ...]:
    instants = sampled.column("occurred_at")
    return (
        sampled.column("facility_id"),
        sampled.column("operator"),
        [instant - _OPERATOR_REACH for instant in instants],
        [instant + _OPERATOR_REACH for instant in instants],
        MOST_OF_OPERATOR,
    )


def _households(sampled: Sample) -> tuple[Any, ...]:
    _, since, until = _spans(sampled)
    return sampled.column("household"), since, until, MOST_OF_MEMBER


def _one_person(sampled: Sample) -> tuple[Any, ...]:
    row = sampled.rows[0]
    return row["facility_id"], None, None, None, row["person"], None, None, None, 100


SETTLING = (
    Hot(
        "claim_settle_keys",
        "Step 4 of each batch: who is first under a key. The roster's version comes"
        " along.",
        None,
    ),
    Hot("stored_settlements", "What stands under known keys: a replay.", _keys),
    Hot(
        "roster_of_cards",
        "Step 5, only where the cache is older than the roster.",
        lambda sampled: (sampled.column("card"),),
    ),
    Hot("claim_visits", "Step 6: one bill of a visit in force.", None),
    Hot(
        "visits_in_force",
        "Step 6, for bills whose visit is taken: who holds it, with the answer.",
        lambda sampled: (sampled.column("visit_identity"),),
    ),
    Hot(
        "lock_accumulators",
        "Step 7: running totals, locked in order, and opened for persons who have none"
        " of this year.",
        _pots,
    ),
    Hot(
        "watch_persons",
        "Step 7a: what these persons had before, for the detectors at the desk; the"
        " watch asks the same after the commit.",
        lambda sampled: (*_spans(sampled), MOST_CLAIMS),
    ),
    Hot("lock_head", "Step 9: the log's one head row.", lambda _: ()),
    Hot("post_ledger", "Step 10: everything that the batch made.", None),
    Hot(
        "post_watched_declines", "Step 10, for declines that detectors ask about.", None
    ),
    Hot(
        "release_visits",
        "Step 10, for bills that came out declined and for reversed ones.",
        lambda sampled: (sampled.column("visit_identity"), sampled.column("id")),
    ),
    Hot(
        "promote_visits",
        "The same: a further bill of the visit moves to the front.",
        lambda sampled: (sampled.column("visit_identity"),),
    ),
    Hot(
        "release_keys",
        "For claims that wait for the next batch.",
        lambda sampled: (*_keys(sampled), sampled.column("id"), [], [], []),
    ),
    Hot(
        "which were kept",
        "After a COMMIT whose answer did not come (step 12).",
        lambda sampled: (sampled.column("month"), sampled.column("id")),
        sql=_KEPT,
    ),
)
REVERSING = (
    Hot("claim_reversal_keys", "Who is first under a reversal's key.", None),
    Hot("stored_reversals", "What stands under known ones.", _reversal_keys),
    Hot("claim_late", "A late original takes its stopped key's second place.", None),
    Hot(
        "lock_originals",
        "Step 7: the settlements to reverse, locked in order.",
        lambda sampled: (sorted(sampled.column("id")),),
    ),
    Hot(
        "reversals_of",
        "The first reversal of a settlement that is reversed already.",
        lambda sampled: (sampled.reversal("settlement_id"), sampled.reversal("id")),
    ),
    Hot(
        "postings_of",
        "What was posted, to be taken back.",
        lambda sampled: (sampled.column("log_index"),),
    ),
    Hot(
        "tombstones_since",
        "How many keys the hospital has stopped today.",
        lambda sampled: (
            sampled.rows[0]["facility_id"],
            sampled.rows[-1]["occurred_at"] - _OPERATOR_REACH,
        ),
        sql=TOMBSTONES,
    ),
    Hot(
        "post_reversals",
        "Step 10: reversals, and their settlements marked once.",
        lambda sampled: ([], sampled.column("id")),
    ),
)
ASKING = (
    Hot("read_accumulators", "Quota of all who ask at once, and quotes.", _pots),
    Hot(
        "find_by_key",
        "`GET /v1/settlements?idempotency_key=`.",
        lambda sampled: (sampled.rows[0]["facility_id"], sampled.rows[0]["key"]),
    ),
    Hot(
        "find_settlements",
        "`GET /v1/settlements`, here by person.",
        _one_person,
        is_planned_anew=True,
    ),
    Hot(
        "find_leaf",
        "`GET /v1/settlements/{id}/record`.",
        lambda sampled: (sampled.rows[0]["id"], None),
    ),
)
FOLLOWING = (
    Hot(
        "watch_leaves",
        "The next leaves behind the watch's cursor.",
        lambda sampled: (sampled.size // 2, 64),
    ),
    Hot("watch_operators", "What these operators settled around then.", _operators),
    Hot(
        "watch_households",
        "Their persons' households.",
        lambda sampled: (sampled.column("person"),),
    ),
    Hot("watch_members", "What the members of households claimed.", _households),
    Hot(
        "roster_changes",
        "What the caches follow.",
        lambda _: (0, 64),
    ),
)
GROUPS = {
    "Settling": SETTLING,
    "Reversing": REVERSING,
    "Asking": ASKING,
    "Following": FOLLOWING,
}
