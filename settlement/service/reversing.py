"""The reversals of one batch: full amounts, by what was posted, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, time

from settlement.domain.calendar import SHANGHAI, shanghai_day
from settlement.domain.decision import Text
from settlement.domain.errors import RequestRefused
from settlement.service import content
from settlement.service.claims import Claim, ReversalClaim
from settlement.service.desk import ClaimFailedError, Desk, Leaf
from settlement.service.outcome import Alert, ReversalOutcome, without_receipt
from settlement.service.ports import Answer
from settlement.service.request import (
    REVERSAL_FIELDS,
    card_token_of,
    psn_digest_of,
)
from settlement.service.settling import known_key
from settlement.service.totals import AccumulatorId, Totals
from settlement.store import rows
from settlement.store.ledger import Ledger

TOMBSTONE_ALERT = Alert(
    "reversal-without-settlement",
    Text(
        "该幂等键尚无结算，已登记提前冲正；其后到达的结算将不予受理。",
        "No settlement under this key yet: it is stopped and will be declined.",
    ),
)
_NOT_YET = b'"already":false'
_ALREADY = b'"already":true'


@dataclass(frozen=True, slots=True)
class _Undo:
    claim: ReversalClaim
    original: rows.Original


class Reversing:
    """Owned by one batch; the steps are called in the order in which they stand."""

    def __init__(
        self, desk: Desk, ledger: Ledger, claims: Iterable[ReversalClaim]
    ) -> None:
        """Nothing is decided yet."""
        self._desk = desk
        self._ledger = ledger
        self._first: list[ReversalClaim] = list(claims)
        self._tombstones: list[ReversalClaim] = []
        self._undos: list[_Undo] = []
        self._postings: dict[int, list[rows.PostingRow]] = {}
        self.answers: dict[Claim, Answer | Exception] = {}
        self.answered: list[rows.AnswerRow] = []
        self.deferred: list[Claim] = []
        #: (identity, settlement id) of visits that are free again.
        self.released_visits: list[tuple[bytes, bytes]] = []

    async def sort_by_key(self, first: set[bytes], stopped: set[bytes]) -> None:
        """A known reversal key ends here; a stopped settle key is a tombstone.

        `first`: ids whose reversal key is new; `stopped`: those that also came
        before their original.
        """
        known = [claim for claim in self._first if claim.id not in first]
        self._first = [claim for claim in self._first if claim.id in first]
        if known:
            stored = await self._ledger.stored_reversals([c.key_id for c in known])
            for claim in known:
                self.answers[claim] = known_key(
                    claim.request, stored[claim.key_id], REVERSAL_FIELDS
                )
        for claim in [claim for claim in self._first if claim.id in stopped]:
            self._first.remove(claim)
            await self._stop(claim)

    async def _stop(self, claim: ReversalClaim) -> None:
        """A tombstone, unless the facility has made too many today."""
        day_start = datetime.combine(
            shanghai_day(claim.when.settled_at), time(), tzinfo=SHANGHAI
        )
        made = await self._ledger.tombstones_since(claim.caller.party_id, day_start)
        made += sum(
            other.caller.party_id == claim.caller.party_id for other in self._tombstones
        )
        if made >= self._desk.tombstones_per_day:
            await self._refuse(claim, "MA-4107")
        else:
            self._tombstones.append(claim)

    async def _refuse(self, claim: ReversalClaim, reason: str) -> None:
        """Nothing of a refused reversal is kept, its keys neither."""
        await self._release(claim)
        self.answers[claim] = RequestRefused(reason)

    async def _release(self, claim: ReversalClaim) -> None:
        stopped = claim.original_key_id
        await self._ledger.release_keys(
            [(*stopped, claim.id)] if stopped else [], [(*claim.key_id, claim.id)]
        )

    async def lock_originals(self) -> None:
        """Find and lock what is to be undone; tell what cannot or need not be."""
        if not self._first:
            return
        wanted = await self._original_ids()
        originals = await self._ledger.lock_originals(wanted.values())
        for claim in self._first:
            if claim in wanted:
                await self._judge(claim, originals.get(wanted[claim]))
        indexes = [
            undo.original.log_index
            for undo in self._undos
            if undo.original.log_index is not None
        ]
        if indexes:
            for row in await self._ledger.postings_of(indexes):
                self._postings.setdefault(row.log_index, []).append(row)

    async def _original_ids(self) -> dict[ReversalClaim, bytes]:
        """Settlement ids, by id or by key; a key that is stopped already ends here."""
        by_key = [c for c in self._first if c.original_key_id is not None]
        stored = (
            await self._ledger.stored_settlements(
                [c.original_key_id for c in by_key if c.original_key_id is not None]
            )
            if by_key
            else {}
        )
        wanted: dict[ReversalClaim, bytes] = {}
        for claim in self._first:
            if claim.original_key_id is None:
                wanted[claim] = claim.original_id or b""
                continue
            entry = stored[claim.original_key_id]
            if entry.tombstone:
                await self._repeat_first(claim, [], [entry.id])
            else:
                wanted[claim] = entry.id
        return wanted

    async def _judge(
        self, claim: ReversalClaim, original: rows.Original | None
    ) -> None:
        """Another facility's settlement is as unknown as one that never was."""
        if original is None or original.facility_id != claim.caller.party_id:
            await self._refuse(claim, "MA-4101")
        elif await self._is_other_person(claim, original):
            await self._refuse(claim, "MA-4104")
        elif original.state == b"d":
            self._answer_without_leaf(claim, original.id)
        elif original.state == b"r" or any(
            undo.original.id == original.id for undo in self._undos
        ):
            await self._repeat_first(claim, [original.id], [])
        else:
            self._undos.append(_Undo(claim, original))

    async def _is_other_person(
        self, claim: ReversalClaim, original: rows.Original
    ) -> bool:
        """Whether the card or number that came with the key is somebody else's.

        The card of the settlement itself never does; of another card the roster in
        PostgreSQL tells whose it is, because the cache may lag.
        """
        stored = original.request or b""
        if claim.psn_digest is not None and claim.psn_digest != psn_digest_of(stored):
            return True
        if claim.card_token is None or claim.card_token == card_token_of(stored):
            return False
        persons = await self._ledger.persons_by_card([claim.card_token])
        person = persons.get(claim.card_token)
        return person is None or person.token != original.person

    async def _repeat_first(
        self,
        claim: ReversalClaim,
        settlement_ids: list[bytes],
        reversal_ids: list[bytes],
    ) -> None:
        """Already undone: the first reversal's answer, marked `already`."""
        found = await self._ledger.reversals_of(settlement_ids, reversal_ids)
        if not found:
            # Undone by another claim of this very batch; the next one shows it.
            await self._release(claim)
            self.deferred.append(claim)
            return
        self._keep(claim, found[0].body.replace(_NOT_YET, _ALREADY, 1))

    def _answer_without_leaf(self, claim: ReversalClaim, original_id: bytes) -> None:
        outcome = ReversalOutcome(
            reversal_id=claim.id.hex(),
            settlement_id=original_id.hex(),
            aid_fen=0,
            state="declined",
        )
        self._keep(claim, without_receipt(self._desk.renderer.reversal(outcome)))

    def _keep(self, claim: ReversalClaim, body: bytes) -> None:
        self.answers[claim] = Answer(201, body)
        self.answered.append(
            rows.AnswerRow(claim.month, claim.id, claim.request, body, b"")
        )

    def accumulators(self) -> set[AccumulatorId]:
        """Every accumulator that is given something back."""
        return {
            (row.person, row.year, row.pot)
            for posted in self._postings.values()
            for row in posted
        }

    def undone(self) -> dict[bytes, tuple[datetime, str]]:
        """When and why settlements are undone in this batch, by id."""
        return {
            undo.original.id: (undo.claim.when.settled_at, undo.claim.order.reason)
            for undo in self._undos
        }

    def undo(self, totals: Totals) -> list[Leaf]:
        """Take back what was posted, and make each reversal's record."""
        leaves = []
        for claim in self._tombstones:
            clear = content.tombstone_claims(claim)
            leaves.append(self._leaf(claim, clear, [], None, "tombstone"))
        for undo in self._undos:
            claim, original = undo.claim, undo.original
            posted = self._postings.get(original.log_index or 0, [])
            for row in posted:
                totals.undo(claim.id, row)
            if original.visit_identity is not None:
                self.released_visits.append((original.visit_identity, original.id))
            clear = content.reversal_claims(claim, original)
            leaves.append(self._leaf(claim, clear, posted, original, "reversed"))
        return leaves

    def _leaf(
        self,
        claim: ReversalClaim,
        clear: content.ClearClaims,
        posted: list[rows.PostingRow],
        original: rows.Original | None,
        state: str,
    ) -> Leaf:
        outcome = ReversalOutcome(
            reversal_id=claim.id.hex(),
            settlement_id=original.id.hex() if original else None,
            aid_fen=original.aid_fen if original else 0,
            state=state,
            alerts=() if original else (TOMBSTONE_ALERT,),
        )
        try:
            record = self._desk.sealer.seal(
                clear,
                content.reversal_content(claim, clear, posted),
                self._desk.random,
            )
        except Exception as error:
            raise ClaimFailedError(claim) from error
        return Leaf(claim, record, self._desk.renderer.reversal(outcome))

    def rows(self, index_of: Callable[[bytes], int]) -> list[rows.ReversalRow]:
        """One row for each new reversal or tombstone."""
        made: list[tuple[ReversalClaim, rows.Original | None]] = [
            (claim, None) for claim in self._tombstones
        ]
        made += [(undo.claim, undo.original) for undo in self._undos]
        return [
            rows.ReversalRow(
                id=claim.id,
                month=claim.month,
                facility_id=claim.caller.party_id,
                key=claim.key,
                settlement_id=original.id if original else None,
                original_key=claim.order.original_key,
                person=_person(claim, original),
                reason=claim.order.reason,
                reversed_at=claim.when.settled_at,
                operator=claim.caller.operator,
                sandbox=claim.when.sandbox,
                aid_fen=original.aid_fen if original else 0,
                log_index=index_of(claim.id),
            )
            for claim, original in made
        ]


def _person(claim: ReversalClaim, original: rows.Original | None) -> bytes | None:
    if original is not None:
        return original.person
    return claim.person or claim.card_token
