"""The contract's answers as shapes: names and types, as its page writes them.

A shape is a type, a pattern, a set of allowed values, a list of one shape, an object
by member, or `Nullable`. Members beyond those named are permitted: the interface
grows by adding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Nullable:
    """The shape, or null."""

    shape: Any


def assert_fits(value: Any, shape: Any) -> None:
    """Fail with every place where the value does not have the shape."""
    found = misfits(value, shape, "$")
    assert not found, "; ".join(found)


def misfits(value: Any, shape: Any, path: str) -> list[str]:
    """Every place where the value does not have the shape."""
    if isinstance(shape, Nullable):
        return [] if value is None else misfits(value, shape.shape, path)
    if isinstance(shape, dict):
        return _object_misfits(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        places = enumerate(value)
        return [
            m for n, each in places for m in misfits(each, shape[0], f"{path}[{n}]")
        ]
    if isinstance(shape, frozenset):
        return [] if value in shape else [f"{path} is {value!r}"]
    if isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
        return [] if fits else [f"{path} is {value!r}"]
    # An amount that is true, or 1.0, is no integer.
    return [] if type(value) is shape else [f"{path} is {value!r}"]


def _object_misfits(value: Any, shape: dict[str, Any], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    missing = [f"{path}.{name} is missing" for name in shape if name not in value]
    return missing + [
        misfit
        for name in shape.keys() & value.keys()
        for misfit in misfits(value[name], shape[name], f"{path}.{name}")
    ]


CODE = re.compile(r"MA-[1-9][0-9]{3}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z")
SHA256 = re.compile(r"[0-9a-f]{64}")
TEXT = {"zh": re.compile(r".*[\u4e00-\u9fff].*"), "en": re.compile(r"[\x20-\x7e]+")}
ROSTER = {"version": int, "as_of": INSTANT, "age_s": int, "stale": bool}
POT = {
    "pot": str,
    "cap_fen": Nullable(int),
    "used_fen": int,
    "remaining_fen": Nullable(int),
}
REASON = {"code": CODE, "text": TEXT}
RECEIPT = {
    "record": str,
    "origin": str,
    "index": int,
    "tree_size": int,
    "path": [str],
    "checkpoint": str,
}
ELIGIBILITY = {
    "status": frozenset({"eligible", "not_eligible", "unknown"}),
    "reason": REASON,
    "next_step": TEXT,
    "category": Nullable(str),
    "category_text": Nullable(TEXT),
    "household": Nullable(str),
    "valid_from": Nullable(DAY),
    "valid_to": Nullable(DAY),
    "quota": Nullable([POT]),
    "quota_as_of": Nullable(INSTANT),
    "roster": Nullable(ROSTER),
}
DECISION = {
    "decision": frozenset({"approved", "declined"}),
    "reason": REASON,
    "next_step": TEXT,
    "retry": {"allowed": bool, "same_key": bool},
    "settlement_id": Nullable(str),
    "settled_at": Nullable(INSTANT),
    "aid_fen": int,
    "aid": [{"kind": frozenset({"basic", "tilt"}), "amount_fen": int}],
    "aidable_base_fen": int,
    "patient_pays_fen": int,
    "cash_fen": int,
    "account_return_fen": int,
    "policy": Nullable({"id": str, "version": str, "sha256": SHA256}),
    "category": Nullable(str),
    "explanation": [
        {
            "rule": str,
            "text": TEXT,
            "input_fen": int,
            "result_fen": int,
            "source": str,
        }
    ],
    "quota": [POT],
    "roster": Nullable(ROSTER),
    "alerts": [{"code": str, "text": TEXT}],
    "duplicate_of": Nullable(
        {
            "settlement_id": str,
            "aid_fen": int,
            "patient_pays_fen": int,
            "receipt": RECEIPT,
        }
    ),
    "receipt": Nullable(RECEIPT),
}
REVERSAL = {
    "reversal_id": str,
    "settlement_id": Nullable(str),
    "aid_fen": int,
    "state": frozenset({"reversed", "declined", "tombstone"}),
    "already": bool,
    "receipt": Nullable(RECEIPT),
}
FOUND = DECISION | {"state": frozenset({"settled", "reversed", "declined"})}
PROBLEM = {
    "code": CODE,
    "title": str,
    "detail": str,
    "next_step": str,
    "retry": {"allowed": bool, "after_s": Nullable(int), "same_key": bool},
}
KEYS = {
    "origin": str,
    "keys": [
        {
            "kid": str,
            "role": str,
            "suite": str,
            "alg": str,
            "public_key": str,
            "not_before": Nullable(DAY),
            "not_after": Nullable(DAY),
        }
    ],
}
