"""The same figures by counting on one's fingers: no SQL, no code of ours."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from fractions import Fraction
from math import floor
from typing import Any

from tests.statistics.ledger import Posted

MONEY = ("aid_fen", "tilt_fen", "total_fen", "funds_fen", "patient_pays_fen")
Month = tuple[int, int]


def leaves(
    ledger: Iterable[Posted], *, by_settled: bool
) -> Iterator[tuple[Month, int, Posted]]:
    """Month, sign and bill of all that counts."""
    for one in ledger:
        if one.declined or one.aid_fen == 0:
            continue
        if by_settled:
            # Shanghai is eight hours ahead of UTC.
            settled = one.settled_at + timedelta(hours=8)
            yield (settled.year, settled.month), 1, one
            if one.reversed_at is not None:
                undone = one.reversed_at + timedelta(hours=8)
                yield (undone.year, undone.month), -1, one
        elif one.reversed_at is None:
            yield (one.service_end.year, one.service_end.month), 1, one


def reckon(counted: Iterable[tuple[int, Posted]]) -> dict[str, Any]:
    """Figures of some leaves together."""
    bills: Counter[tuple[int, int, str]] = Counter()
    money: Counter[str] = Counter(dict.fromkeys(MONEY, 0))
    for sign, one in counted:
        bills[one.facility, one.person, one.visit_no] += sign
        for name in MONEY:
            money[name] += sign * getattr(one, name)
    aided = [visit for visit, number in bills.items() if number > 0]
    undone = [visit for visit, number in bills.items() if number < 0]
    visits = len(aided) - len(undone)
    return {
        "citizens": len({person for _, person, _ in aided}),
        "visits": visits,
        "settlements": sum(bills.values()),
        **money,
        "mean_aid_fen": _mean(money["aid_fen"], visits),
        "mean_total_fen": _mean(money["total_fen"], visits),
        "mean_patient_pays_fen": _mean(money["patient_pays_fen"], visits),
        "minutes_saved": 40 * visits,
        "trips_saved": 2 * visits,
    }


def _mean(amount_fen: int, visits: int) -> int | None:
    if visits < 1:
        return None
    return floor(Fraction(amount_fen, visits) + Fraction(1, 2))


def growth(before: int, now: int) -> int | None:
    """Parts per thousand, half away from zero."""
    if before < 1:
        return None
    exact = Fraction(abs(now - before) * 1000, before)
    size = floor(exact + Fraction(1, 2))
    return size if now >= before else -size


def by_month(
    ledger: Iterable[Posted], *, by_settled: bool
) -> dict[Month, list[tuple[int, Posted]]]:
    """Sign and bill of all that counts, by month."""
    months: defaultdict[Month, list[tuple[int, Posted]]] = defaultdict(list)
    for month, sign, one in leaves(ledger, by_settled=by_settled):
        months[month].append((sign, one))
    return months
