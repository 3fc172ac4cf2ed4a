"""The rules of API.md ("Once", "Reversal", caps) in plain words.

Shares no arithmetic with the product: dictionaries, whole fen, one request at a time.
An auditor reads it beside the decree. Requests are put to it in the order of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from settlement.domain.bill import Bill
from tests.simulation.decree import Decision, adjudicate, year_of

Identity = tuple[object, ...]


class Window(NamedTuple):
    """Days in which a person belongs to a category, ends included."""

    category: str
    first: date
    last: date | None


Roster = Mapping[str, tuple[Window, ...]]  # by person


@dataclass
class Settled:
    """A settlement in the books."""

    person: str
    year: int
    identity: Identity
    bill: Bill
    decision: Decision
    is_reversed: bool = False


@dataclass
class Model:
    """The whole scheme: who has used what, which bills are in force."""

    used: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    settled: dict[str, Settled] = field(default_factory=dict)
    in_force: dict[Identity, list[str]] = field(default_factory=dict)
    stopped: set[tuple[int, str]] = field(default_factory=set)

    def decide(
        self, facility: int, key: str, bill: Bill, person: str | None, roster: Roster
    ) -> Decision:
        """What this bill gets now; changes nothing."""
        if (facility, key) in self.stopped:
            return Decision(approved=False, reason="MA-2205")
        start, end = bill.service_start, bill.service_end
        windows = roster.get(person, ()) if person else ()
        mine = [
            w.category
            for w in windows
            if w.first <= end and (w.last is None or start <= w.last)
        ]
        if not windows or person is None:
            return Decision(approved=False, reason="MA-2101")
        if not mine:
            future = all(w.first > end for w in windows)
            return Decision(approved=False, reason="MA-2103" if future else "MA-2102")
        holders = self.in_force.get(identity_of(facility, person, bill))
        if holders and bill.repeat_reason is None:
            equal = facts(self.settled[holders[0]].bill) == facts(bill)
            reason = "MA-2202" if equal else "MA-2203"
            return Decision(approved=False, reason=reason, duplicate_of=holders[0])
        decision = adjudicate(
            bill, mine, lambda pot: self.used[person, year_of(bill), pot]
        )
        if decision.approved and bill.expected_aid_fen not in {None, decision.aid}:
            return Decision(False, "MA-2204", decision.category)
        return decision

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


_OWN = "personal_account_fen"
_FACTS = (
    "service_start", "service_end", "total_fen", "self_funded_fen", "over_limit_fen",
    "pre_selfpay_fen", "in_policy_fen", "basic_insurance_fen", "serious_illness_fen",
    "other_funds_fen", "medical_aid_fen", "deductible_fen", "commercial_fen",
    "charity_fen",
)  # fmt: skip


def facts(bill: Bill, *besides: str) -> Identity:
    """Dates and amounts: what two bills of one visit must share to be the same."""
    return tuple(getattr(bill, name) for name in (*_FACTS, *(besides or (_OWN,))))


def identity_of(facility: int, person: str, bill: Bill) -> Identity:
    """What may be in force only once; own money makes no other bill."""
    place = (facility, person, bill.visit_no, bill.bill_no)
    return place if bill.bill_no is not None else (*place, facts(bill, "visit_no"))
