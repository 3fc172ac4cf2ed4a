"""One batch, from keys to posted rows, inside one database transaction.

Reads like DESIGN section 2, settle step 4. Stopping anywhere before COMMIT leaves
nothing behind: every step only locks, computes or writes uncommitted rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from settlement.service.claims import Claim, ReversalClaim, SettleClaim
from settlement.service.desk import Desk, Leaf
from settlement.service.logbook import Page
from settlement.service.ports import Answer
from settlement.service.reversing import Reversing
from settlement.service.settling import Settling
from settlement.service.totals import Totals
from settlement.store.ledger import Ledger
from settlement.store.rows import (
    AnswerRow,
    BatchRows,
    KeyRow,
    LeafRow,
    NewHead,
    RecordRow,
    ReversalKeyRow,
)


class Batch:
    """The claims of one batch and what becomes of each."""

    def __init__(
        self, desk: Desk, claims: Sequence[Claim], decided: Callable[[], None]
    ) -> None:
        """Take claims whose settle keys are distinct; the sequencer sees to that.

        `decided` is called once only posting and COMMIT are left; what it raises
        leaves nothing behind.
        """
        self._desk = desk
        self._decided = decided
        self._settles = [c for c in claims if isinstance(c, SettleClaim)]
        self._reversals = [c for c in claims if isinstance(c, ReversalClaim)]
        #: Answers and refusals, complete when `run` has returned.
        self.answers: dict[Claim, Answer | Exception] = {}
        #: Claims that must wait for the next batch.
        self.deferred: list[Claim] = []
        #: Ids that exist in the database once this is committed.
        self.new_ids: set[bytes] = set()
        #: How long applying the policy, sealing and signing took.
        self.sealing_s = 0.0
        #: The log's new head, where the batch has added leaves.
        self.head: NewHead | None = None

    async def run(self, ledger: Ledger) -> None:
        """All steps up to, and without, COMMIT."""
        settling = Settling(self._desk, ledger, self._settles)
        reversing = Reversing(self._desk, ledger, self._reversals)
        await self._claim_keys(ledger, settling, reversing)
        await settling.refresh_persons()
        await settling.claim_visits()
        await reversing.lock_originals()
        totals = Totals(
            await ledger.lock_accumulators(
                settling.accumulators() | reversing.accumulators()
            )
        )
        await settling.recall(reversing.undone())
        began = perf_counter()
        leaves = reversing.undo(totals) + settling.adjudicate(totals)
        self.sealing_s = perf_counter() - began
        self.answers |= settling.answers | reversing.answers
        self.deferred += settling.deferred + reversing.deferred
        self._decided()
        await self._post(ledger, settling, reversing, totals, leaves)

    async def _claim_keys(
        self, ledger: Ledger, settling: Settling, reversing: Reversing
    ) -> None:
        """Every key of the batch, sorted; the UNIQUE index decides who is first."""
        own = [
            ReversalKeyRow(*claim.key_id, claim.id, claim.month)
            for claim in self._reversals
        ]
        first_reversals = await ledger.claim_reversal_keys(own) if own else set()
        claims = [
            KeyRow(*claim.key_id, claim.id, claim.month, tombstone=False)
            for claim in self._settles
        ] + [
            KeyRow(*claim.original_key_id, claim.id, claim.month, tombstone=True)
            for claim in self._reversals
            if claim.original_key_id is not None and claim.id in first_reversals
        ]
        first = await ledger.claim_settle_keys(claims) if claims else set()
        await settling.sort_by_key(first)
        await reversing.sort_by_key(first_reversals, first)

    async def _post(
        self,
        ledger: Ledger,
        settling: Settling,
        reversing: Reversing,
        totals: Totals,
        leaves: Sequence[Leaf],
    ) -> None:
        """Lock the head, place the leaves, make receipts, write everything."""
        answers = settling.answered + reversing.answered
        self.new_ids = {row.id for row in answers} | {leaf.claim.id for leaf in leaves}
        if not self.new_ids:
            await ledger.fence()
            return
        head = await ledger.lock_head()
        self._desk.guard(head)
        page = self._desk.logbook.extend(head, [leaf.record for leaf in leaves])
        index_of = {
            leaf.claim.id: head.size + offset for offset, leaf in enumerate(leaves)
        }
        answers += self._receipts(leaves, page)
        await ledger.post(
            BatchRows(
                settlements=settling.rows(index_of.get),
                answers=answers,
                records=[
                    RecordRow(leaf.claim.month, index_of[leaf.claim.id], leaf.record)
                    for leaf in leaves
                ],
                leaves=[
                    LeafRow(
                        index_of[leaf.claim.id], entry, leaf.claim.id, leaf.claim.month
                    )
                    for leaf, entry in zip(leaves, page.entries, strict=True)
                ],
                nodes=page.nodes,
                postings=totals.postings(index_of),
                diagnoses=settling.diagnoses,
                accumulators=totals.rows(),
                head=page.head,
            )
        )
        if watched := settling.watched_declines():
            await ledger.post_watched_declines(watched)
        if reversals := reversing.rows(index_of.__getitem__):
            await ledger.post_reversals(reversals)
        await _sort_visits(ledger, settling, reversing)
        self.head = page.head

    def _receipts(self, leaves: Sequence[Leaf], page: Page) -> list[AnswerRow]:
        """Complete each leaf's answer with its receipt, as given and as stored."""
        made = []
        for offset, leaf in enumerate(leaves):
            claim = leaf.claim
            before, after = page.around(offset, leaf.body)
            made.append(AnswerRow(claim.month, claim.id, claim.request, before, after))
            self.answers[claim] = Answer(201, before + leaf.record + after)
        return made


async def _sort_visits(
    ledger: Ledger, settling: Settling, reversing: Reversing
) -> None:
    """Free the visits of declined and reversed bills, under the head's lock."""
    released = settling.released_visits + reversing.released_visits
    if released or settling.repeated_visits:
        await ledger.release_visits(released, settling.repeated_visits)
