"""What stands in the addresses of reconciliation: periods, pages, whose.

Raises `RequestRefused` MA-1102 with every fault at its path, and shows no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from multidict import MultiMapping

from gateway.wire_faults import Faults
from gateway.wire_models import OPERATOR_PATTERN
from gateway.wire_query import parse_query
from settlement.domain.calendar import days_of_month
from settlement.domain.month_range import parse_month
from settlement.service.reconcile.working import DIFFERENCE_STATES

MOST_DIFFERENCES = 1_000
MONTH_PATTERN = r"^[0-9]{4}-[0-9]{2}$"
PERIOD_PATTERN = r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"
AFTER_PATTERN = r"^[0-9a-f]{32}$"
LIMIT_PATTERN = r"^([1-9][0-9]{0,2}|1000)$"
STATE_PATTERN = rf"^({'|'.join(DIFFERENCE_STATES)})$"
_DEFAULT_LIMIT = 100
_PATH = "period"
_DAY = re.compile(r"([0-9]{4}-[0-9]{2})-[0-9]{2}", re.ASCII)
#: Parameters by name, with their form and what to say of another one.
_PARAMETERS = {
    "facility": (re.compile(OPERATOR_PATTERN), "MA-1126"),
    "after": (re.compile(AFTER_PATTERN), "MA-1126"),
    "limit": (re.compile(LIMIT_PATTERN), "MA-1126"),
    "state": (re.compile(STATE_PATTERN), "MA-1123"),
}


@dataclass(frozen=True, slots=True)
class Period:
    """A day, or a month."""

    first: date
    last: date
    month: int | None
    """As a number; `None` for a day."""

    @property
    def name(self) -> str:
        """As it stands in the address."""
        return f"{self.first}" if self.month is None else f"{self.first:%Y-%m}"


@dataclass(frozen=True, slots=True)
class WantedDifferences:
    """Which of a month's differences, and how many."""

    facility: str | None
    after: bytes
    limit: int
    states: tuple[str, ...]


def parse_period(text: str, *, today: date) -> Period:
    """A day or month that has begun."""
    faults = Faults()
    if _DAY.fullmatch(text) is None:
        month = parse_past_month(text, today=today)
        return Period(*days_of_month(month), month)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or parse_month(text[:7]) is None:
        faults.add(_PATH, "MA-1124")
    elif day > today:
        faults.add(_PATH, "MA-1138")
    if day is None or faults:
        raise faults.refusal()
    return Period(day, day, None)


def parse_past_month(text: str, *, today: date) -> int:
    """The number of a month that has begun."""
    faults = Faults()
    month = parse_month(text)
    if month is None:
        faults.add(_PATH, "MA-1132")
    elif days_of_month(month)[0] > today:
        faults.add(_PATH, "MA-1138")
    if month is None or faults:
        raise faults.refusal()
    return month


def parse_facility(query: MultiMapping[str]) -> str | None:
    """The one hospital that is asked for."""
    return parse_query(query, {"facility": _PARAMETERS["facility"]}).get("facility")


def parse_wanted_differences(query: MultiMapping[str]) -> WantedDifferences:
    """Which page of the differences; without a state all that have not gone."""
    given = parse_query(query, _PARAMETERS)
    state = given.get("state")
    return WantedDifferences(
        given.get("facility"),
        bytes.fromhex(given.get("after", "")),
        int(given.get("limit", _DEFAULT_LIMIT)),
        DIFFERENCE_STATES[:-1] if state is None else (state,),
    )
