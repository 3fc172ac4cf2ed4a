"""One person's settlements once more under another pack: pure, in the log's order.

What lies outside the scope keeps what it posted; what lies inside is decided anew,
and the running totals go on from there. A reversal takes back what stands posted in
this run. So the pack that decided gives the same fen for everything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from settlement.domain.bill import Bill
from settlement.domain.decision import AccumulatorKey, Adjudication, Posting
from settlement.domain.decline import decline
from settlement.domain.eligibility import RosterPerson, Window
from settlement.domain.policy import CompiledPack
from settlement.domain.policy.amounts import years_known
from settlement.domain.policy.document import DEDUCTIBLE_POT

#: The year's cap had nothing left.
_EXHAUSTED = "MA-2002"


class LeftOut(StrEnum):
    """Why something is not decided again; it counts with what it got."""

    OTHER_REASON = "other_reason"
    """Declined for a reason that no pack decides."""
    OTHER_KEY = "other_key"
    """Declined, and the same bill came again under another key."""
    NO_FIGURE = "no_figure"
    """The pack lacks a published figure for the year."""
    MISSING_FIELD = "missing_field"
    """The bill leaves out what the pack's rules rest on."""


class Doubt(StrEnum):
    """What was decided again with a reservation."""

    IDENTITY_CHANGED = "identity_changed"
    """A further identity for the dates was changed since; it was left aside."""
    UNKNOWN_CATEGORY = "unknown_category"
    """The pack knows none of the person's categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One settlement with what is needed to decide it again."""

    id: bytes
    month: int
    log_index: int | None
    """`None`: declined."""
    in_force: bool
    aid_fen: int
    reason: str
    category: str | None
    care_type: str
    postings: Sequence[Posting]
    bill: Bill | None
    """`None`: it lies outside the scope."""
    left_out: LeftOut | None = None
    windows: Sequence[Window] = ()
    """Identities of the dates that were known when it was settled."""
    subdistrict: str = ""
    changed_windows: Sequence[Window] = ()
    """Windows that were changed since then."""
    facility_level: int | None = None
    settled_on: date | None = None
    read: Sequence[AccumulatorKey] = ()
    """The totals that the decision looked at."""


@dataclass(frozen=True, slots=True)
class Reversed:
    """A settlement is taken back."""

    id: bytes
    postings: Sequence[Posting]


Step = Event | Reversed


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecided:
    """One settlement before and after. No personal data."""

    id: bytes
    month: int
    care_type: str
    subdistrict: str
    category_before: str | None
    category_after: str | None
    reason_before: str
    reason_after: str
    aid_before_fen: int
    aid_after_fen: int

    was_approved: bool
    is_approved: bool

    @property
    def differs(self) -> bool:
        """Whether the patient would have been told something else."""
        return (self.aid_before_fen, self.was_approved) != (
            self.aid_after_fen,
            self.is_approved,
        )

    @property
    def difference_fen(self) -> int:
        """What the pack would give more; below 0: less."""
        return self.aid_after_fen - self.aid_before_fen


@dataclass(slots=True)
class PersonResult:
    """What the pack makes of one person's settlements in force."""

    redecided: list[Redecided] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    doubts: Counter[Doubt] = field(default_factory=Counter)
    capped: set[str] = field(default_factory=set)
    """Pots that are exhausted under this pack and were not before."""


Scope = Callable[[Bill], bool]
"""Whether a bill is one for the pack to decide."""


def every_bill(_: Bill) -> bool:
    """The pack as though it had been in force: its own dates are left aside."""
    return True


def by_dates(pack: CompiledPack) -> Scope:
    """Only bills of days on which the pack is in force."""
    return lambda bill: pack.covers(pack.policy_day(bill))


def replay(steps: Iterable[Step], pack: CompiledPack, scope: Scope) -> PersonResult:
    """Decide one person's settlements again, in the order in which they came."""
    return _Replay(pack, scope).run(steps)


class _Replay:
    def __init__(self, pack: CompiledPack, scope: Scope) -> None:
        self._pack = pack
        self._scope = scope
        self._years = years_known(pack.document)
        self._known = {category.id for category in pack.document.categories}
        self._result = PersonResult()
        self._now: dict[AccumulatorKey, int] = defaultdict(int)
        self._then: dict[AccumulatorKey, int] = defaultdict(int)
        self._posted: dict[bytes, Sequence[Posting]] = {}
        self._exhausted: tuple[set[str], set[str]] = (set(), set())

    def run(self, steps: Iterable[Step]) -> PersonResult:
        for step in steps:
            if isinstance(step, Reversed):
                self._add(self._now, self._posted.get(step.id, step.postings), -1)
                self._add(self._then, step.postings, -1)
            else:
                self._take(step)
        before, after = self._exhausted
        self._result.capped = after - before
        return self._result

    def _take(self, event: Event) -> None:
        bill = event.bill
        if bill is None or not self._scope(bill):
            self._keep(event)
            return
        why = event.left_out or self._cannot(bill)
        if why is not None:
            self._result.left_out[why] += 1
            self._keep(event)
            return
        result = self._decide(event, bill)
        self._posted[event.id] = result.postings
        self._add(self._now, result.postings)
        self._add(self._then, event.postings)
        if event.in_force or event.log_index is None:
            self._note(event, result)

    def _cannot(self, bill: Bill) -> LeftOut | None:
        pack = self._pack
        year = pack.year_of(pack.policy_day(bill))
        if self._years is not None and year not in self._years:
            return LeftOut.NO_FIGURE
        if pack.fields_needed(bill):
            return LeftOut.MISSING_FIELD
        return None

    def _keep(self, event: Event) -> None:
        self._add(self._now, event.postings)
        self._add(self._then, event.postings)

    def _decide(self, event: Event, bill: Bill) -> Adjudication:
        pack = self._pack
        categories = self._identities(event.windows, bill)
        if not categories:
            return decline(bill, "MA-2102")
        return pack.adjudicate(
            bill,
            categories,
            self._now,
            event.facility_level,
            settled_on=event.settled_on,
        )

    def _identities(self, windows: Sequence[Window], bill: Bill) -> tuple[str, ...]:
        person = RosterPerson(b"", b"", tuple(windows))
        found = self._pack.identity_windows(person, bill)
        return tuple(dict.fromkeys(window.category for window in found))

    def _note(self, event: Event, result: Adjudication) -> None:
        bill = event.bill
        if bill is None:
            return
        self._result.redecided.append(
            Redecided(
                id=event.id,
                month=event.month,
                care_type=event.care_type,
                subdistrict=event.subdistrict,
                category_before=event.category,
                category_after=result.category,
                reason_before=event.reason,
                reason_after=result.reason,
                aid_before_fen=event.aid_fen,
                aid_after_fen=result.aid_fen,
                was_approved=event.log_index is not None,
                is_approved=result.approved,
            )
        )
        if self._identities(event.changed_windows, bill):
            self._result.doubts[Doubt.IDENTITY_CHANGED] += 1
        if not any(w.category in self._known for w in event.windows):
            self._result.doubts[Doubt.UNKNOWN_CATEGORY] += 1
        before, after = self._exhausted
        before |= set(_filled(event.postings, self._then))
        after |= set(_filled(result.postings, self._now))
        if event.reason == _EXHAUSTED:
            # Which of them it was is not stored: none of them is new.
            before |= {key.pot for key in event.read}
        if result.reason == _EXHAUSTED:
            after |= {
                pot
                for pot, _, cap_fen, used_fen in result.pots
                if cap_fen is not None and used_fen >= cap_fen
            }

    def _add(
        self,
        totals: dict[AccumulatorKey, int],
        postings: Sequence[Posting],
        sign: int = 1,
    ) -> None:
        for posting in postings:
            totals[posting.key] += sign * posting.amount_fen


def _filled(
    postings: Sequence[Posting], totals: Mapping[AccumulatorKey, int]
) -> Iterator[str]:
    """Pots that these amounts have brought to their caps."""
    for key, _, cap_fen in postings:
        # A deductible that is used up is no cap on aid.
        if cap_fen is not None and key.pot != DEDUCTIBLE_POT and totals[key] >= cap_fen:
            yield key.pot
