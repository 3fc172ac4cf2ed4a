"""Eligibility, reversals, searches, sessions, look-ups and headers."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.wire import (
    parse_eligibility,
    parse_instant_header,
    parse_key_header,
    parse_lookup,
    parse_reversal,
    parse_search,
    parse_session,
)
from settlement.domain.errors import RequestRefused
from tests.gateway.bodies import CARD, RESIDENT_ID

_TWO_DATES = (
    b'{"card":{"kind":"social_security_card","number":"A12345678"},'
    b'"service_date":"2026-01-05","service_date":"2026-01-06"}'
)


def refusal(
    call: Any, *arguments: Any, **named: Any
) -> tuple[str, list[tuple[str, str]]]:
    """The code and faults of the refusal that a call must end in."""
    with pytest.raises(RequestRefused) as caught:
        call(*arguments, **named)
    refused = caught.value
    return refused.reason, [(fault.path, fault.reason) for fault in refused.faults]


def body(**members: Any) -> bytes:
    """A JSON object."""
    return json.dumps(members).encode()


def test_eligibility_is_read() -> None:
    """Card and day; a lower-case check letter is the same card."""
    identity = {"kind": "resident_id", "number": "11010519491231002x"}

    card, day, with_quota = parse_eligibility(
        body(card=identity, service_date="2026-01-05")
    )

    assert card.number == "11010519491231002X"
    assert day == date(2026, 1, 5)
    assert with_quota


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        (body(card=CARD), "service_date", "MA-1120"),
        (body(card=CARD, service_date="2026-02-30"), "service_date", "MA-1124"),
        (body(card=CARD, service_date="2026-01-05", day=1), "day", "MA-1121"),
        (_TWO_DATES, "service_date", "MA-1127"),
    ],
)  # fmt: skip
def test_malformed_eligibility_is_named(raw: bytes, path: str, reason: str) -> None:
    """Faults of an eligibility call carry their path."""
    assert refusal(parse_eligibility, raw) == ("MA-1102", [(path, reason)])


def test_reversal_by_id_and_by_key_are_read() -> None:
    """Both ways of naming the original, one at a time."""
    by_id = parse_reversal(body(settlement_id="s-1", reason="refund"))
    by_key = parse_reversal(
        body(original_idempotency_key="k-1", card=CARD, reason="timeout")
    )

    assert (by_id.settlement_id, by_id.original_key, by_id.card) == ("s-1", None, None)
    assert (by_key.settlement_id, by_key.original_key) == (None, "k-1")
    assert by_key.card is not None


@pytest.mark.parametrize(
    ("members", "path", "reason"),
    [
        ({"reason": "refund"}, "settlement_id", "MA-1131"),
        ({"reason": "refund", "settlement_id": "a", "original_idempotency_key": "b",
          "card": CARD}, "settlement_id", "MA-1131"),
        ({"reason": "refund", "settlement_id": "a", "card": CARD}, "card", "MA-1131"),
        ({"reason": "refund", "original_idempotency_key": "b"}, "card", "MA-1120"),
        ({"reason": "why", "settlement_id": "a"}, "reason", "MA-1123"),
        ({"settlement_id": "a"}, "reason", "MA-1120"),
        ({"reason": "refund", "settlement_id": "a b"}, "settlement_id", "MA-1126"),
    ],
)  # fmt: skip
def test_malformed_reversal_is_named(
    members: dict[str, Any], path: str, reason: str
) -> None:
    """A reversal names its original in exactly one way."""
    assert refusal(parse_reversal, body(**members)) == ("MA-1102", [(path, reason)])


def test_reversal_refuses_personal_numbers_in_keys() -> None:
    """A key that was never seen becomes a tombstone, so it is checked as well."""
    raw = body(original_idempotency_key="k-A12345678", card=CARD, reason="timeout")

    assert refusal(parse_reversal, raw, key=RESIDENT_ID, operator="w1") == (
        "MA-1104",
        [("original_idempotency_key", "MA-1104"), ("Idempotency-Key", "MA-1104")],
    )


def test_search_gives_only_what_was_asked() -> None:
    """Fields left out do not narrow; the limit has a default."""
    query = parse_search(body(card=CARD, service_from="2026-01-01", state="settled"))

    assert query["card"].number == "A12345678"
    assert query["service_from"] == date(2026, 1, 1)
    assert set(query) == {"card", "service_from", "state", "limit"}


@pytest.mark.parametrize(
    ("members", "path", "reason"),
    [
        ({"limit": 0}, "limit", "MA-1130"),
        ({"limit": 101}, "limit", "MA-1130"),
        ({"state": "gone"}, "state", "MA-1123"),
        ({"service_to": "2026-13-01"}, "service_to", "MA-1124"),
        ({"name": "x"}, "name", "MA-1121"),
    ],
)
def test_malformed_search_is_named(
    members: dict[str, Any], path: str, reason: str
) -> None:
    """Faults of a search carry their path."""
    assert refusal(parse_search, body(**members)) == ("MA-1102", [(path, reason)])


def test_operator_is_an_opaque_id() -> None:
    """An operator is a short id: no name, no identity number."""
    assert parse_session(body(operator="win-03")) == "win-03"
    assert refusal(parse_session, body(operator="张三"))[1] == [("operator", "MA-1126")]
    assert refusal(parse_session, body(operator=RESIDENT_ID))[0] == "MA-1104"


@pytest.mark.parametrize("key", [None, "", "a b", "k" * 65, "键", "a/b", "a\n"])
def test_malformed_idempotency_key_is_refused(key: str | None) -> None:
    """A key is 1 to 64 letters, digits or . _ : - and is never guessed."""
    why = "MA-1120" if key is None else "MA-1126"

    assert refusal(parse_key_header, key) == ("MA-1103", [("Idempotency-Key", why)])


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ({}, [("idempotency_key", "MA-1131")]),
        ({"idempotency_key": "a", "visit_no": "b"}, [("idempotency_key", "MA-1131")]),
        ({"visit_no": "a b"}, [("visit_no", "MA-1126")]),
        ({"visit": "1"}, [("visit", "MA-1121")]),
        ({RESIDENT_ID: "1"}, [("?", "MA-1121")]),
    ],
)
def test_lookup_takes_exactly_one_name(
    query: dict[str, str], faults: list[tuple[str, str]]
) -> None:
    """One of two parameters, and nothing else."""
    assert refusal(parse_lookup, query) == ("MA-1102", faults)


def test_instant_header_is_utc() -> None:
    """Only the one form of RFC 3339 in UTC passes."""
    parsed = parse_instant_header("Medaid-Sandbox-Time", "2014-06-01T00:00:00.5Z")

    assert parsed == datetime(2014, 6, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    for text in (
        "2014-06-01",
        "2014-06-01T00:00:00+08:00",
        "now",
        "2014-06-31T00:00:00Z",
    ):
        assert refusal(parse_instant_header, "T", text)[0] == "MA-1107"
