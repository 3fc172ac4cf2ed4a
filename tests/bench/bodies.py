"""Prepared requests: every bill is another visit of another person, every key new."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zlib import crc32

import orjson

from tests.bench.raw_client import request

_VISIT = "BENCHVISIT"


def bill_body(card: str, visit_no: str, day: str, clock: str = "") -> bytes:
    """The BILL of API.md: 250 yuan, 232 in policy, insurers paid 160.

    With a time of the day, UTC, it was made at the desk then.
    """
    made = {"occurred_at": f"{day}T{clock}:00Z"} if clock else {}
    return orjson.dumps(
        {
            "card": {"kind": "social_security_card", "number": card},
            "visit_no": visit_no,
            "bill_no": "1",
            "care_type": "outpatient",
            "service_start": day,
            "service_end": day,
            "diagnoses": ["I10"],
            "referred": True,
            "total_fen": 25_000,
            "self_funded_fen": 1_000,
            "over_limit_fen": 0,
            "pre_selfpay_fen": 800,
            "in_policy_fen": 23_200,
            "basic_insurance_fen": 16_000,
            "serious_illness_fen": 0,
            "other_funds_fen": 0,
            "personal_account_fen": 0,
            **made,
        }
    )


#: A person's visits lie apart, as in a year; so no run is one great repeat.
_DAYS = 300
#: From eight o'clock in Shanghai, which is midnight UTC.
_DESK_MINUTES = 8 * 60
_DIAGNOSES = [b"%c%02d" % (65 + number % 20, number) for number in range(90)]


def settlements(
    cards: Sequence[str], day: str, token: str, run: str, *, timed: bool = False
) -> Iterator[bytes]:
    """Endless settle requests; `run` keeps the keys of two runs apart.

    Each visit of a person is of another of the days before `day`, for another
    diagnosis. `timed`: each bill says that it was made on that day, at some minute of
    eight hours; otherwise it was made now.
    """
    marks = (f"{run}{_VISIT}".encode(), b"1000-01-01", b"I10")
    clock = "11:11" if timed else ""
    head = (
        request(
            "POST",
            "/v1/settlements",
            b"x" * len(bill_body(cards[0], f"{_VISIT}{0:09d}", day, clock)),
            {
                "Authorization": f"Bearer {token}",
                "Idempotency-Key": f"{run}-{0:09d}",
            },
        ).split(b"\r\n\r\n", 1)[0]
        + b"\r\n\r\n"
    )
    head_start, head_end = head.split(f"{run}-{0:09d}".encode(), 1)
    parts = []
    for card in cards:
        body = bill_body(card, f"{run}{_VISIT}", "1000-01-01", clock)
        before, rest = body.split(marks[0], 1)
        # The visit number takes the placeholder's length, so lengths stay equal.
        start, end, rest = rest.split(marks[1], 2)
        diagnosis, after = rest.split(marks[2], 1)
        made, *tail = after.split(b"1000-01-01T11:11")
        parts.append((before, start, end, diagnosis, made, *tail))
    last = date.fromisoformat(day)
    days = [str(last - timedelta(days=n)).encode() for n in range(_DAYS)]
    # Prepared by now, so that no load pays for it while it is measured.
    return _numbered(parts, days, (head_start, head_end), run)


def _numbered(
    parts: list[tuple[bytes, ...]],
    days: list[bytes],
    head: tuple[bytes, bytes],
    run: str,
) -> Iterator[bytes]:
    head_start, head_end = head
    width = len(_VISIT) + 9 - len(run)
    salt = crc32(run.encode())
    for number in itertools.count():
        before, start, end, diagnosis, made, *tail = parts[number % len(parts)]
        key = b"%s-%09d" % (run.encode(), number)
        visit = b"%s%0*d" % (run.encode(), width, number)
        nth = number // len(parts)
        on = days[(number * 7 + nth * 97 + salt) % _DAYS]
        code = _DIAGNOSES[(number + nth * 13 + salt // _DAYS) % len(_DIAGNOSES)]
        minute = (number * 11 + salt) % _DESK_MINUTES
        at = (on, b"T%02d:%02d" % divmod(minute, 60), *tail) if tail else ()
        yield b"".join(
            (
                *(head_start, key, head_end, before, visit),
                *(start, on, end, on, diagnosis, code, made, *at),
            )
        )


def eligibility(
    cards: Sequence[str], day: str, token: str, *, with_quota: bool
) -> Iterator[bytes]:
    """Endless eligibility requests over all cards."""
    prepared = [
        request(
            "POST",
            "/v1/eligibility",
            orjson.dumps(
                {
                    "card": {"kind": "social_security_card", "number": card},
                    "service_date": day,
                    "quota": with_quota,
                }
            ),
            {"Authorization": f"Bearer {token}"},
        )
        for card in cards
    ]
    return itertools.cycle(prepared)


def echoes(
    cards: Sequence[str], day: str, token: str, *, timed: bool = False
) -> Iterator[bytes]:
    """The same bills, to the yardstick."""
    clock = "11:11" if timed else ""
    prepared = [
        request(
            "POST",
            "/echo",
            bill_body(card, f"{_VISIT}{number:09d}", day, clock),
            {"Authorization": f"Bearer {token}", "Idempotency-Key": f"e-{number:09d}"},
        )
        for number, card in enumerate(cards)
    ]
    return itertools.cycle(prepared)
