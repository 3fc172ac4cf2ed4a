"""From the bytes of a request to values of the domain, or to every fault at once.

Each `parse_*` raises `RequestRefused`: MA-1101 for what is no JSON, MA-1104 where
a personal number hides in an opaque field, MA-1110 for amounts out of range and
MA-1102 for everything else; `faults` name each field by its path and why, for what
is no JSON the place at which reading ended. No value that was sent stands in any.
`today` is the Shanghai day of asking; without it every birth date counts as past.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from gateway.identity import check_digit_holds, holds_identity
from gateway.wire_faults import (
    DAYS,
    INSTANTS,
    Faults,
    NoJsonError,
    duplicate_keys,
    shown_name,
)
from gateway.wire_malformed import TOO_LONG, unreadable_place
from gateway.wire_models import (
    CODE_PATTERN,
    INSTANT_PATTERN,
    KEY_PATTERN,
    BillIn,
    CardIn,
    EligibilityIn,
    ReversalIn,
    SearchIn,
    SessionIn,
    StatisticsIn,
    Strict,
    TotalsIn,
)
from settlement.domain.bill import Bill, BillFault, Card, CardKind
from settlement.domain.errors import RequestRefused
from settlement.domain.month_range import MonthRange, parse_month, range_fault
from settlement.service.aid_statistics import StatisticsQuery
from settlement.service.ports import ReversalRequest
from settlement.service.reconcile.daily import MOST_DAYS, AskedTotals, Place, Sums

_Model = TypeVar("_Model", bound=Strict)

_FIRST_DAY = date(1900, 1, 1)
#: No settlement, of a sandbox neither, is older than the ids' first day.
_FIRST_SANDBOX_DAY = date(2000, 1, 1)
#: Ids count days in two bytes; no instant lies behind this.
_LAST_DAY = date(2150, 12, 31)
_BACKSLASH = b"\\"
_COLON = b":"
_FIELDS_OF_CARD = 2
_COLONS_OF_INSTANT = 2
_OPAQUE = frozenset({"visit_no", "bill_no", "original_idempotency_key", "operator"})

_KEY = re.compile(KEY_PATTERN)
_INSTANT = re.compile(INSTANT_PATTERN)
_LOOKUPS = {"idempotency_key": _KEY, "visit_no": re.compile(CODE_PATTERN)}

_validate_bill = BillIn.__pydantic_validator__.validate_json
_validate_eligibility = EligibilityIn.__pydantic_validator__.validate_json


def parse_bill(
    raw: bytes,
    *,
    key: str | None = None,
    operator: str | None = None,
    today: date = date.max,
) -> Bill:
    """Read a BILL. `key` and `operator` are checked for personal numbers with it.

    What the amounts must be to each other is the domain's: see `bill_faults`.
    """
    try:
        parsed = _validate_bill(raw)
    except ValidationError as invalid:
        raise _refused(raw, invalid, today) from None
    values = dict(parsed.__dict__)
    faults = Faults()
    if _BACKSLASH in raw or raw.count(_COLON) != _colons_of_bill(parsed):
        duplicate_keys(raw, faults)
    values["card"] = _card(parsed.card, faults)
    values["service_start"] = _day(parsed.service_start, "service_start", faults)
    values["service_end"] = _day(parsed.service_end, "service_end", faults)
    if parsed.occurred_at is not None:
        values["occurred_at"] = _instant(parsed.occurred_at, "occurred_at", faults)
    opaque = [
        ("visit_no", parsed.visit_no),
        ("bill_no", parsed.bill_no),
        ("med_type", parsed.med_type),
        ("Idempotency-Key", key),
        ("operator", operator),
    ]
    # Diagnosis codes are stored in clear as well.
    for place, code in enumerate(parsed.diagnoses):
        opaque.append((f"diagnoses[{place}]", code))
    _note_numbers(opaque, values["card"].number, today, faults)
    if faults:
        raise faults.refusal()
    return Bill(**values)


def _note_numbers(
    opaque: Iterable[tuple[str, str | None]],
    number: str | None,
    today: date,
    faults: Faults,
) -> None:
    for path, text in opaque:
        if text is not None and holds_identity(text, number, today):
            faults.add(path, "MA-1104")


def _colons_of_bill(parsed: BillIn) -> int:
    """How many colons a bill without duplicate keys and escapes has, exactly.

    Each member has one; the rest stand in the few texts that may hold colons. A
    duplicate key adds at least one more, so equality proves that there is none.
    """
    count = len(parsed.model_fields_set) + _FIELDS_OF_CARD
    count += parsed.visit_no.count(":")
    if parsed.bill_no is not None:
        count += parsed.bill_no.count(":")
    if parsed.occurred_at is not None:
        count += _COLONS_OF_INSTANT
    return count


def parse_eligibility(raw: bytes) -> tuple[Card, date, bool]:
    """Read the body of an eligibility call: card, day of service, quota wanted."""
    try:
        parsed = _validate_eligibility(raw)
    except ValidationError as invalid:
        raise _refused(raw, invalid) from None
    faults = Faults()
    members = len(parsed.model_fields_set) + _FIELDS_OF_CARD
    if _BACKSLASH in raw or raw.count(_COLON) != members:
        duplicate_keys(raw, faults)
    card = _card(parsed.card, faults)
    day = _day(parsed.service_date, "service_date", faults)
    if faults:
        raise faults.refusal()
    return card, day, parsed.quota


def parse_reversal(
    raw: bytes,
    *,
    key: str | None = None,
    operator: str | None = None,
    today: date = date.max,
) -> ReversalRequest:
    """Read the body of a reversal: by settlement id, or by original key and card."""
    parsed = parsed_body(ReversalIn, raw, today)
    faults = Faults()
    duplicate_keys(raw, faults)
    card = None if parsed.card is None else _card(parsed.card, faults)
    original = parsed.original_idempotency_key
    if (parsed.settlement_id is None) == (original is None):
        faults.add("settlement_id", "MA-1131")
    elif original is not None and card is None:
        faults.add("card", "MA-1120")
    elif original is None and card is not None:
        faults.add("card", "MA-1131")
    opaque = (
        ("original_idempotency_key", original),
        ("Idempotency-Key", key),
        ("operator", operator),
    )
    _note_numbers(opaque, None if card is None else card.number, today, faults)
    if faults:
        raise faults.refusal()
    return ReversalRequest(
        reason=parsed.reason,
        settlement_id=parsed.settlement_id,
        original_key=original,
        card=card,
    )


def parse_search(raw: bytes) -> dict[str, Any]:
    """Read a search: only the fields given, `card` as `Card`, days as `date`."""
    parsed = parsed_body(SearchIn, raw)
    faults = Faults()
    duplicate_keys(raw, faults)
    query: dict[str, Any] = {
        name: value for name, value in parsed.__dict__.items() if value is not None
    }
    if parsed.card is not None:
        query["card"] = _card(parsed.card, faults)
    for name in ("service_from", "service_to"):
        if name in query:
            query[name] = _day(query[name], name, faults)
    if faults:
        raise faults.refusal()
    return query


def parse_statistics(raw: bytes) -> StatisticsQuery:
    """Read what is to be counted."""
    parsed = parsed_body(StatisticsIn, raw)
    faults = Faults()
    duplicate_keys(raw, faults)
    first, last = parse_month(parsed.months.first), parse_month(parsed.months.last)
    for path, month in (("months.from", first), ("months.to", last)):
        if month is None:
            faults.add(path, "MA-1132")
    months = MonthRange(first or 0, last or 0)
    if not faults and (why := range_fault(months)) is not None:
        faults.add("months", why)
    if faults:
        raise faults.refusal()
    return StatisticsQuery(
        months=months,
        by=parsed.by,
        dimension=parsed.dimension,
        facility=parsed.facility,
    )


def parse_totals(raw: bytes, *, today: date) -> AskedTotals:
    """Read a hospital's own totals, each day and care type once."""
    parsed = parsed_body(TotalsIn, raw, today)
    faults = Faults()
    duplicate_keys(raw, faults)
    first = _day(parsed.first, "from", faults)
    last = _day(parsed.last, "to", faults)
    if not faults and (why := _span_fault(first, last, today)) is not None:
        faults.add("to", why)
    stated: dict[Place, Sums] = {}
    for place, each in enumerate(parsed.totals):
        day = _day(each.day, f"totals[{place}].day", faults)
        if not faults and not first <= day <= last:
            faults.add(f"totals[{place}].day", "MA-1139")
        if (day, each.care_type.value) in stated:
            faults.add(f"totals[{place}]", "MA-1127")
        sums = Sums(each.count, each.total_fen, each.aid_fen)
        stated[day, each.care_type.value] = sums
    if faults:
        raise faults.refusal()
    return AskedTotals(first, last, stated)


def _span_fault(first: date, last: date, today: date) -> str | None:
    if last < first:
        return "MA-1136"
    if (last - first).days >= MOST_DAYS:
        return "MA-1137"
    return "MA-1138" if last > today else None


def parse_session(raw: bytes, *, today: date = date.max) -> str:
    """Read the body of a session request; returns the operator's opaque id."""
    parsed = parsed_body(SessionIn, raw, today)
    faults = Faults()
    duplicate_keys(raw, faults)
    if holds_identity(parsed.operator, None, today):
        faults.add("operator", "MA-1104")
    if faults:
        raise faults.refusal()
    return parsed.operator


def parsed_body(model: type[_Model], raw: bytes, today: date = date.max) -> _Model:
    """The body as its model reads it; raises with every fault of it."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as invalid:
        raise _refused(raw, invalid, today) from None


def _refused(
    raw: bytes, invalid: ValidationError, today: date = date.max
) -> RequestRefused:
    faults = Faults()
    faults.add_pydantic(invalid)
    if faults.is_json:
        try:
            duplicate_keys(raw, faults)
        except NoJsonError:
            faults.is_json = False
    if faults.is_json:
        _note_what_pydantic_cannot(raw, today, faults)
    else:
        place = unreadable_place(raw)
        # An integer of any length is JSON; it is only none that anybody may send.
        faults.replace_by(place, is_json=place.reason in TOO_LONG)
    return faults.refusal()


def _note_what_pydantic_cannot(raw: bytes, today: date, faults: Faults) -> None:
    """Complete the list for a body that is refused anyway: everything at once."""
    body = json.loads(raw)
    if not isinstance(body, dict):
        return
    card = body.get("card")
    number = card.get("number") if isinstance(card, dict) else None
    known = number if isinstance(number, str) and number else None
    for name, value in body.items():
        if not isinstance(value, str) or faults.has(name):
            continue
        if name in DAYS:
            _day(value, name, faults)
        elif name in INSTANTS:
            _instant(value, name, faults)
        elif name in _OPAQUE and holds_identity(value, known, today):
            faults.add(name, "MA-1104")


def _card(card: CardIn, faults: Faults) -> Card:
    """The card with its letters in upper case, so that one card has one spelling."""
    number = card.number.upper()
    if card.kind is CardKind.RESIDENT_ID and not check_digit_holds(number):
        faults.add("card.number", "MA-1129")
    return Card(kind=card.kind, number=number)


def _day(text: str, path: str, faults: Faults) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day < _FIRST_DAY:
        faults.add(path, "MA-1124")
        return _FIRST_DAY
    return day


def _instant(text: str, path: str, faults: Faults) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or not _FIRST_DAY <= instant.date() <= _LAST_DAY:
        faults.add(path, "MA-1125")
        return None
    return instant


def parse_key_header(text: str | None) -> str:
    """An `Idempotency-Key`; raises MA-1103 when missing or malformed."""
    if text is None or _KEY.fullmatch(text) is None:
        why = "MA-1120" if text is None else "MA-1126"
        raise RequestRefused("MA-1103", faults=(BillFault("Idempotency-Key", why),))
    return text


def parse_instant_header(name: str, text: str) -> datetime:
    """An instant in a header; raises MA-1107."""
    faults = Faults()
    instant = _instant(text, name, faults) if _INSTANT.fullmatch(text) else None
    if instant is None or instant.date() < _FIRST_SANDBOX_DAY:
        raise RequestRefused("MA-1107", faults=(BillFault(name, "MA-1125"),))
    return instant


def parse_lookup(query: Mapping[str, str]) -> tuple[str, str]:
    """Which one of `idempotency_key` and `visit_no` is asked for, and its value.

    Raises MA-1102 for none, both, others, and malformed values.
    """
    faults = Faults()
    for name in query:
        if name not in _LOOKUPS:
            faults.add(shown_name(name), "MA-1121")
    asked = [name for name in _LOOKUPS if name in query]
    if len(asked) != 1 or len(query) != 1:
        if not faults:
            faults.add("idempotency_key", "MA-1131")
        raise faults.refusal()
    name = asked[0]
    if _LOOKUPS[name].fullmatch(query[name]) is None:
        faults.add(name, "MA-1126")
        raise faults.refusal()
    return name, query[name]
