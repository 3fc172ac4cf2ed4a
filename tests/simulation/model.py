"""The rules of API.md ("Once", "Reversal", caps) and of the demo pack, in plain words.

Shares no arithmetic with the product: dictionaries, whole fen, one request at a time.
An auditor reads it beside the decree. Requests are put to it in the order of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from settlement.domain.bill import Bill, CareType

OUT, SPECIAL, URGENT, STAY = CareType
YUAN = 100


class Terms(NamedTuple):
    """What one category gets: percent by care, and limits in yuan (None: no limit)."""

    percent: Mapping[CareType, int]
    per_visit: int  # deductible of an outpatient or emergency bill
    per_year: int  # deductible of stays and special outpatient care
    visit_cap: int | None  # of an outpatient or emergency bill
    caps: Mapping[str, int | None]  # by pot; a pot that is missing gives nothing
    tilt: int  # percent, on a referred stay, above 5,000 yuan, to 20,000 a year


def _all(*percent: int) -> dict[CareType, int]:
    return {care: p for care, p in zip(CareType, percent, strict=True) if p}


def _caps(outpatient: int | None, inpatient: int | None) -> dict[str, int | None]:
    return {"outpatient": outpatient, "inpatient": inpatient}


#: In the decree's order, which decides between equals.
DECREE = {
    "tekun": Terms(_all(100, 100, 100, 100), 0, 0, None, _caps(None, None), 0),
    "guer": Terms(_all(100, 100, 100, 100), 0, 0, None, _caps(None, None), 0),
    "dibao": Terms(_all(80, 85, 80, 85), 0, 0, 500, _caps(6_000, 100_000), 60),
    "fanpin": Terms(_all(75, 80, 75, 80), 0, 0, 500, _caps(5_000, 80_000), 60),
    "dibao_bianyuan": Terms(
        _all(60, 70, 60, 70), 10, 1_000, 500, _caps(4_000, 60_000), 50
    ),
    "dishouru": Terms(_all(50, 60, 50, 60), 10, 1_000, 300, _caps(3_000, 50_000), 0),
    "yinbing": Terms(_all(0, 55, 0, 55), 0, 3_000, None, {"inpatient": 40_000}, 40),
}
TILT_FROM, TILT_CAP = 5_000, 20_000


class Window(NamedTuple):
    """Days in which a person belongs to a category, ends included."""

    category: str
    first: date
    last: date | None


Roster = Mapping[str, tuple[Window, ...]]  # by person


class Decision(NamedTuple):
    """What the answer to a bill must say; amounts in fen."""

    approved: bool
    reason: str
    category: str | None
    base: int
    aid: int
    tilt: int
    postings: tuple[tuple[str, int], ...]  # pot and amount
    quota: tuple[tuple[str, int | None, int], ...]  # pot, cap, used afterwards
    duplicate_of: str | None = None


def _refused(reason: str, duplicate_of: str | None = None) -> Decision:
    return Decision(False, reason, None, 0, 0, 0, (), (), duplicate_of)


@dataclass
class Settled:
    """A settlement in the books."""

    person: str
    year: int
    identity: tuple[object, ...]
    bill: Bill
    decision: Decision
    is_reversed: bool = False


@dataclass
class Model:
    """The whole scheme: who has used what, which bills are in force."""

    used: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    settled: dict[str, Settled] = field(default_factory=dict)
    in_force: dict[tuple[object, ...], list[str]] = field(default_factory=dict)
    stopped: set[tuple[int, str]] = field(default_factory=set)

    def decide(
        self, facility: int, key: str, bill: Bill, person: str | None, roster: Roster
    ) -> Decision:
        """What this bill gets now; changes nothing."""
        if (facility, key) in self.stopped:
            return _refused("MA-2205")
        windows = roster.get(person, ()) if person else ()
        mine = [
            w.category
            for w in windows
            if w.first <= bill.service_end
            and (w.last is None or bill.service_start <= w.last)
        ]
        if not windows:
            return _refused("MA-2101")
        if not mine or person is None:
            future = all(w.first > bill.service_end for w in windows)
            return _refused("MA-2103" if future else "MA-2102")
        holders = self.in_force.get(identity_of(facility, person, bill))
        if holders and bill.repeat_reason is None:
            first = self.settled[holders[0]].bill
            return _refused("MA-2202" if same(first, bill) else "MA-2203", holders[0])
        decision = self._adjudicate(bill, person, mine)
        expected = bill.expected_aid_fen
        if decision.approved and expected not in {None, decision.aid}:
            return _refused("MA-2204")._replace(category=decision.category)
        return decision

    def _adjudicate(self, bill: Bill, person: str, mine: list[str]) -> Decision:
        year = year_of(bill)
        best = max(
            (category for category in DECREE if category in mine),
            key=lambda category: sum(DECREE[category].percent.values()),
        )
        quota = self._quota(best, person, year, {})
        if bill.medical_aid_fen:
            return _refused("MA-2201")._replace(category=best, quota=quota)
        if bill.care_type is STAY and not bill.referred:
            return _refused("MA-2206")._replace(category=best, quota=quota)
        base = min(bill.owed_fen, max(0, bill.in_policy_fen - bill.funds_fen))
        none = Decision(True, "MA-2001", best, base, 0, 0, (), quota)
        if base == 0:
            return none
        offers = [
            self._offer(category, bill, base, person)
            for category, terms in DECREE.items()
            if category in mine and bill.care_type in terms.percent
        ]
        if not offers:
            return none._replace(reason="MA-2004")
        return max(offers, key=lambda offer: offer.aid)

    def _offer(self, category: str, bill: Bill, base: int, person: str) -> Decision:
        terms, care, year = DECREE[category], bill.care_type, year_of(bill)
        yearly = care in {STAY, SPECIAL}
        pot = "inpatient" if yearly else "outpatient"
        deductible = terms.per_visit * YUAN
        if yearly:
            before = self.used[person, year, "deductible"]
            deductible = max(0, terms.per_year * YUAN - before)
        taken = min(base, deductible)
        rated = share(base - taken, terms.percent[care])
        basic = rated if yearly else up_to(rated, terms.visit_cap, 0)
        basic = up_to(basic, terms.caps[pot], self.used[person, year, pot])
        tilt = 0
        if care is STAY and terms.tilt:
            over = share(max(0, base - basic - TILT_FROM * YUAN), terms.tilt)
            tilt = up_to(over, TILT_CAP, self.used[person, year, "tilt"])
        reason = "MA-2002" if rated else "MA-2001"
        if basic + tilt:
            reason = "MA-2000"
        elif base == taken:
            reason = "MA-2003"
        posted = {"deductible": taken if yearly else 0, pot: basic, "tilt": tilt}
        quota = self._quota(category, person, year, posted)
        postings = tuple((p, fen) for p, fen in posted.items() if fen)
        return Decision(
            True, reason, category, base, basic + tilt, tilt, postings, quota
        )

    def _quota(
        self, category: str, person: str, year: int, posted: Mapping[str, int]
    ) -> tuple[tuple[str, int | None, int], ...]:
        caps = dict(DECREE[category].caps)
        if DECREE[category].tilt:
            caps["tilt"] = TILT_CAP
        return tuple(
            (
                pot,
                None if cap is None else cap * YUAN,
                self.used[person, year, pot] + posted.get(pot, 0),
            )
            for pot, cap in caps.items()
        )

    def settle(
        self, id_: str, facility: int, bill: Bill, person: str, decision: Decision
    ) -> None:
        """Post what `decide` gave."""
        identity, year = identity_of(facility, person, bill), year_of(bill)
        self.settled[id_] = Settled(person, year, identity, bill, decision)
        self.in_force.setdefault(identity, []).append(id_)
        for pot, fen in decision.postings:
            self.used[person, year, pot] += fen

    def reverse(self, id_: str) -> bool:
        """Give back what was posted, once; whether there was anything to reverse."""
        settled = self.settled.get(id_)
        if settled is None or settled.is_reversed:
            return False
        settled.is_reversed = True
        self.in_force[settled.identity].remove(id_)
        for pot, fen in settled.decision.postings:
            self.used[settled.person, settled.year, pot] -= fen
        return True


def year_of(bill: Bill) -> int:
    """The year of the caps: of discharge for a stay, of the visit otherwise."""
    return (bill.service_end if bill.care_type is STAY else bill.service_start).year


def share(fen: int, percent: int) -> int:
    """Percent of an amount, half a fen up."""
    return (fen * percent * 2 + 100) // 200


def up_to(fen: int, cap_yuan: int | None, used: int) -> int:
    """As much as a cap still has room for."""
    return fen if cap_yuan is None else min(fen, max(0, cap_yuan * YUAN - used))


def facts(bill: Bill) -> tuple[object, ...]:
    """Dates and amounts of a bill, its personal account apart."""
    return (
        bill.service_start, bill.service_end, bill.total_fen, bill.self_funded_fen,
        bill.over_limit_fen, bill.pre_selfpay_fen, bill.in_policy_fen,
        bill.basic_insurance_fen, bill.serious_illness_fen, bill.other_funds_fen,
        bill.medical_aid_fen, bill.deductible_fen, bill.commercial_fen,
        bill.charity_fen,
    )  # fmt: skip


def same(one: Bill, other: Bill) -> bool:
    """Whether two bills of a visit have the same dates and amounts."""
    return (facts(one), one.personal_account_fen) == (
        facts(other),
        other.personal_account_fen,
    )


def identity_of(facility: int, person: str, bill: Bill) -> tuple[object, ...]:
    """What may be in force only once."""
    place = (facility, person, bill.visit_no, bill.bill_no)
    return place if bill.bill_no is not None else (*place, facts(bill))
