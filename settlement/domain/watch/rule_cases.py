"""Worked cases of alert rules: claims as people write them, and what must be found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from settlement.domain.bill import CareType, RepeatReason
from settlement.domain.calendar import SHANGHAI
from settlement.domain.money import parse_yuan
from settlement.domain.policy.section import Section, Wrong
from settlement.domain.watch.numbers import WRONG_DAYS, parse_days
from settlement.domain.watch.peers import PeerSummary
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import SubjectKind

_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_PLACE = re.compile(r"[0-9]{9}")
_REASON = re.compile(r"MA-[0-9]{4}")
_COUNT = re.compile(r"(0|[1-9][0-9]{0,6})笔")
_APPROVED = "MA-2000"
_CARES = {care.value: care.value for care in CareType}
_REPEATS = {reason.value: reason.value for reason in RepeatReason}
_REVERSALS = {word: word for word in ("refund", "timeout", "mistake")}

_WRONG_YUAN: Wrong = (
    "MA-7010",
    "金额写成 8000元 或 64.50元，不带逗号，最多两位小数。",
    "write an amount as 8000元 or 64.50元: no separators, at most two decimals.",
)
_WRONG_COUNT: Wrong = (
    "MA-7009",
    "笔数写成 120笔。",
    "write a number of claims as 120笔.",
)
_WRONG_CLOCK: Wrong = (
    "MA-7009",
    "时刻写成 '10:05' 或 '10:05:30'。",
    "write a time as '10:05' or '10:05:30'.",
)
_DEFAULT_FEN = 10_000
_NO_TIME = time(0)


@dataclass(frozen=True, slots=True)
class RuleCase:
    """Claims of one subject, or counts of several, and the signals they must give."""

    name: str
    line: int
    claims: tuple[SeenClaim, ...]
    peers: tuple[PeerSummary, ...]
    """In place of claims, for detectors that compare."""
    expect: tuple[frozenset[bytes], ...]
    """The claims of each signal, or of each outlier its name."""


def read_cases(
    section: Section, kind: SubjectKind, *, peers: bool
) -> tuple[RuleCase, ...]:
    """The worked cases of a detector, at least one."""
    cases = tuple(
        _read_case(item, kind, peers=peers) for item in section.items("cases")
    )
    if not cases and section.has("cases"):
        section.fault(
            "MA-7007", "cases",
            zh="至少写一个算例。", en="Write at least one worked case.",
        )  # fmt: skip
    return cases


def _read_case(section: Section, kind: SubjectKind, *, peers: bool) -> RuleCase:
    claims: tuple[SeenClaim, ...] = ()
    summaries: tuple[PeerSummary, ...] = ()
    if peers:
        rows = enumerate(section.items("peers"), start=1)
        summaries = tuple(_read_peer(row, kind, number) for number, row in rows)
        known = {summary.repeat_claims[0] for summary in summaries}
    else:
        claims = tuple(_read_claim(row) for row in section.items("claims"))
        known = {claim.id for claim in claims}
    expect = tuple(
        frozenset(word.encode() for word in text.split())
        for text in section.texts("expect")
    )
    for name in frozenset().union(*expect) - known:
        section.fault(
            "MA-7013", "expect",
            zh=f"算例中没有“{name.decode()}”。",
            en=f"The case has no `{name.decode()}`.",
        )  # fmt: skip
    case = RuleCase(section.text("name"), section.line, claims, summaries, expect)
    if len(known) != len(claims) + len(summaries):
        section.fault(
            "MA-7015", "name",
            zh="编号重复，请改用不同编号。", en="An id stands twice. Choose another.",
        )  # fmt: skip
    section.close()
    return case


def _read_claim(row: Section) -> SeenClaim:
    begins = row.day("on")
    ends = row.day("to") if row.has("to") else begins
    made = datetime.combine(begins, _read_time(row), SHANGHAI).astimezone(UTC)
    reason = row.text("reason", _REASON) if row.has("reason") else _APPROVED
    total_fen, funds_fen = _fen(row, "total", _DEFAULT_FEN), _fen(row, "funds", 0)
    reversal = _optional(row, "reversed", _REVERSALS)
    is_approved = reason == _APPROVED
    claim = SeenClaim(
        id=row.text("id", _NAME).encode(),
        person=(row.optional_text("person") or "甲").encode(),
        household=b"household",
        facility=_number(row, "hospital"),
        place=row.text("place", _PLACE) if row.has("place") else "",
        operator="w1",
        care_type=_optional(row, "care", _CARES) or CareType.OUTPATIENT.value,
        service_start=begins,
        service_end=ends,
        occurred_at=made,
        diagnoses=(row.text("diagnosis"),) if row.has("diagnosis") else (),
        prescription_days=row.parsed("days", parse_days, 1, WRONG_DAYS)
        if row.has("days")
        else None,
        total_fen=total_fen,
        funds_fen=funds_fen,
        base_fen=max(0, total_fen - funds_fen),
        aid_fen=_fen(row, "aid", total_fen) if is_approved else 0,
        reason=reason,
        is_approved=is_approved,
        repeat_reason=_optional(row, "repeat_reason", _REPEATS),
        reversed_at=made if reversal else None,
        reversal_reason=reversal,
    )
    _close_claim(row, claim)
    return claim


def _close_claim(row: Section, claim: SeenClaim) -> None:
    if claim.service_end < claim.service_start:
        row.fault(
            "MA-7012", "to",
            zh="结束早于开始，请更正。", en="It ends before it begins. Correct it.",
        )  # fmt: skip
    row.close()


def _read_time(row: Section) -> time:
    """Where none is written: the time that stands for an unknown one."""
    if not row.has("at"):
        return _NO_TIME
    return row.parsed("at", _clock, _NO_TIME, _WRONG_CLOCK)


def _optional(row: Section, key: str, words: Mapping[str, str]) -> str | None:
    return row.choice(key, words, "") or None if row.has(key) else None


def _read_peer(row: Section, kind: SubjectKind, number: int) -> PeerSummary:
    name = row.text("id", _NAME).encode()
    claims, repeats, at_cap = [
        row.parsed(key, _count, 0, _WRONG_COUNT)
        for key in ("claims", "repeats", "at_cap")
    ]
    row.close()
    return PeerSummary(
        kind=kind,
        facility=number,
        claims=claims,
        persons=claims,
        repeats=repeats,
        at_cap=at_cap,
        repeat_claims=(name,),
        at_cap_claims=(name,),
    )


def _fen(row: Section, key: str, default: int) -> int:
    return (
        row.parsed(key, parse_yuan, default, _WRONG_YUAN) if row.has(key) else default
    )


def _number(row: Section, key: str) -> int:
    text = row.text(key, _NUMBER) if row.has(key) else "1"
    return int(text) if _NUMBER.fullmatch(text) else 1


def _count(text: str) -> int | None:
    match = _COUNT.fullmatch(text)
    return int(match[1]) if match else None


def _clock(text: str) -> time | None:
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?", text) is None:
        return None
    try:
        return time.fromisoformat(text)
    except ValueError:
        return None
