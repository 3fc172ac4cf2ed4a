"""Amounts for the planned visits, so that the policy comes out at given figures.

No result is stored anywhere: the amounts on the bills are chosen by asking the pure
core what it makes of them, with each person's accumulators as the gateway will have
them when the bill arrives. Aid is then made by the gateway alone.

How: per month, one factor for all bills by bisection, so that the aid comes just
below the target; then the last bill of each person of the month is raised a little,
until nothing is missing. Bisection on one bill ends at the very fen, because aid
never falls when the in-policy amount rises and rises by at most a fen with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.demo.visits import Fate, Visit, bill_of
from settlement.domain.bill import MAX_AMOUNT_FEN
from settlement.domain.calendar import month_of, shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication, Posting
from settlement.service.ports import Pack

#: No visit that counts is aided with less; a slip over a few fen looks like a fault.
LEAST_AID_FEN = 100

_MILLION = 1_000_000
#: The factor on all drawn amounts lies between an eighth and eight.
_LEAST_FACTOR, _LARGEST_FACTOR = _MILLION // 8, _MILLION * 8
#: Bisection of the factor stops when it is known to so many parts per million.
_FACTOR_STEP = 2_000
#: In-policy amount up to which a single bill is tried.
_LARGEST_BILL_FEN = MAX_AMOUNT_FEN // 100
#: A last bill is raised to its double and this much at most.
_ROOM_FEN = 20_000


class CalibrationError(Exception):
    """The pack cannot come out at the figures with bills of a sensible size."""


@dataclass(frozen=True, slots=True)
class _Event:
    """One thing that moves a person's accumulators: a settlement, or its undoing."""

    visit: Visit
    undoes: bool


class _Account:
    """One person's accumulators, and what each settlement added to them."""

    __slots__ = ("postings", "used")

    def __init__(self) -> None:
        self.used: dict[AccumulatorKey, int] = {}
        self.postings: dict[int, tuple[Posting, ...]] = {}

    def copy(self) -> _Account:
        twin = _Account()
        twin.used = dict(self.used)
        twin.postings = dict(self.postings)
        return twin

    def post(self, number: int, postings: tuple[Posting, ...]) -> None:
        self.postings[number] = postings
        for posting in postings:
            self.used[posting.key] = self.used.get(posting.key, 0) + posting.amount_fen

    def undo(self, number: int) -> None:
        for posting in self.postings.pop(number):
            self.used[posting.key] -= posting.amount_fen


Amounts = dict[int, int]
"""In-policy fen by the number of the visit."""
_Choose = Callable[[Visit, _Account], tuple[int, Adjudication]]
"""The in-policy amount of a visit, given the accumulators that it meets, and what
the policy makes of it."""


def calibrate(
    pack: Pack, visits: Sequence[Visit], targets: Mapping[str, int]
) -> Amounts:
    """Choose each visit's in-policy amount; `targets` is aid in fen by month.

    `visits` are in the order of settling. Afterwards the aid of the visits that stay
    sums to the target of their month exactly, each with at least `LEAST_AID_FEN`.
    Raises `CalibrationError` naming the month where the pack makes it impossible.
    """
    amounts: Amounts = {}
    accounts: defaultdict[int, _Account] = defaultdict(_Account)
    for month, target_fen in targets.items():
        chains = _chains_of(visits, month)
        calibration = _Month(pack, month, chains, accounts)
        chosen = calibration.amounts_for(target_fen)
        amounts |= chosen
        for person, events in chains.items():
            _walk(events, accounts[person], _as_in(pack, chosen))
    return amounts


def _chains_of(visits: Sequence[Visit], month: str) -> dict[int, list[_Event]]:
    """By person, what happens in the month, in order."""
    events = []
    for visit in visits:
        if visit.month == month:
            events.append((visit.at, visit.number, _Event(visit, undoes=False)))
        if visit.undone_at is not None and _month_of_undoing(visit) == month:
            events.append((visit.undone_at, visit.number, _Event(visit, undoes=True)))
    chains: defaultdict[int, list[_Event]] = defaultdict(list)
    for _, _, event in sorted(events, key=lambda entry: entry[:2]):
        chains[event.visit.resident.number].append(event)
    return dict(chains)


def _month_of_undoing(visit: Visit) -> str | None:
    if visit.undone_at is None:
        return None
    return month_of(shanghai_day(visit.undone_at))


class _Month:
    """One month's bills, on top of what earlier months left in the accumulators."""

    def __init__(
        self,
        pack: Pack,
        month: str,
        chains: Mapping[int, Sequence[_Event]],
        accounts: Mapping[int, _Account],
    ) -> None:
        self._pack = pack
        self._month = month
        self._chains = chains
        self._start = {
            person: accounts[person] if person in accounts else _Account()
            for person in chains
        }

    def amounts_for(self, target_fen: int) -> Amounts:
        factor = self._factor_below(target_fen)
        amounts: Amounts = {}
        choose = self._by_factor(factor)
        aid_fen = sum(self._play(person, choose, amounts) for person in self._chains)
        self._make_up(target_fen - aid_fen, amounts)
        return amounts

    def _factor_below(self, target_fen: int) -> int:
        """The largest factor, to a step, with which the aid stays within target."""
        low, high = _LEAST_FACTOR, _LARGEST_FACTOR
        least_fen = self._aid_with(low)
        if least_fen > target_fen:
            raise CalibrationError(
                f"{self._month}: under this pack the planned visits come to at least"
                f" {least_fen} fen of aid, never to {target_fen}"
            )
        while high - low > _FACTOR_STEP:
            middle = (low + high) // 2
            if self._is_within(middle, target_fen):
                low = middle
            else:
                high = middle
        return low

    def _is_within(self, factor: int, target_fen: int) -> bool:
        """Whether the factor keeps within the target, and everybody within caps."""
        try:
            return self._aid_with(factor) <= target_fen
        except CalibrationError:
            return False

    def _aid_with(self, factor: int) -> int:
        choose = self._by_factor(factor)
        return sum(self._play(person, choose, {}) for person in self._chains)

    def _by_factor(self, factor: int) -> _Choose:
        def choose(visit: Visit, account: _Account) -> tuple[int, Adjudication]:
            wished = visit.shape.draw_fen
            if visit.fate is not Fate.WITHOUT_AID:
                wished = wished * factor // _MILLION
            result = _adjudicate(self._pack, visit, wished, account)
            if visit.fate is Fate.WITHOUT_AID or result.aid_fen >= LEAST_AID_FEN:
                return wished, result
            enough = self._smallest_aided(visit, account)
            return enough, _adjudicate(self._pack, visit, enough, account)

        return choose

    def _smallest_aided(self, visit: Visit, account: _Account) -> int:
        """The least amount that leaves some aid, e.g. just above a deductible."""

        def enough(in_policy_fen: int) -> bool:
            result = _adjudicate(self._pack, visit, in_policy_fen, account)
            return result.aid_fen >= LEAST_AID_FEN

        if not enough(_LARGEST_BILL_FEN):
            raise CalibrationError(
                f"{self._month}: categories {', '.join(visit.categories)} receive no"
                f" aid for {visit.care_type.value} at this point of the year, however"
                " large the bill; a cap or deductible of the pack is too tight"
            )
        return _least(enough, 0, _LARGEST_BILL_FEN)

    def _make_up(self, missing_fen: int, amounts: Amounts) -> None:
        """Spread what is missing over the last bill of each person, to the fen."""
        last_bills = [
            (person, visit)
            for person in self._chains
            if (visit := self._last_of(person)) is not None
        ]
        for position, (person, visit) in enumerate(last_bills):
            if missing_fen == 0:
                return
            share_fen = -(-missing_fen // (len(last_bills) - position))
            missing_fen -= self._raise(person, visit, share_fen, amounts)
        if missing_fen:
            raise CalibrationError(
                f"{self._month}: {missing_fen} fen of aid cannot be placed on any"
                " bill; caps of the pack leave no room, or its steps are too coarse"
            )

    def _last_of(self, person: int) -> Visit | None:
        """The person's last settlement of the month, where it counts."""
        settled = [event.visit for event in self._chains[person] if not event.undoes]
        last = settled[-1] if settled else None
        return last if last and last.fate is Fate.STAYS else None

    def _raise(self, person: int, last: Visit, more_fen: int, amounts: Amounts) -> int:
        """Raise the last bill for `more_fen` more aid; return what it gained.

        Nothing is changed, and 0 returned, where the bill has no room for that.
        """
        account = self._start[person].copy()
        events = self._chains[person]
        before = [event.visit for event in events].index(last)
        _walk(events[:before], account, _as_in(self._pack, amounts))
        present = amounts[last.number]

        def aid_with(in_policy_fen: int) -> int:
            return _adjudicate(self._pack, last, in_policy_fen, account).aid_fen

        wanted_fen = aid_with(present) + more_fen
        highest = present + more_fen
        while aid_with(highest) < wanted_fen:
            highest += highest - present
            if highest > 2 * present + _ROOM_FEN:
                return 0
        raised = _least(lambda fen: aid_with(fen) >= wanted_fen, present, highest)
        if aid_with(raised) != wanted_fen:
            return 0
        amounts[last.number] = raised
        return more_fen

    def _play(self, person: int, choose: _Choose, amounts: Amounts) -> int:
        """The person's month: fills `amounts`, returns the aid that stays."""
        account = self._start[person].copy()
        return _walk(self._chains[person], account, choose, amounts)


def _as_in(pack: Pack, amounts: Mapping[int, int]) -> _Choose:
    def choose(visit: Visit, account: _Account) -> tuple[int, Adjudication]:
        in_policy_fen = amounts[visit.number]
        return in_policy_fen, _adjudicate(pack, visit, in_policy_fen, account)

    return choose


def _walk(
    events: Sequence[_Event],
    account: _Account,
    choose: _Choose,
    amounts: Amounts | None = None,
) -> int:
    """Settle and undo in order, moving `account`; return the aid that stays."""
    stays_fen = 0
    for event in events:
        visit = event.visit
        if event.undoes:
            account.undo(visit.number)
            continue
        in_policy_fen, result = choose(visit, account)
        account.post(visit.number, result.postings)
        if amounts is not None:
            amounts[visit.number] = in_policy_fen
        if visit.fate is Fate.STAYS:
            stays_fen += result.aid_fen
    return stays_fen


def _adjudicate(
    pack: Pack, visit: Visit, in_policy_fen: int, account: _Account
) -> Adjudication:
    return pack.adjudicate(
        bill_of(visit, in_policy_fen),
        visit.categories,
        account.used,
        visit.hospital.level,
    )


def _least(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The least value in (low, high] that holds, for a test that stays true."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
