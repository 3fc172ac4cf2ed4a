"""The clear claims of a record: what anybody may read, and what must hold of them.

They are few on purpose. No exact time, no items, no token of a person: those are
sealed. An unknown claim is refused, so that nothing slips into the clear unseen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from crypto.errors import BadClaimsError

Claim = int | str | bool

_AMOUNT_MAX_FEN = 10**12
_VERSION_MAX = 2**53 - 1
_SID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FACILITY = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_POLICY = re.compile(r"[A-Za-z0-9._:@/+-]{1,96}")
_AMOUNTS = ("total_fen", "funds_fen", "aid_fen", "patient_pays_fen")

REQUIRED = frozenset(
    {
        "v",
        "sid",
        "op",
        "ref",
        "facility",
        "day",
        *_AMOUNTS,
        "currency",
        "roster_version",
        "policy",
        "policy_sha256",
    }
)
"""Claims of every record; `sandbox: true` may be added and nothing else."""

_WITH_SANDBOX = REQUIRED | {"sandbox"}


def check_claims(claims: Mapping[str, object]) -> None:
    """Raise `BadClaimsError` unless these are the claims of one MASR/1 record.

    Amounts are integers of fen, never negative: `op` gives the direction, and a
    reversal repeats the amounts of the settlement that it undoes. A tombstone
    undoes nothing: its amounts are 0, its policy and its `ref` empty.
    """
    names = claims.keys()
    if names != REQUIRED and (names != _WITH_SANDBOX or claims["sandbox"] is not True):
        raise BadClaimsError("a clear claim is missing, unknown or not permitted")
    if type(claims["v"]) is not int or claims["v"] != 1:
        raise BadClaimsError("claim v is not 1")
    if claims["currency"] != "CNY":
        raise BadClaimsError("claim currency is not CNY")
    _require_text(claims, "sid", _SID)
    _require_text(claims, "facility", _FACILITY)
    _require_day(claims["day"])
    _require_integer(claims, "roster_version", _VERSION_MAX)
    _check_amounts(claims)
    _check_operation(claims)


def day_of(claims: Mapping[str, Claim]) -> date:
    """The Shanghai day of settling, from checked claims."""
    return date.fromisoformat(str(claims["day"]))


def _check_amounts(claims: Mapping[str, object]) -> None:
    total, funds, aid, patient = (
        _require_integer(claims, name, _AMOUNT_MAX_FEN) for name in _AMOUNTS
    )
    if total != funds + aid + patient:
        raise BadClaimsError("total is not funds + aid + patient_pays")


def _check_operation(claims: Mapping[str, object]) -> None:
    op, ref = claims["op"], claims["ref"]
    if op == "tombstone":
        if (ref, claims["policy"], claims["policy_sha256"]) != ("", "", ""):
            raise BadClaimsError("a tombstone refers to a settlement or a policy")
        if claims["total_fen"] != 0:
            raise BadClaimsError("a tombstone has an amount")
        return
    if op == "reverse":
        _require_text(claims, "ref", _SID)
        if ref == claims["sid"]:
            raise BadClaimsError("a reversal refers to itself")
    elif op != "settle" or ref != "":
        raise BadClaimsError("claims op and ref do not go together")
    _require_text(claims, "policy", _POLICY)
    _require_text(claims, "policy_sha256", _SHA256)


def _require_text(
    claims: Mapping[str, object], name: str, form: re.Pattern[str]
) -> None:
    value = claims[name]
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise BadClaimsError(f"claim {name} does not have its form")


def _require_day(value: object) -> None:
    if not isinstance(value, str) or _DAY.fullmatch(value) is None:
        raise BadClaimsError("claim day is not YYYY-MM-DD")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise BadClaimsError("claim day is no day of the calendar") from None


def _require_integer(claims: Mapping[str, object], name: str, most: int) -> int:
    value = claims[name]
    if type(value) is not int or not 0 <= value <= most:
        raise BadClaimsError(f"claim {name} is no integer from 0 to {most}")
    return value
