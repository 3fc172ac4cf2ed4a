"""What the person detectors say while the patient is still at the desk.

Within the settle transaction, after the running totals are locked: the person's
earlier claims, those of this batch included, and the new one. Detectors tell the
cashier, hold the claim until it is confirmed, or deny it, as the rules in force say.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import Adjudication
from settlement.domain.watch.detecting import signals_about
from settlement.domain.watch.rules import Action
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.wording import desk_text_of
from settlement.service.claims import SettleClaim
from settlement.service.outcome import Alert
from settlement.service.watch.shelf import RulesInUse, RulesShelf
from settlement.service.watch.subjects import LONGEST_STAY
from settlement.store.ledger import Ledger
from settlement.store.watching import PersonSpan

_log = logging.getLogger(__name__)

DENIED = "MA-2208"
HELD = "MA-2209"


class Verdict(NamedTuple):
    """What the cashier is told, and the reason where the claim does not go through."""

    alerts: tuple[Alert, ...] = ()
    refusal: str | None = None


class AtDesk:
    """The claims that one batch may compare with. Without rules it says nothing."""

    def __init__(self, shelf: RulesShelf | None) -> None:
        """Nothing is recalled yet."""
        self._shelf = shelf
        self._history: dict[bytes, list[SeenClaim]] = {}
        #: By the instant of settling; claims of one batch share few.
        self._in_force: dict[datetime, RulesInUse | None] = {}

    async def recall(
        self,
        ledger: Ledger,
        claims: Sequence[SettleClaim],
        undone: Mapping[bytes, tuple[datetime, str]],
    ) -> None:
        """Read what these claims' persons had before.

        `undone`: when and why settlements are undone in this very batch, by id.
        """
        spans = [span for claim in claims if (span := self._span(claim)) is not None]
        if spans:
            found = await ledger.claims_of_persons(_joined(spans))
            self._history = {
                person: [_as_undone(each, undone) for each in history]
                for person, history in found.items()
            }

    def _span(self, claim: SettleClaim) -> PersonSpan | None:
        in_use = self._rules(claim)
        if in_use is None or claim.person is None:
            return None
        reach = in_use.reach[SubjectKind.PERSON]
        return PersonSpan(
            claim.person.token,
            claim.bill.service_start - reach - LONGEST_STAY,
            claim.bill.service_end + reach,
        )

    def _rules(self, claim: SettleClaim) -> RulesInUse | None:
        if self._shelf is None:
            return None
        at = claim.when.settled_at
        if at not in self._in_force:
            self._in_force[at] = self._shelf.in_force(shanghai_day(at), at)
        return self._in_force[at]

    def judge(self, claim: SettleClaim, result: Adjudication) -> Verdict:
        """What the detectors say of an approved claim, and remember it."""
        in_use = self._rules(claim)
        if self._shelf is None or in_use is None or claim.person is None:
            return Verdict()
        seen = seen_claim(claim, result)
        history = self._history.setdefault(claim.person.token, [])
        signals = [
            signal
            for signal in _signals(seen, history, in_use)
            if not self._shelf.is_muted(signal)
        ]
        verdict = _verdict(claim, signals, in_use)
        if verdict.refusal is None:
            history.append(seen)
        return verdict

    def note(self, claim: SettleClaim, result: Adjudication) -> None:
        """Remember a claim that the policy gave nothing: it may count as a visit."""
        if claim.person is not None and self._rules(claim) is not None:
            history = self._history.setdefault(claim.person.token, [])
            history.append(seen_claim(claim, result))

    def concerns(self, claim: SettleClaim, result: Adjudication) -> bool:
        """Whether a detector asks about a declined claim, so that the watch must."""
        in_use = self._rules(claim)
        return (
            claim.person is not None
            and in_use is not None
            and result.reason in in_use.watched_reasons
        )


def _as_undone(
    claim: SeenClaim, undone: Mapping[bytes, tuple[datetime, str]]
) -> SeenClaim:
    if claim.id not in undone:
        return claim
    at, reason = undone[claim.id]
    return claim._replace(reversed_at=at, reversal_reason=reason)


def _signals(
    seen: SeenClaim, history: Sequence[SeenClaim], in_use: RulesInUse
) -> list[Signal]:
    """A detector that raises keeps nobody from being settled, unless it may block."""
    try:
        return signals_about(seen, history, in_use.rules)
    except Exception as fault:
        if in_use.blocks:
            raise
        _log.error("alerts.desk_failed", exc_info=fault)
        return []


def _verdict(
    claim: SettleClaim, signals: Sequence[Signal], in_use: RulesInUse
) -> Verdict:
    if not signals:
        return Verdict()
    actions = {in_use.rules.detectors[signal.detector].action for signal in signals}
    refusal = None
    if Action.DENY in actions:
        refusal = DENIED
    elif Action.HOLD in actions and claim.bill.confirm_reason is None:
        refusal = HELD
    told = tuple(Alert(signal.detector, desk_text_of(signal)) for signal in signals)
    return Verdict(told, refusal)


def _joined(spans: Sequence[PersonSpan]) -> list[PersonSpan]:
    """One span for each person."""
    joined: dict[bytes, PersonSpan] = {}
    for span in spans:
        held = joined.get(span.person, span)
        joined[span.person] = PersonSpan(
            span.person, min(span.since, held.since), max(span.until, held.until)
        )
    return sorted(joined.values())


def seen_claim(claim: SettleClaim, result: Adjudication) -> SeenClaim:
    """A claim as detectors see it, by what the policy gives."""
    bill = claim.bill
    return SeenClaim(
        id=claim.id,
        person=claim.person.token if claim.person else None,
        facility=claim.caller.party_id,
        place=claim.caller.subdistrict,
        operator=claim.caller.operator,
        care_type=bill.care_type.value,
        service_start=bill.service_start,
        service_end=bill.service_end,
        occurred_at=bill.occurred_at or claim.when.settled_at,
        diagnoses=bill.diagnoses,
        prescription_days=bill.prescription_days,
        total_fen=bill.total_fen,
        funds_fen=bill.funds_fen,
        base_fen=result.base_fen,
        aid_fen=result.aid_fen,
        reason=result.reason,
        is_approved=result.approved,
        repeat_reason=bill.repeat_reason.value if bill.repeat_reason else None,
    )
