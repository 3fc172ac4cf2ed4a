"""One settlement in one database transaction, step by step.

The order of locks is the same for everybody: key, visit, running totals, log head. A
transaction holds one key and one visit at most, and totals are locked sorted, so no two
wait for each other in a circle.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from loadtests.peers import answers, records, rows, statements
from loadtests.peers.access import Caller
from loadtests.peers.answers import Alert, Duplicate
from loadtests.peers.bill import check_bill
from loadtests.peers.claim import (
    Claim,
    canonical,
    differing,
    is_same_bill,
    visit_identity,
)
from loadtests.peers.detecting import detect, refused
from loadtests.peers.office import Office, is_watched
from settlement.domain.bill import Bill, BillFault
from settlement.domain.calendar import month_of_day, shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication, Text
from settlement.domain.decline import decline
from settlement.domain.eligibility import RosterPerson, refusal
from settlement.domain.errors import FatalError, RequestRefused

_REPEAT: Alert = (
    "repeat-bill",
    Text(
        "同一就诊已有在用结算，本次为第二张账单，已提示民政部门核查。",
        "The visit has a settlement in force; this further bill is shown to the"
        " bureau.",
    ),
)
_EPOCH = date(2000, 1, 1).toordinal()


async def settle(office: Office, caller: Caller, key: str, bill: Bill) -> bytes:
    """Settle the bill under the key, exactly once: the answer's body.

    Raises `RequestRefused` where nothing is kept.
    """
    claim = _claim(office, caller, key, bill)
    async with office.engine.begin() as connection:
        return await Settling(office, connection, claim).run()


def _claim(office: Office, caller: Caller, key: str, bill: Bill) -> Claim:
    now = datetime.now(UTC)
    today = shanghai_day(now)
    check_bill(bill, key=key, operator=caller.operator, today=today)
    person, can_tell = office.cache.person_of_card(bill.card)
    if not can_tell:
        raise RequestRefused("MA-2104", retry_after_s=5)
    pack = office.book.in_force(bill, now)
    if needed := pack.fields_needed(bill):
        faults = tuple(BillFault(name, "MA-1120") for name in needed)
        raise RequestRefused("MA-1102", faults=faults)
    tokens = office.tokenizer
    return Claim(
        caller=caller,
        key=key,
        bill=bill,
        settled_at=now,
        sandbox=office.sandbox,
        id=(today.toordinal() - _EPOCH).to_bytes(2, "big") + os.urandom(14),
        month=month_of_day(today),
        request=canonical(
            bill,
            tokens.card(bill.card.kind.value, bill.card.number),
            tokens.digest("diagnoses", " ".join(bill.diagnoses)),
        ),
        person=person,
        roster=office.cache.roster_version(),
        pack=pack,
        pack_no=office.pack_numbers[pack.ref.sha256],
    )


class Settling:
    """A claim on its way through one transaction."""

    def __init__(
        self, office: Office, connection: AsyncConnection, claim: Claim
    ) -> None:
        """Nothing is locked or written yet."""
        self._office = office
        self._connection = connection
        self._claim = claim
        self._rules = office.detectors.in_force(claim.settled_at)

    async def run(self) -> bytes:
        """All steps up to COMMIT; the answer."""
        claim = self._claim
        if not await self._claim_key():
            return await self._stored_answer()
        person, windows = claim.person, claim.windows
        if person is None or not windows:
            reason = refusal(person, claim.bill.service_end)
            return await self._conclude(decline(claim.bill, reason))
        identity = visit_identity(claim, person)
        alerts: tuple[Alert, ...] = ()
        if not await self._claim_visit(identity, 0):
            holders = await self._holders(identity)
            if claim.bill.repeat_reason is None:
                return await self._decline_duplicate(holders[0])
            if not await self._claim_visit(identity, holders[-1].ordinal + 1):
                raise RequestRefused("MA-4102", retry_after_s=1)
            alerts = (_REPEAT,)
        categories = [window.category for window in windows]
        used = await self._lock_totals(person, categories)
        result, told = await self._decide(person, categories, used)
        if not result.approved:
            await self._connection.execute(
                statements.RELEASE_VISIT, {"identity_": identity, "id_": claim.id}
            )
            return await self._conclude(result, told)
        return await self._approve(person, identity, used, result, alerts + told)

    async def _claim_key(self) -> bool:
        """Whether the key is new; the UNIQUE index decides, a twin is waited for."""
        claim = self._claim
        found = await self._connection.execute(
            statements.CLAIM_KEY,
            {
                "facility_id": claim.caller.party_id,
                "key": claim.key,
                "id": claim.id,
                "month": claim.month,
                "tombstone": False,
            },
        )
        row = found.one_or_none()
        if row is None:
            return False
        cached = claim.roster.version if claim.roster else 0
        if (row.roster_version or 0) > cached:
            # Nothing is kept; by the next attempt the cache has followed.
            self._office.cache.refresh()
            raise RequestRefused("MA-2104", retry_after_s=1)
        return True

    async def _stored_answer(self) -> bytes:
        """A known key ends here: its stored answer, or what differs."""
        claim = self._claim
        found = await self._connection.execute(
            statements.STORED,
            {"facility_id_": claim.caller.party_id, "key_": claim.key},
        )
        row = found.one()
        if fields := differing(row.request, claim.request):
            faults = tuple(BillFault(name, "MA-4103") for name in fields)
            raise RequestRefused("MA-4103", faults=faults)
        return bytes(row.head + (row.record or b"") + row.tail)

    async def _claim_visit(self, identity: bytes, ordinal: int) -> bool:
        """Whether the bill holds the visit now; the UNIQUE index decides."""
        found = await self._connection.execute(
            statements.CLAIM_VISIT,
            {"identity": identity, "ordinal": ordinal, "id": self._claim.id},
        )
        return found.one_or_none() is not None

    async def _holders(self, identity: bytes) -> Any:
        found = await self._connection.execute(
            statements.HOLDERS, {"identity_": identity}
        )
        if not (holders := found.all()):
            raise RequestRefused("MA-4102", retry_after_s=1)
        return holders

    async def _decline_duplicate(self, holder: Any) -> bytes:
        same = is_same_bill(holder.request, self._claim.request)
        duplicate = Duplicate(
            holder.id.hex(),
            holder.aid_fen,
            holder.patient_pays_fen,
            records.receipt_within(holder.record, holder.tail),
            same,
        )
        result = decline(self._claim.bill, "MA-2202" if same else "MA-2203")
        return await self._conclude(result, duplicate=duplicate)

    async def _lock_totals(
        self, person: RosterPerson, categories: list[str]
    ) -> dict[AccumulatorKey, int]:
        """What the person has used so far, locked until the transaction ends."""
        keys = sorted(self._claim.pack.accumulator_keys(self._claim.bill, categories))
        if not keys:
            return {}
        found = await self._connection.execute(
            statements.LOCK_TOTALS,
            {
                "person_": person.token,
                "years": [key.year for key in keys],
                "pots": [key.pot for key in keys],
            },
        )
        return {AccumulatorKey(year, pot): fen for year, pot, fen in found}

    async def _decide(
        self,
        person: RosterPerson,
        categories: list[str],
        used: dict[AccumulatorKey, int],
    ) -> tuple[Adjudication, tuple[Alert, ...]]:
        """What the policy gives, the patient was told, and the detectors say."""
        claim = self._claim
        result = claim.pack.adjudicate(
            claim.bill,
            categories,
            used,
            claim.caller.level,
            settled_on=shanghai_day(claim.settled_at),
        )
        if not result.approved:
            return result, ()
        expected = claim.bill.expected_aid_fen
        if expected is not None and expected != result.aid_fen:
            return refused(claim, result, "MA-2204"), ()
        if self._rules is None:
            return result, ()
        return await detect(
            self._office, self._connection, claim, person, result, self._rules
        )

    async def _approve(
        self,
        person: RosterPerson,
        identity: bytes,
        used: dict[AccumulatorKey, int],
        result: Adjudication,
        alerts: tuple[Alert, ...],
    ) -> bytes:
        """Seal and sign; take the log's head last, and hold it to COMMIT."""
        claim, office = self._claim, self._office
        clear = records.clear_claims(claim, result)
        record = office.sealer.seal(
            clear,
            records.sealed_content(claim, person, clear, result, used),
            os.urandom,
        )
        decision = answers.decision(claim, result, alerts)
        head = (await self._connection.execute(statements.LOCK_HEAD)).one()
        leaf = records.append(office.signer, head, record)
        before, after = records.around_record(decision, leaf)
        diagnoses = rows.diagnosis_row(claim)
        moved = await self._connection.execute(
            statements.post(
                postings=len(result.postings),
                nodes=len(leaf.nodes),
                with_diagnoses=diagnoses is not None,
            ),
            rows.named(
                rows.settlement_row(claim, result, identity, leaf.index),
                rows.answer_row(claim, before, after),
                rows.leaf_rows(leaf, record),
                rows.posting_rows(result),
                diagnoses or {},
            ),
        )
        if moved.rowcount != 1:
            raise FatalError("the log's head moved although it was locked")
        return before + record + after

    async def _conclude(
        self,
        result: Adjudication,
        alerts: tuple[Alert, ...] = (),
        duplicate: Duplicate | None = None,
    ) -> bytes:
        """Keep a decline and its answer; it has no leaf."""
        claim, execute = self._claim, self._connection.execute
        body = records.without_receipt(
            answers.decision(claim, result, alerts, duplicate)
        )
        await execute(
            statements.PUT_SETTLEMENT, rows.settlement_row(claim, result, None, None)
        )
        await execute(statements.PUT_ANSWER, rows.answer_row(claim, body, b""))
        await self._put_diagnoses()
        if claim.person is not None and is_watched(self._rules, result.reason):
            # Under the head's lock, so that numbers rise in the order of commits.
            await execute(statements.LOCK_HEAD)
            await execute(statements.WATCH_DECLINE, {"id": claim.id})
        return body

    async def _put_diagnoses(self) -> None:
        if (row := rows.diagnosis_row(self._claim)) is not None:
            await self._connection.execute(statements.PUT_DIAGNOSIS, row)
