"""Request bodies gone wrong: a sound one with one to four changes from a closed list.

Bodies are kept as JSON text, name by name, so that a change can be one that no JSON
writer would make.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import strategies as st

from tests.fuzz.hostile_values import (
    CANARY,
    OTHER_RESIDENT_ID,
    REFUSED,
    Kind,
    apart,
    hidden,
)

CARD_NUMBER = "C00000001"
#: Larger than the edge takes: 64 KiB.
LARGE = 70_000

Value: TypeAlias = "bytes | list[tuple[bytes, Value]]"
Members = list[tuple[bytes, Value]]
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the sound body of a call holds."""

    path: str
    kinds: dict[str, Kind]
    required: frozenset[str]
    nullable: frozenset[str]
    sound: Callable[[], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done to a body."""

    what: str
    path: str | None
    """The field that the answer must name; `None` where none can be told."""
    refused: bool = True
    """False where the body may still be one that the gateway takes."""
    field: str | None = None
    """The field that was changed, where it is not the one to be named."""

    @property
    def touched(self) -> str:
        """The member of the body that was changed."""
        return (self.field or self.path or "").partition(".")[0]


@dataclass(slots=True)
class Hostile:
    """A body with what was done to it."""

    shape: Shape
    raw: bytes = b""
    changes: list[Change] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the gateway may in no case take it: nothing mends the change."""
        times = Counter(change.touched for change in self.changes)
        return any(
            change.refused and times[change.touched] == 1 for change in self.changes
        )


_AMOUNTS = (
    "total_fen", "self_funded_fen", "over_limit_fen", "pre_selfpay_fen",
    "in_policy_fen", "basic_insurance_fen", "serious_illness_fen", "other_funds_fen",
    "personal_account_fen",
)  # fmt: skip
_MORE_AMOUNTS = ("medical_aid_fen", "deductible_fen", "commercial_fen", "charity_fen",
                 "expected_aid_fen")  # fmt: skip


def _card() -> dict[str, object]:
    return {"kind": "social_security_card", "number": CARD_NUMBER}


def _bill() -> dict[str, object]:
    return {
        "card": _card(),
        "visit_no": f"FZ-{next(_numbers)}",
        "bill_no": "1",
        "care_type": "outpatient",
        "service_start": "2026-01-05",
        "service_end": "2026-01-05",
        "occurred_at": "2026-01-05T02:14:09Z",
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
    }


_CARD_KINDS = {"card": Kind.CARD, "card.kind": Kind.WORD,
               "card.number": Kind.CARD_NUMBER}  # fmt: skip
BILL = Shape(
    path="/v1/settlements",
    kinds={
        **_CARD_KINDS,
        "visit_no": Kind.OPAQUE,
        "bill_no": Kind.OPAQUE,
        "care_type": Kind.WORD,
        "service_start": Kind.DAY,
        "service_end": Kind.DAY,
        "occurred_at": Kind.INSTANT,
        "diagnoses": Kind.CODES,
        "referred": Kind.FLAG,
        **dict.fromkeys(_AMOUNTS + _MORE_AMOUNTS, Kind.AMOUNT),
        "prescription_days": Kind.NUMBER,
        "place": Kind.WORD,
        "repeat_reason": Kind.WORD,
    },
    required=frozenset(
        {"card", "card.kind", "card.number", "visit_no", "care_type", "service_start",
         "service_end", "referred", *_AMOUNTS}
    ),
    nullable=frozenset(
        {"bill_no", "occurred_at", "deductible_fen", "prescription_days",
         "repeat_reason", "expected_aid_fen"}
    ),
    sound=_bill,
)  # fmt: skip
QUOTE = Shape("/v1/quotes", BILL.kinds, BILL.required, BILL.nullable, _bill)
ELIGIBILITY = Shape(
    path="/v1/eligibility",
    kinds={**_CARD_KINDS, "service_date": Kind.DAY, "quota": Kind.FLAG},
    required=frozenset({"card", "card.kind", "card.number", "service_date"}),
    nullable=frozenset(),
    sound=lambda: {"card": _card(), "service_date": "2026-01-05"},
)
REVERSAL = Shape(
    path="/v1/reversals",
    kinds={
        **_CARD_KINDS,
        "original_idempotency_key": Kind.OPAQUE,
        "reason": Kind.WORD,
    },
    required=frozenset(
        {"card", "card.kind", "card.number", "original_idempotency_key", "reason"}
    ),
    nullable=frozenset(),
    sound=lambda: {
        "original_idempotency_key": f"fz-{next(_numbers)}",
        "card": _card(),
        "reason": "timeout",
    },
)
SEARCH = Shape(
    path="/v1/settlements/search",
    kinds={
        **_CARD_KINDS,
        "visit_no": Kind.OPAQUE,
        "idempotency_key": Kind.OPAQUE,
        "service_from": Kind.DAY,
        "service_to": Kind.DAY,
        "state": Kind.WORD,
        "limit": Kind.NUMBER,
    },
    # None of them, but a card is whole.
    required=frozenset({"card.kind", "card.number"}),
    nullable=frozenset(
        {"card", "visit_no", "idempotency_key", "service_from", "service_to", "state"}
    ),
    sound=lambda: {"card": _card(), "limit": 5},
)
SESSION = Shape(
    path="/v1/sessions",
    kinds={"operator": Kind.OPAQUE},
    required=frozenset({"operator"}),
    nullable=frozenset(),
    sound=lambda: {"operator": "win-03"},
)
STATISTICS = Shape(
    path="/v1/statistics",
    kinds={
        "months.from": Kind.MONTH,
        "months.to": Kind.MONTH,
        "by": Kind.WORD,
        "dimension": Kind.WORD,
        "facility": Kind.OPAQUE,
    },
    required=frozenset({"months", "months.from", "months.to"}),
    nullable=frozenset({"dimension", "facility"}),
    sound=lambda: {
        "months": {"from": "2026-01", "to": "2026-01"},
        "dimension": "care_type",
    },
)
TOTALS = Shape(
    path="/v1/reconciliation/totals",
    kinds={"from": Kind.DAY, "to": Kind.DAY},
    required=frozenset({"from", "to", "totals"}),
    nullable=frozenset(),
    sound=lambda: {
        "from": "2026-01-05",
        "to": "2026-01-05",
        "totals": [
            {
                "day": "2026-01-05",
                "care_type": "outpatient",
                "count": 1,
                "total_fen": 25_000,
                "aid_fen": 5_760,
            }
        ],
    },
)
#: Of alerts, where a facility asks in vain: for the parsers alone.
ASSIGN = Shape(
    path="/v1/alert-cases/{case}/assign",
    kinds={"to": Kind.OPAQUE, "note": Kind.OPAQUE},
    required=frozenset({"to"}),
    nullable=frozenset({"note"}),
    sound=lambda: {"to": "B001/win-01", "note": "urgent"},
)
CONFIRM = Shape(
    path="/v1/alert-cases/{case}/confirm",
    kinds={"note": Kind.OPAQUE, "recover": Kind.WORD},
    required=frozenset({"note"}),
    nullable=frozenset(),
    sound=lambda: {"note": "twice", "recover": "all"},
)
DISMISS = Shape(
    path="/v1/alert-cases/{case}/dismiss",
    kinds={"note": Kind.OPAQUE},
    required=frozenset({"note"}),
    nullable=frozenset(),
    sound=lambda: {"note": "two visits"},
)
SHAPES = (BILL, QUOTE, ELIGIBILITY, REVERSAL, SEARCH, SESSION, STATISTICS, TOTALS)
#: Where a number that is stored in clear could hide.
_STORED_CLEAR = {
    BILL.path: ("visit_no", "bill_no"),
    QUOTE.path: ("visit_no", "bill_no"),
    REVERSAL.path: ("original_idempotency_key",),
    SESSION.path: ("operator",),
}


def members_of(value: dict[str, object]) -> Members:
    """A JSON object as names and texts."""
    return [
        (
            json.dumps(name).encode(),
            members_of(inner)
            if isinstance(inner, dict)
            else json.dumps(inner, ensure_ascii=False).encode(),
        )
        for name, inner in value.items()
    ]


def rendered(members: Members) -> bytes:
    """The JSON text."""
    return (
        b"{"
        + b",".join(
            name + b":" + (value if isinstance(value, bytes) else rendered(value))
            for name, value in members
        )
        + b"}"
    )


class _Body:
    """A sound body that changes are made to."""

    def __init__(self, shape: Shape, rng: random.Random) -> None:
        self.shape = shape
        self.changes = rng.choice((1, 1, 1, 2, 3, 4))
        self.rng = rng
        self.members = members_of(shape.sound())

    def _object_of(self, path: str) -> tuple[Members, bytes]:
        outer, _, inner = path.partition(".")
        if not inner:
            return self.members, json.dumps(outer).encode()
        for name, value in self.members:
            if name == json.dumps(outer).encode() and isinstance(value, list):
                return value, json.dumps(inner).encode()
        # Another change took the object away: the member goes to the top.
        return self.members, json.dumps(inner).encode()

    def put(self, path: str, value: bytes) -> None:
        """Set a member, in its place where it is there."""
        members, name = self._object_of(path)
        for place, (known, _) in enumerate(members):
            if known == name:
                members[place] = (name, value)
                return
        members.append((name, value))

    def drop(self, path: str) -> None:
        """Remove a member."""
        members, name = self._object_of(path)
        members[:] = [each for each in members if each[0] != name]

    def again(self, path: str, value: bytes | None, name: bytes | None = None) -> None:
        """Let a member stand twice, the second time with this value and spelling."""
        members, known = self._object_of(path)
        place = self.rng.randint(0, len(members))
        first = next((each for each in members if each[0] == known), (known, b"1"))
        members.insert(place, (name or known, first[1] if value is None else value))
        if first not in members:
            members.append(first)


def _wrong_value(body: _Body) -> Change:
    path = body.rng.choice(list(body.shape.kinds))
    kind = body.shape.kinds[path]
    values = REFUSED[kind]
    value = values[body.rng.randrange(len(values))]
    body.put(path, value)
    return Change(f"{kind.value}: {value[:40]!r}", path)


def _null(body: _Body) -> Change:
    path = body.rng.choice(list(body.shape.kinds))
    body.put(path, b"null")
    return Change("null", path, refused=path not in body.shape.nullable)


def _missing(body: _Body) -> Change:
    path = body.rng.choice(sorted(body.shape.required))
    body.drop(path)
    return Change("missing", path)


def _extra(body: _Body) -> Change:
    name = body.rng.choice(
        (CANARY, f"{CANARY} ", "张三", "Total_fen", "total_fen ", "__proto__", "",
         "\u202e", "a" * 5_000, "ｔｏｔａｌ_fen", "x\x00", CARD_NUMBER,
         OTHER_RESIDENT_ID)
    )  # fmt: skip
    value = body.rng.choice(
        (b"1", b"null", json.dumps(CANARY).encode(), b"[[[[]]]]", b'{"a":{"a":1}}')
    )
    body.members.insert(
        body.rng.randint(0, len(body.members)), (json.dumps(name).encode(), value)
    )
    shown = name if name in ("Total_fen", "__proto__") else "?"
    return Change("extra", shown)


def _twice(body: _Body) -> Change:
    path = body.rng.choice(sorted(body.shape.required))
    last = path.rpartition(".")[2]
    escaped = f'"\\u{ord(last[0]):04x}{last[1:]}"'.encode()
    name = body.rng.choice((None, escaped))
    value = body.rng.choice((None, b"1", b"null", b'"x"'))
    body.again(path, value, name)
    return Change("duplicate", path)


def _sum(body: _Body) -> Change:
    """Sums that do not hold: off by one, negative, above what 64 bits hold."""
    name = body.rng.choice(_AMOUNTS)
    value = body.rng.choice(
        (b"-1", b"0", b"1", b"24999", b"25001", b"999999999", b"1000000000",
         b"9223372036854775807", b"-9223372036854775808", b"18446744073709551615")
    )  # fmt: skip
    body.put(name, value)
    return Change(f"sum: {name} {value!r}", None, refused=False, field=name)


def _future(body: _Body) -> Change:
    name = body.rng.choice(("service_start", "service_end", "service_date"))
    if name not in body.shape.kinds:
        return _wrong_value(body)
    body.put(name, body.rng.choice((b'"9999-12-31"', b'"2999-01-01"')))
    shown = "service_date" if name == "service_date" else "service_end"
    return Change("future", shown, field=name)


def _hidden_number(body: _Body) -> Change:
    fields = _STORED_CLEAR.get(body.shape.path)
    if not fields:
        return _wrong_value(body)
    path = body.rng.choice(fields)
    values = [*hidden(OTHER_RESIDENT_ID)]
    # With other changes it may be somebody else's card by now.
    if "card" in body.shape.kinds and body.changes == 1:
        values += [*hidden(CARD_NUMBER), *apart(CARD_NUMBER)]
    body.put(path, body.rng.choice(values))
    return Change("hidden number", path)


def _bent(body: _Body) -> Change:
    """A change that a decent sender could make: the bill may be sound still."""
    path = body.rng.choice(list(body.shape.kinds))
    sound: dict[Kind, tuple[bytes, ...]] = {
        Kind.AMOUNT: (b"0", b"-0", b"1", b"25000", b"1000000000"),
        Kind.NUMBER: (b"0", b"1", b"366", b"100"),
        Kind.DAY: (b'"2026-01-04"', b'"1900-01-01"', b'"2024-02-29"'),
        Kind.INSTANT: (b'"2150-12-31T23:59:59Z"', b'"1900-01-01T00:00:00.000001Z"'),
        Kind.MONTH: (b'"2025-12"', b'"2026-02"', b'"1900-01"', b'"2150-12"'),
        Kind.OPAQUE: (b'"\\u004d1"', b'"' + b"z" * 64 + b'"', b'"."', b'"-"', b'"::"'),
        Kind.WORD: (b'"emergency"', b'"inpatient"', b'"unfiled"', b'"second_bill"'),
        Kind.FLAG: (b"true", b"false"),
        Kind.CODES: (b"[]", b'["I10","I10"]', b'["' + b"Z" * 40 + b'"]'),
        Kind.CARD: (b'{"number":"B0000001","kind":"social_security_card"}',),
        Kind.CARD_NUMBER: (b'"b0000001"', b'"000000"', b'"' + b"9" * 32 + b'"'),
    }
    value = body.rng.choice(sound[body.shape.kinds[path]])
    body.put(path, value)
    return Change(f"bent: {path} {value!r}", None, refused=False, field=path)


#: How a member is changed; a name stands for a sentence of the issue.
CHANGES: dict[str, Callable[[_Body], Change]] = {
    "wrong value": _wrong_value,
    "wrong value again": _wrong_value,
    "null": _null,
    "missing": _missing,
    "extra": _extra,
    "twice": _twice,
    "sum": _sum,
    "future": _future,
    "hidden number": _hidden_number,
    "bent": _bent,
}


def _cut(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randrange(len(raw))]


def _swapped(raw: bytes, rng: random.Random) -> bytes:
    return raw.replace(b'"', b"'") if rng.random() < 0.5 else raw.replace(b":", b"=")


#: What is done to the whole text; none of it is a body that any call takes.
WHOLE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "mark before": lambda raw, _: b"\xef\xbb\xbf" + raw,
    "UTF-16": lambda raw, _: raw.decode(errors="replace").encode("utf-16"),
    "UTF-16LE": lambda raw, _: raw.decode(errors="replace").encode("utf-16-le"),
    "UTF-32": lambda raw, _: raw.decode(errors="replace").encode("utf-32"),
    "cut": _cut,
    "nothing": lambda _raw, _: b"",
    "spaces": lambda _raw, rng: b" \n" * rng.randrange(1, 99),
    "in a list": lambda raw, _: b"[" + raw + b"]",
    "in a text": lambda raw, _: json.dumps(raw.decode(errors="replace")).encode(),
    "twice over": lambda raw, _: raw + raw,
    "something behind": lambda raw, rng: raw + rng.choice((b"}", b"x", b"\x00", b",")),
    "NUL before": lambda raw, _: b"\x00" + raw,
    "comment": lambda raw, _: b"/* */" + raw,
    "other quotes": _swapped,
    "comma behind": lambda raw, _: raw[:-1] + b",}",
    "null": lambda _raw, _: b"null",
    "number": lambda _raw, rng: rng.choice((b"7", b"NaN", b"1e400", b"9" * 5_000)),
    "deep list": lambda _raw, rng: b"[" * rng.choice((201, 5_000, 60_000)),
    "deep object": lambda _raw, rng: b'{"a":' * rng.choice((201, 5_000, 12_000)),
    "deep member": lambda raw, _: raw[:-1] + b',"x":' + b"[" * 300 + b"]" * 300 + b"}",
    "gzip": lambda raw, _: b"\x1f\x8b\x08\x00" + raw,
    "form": lambda _raw, _: b"card=C00000001&total_fen=25000",
    "XML": lambda _raw, _: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>',
    "noise": lambda _raw, rng: rng.randbytes(rng.randrange(1, 300)),
}
#: Above the limit of the edge, 200,000 deep and 10 MB as the issue says.
LARGE_BODIES: dict[str, Callable[[], bytes]] = {
    "200,000 deep": lambda: b"[" * 200_000 + b"]" * 200_000,
    "200,000 deep objects": lambda: b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "10 MB of text": lambda: b'{"visit_no":"' + b"a" * 10_000_000 + b'"}',
    "10 MB of spaces": lambda: b" " * 10_000_000,
    "10 MB of digits": lambda: b"9" * 10_000_000,
    "just above": lambda: b'{"visit_no":"' + b"a" * LARGE + b'"}',
}


def hostile_body(shape: Shape, rng: random.Random) -> Hostile:
    """A sound body of the call with one to four changes."""
    body = _Body(shape, rng)
    made = Hostile(shape)
    if rng.random() < 0.12:
        what = rng.choice(list(WHOLE))
        made.raw = WHOLE[what](rendered(body.members), rng)
        # Noise may be JSON by chance, a body that is cut never.
        made.changes.append(Change(what, None))
        return made
    for _ in range(body.changes):
        names = [
            name for name in CHANGES if name != "sum" or "total_fen" in shape.kinds
        ]
        made.changes.append(CHANGES[rng.choice(names)](body))
    made.raw = rendered(body.members)
    return made


def every_refused_value(shape: Shape) -> Iterator[Hostile]:
    """Each value of the lists at each field of its kind, one at a time."""
    for path, kind in shape.kinds.items():
        for value in REFUSED[kind]:
            body = _Body(shape, random.Random(0))
            body.put(path, value)
            what = f"{kind.value}: {value[:40]!r}"
            yield Hostile(shape, rendered(body.members), [Change(what, path)])


def bodies(*shapes: Shape) -> st.SearchStrategy[Hostile]:
    """Hostile bodies of these calls."""
    return st.builds(
        hostile_body, st.sampled_from(shapes), st.randoms(use_true_random=False)
    )
