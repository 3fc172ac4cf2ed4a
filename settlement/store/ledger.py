"""One batch of settlements and reversals in one database transaction.

The caller keeps the order of DESIGN section 2: keys, visits, originals,
accumulators, head, everything posted, COMMIT. Each lock is taken sorted.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from settlement.domain.calendar import rfc3339
from settlement.domain.eligibility import RosterPerson, RosterVersion
from settlement.domain.errors import FatalError
from settlement.domain.watch.seen import SeenClaim
from settlement.store import rows
from settlement.store.answers import answer_digest
from settlement.store.known_keys import FENCE, read_settlements, stored_answer
from settlement.store.roster import roster_of_cards
from settlement.store.statements import statement
from settlement.store.transaction import committed, our_errors
from settlement.store.watching import MOST_AT_DESK, PersonSpan, claims_of_persons

if TYPE_CHECKING:
    from settlement.store.database import Connection

AccumulatorId = tuple[bytes, int, str]


class Ledger:
    """The statements of one batch, on one connection inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        """`ledger_transaction` makes one."""
        self._connection = connection
        #: The roster's version as of this transaction's keys, or of the persons that it
        #: read last; `None` before them.
        self.roster: RosterVersion | None = None

    async def claim_settle_keys(self, claims: Sequence[rows.KeyRow]) -> set[bytes]:
        """Claim settle keys; the ids that were first."""
        with our_errors():
            found = await self._connection.fetch(
                statement("claim_settle_keys"), sorted(claims)
            )
        if found and found[0]["roster_as_of"] is not None:
            self.roster = RosterVersion(
                found[0]["roster_version"], rfc3339(found[0]["roster_as_of"])
            )
        return {row["id"] for row in found}

    async def claim_late(self, claims: Sequence[rows.KeyRow]) -> set[bytes]:
        """Claim stopped keys for late originals; the ids that were first."""
        with our_errors():
            found = await self._connection.fetch(
                statement("claim_late"), sorted(claims)
            )
        return {row["id"] for row in found}

    async def claim_reversal_keys(
        self, claims: Sequence[rows.ReversalKeyRow]
    ) -> set[bytes]:
        """Claim the keys of reversals; the ids that were first."""
        with our_errors():
            found = await self._connection.fetch(
                statement("claim_reversal_keys"), sorted(claims)
            )
        return {row["id"] for row in found}

    async def stored_settlements(
        self, keys: Sequence[tuple[int, str]]
    ) -> dict[tuple[int, str], rows.StoredKey]:
        """What stands under settle keys, committed by others before."""
        with our_errors():
            return await read_settlements(self._connection, keys)

    async def stored_reversals(
        self, keys: Sequence[tuple[int, str]]
    ) -> dict[tuple[int, str], rows.StoredAnswer]:
        """What stands under reversal keys."""
        with our_errors():
            found = await self._connection.fetch(
                statement("stored_reversals"), *_transpose(keys, 2)
            )
        return {(row["facility_id"], row["key"]): stored_answer(row) for row in found}

    async def release_keys(
        self,
        settles: Sequence[tuple[int, str, bytes]],
        reversals: Sequence[tuple[int, str, bytes]],
    ) -> None:
        """Give up keys (facility, key, id) claimed in this transaction."""
        with our_errors():
            await self._connection.execute(
                statement("release_keys"),
                *_transpose(settles, 3),
                *_transpose(reversals, 3),
            )

    async def persons_by_card(
        self, cards: Sequence[bytes]
    ) -> dict[bytes, RosterPerson]:
        """Persons as the roster has them now, by card token or person token.

        `roster` is the version that they are of: read in one moment with them.
        """
        with our_errors():
            self.roster, persons = await roster_of_cards(self._connection, cards)
        return persons

    async def claim_visits(self, claims: Sequence[rows.VisitRow]) -> set[bytes]:
        """Claim visits; the ids that hold theirs now."""
        with our_errors():
            found = await self._connection.fetch(
                statement("claim_visits"), sorted(claims)
            )
        return {row["id"] for row in found}

    async def visits_in_force(
        self, identities: Sequence[bytes]
    ) -> dict[bytes, list[rows.VisitInForce]]:
        """Who holds identities, lowest ordinal first."""
        with our_errors():
            found = await self._connection.fetch(
                statement("visits_in_force"), list(identities)
            )
        holders: dict[bytes, list[rows.VisitInForce]] = {}
        for row in sorted(found, key=lambda row: int(row["ordinal"])):
            holders.setdefault(row["identity"], []).append(
                rows.VisitInForce(
                    row["ordinal"],
                    row["aid_fen"] or 0,
                    row["patient_pays_fen"] or 0,
                    rows.StoredAnswer(
                        row["id"],
                        row["request"] or b"",
                        b"",
                        row["record"],
                        row["tail"] or b"",
                    ),
                )
            )
        return holders

    async def release_visits(
        self, claims: Sequence[tuple[bytes, bytes]], repeats: Sequence[bytes]
    ) -> None:
        """Give (identity, id) up; a further bill of the visit moves to the front.

        `repeats`: identities in which this batch put a further bill, whose first one
        may have been reversed meanwhile. Call it under the head's lock, so that
        batches see each other's bills.
        """
        with our_errors():
            identities, ids = _transpose(sorted(claims), 2)
            await self._connection.execute(statement("release_visits"), identities, ids)
            await self._connection.execute(
                statement("promote_visits"), sorted({*identities, *repeats})
            )

    async def lock_accumulators(
        self, wanted: Iterable[AccumulatorId]
    ) -> dict[AccumulatorId, tuple[int, int | None]]:
        """Lock running totals, opening those that do not exist; (used, cap) in fen."""
        order = sorted(set(wanted))
        if not order:
            return {}
        with our_errors():
            found = await self._connection.fetch(
                statement("lock_accumulators"), *_transpose(order, 3)
            )
        return {
            (row["person"], row["year"], row["pot"]): (row["used_fen"], row["cap_fen"])
            for row in found
        }

    async def lock_originals(self, ids: Iterable[bytes]) -> dict[bytes, rows.Original]:
        """The settlements to reverse, locked."""
        with our_errors():
            found = await self._connection.fetch(
                statement("lock_originals"), sorted(set(ids))
            )
        return {row["id"]: rows.Original(*row.values()) for row in found}

    async def reversals_of(
        self, settlement_ids: Sequence[bytes], reversal_ids: Sequence[bytes]
    ) -> list[rows.FirstReversal]:
        """First reversals by the settlement they undid, or by their own id."""
        with our_errors():
            found = await self._connection.fetch(
                statement("reversals_of"), list(settlement_ids), list(reversal_ids)
            )
        return [
            rows.FirstReversal(
                row["facility_id"],
                row["settlement_id"],
                row["head"] + row["record"] + row["tail"],
            )
            for row in found
        ]

    async def claims_of_persons(
        self, spans: Sequence[PersonSpan]
    ) -> dict[bytes, list[SeenClaim]]:
        """What persons had before, for the detectors that act at the desk.

        Of more than `MOST_AT_DESK` the latest: the watch reads further.
        """
        with our_errors():
            return await claims_of_persons(
                self._connection, spans, at_most=MOST_AT_DESK
            )

    async def post_watched_declines(self, ids: Sequence[bytes]) -> None:
        """Let the watch look at declines; call it with the head locked."""
        with our_errors():
            await self._connection.execute(
                statement("post_watched_declines"), list(ids)
            )

    async def postings_of(self, indexes: Sequence[int]) -> list[rows.PostingRow]:
        """What the leaves at these indexes posted."""
        with our_errors():
            found = await self._connection.fetch(
                statement("postings_of"), list(indexes)
            )
        return [
            rows.PostingRow(
                row["log_index"],
                row["person"],
                row["year"],
                row["pot"],
                row["amount_fen"],
                None,
            )
            for row in found
        ]

    async def tombstones_since(self, facility_id: int, day_start: Any) -> int:
        """How many keys the facility has stopped since the instant."""
        with our_errors():
            count: int = await self._connection.fetchval(
                "SELECT count(*) FROM reversal WHERE facility_id = $1"
                " AND settlement_id IS NULL AND reversed_at >= $2",
                facility_id,
                day_start,
            )
        return count

    async def fence(self) -> None:
        """Make a batch of replays wait for the standbys that settlements wait for.

        Where none is required nothing is written (reliability H3).
        """
        with our_errors():
            await self._connection.execute(FENCE)

    async def lock_head(self) -> rows.LogHead:
        """The log's head, locked until the transaction ends."""
        with our_errors():
            row = await self._connection.fetchrow(statement("lock_head"))
        if row is None:
            raise FatalError("the log has no head row; run `medaid init`")
        return rows.LogHead(*row.values())

    async def post(self, page: rows.BatchRows) -> None:
        """Write all that the batch made; `FatalError` if the head moved."""
        head = page.head
        with our_errors():
            status = await self._connection.execute(
                statement("post_ledger"),
                page.settlements,
                [(*row, answer_digest(row)) for row in page.answers],
                page.records,
                page.leaves,
                page.nodes,
                page.postings,
                page.diagnoses,
                page.accumulators,
                head.size,
                head.root,
                head.edge,
                head.checkpoint,
                head.old_size,
            )
        if status != "UPDATE 1":
            raise FatalError("the log's head moved although it was locked")

    async def post_reversals(self, reversals: Sequence[rows.ReversalRow]) -> None:
        """Write reversals and mark their settlements, each exactly once."""
        undone = [row.settlement_id for row in reversals if row.settlement_id]
        with our_errors():
            marked = await self._connection.fetchval(
                statement("post_reversals"),
                list(reversals),
                undone,
            )
        if marked != len(undone):
            raise FatalError("a settlement changed its state while it was locked")


def _transpose(table: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    if not table:
        return [[] for _ in range(width)]
    return [list(column) for column in zip(*table, strict=True)]


@contextlib.asynccontextmanager
async def ledger_transaction(connection: Connection) -> AsyncIterator[Ledger]:
    """The statements of one batch, committed when the block ends without raising.

    Raises what `committed` raises.
    """
    async with committed(connection):
        yield Ledger(connection)
