"""1101 tells who somebody is to medical aid, 5206 what the year has given them.

Only aid identities stand in `idetinfo`, because a HIS takes its first valid row for
the sign of an aid patient (his-interface.md, 1.8). Names are not held here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from gateway.his.answers import Reply, message
from gateway.his.json_body import encoded
from gateway.his.money import amount, yuan_of
from gateway.his.person_numbers import person_number, token_of_number
from gateway.his.who import read_card
from gateway.identity import check_digit_holds
from settlement.domain.bill import Card, CardKind
from settlement.domain.calendar import SHANGHAI
from settlement.domain.errors import RequestRefused
from settlement.domain.reasons import REASONS

if TYPE_CHECKING:
    from gateway.his.asked import Asked
    from gateway.his.node import Node
    from settlement.domain.eligibility import RosterVersion
    from settlement.service.identities import Identity, Standing, YearTotals

_ELIGIBLE, _NO_TOTALS, _NOT_TODAY = "MA-2100", "MA-2105", "MA-1112"
_NOT_OURS, _TWO_PERSONS, _NO_MONTH = "MA-1230", "MA-1231", "MA-1235"
_RESIDENT = "01"
_MALE, _FEMALE = "1", "2"
_MONTH = re.compile(r"([0-9]{4})-?(0[1-9]|1[0-2])?")
_DAY_S = 86_400
_AID_CODE = "D610101"


async def person(asked: Asked) -> Reply:
    """1101: who the card is, and which aid identities are valid on the day."""
    data = asked.envelope.node("data")
    card = read_card(data, data)
    day = _asked_day(asked, data)
    certno = _other_certno(data, card)
    asked.envelope.check()
    identities = asked.gateway.identities
    standing = identities.of_card(card, day, asked.when)
    if certno and standing.token and not identities.is_person_of(
        certno, standing.token
    ):  # fmt: skip
        raise RequestRefused(_TWO_PERSONS)
    known = card.number if card.kind is CardKind.RESIDENT_ID else ""
    if certno and standing.token:
        known = certno
    totals, warning = None, ""
    if standing.reason != _ELIGIBLE:
        warning = message(standing.reason)
    else:
        totals = await _totals(asked, standing)
        if totals is None:
            warning = f"[{_NO_TOTALS}] {REASONS[_NO_TOTALS].text.zh}"
    output = {
        "baseinfo": _baseinfo(asked, data, standing, known)
        | {"exp_content": _more(standing, totals, asked.when.settled_at)},
        "insuinfo": [],
        "idetinfo": [
            _identity(each, standing, asked.when.settled_at)
            for each in standing.identities
        ],
    }
    return Reply(encoded(output), warn_msg=warning)


def _asked_day(asked: Asked, data: Node) -> date:
    """Today, or the day of `begntime`, which is none to come."""
    if not data.has("begntime"):
        return asked.today
    day = data.day("begntime") or asked.today
    if day > asked.today:
        data.refuse("begntime", _NOT_TODAY)
    return day


def _other_certno(data: Node, card: Card) -> str:
    """A resident identity number that came beside a social security card."""
    number = data.text("certno", 50, required=False).upper()
    if card.kind is CardKind.RESIDENT_ID or not number:
        return ""
    if data.text("psn_cert_type", 6, required=False) != _RESIDENT:
        return ""
    if not check_digit_holds(number):
        data.refuse("certno", "MA-1129")
        return ""
    return number


async def _totals(asked: Asked, standing: Standing) -> YearTotals | None:
    """The year's totals; `None` where the database does not answer."""
    try:
        return await asked.gateway.identities.totals(standing, asked.when)
    except RequestRefused:
        return None


def _baseinfo(
    asked: Asked, data: Node, standing: Standing, certno: str
) -> dict[str, Any]:
    number = ""
    if standing.token is not None:
        number = person_number(
            asked.gateway.identities.tokenizer, asked.caller.party_code, standing.token
        )
    cert_type = data.text("psn_cert_type", 6, required=False)
    facts = _of_identity_number(certno, asked.today) if certno else {}
    return {
        "psn_no": number,
        "psn_cert_type": _RESIDENT if certno else cert_type,
        "certno": certno,
        "psn_name": "",
        "gend": "",
        "naty": "",
        "brdy": "",
        "age": None,
    } | facts


def _of_identity_number(number: str, today: date) -> dict[str, Any]:
    """Sex, birth and age in full years, as the number itself says them."""
    try:
        born: date = ric.get_birth_date(number)
    except ValidationError:
        return {}
    before_birthday = (today.month, today.day) < (born.month, born.day)
    age = today.year - born.year - before_birthday
    return {
        "gend": _MALE if int(number[16]) % 2 else _FEMALE,
        "brdy": born.isoformat(),
        "age": orjson.Fragment(f"{max(0, age)}.0"),
    }


def _identity(identity: Identity, standing: Standing, at: datetime) -> dict[str, Any]:
    window = identity.window
    return {
        "psn_idet_type": identity.national_code,
        "psn_type_lv": "",
        "memo": f"{identity.text.zh}；{_roster(standing, at)}",
        "begntime": f"{window.valid_from} 00:00:00",
        "endtime": "" if window.valid_to is None else f"{window.valid_to} 23:59:59",
    }


def _roster(standing: Standing, at: datetime) -> str:
    roster = standing.roster
    if roster is None:
        return ""
    late = "，已超过时限，可能没有最新变动" if standing.roster_is_stale else ""
    as_of = datetime.fromisoformat(roster.as_of).astimezone(SHANGHAI)
    return (
        f"名册版本 {roster.version}，截至 {as_of:%Y-%m-%d %H:%M}，"
        f"距今 {_age_s(roster, at) // _DAY_S} 天{late}"
    )


def _age_s(roster: RosterVersion, at: datetime) -> int:
    age = at - datetime.fromisoformat(roster.as_of)
    return max(0, int(age / timedelta(seconds=1)))


def _more(standing: Standing, totals: YearTotals | None, at: datetime) -> str:
    """`exp_content`, a text that holds JSON: quota and aid of the year, and the roster.

    Cashiers expect what is left of the year on the screen (his-interface.md, 1.9).
    """
    told: dict[str, Any] = {}
    if standing.roster is not None:
        told["roster"] = {
            "version": standing.roster.version,
            "as_of": standing.roster.as_of,
            "age_s": _age_s(standing.roster, at),
            "stale": standing.roster_is_stale,
        }
    if totals is not None:
        told["year"] = totals.year
        told["maf_pay_year"] = yuan_of(totals.aid_fen)
        told["quota"] = [
            {
                "pot": pot.pot,
                "cap": None if pot.cap_fen is None else yuan_of(pot.cap_fen),
                "used": yuan_of(pot.used_fen),
                "remaining": (
                    None if pot.remaining_fen is None else yuan_of(pot.remaining_fen)
                ),
            }
            for pot in totals.quota
        ]
    return orjson.dumps(told).decode() if told else ""


async def year_to_date(asked: Asked) -> Reply:
    """5206: the aid of the year, and of each pot what is used and left."""
    data = asked.envelope.node("data")
    whose = _whose(asked, data)
    month = _month(asked, data)
    insutype = data.text("insutype", 6, required=False)
    asked.envelope.check()
    identities = asked.gateway.identities
    if whose.card is not None:
        standing = identities.of_card(whose.card, month.day, asked.when)
    else:
        standing = identities.of_person(whose.token, month.day, asked.when)
    warning = "" if standing.reason == _ELIGIBLE else message(standing.reason)
    if standing.token is None:
        return Reply(encoded({"cuminfo": []}), warn_msg=warning)
    totals = await identities.totals(standing, asked.when)
    told = [(_AID_CODE, totals.aid_fen)]
    for pot in totals.quota:
        told.append((f"MAU_{pot.pot}", pot.used_fen))
        if pot.remaining_fen is not None:
            told.append((f"MAR_{pot.pot}", pot.remaining_fen))
    rows = [
        {
            "insutype": insutype,
            "year": f"{totals.year}",
            "cum_ym": month.text,
            "cum_type_code": code,
            "cum": amount(fen),
        }
        for code, fen in told
    ]
    return Reply(encoded({"cuminfo": rows}), warn_msg=warning)


@dataclass(frozen=True, slots=True)
class _Whose:
    """A card, or else the person behind a number of ours."""

    card: Card | None
    token: bytes = b""


def _whose(asked: Asked, data: Node) -> _Whose:
    """By certificate where it is given; a national `psn_no` says nothing to us."""
    if data.has("mdtrt_cert_type") or data.has("mdtrt_cert_no"):
        return _Whose(read_card(data, data))
    number = data.text("psn_no", 30)
    tokenizer = asked.gateway.identities.tokenizer
    token = token_of_number(tokenizer, asked.caller.party_code, number)
    if number and token is None:
        raise RequestRefused(_NOT_OURS)
    return _Whose(None, token or b"")


@dataclass(frozen=True, slots=True)
class _Month:
    """As it was asked for, and the day on which the person's pots are looked at."""

    text: str
    day: date


def _month(asked: Asked, data: Node) -> _Month:
    """`cum_ym`: this month where it is left out; of a past one its last day."""
    today = asked.today
    text = data.text("cum_ym", 7, required=False)
    if not text:
        return _Month(f"{today:%Y%m}", today)
    found = _MONTH.fullmatch(text)
    if found is None or int(found[1]) < 1900:  # noqa: PLR2004  # no roster is older
        data.refuse("cum_ym", _NO_MONTH)
        return _Month(text, today)
    year, number = int(found[1]), int(found[2] or 12)
    if found[2] is None and year == today.year:
        number = today.month
    if (year, number) > (today.year, today.month):
        data.refuse("cum_ym", _NO_MONTH)
        return _Month(text, today)
    first = date(year, number, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return _Month(text, min(last, today))
