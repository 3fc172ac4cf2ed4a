"""What the detectors say of a claim while the patient is still at the desk."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from loadtests.peers import statements
from loadtests.peers.answers import Alert
from loadtests.peers.claim import Claim
from loadtests.peers.office import Office
from settlement.domain.decision import Adjudication
from settlement.domain.decline import decline
from settlement.domain.eligibility import RosterPerson
from settlement.domain.watch.detecting import signals_about
from settlement.domain.watch.rules import Action, AlertRules
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.wording import desk_text_of

#: A stay that began so long before the days that a detector asks for is seen, too.
_LONGEST_STAY = timedelta(days=92)
_MOST_CLAIMS = 1_000
_DENIED, _HELD = "MA-2208", "MA-2209"


def refused(claim: Claim, result: Adjudication, reason: str) -> Adjudication:
    """Approved by the policy, and declined for another reason."""
    return decline(claim.bill, reason, category=result.category, coded=result.coded)


async def detect(
    office: Office,
    connection: AsyncConnection,
    claim: Claim,
    person: RosterPerson,
    result: Adjudication,
    rules: AlertRules,
) -> tuple[Adjudication, tuple[Alert, ...]]:
    """Look at the person's earlier claims, with the running totals locked."""
    bill, reach = claim.bill, office.detectors.reach[rules.sha256]
    found = await connection.execute(
        statements.HISTORY,
        {
            "person_": person.token,
            "since": bill.service_start - reach - _LONGEST_STAY,
            "until": bill.service_end + reach,
            "most": _MOST_CLAIMS,
        },
    )
    history = [
        SeenClaim(*row[:-1])._replace(diagnoses=tuple(row[-1] or ())) for row in found
    ]
    signals = [
        signal
        for signal in signals_about(_seen(claim, person, result), history, rules)
        if not office.detectors.is_muted(signal)
    ]
    actions = {rules.detectors[signal.detector].action for signal in signals}
    if Action.DENY in actions:
        result = refused(claim, result, _DENIED)
    elif Action.HOLD in actions and bill.confirm_reason is None:
        result = refused(claim, result, _HELD)
    return result, tuple((each.detector, desk_text_of(each)) for each in signals)


def _seen(claim: Claim, person: RosterPerson, result: Adjudication) -> SeenClaim:
    bill = claim.bill
    return SeenClaim(
        id=claim.id,
        person=person.token,
        facility=claim.caller.party_id,
        place=claim.caller.subdistrict,
        operator=claim.caller.operator,
        care_type=bill.care_type.value,
        service_start=bill.service_start,
        service_end=bill.service_end,
        occurred_at=bill.occurred_at or claim.settled_at,
        diagnoses=bill.diagnoses,
        prescription_days=bill.prescription_days,
        total_fen=bill.total_fen,
        funds_fen=bill.funds_fen,
        base_fen=result.base_fen,
        aid_fen=result.aid_fen,
        reason=result.reason,
        is_approved=result.approved,
        repeat_reason=bill.repeat_reason and bill.repeat_reason.value,
    )
