"""What calls about alerts take and give: addresses, bodies, and their answers.

Parsing raises `RequestRefused` MA-1102 with every fault at its path, and shows no
value; MA-1104 where a note holds a resident identity number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from multidict import MultiMapping
from pydantic import Field, StringConstraints

from gateway.identity import holds_identity
from gateway.wire import parsed_body
from gateway.wire_described import say as _say
from gateway.wire_faults import Faults, duplicate_keys
from gateway.wire_models import Strict
from gateway.wire_query import parse_query
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused

ID_PATTERN = r"^[0-9a-f]{32}$"
NUMBER_PATTERN = r"^(0|[1-9][0-9]{0,17})$"
LIMIT_PATTERN = r"^([1-9][0-9]{0,2}|1000)$"
DETECTOR_PATTERN = r"^[a-z][a-z-]{0,39}$"
ALERT_STATES = ("raised", "withdrawn", "muted")
CASE_STATES = ("new", "assigned", "confirmed", "dismissed", "recovered")
EVERY = "all"
ALERT_STATE_PATTERN = rf"^({'|'.join(ALERT_STATES)}|{EVERY})$"
CASE_STATE_PATTERN = rf"^({'|'.join(CASE_STATES)}|{EVERY})$"
MOST_RECOVERED = 1_000
_DEFAULT_LIMIT = 100
RESUME_HEADER = "Last-Event-ID"
_ID = re.compile(ID_PATTERN)
_NUMBER = re.compile(NUMBER_PATTERN)
#: Parameters by name, with their form and what to say of another one.
_AFTER = {"after": (_NUMBER, "MA-1126")}
_LIMIT = {"limit": (re.compile(LIMIT_PATTERN), "MA-1126")}
_OF_ALERTS = {
    "state": (re.compile(ALERT_STATE_PATTERN), "MA-1123"),
    "detector": (re.compile(DETECTOR_PATTERN), "MA-1126"),
    "case_id": (_ID, "MA-1126"),
    **_AFTER,
    **_LIMIT,
}
_OF_CASES = {"state": (re.compile(CASE_STATE_PATTERN), "MA-1123"), **_LIMIT}

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Note = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Assignee = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,65}$")]


@dataclass(frozen=True, slots=True)
class WantedAlerts:
    """Which page of the queue."""

    states: tuple[str, ...] | None
    detector: str | None
    case_id: bytes | None
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class WantedCases:
    """Which cases, and how many."""

    states: tuple[str, ...] | None
    limit: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What an officer says of misuse."""

    note: str
    recover: tuple[bytes, ...] | None
    """`None`: the aid of every claim of the case."""


class AssignIn(Strict):
    """Who works on a case from now on."""

    to: Assignee = _say(
        "经办人：机构代码/操作员编号，不得含个人信息",
        "who: a party's code and an operator's id, nothing personal",
        examples=["B001/officer-7"],
    )
    note: Note | None = _say("备注", "why", default=None)


class ConfirmIn(Strict):
    """It was misuse."""

    note: Note = _say("认定依据，不得含证件号码", "why; no identity number in it")
    recover: (
        Annotated[tuple[Id, ...], Field(max_length=MOST_RECOVERED)] | Literal["all"]
    ) = _say(
        "追回救助的结算编号；all 表示案件中的全部结算",
        "settlements whose aid is asked back; `all` for every one of the case",
        default=(),
    )


class DismissIn(Strict):
    """It was honest."""

    note: Note = _say("排除理由，不得含证件号码", "why; no identity number in it")


def parse_wanted_alerts(query: MultiMapping[str]) -> WantedAlerts:
    """Which page of the queue; without a state those that are raised."""
    given = parse_query(query, _OF_ALERTS)
    case_id = given.get("case_id")
    return WantedAlerts(
        _states(given.get("state"), ("raised",)),
        given.get("detector"),
        None if case_id is None else bytes.fromhex(case_id),
        int(given.get("after", 0)),
        int(given.get("limit", _DEFAULT_LIMIT)),
    )


def parse_wanted_cases(query: MultiMapping[str]) -> WantedCases:
    """Which cases; without a state those that are open."""
    given = parse_query(query, _OF_CASES)
    states = _states(given.get("state"), ("new", "assigned"))
    return WantedCases(states, int(given.get("limit", _DEFAULT_LIMIT)))


def parse_resume(header: str | None, query: MultiMapping[str]) -> int | None:
    """Behind which event a stream begins; `None` for now.

    Whoever reconnects sends the header with the address of the first time, so the
    header counts. Raises MA-1107 for one that no stream has given.
    """
    given = parse_query(query, _AFTER)
    if header:
        if _NUMBER.fullmatch(header) is None:
            faults = (BillFault(RESUME_HEADER, "MA-1126"),)
            raise RequestRefused("MA-1107", faults=faults)
        return int(header)
    return int(given["after"]) if "after" in given else None


def parse_id(text: str, missing: str) -> bytes:
    """The id in an address; raises `missing` for what none can be."""
    if _ID.fullmatch(text) is None:
        raise RequestRefused(missing)
    return bytes.fromhex(text)


def parse_assign(raw: bytes, *, today: date) -> tuple[str, str]:
    """Who works on a case, and why."""
    parsed = parsed_body(AssignIn, raw, today)
    _check(raw, {"to": parsed.to, "note": parsed.note or ""}, today)
    return parsed.to, parsed.note or ""


def parse_confirm(raw: bytes, *, today: date) -> Confirmed:
    """Why it was misuse, and whose aid is asked back."""
    parsed = parsed_body(ConfirmIn, raw, today)
    _check(raw, {"note": parsed.note}, today)
    if parsed.recover == "all":
        return Confirmed(parsed.note, None)
    return Confirmed(parsed.note, tuple(bytes.fromhex(each) for each in parsed.recover))


def parse_dismiss(raw: bytes, *, today: date) -> str:
    """Why it was honest."""
    parsed = parsed_body(DismissIn, raw, today)
    _check(raw, {"note": parsed.note}, today)
    return parsed.note


def _check(raw: bytes, texts: Mapping[str, str], today: date) -> None:
    """What pydantic cannot see: names that stand twice, numbers of persons."""
    faults = Faults()
    duplicate_keys(raw, faults)
    for path, text in texts.items():
        if holds_identity(text, None, today):
            faults.add(path, "MA-1104")
    if faults:
        raise faults.refusal()


def _states(given: str | None, usual: tuple[str, ...]) -> tuple[str, ...] | None:
    if given is None:
        return usual
    return None if given == EVERY else (given,)
