"""The settle claims of one batch: each step narrows who is still undecided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from settlement.domain.bill import BillFault
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication, Text
from settlement.domain.decline import decline
from settlement.domain.eligibility import Window, refusal
from settlement.domain.errors import RequestRefused
from settlement.service import content
from settlement.service.claims import Claim, SettleClaim
from settlement.service.desk import ClaimFailedError, Desk, Leaf, RecordBatch
from settlement.service.outcome import (
    Alert,
    DuplicateOf,
    Outcome,
    without_receipt,
)
from settlement.service.ports import Answer
from settlement.service.request import (
    BILL_FIELDS,
    differing,
    same_bill,
    visit_identity,
)
from settlement.service.settlement_row import settlement_row
from settlement.service.totals import AccumulatorId, Totals
from settlement.service.watch.at_desk import AtDesk
from settlement.store import rows
from settlement.store.ledger import Ledger

REPEAT_ALERT = Alert(
    "repeat-bill",
    Text(
        "同一就诊已有在用结算，本次为第二张账单，已提示民政部门核查。",
        "The visit has a settlement in force; this further bill is shown to the"
        " bureau.",
    ),
)


@dataclass(slots=True)
class _Undecided:
    """A claim that is first under its key and still on its way."""

    claim: SettleClaim
    categories: tuple[str, ...]
    identity: bytes
    keys: tuple[AccumulatorKey, ...]
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decided:
    claim: SettleClaim
    result: Adjudication
    identity: bytes | None
    window: Window | None


class Settling:
    """Owned by one batch; the steps are called in the order in which they stand."""

    def __init__(
        self, desk: Desk, ledger: Ledger, claims: Iterable[SettleClaim]
    ) -> None:
        """Nothing is decided yet."""
        self._desk = desk
        self._ledger = ledger
        self._watch = AtDesk(desk.alert_rules)
        self._first: list[SettleClaim] = list(claims)
        self._undecided: list[_Undecided] = []
        self._decided: list[_Decided] = []
        self.answers: dict[Claim, Answer | Exception] = {}
        self.answered: list[rows.AnswerRow] = []
        self.deferred: list[Claim] = []
        self.diagnoses: list[rows.DiagnosisRow] = []
        #: (identity, id) of visits claimed for bills that came out declined.
        self.released_visits: list[tuple[bytes, bytes]] = []
        #: Identities in which a further bill was put.
        self.repeated_visits: list[bytes] = []

    async def sort_by_key(self, first: set[bytes]) -> None:
        """A known key ends here: its stored answer, or what differs."""
        known = [claim for claim in self._first if claim.id not in first]
        if not known:
            return
        self._first = [claim for claim in self._first if claim.id in first]
        stored = await self._ledger.stored_settlements([c.key_id for c in known])
        late = [c for c in known if stored[c.key_id].awaits_original]
        for claim in known:
            if claim not in late:
                self.answers[claim] = known_key(
                    claim.request, stored[claim.key_id].answer, BILL_FIELDS
                )
        if late:
            await self._decline_late(late)

    async def _decline_late(self, late: list[SettleClaim]) -> None:
        """Originals that their reversal has overtaken: declined, and kept as such."""
        taken = await self._ledger.claim_late(
            [
                rows.KeyRow(*claim.key_id, claim.id, claim.month, tombstone=True)
                for claim in late
            ]
        )
        for claim in late:
            if claim.id in taken:
                self._decline(claim, "MA-2205")
            else:
                # Another worker's was first this moment; the next batch shows it.
                self.deferred.append(claim)

    async def refresh_persons(self) -> None:
        """Where the cache was older than the roster, ask PostgreSQL itself."""
        head = self._ledger.roster
        behind = [
            claim
            for claim in self._first
            if head is not None
            and (claim.roster is None or claim.roster.version < head.version)
        ]
        if not behind or head is None:
            return
        persons = await self._ledger.persons_by_card([c.card_token for c in behind])
        for claim in behind:
            claim.person = persons.get(claim.card_token)
            # Not `head`: a roster file may have come in since the keys were claimed.
            claim.roster = self._ledger.roster

    async def claim_visits(self) -> None:
        """Who is not eligible is decided; the others claim their visit's bill."""
        for claim in self._first:
            self._judge(claim)
        taken = await self._take_visits([(u, 0) for u in self._undecided])
        late = [u for u in self._undecided if u.claim.id not in taken]
        if late:
            await self._settle_visit_conflicts(late)

    def _judge(self, claim: SettleClaim) -> None:
        bill, person = claim.bill, claim.person
        categories = _categories(claim)
        if person is None or not categories:
            self._decline(claim, refusal(person, bill.service_end))
            return
        identity = visit_identity(claim.caller.party_id, person.token, claim.values)
        keys = claim.pack.pack.accumulator_keys(bill, categories)
        self._undecided.append(_Undecided(claim, categories, identity, keys))

    async def _take_visits(self, wanted: list[tuple[_Undecided, int]]) -> set[bytes]:
        if not wanted:
            return set()
        return await self._ledger.claim_visits(
            [rows.VisitRow(u.identity, ordinal, u.claim.id) for u, ordinal in wanted]
        )

    async def _settle_visit_conflicts(self, late: list[_Undecided]) -> None:
        """The visit's bill is in force already: a repeat, or declined."""
        held = await self._ledger.visits_in_force([u.identity for u in late])
        repeats: list[tuple[_Undecided, int]] = []
        postponed: list[_Undecided] = []
        for undecided in late:
            self._undecided.remove(undecided)
            holders = held.get(undecided.identity, [])
            if not holders or not holders[0].answer.tail:
                # Reversed this moment, or claimed by another bill of this batch.
                postponed.append(undecided)
            elif undecided.claim.bill.repeat_reason is not None:
                repeats.append((undecided, holders[-1].ordinal + 1))
            else:
                self._decline_duplicate(undecided.claim, holders[0])
        taken = await self._take_visits(repeats)
        for undecided, _ in repeats:
            if undecided.claim.id in taken:
                undecided.alerts = (REPEAT_ALERT,)
                self.repeated_visits.append(undecided.identity)
                self._undecided.append(undecided)
            else:
                postponed.append(undecided)
        await self._postpone([u.claim for u in postponed])

    async def _postpone(self, claims: list[SettleClaim]) -> None:
        if claims:
            await self._ledger.release_keys(
                [(*claim.key_id, claim.id) for claim in claims], []
            )
            self.deferred.extend(claims)

    def _decline_duplicate(self, claim: SettleClaim, holder: rows.VisitInForce) -> None:
        same = same_bill(holder.answer.request, claim.request)
        duplicate = DuplicateOf(
            holder.answer.id.hex(),
            holder.aid_fen,
            holder.patient_pays_fen,
            holder.answer.receipt,
            is_same_bill=same,
        )
        self._decline(claim, "MA-2202" if same else "MA-2203", duplicate)

    def _decline(
        self, claim: SettleClaim, reason: str, duplicate: DuplicateOf | None = None
    ) -> None:
        self._conclude(claim, decline(claim.bill, reason), duplicate)

    def _conclude(
        self,
        claim: SettleClaim,
        result: Adjudication,
        duplicate: DuplicateOf | None = None,
        alerts: tuple[Alert, ...] = (),
    ) -> None:
        """A claim without a leaf: its answer is complete now."""
        body = without_receipt(
            self._desk.renderer.decision(_outcome(claim, result, alerts, duplicate))
        )
        window = content.used_window(claim, result.category)
        self._decided.append(_Decided(claim, result, None, window))
        self._note_diagnoses(claim)
        self.answers[claim] = Answer(201, body)
        self.answered.append(
            rows.AnswerRow(claim.month, claim.id, claim.request, body, b"")
        )

    def accumulators(self) -> set[AccumulatorId]:
        """Every accumulator that the undecided may read or post to."""
        return {
            (undecided.claim.person.token, key.year, key.pot)
            for undecided in self._undecided
            if undecided.claim.person is not None
            for key in undecided.keys
        }

    async def recall(self, undone: Mapping[bytes, tuple[datetime, str]]) -> None:
        """Read what the persons had before; `undone` in this batch: when and why."""
        claims = [undecided.claim for undecided in self._undecided]
        await self._watch.recall(self._ledger, claims, undone)

    def adjudicate(self, totals: Totals) -> list[Leaf]:
        """Apply the policy in order of arrival; seal what is approved."""
        leaves: list[Leaf] = []
        if not self._undecided:
            return leaves
        records = self._desk.sealer.batch(self._desk.random)
        for undecided in self._undecided:
            try:
                leaf = self._adjudicate(undecided, totals, records)
            except Exception as error:
                raise ClaimFailedError(undecided.claim) from error
            if leaf is None:
                self.released_visits.append((undecided.identity, undecided.claim.id))
            else:
                leaves.append(leaf)
        return leaves

    def _adjudicate(
        self, undecided: _Undecided, totals: Totals, records: RecordBatch
    ) -> Leaf | None:
        claim = undecided.claim
        person = claim.person
        if person is None:
            raise ValueError("an undecided claim has no person")
        used = totals.used(person.token, undecided.keys)
        result, alerts = self._decide(claim, undecided.categories, used)
        if not result.approved:
            self._conclude(claim, result, alerts=alerts)
            return None
        for posting in result.postings:
            totals.post(claim.id, person.token, posting)
        window = content.used_window(claim, result.category)
        self._decided.append(_Decided(claim, result, undecided.identity, window))
        self._note_diagnoses(claim)
        clear = content.settle_claims(claim, result, claim.pack.pack.ref)
        record = records.seal(
            clear,
            content.settle_content(
                claim, clear, result, used, window, self._desk.lasting
            ),
        )
        body = self._desk.renderer.decision(
            _outcome(claim, result, undecided.alerts + alerts, None)
        )
        return Leaf(claim, record, body)

    def _decide(
        self,
        claim: SettleClaim,
        categories: tuple[str, ...],
        used: dict[AccumulatorKey, int],
    ) -> tuple[Adjudication, tuple[Alert, ...]]:
        """What the policy gives, the patient was told, and the detectors say."""
        result = claim.pack.pack.adjudicate(
            claim.bill,
            categories,
            used,
            claim.caller.facility_level,
            settled_on=shanghai_day(claim.when.settled_at),
        )
        if not result.approved:
            self._watch.note(claim, result)
            return result, ()
        expected = claim.bill.expected_aid_fen
        if expected is not None and expected != result.aid_fen:
            return _declined(claim, result, "MA-2204"), ()
        verdict = self._watch.judge(claim, result)
        if verdict.refusal is not None:
            result = _declined(claim, result, verdict.refusal)
        return result, verdict.alerts

    def _note_diagnoses(self, claim: SettleClaim) -> None:
        codes, days = list(claim.bill.diagnoses), claim.bill.prescription_days
        if codes or days is not None:
            self.diagnoses.append(rows.DiagnosisRow(claim.id, codes, days))

    def watched_declines(self) -> list[bytes]:
        """Declines that a detector asks about, in order."""
        return [
            decided.claim.id
            for decided in self._decided
            if not decided.result.approved
            and self._watch.concerns(decided.claim, decided.result)
        ]

    def rows(self, index_of: Callable[[bytes], int | None]) -> list[rows.SettlementRow]:
        """One row for each decided claim, declines included."""
        return [
            settlement_row(
                decided.claim,
                decided.result,
                decided.identity,
                decided.window,
                index_of(decided.claim.id),
            )
            for decided in self._decided
        ]


def _categories(claim: SettleClaim) -> tuple[str, ...]:
    if claim.person is None:
        return ()
    windows = claim.pack.pack.identity_windows(claim.person, claim.bill)
    return tuple([window.category for window in windows])


def _declined(claim: SettleClaim, result: Adjudication, reason: str) -> Adjudication:
    """Approved by the policy, and declined for another reason."""
    return decline(claim.bill, reason, category=result.category, coded=result.coded)


def _outcome(
    claim: SettleClaim,
    result: Adjudication,
    alerts: tuple[Alert, ...],
    duplicate: DuplicateOf | None,
) -> Outcome:
    pack = claim.pack.pack
    return Outcome(
        settlement_id=claim.id.hex(),
        settled_at=claim.when.settled_at,
        adjudication=result,
        policy=pack.ref,
        category_text=(
            Text(*pack.category_text(result.category)) if result.category else None
        ),
        roster=claim.roster,
        alerts=alerts,
        duplicate_of=duplicate,
    )


def known_key(
    request: bytes, stored: rows.StoredAnswer, names: tuple[str, ...]
) -> Answer | Exception:
    """The stored answer for the same content; 422 naming the fields for other.

    Equal bytes are the common case; a request that a release with more or fewer
    fields has stored is compared value by value.
    """
    if stored.request != request:
        fields = differing(stored.request, request, names)
        if fields:
            faults = tuple(BillFault(name, "MA-4103") for name in fields)
            return RequestRefused("MA-4103", faults=faults)
    return Answer(201, stored.body, replayed=True)
