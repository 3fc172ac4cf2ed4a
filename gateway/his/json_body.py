"""A body's JSON, every number as it was written: amounts are never floats.

The platform's nodes are given back verbatim, after the money has moved. What could not
be written then would leave a settlement whose answer nobody ever gets, so it is
refused before.
"""

from __future__ import annotations

import contextlib
from typing import Any

import jiter
import orjson
from jiter import LosslessFloat

from gateway.wire_faults import WHOLE_BODY, Faults, duplicate_keys
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused

#: A number with a point or an exponent; its text is what was sent.
Number = LosslessFloat
_UTF8 = "utf-8"
_MOST_DEPTH = 32
#: Of integers that the fast writer knows.
_MOST_BITS = 63


def read_json(raw: bytes, encoding: str) -> dict[str, Any]:
    """The body as an object, its numbers as `int` and `Number`.

    Raises MA-1101 for what is none (RFC 8259), and MA-1102 for a name that stands
    twice in one object: two readers would see two bills.
    """
    try:
        body = parsed(raw, encoding)
    except ValueError:
        raise _refusal(raw, encoding) from None
    if not isinstance(body, dict):
        fault = BillFault(WHOLE_BODY, "MA-1128")
        raise RequestRefused("MA-1102", faults=(fault,))
    return body


def parsed(raw: bytes, encoding: str) -> Any:
    """JSON of any kind; raises `ValueError`, also for a name that stands twice."""
    octets = raw if encoding == _UTF8 else raw.decode(encoding).encode()
    body = jiter.from_json(
        octets,
        allow_inf_nan=False,
        cache_mode="keys",
        catch_duplicate_keys=True,
        float_mode="lossless-float",
    )
    # Nothing nests deeper than all that is opened.
    if octets.count(b"[") + octets.count(b"{") > _MOST_DEPTH:
        _require_flat(body, _MOST_DEPTH)
    return body


def encoded(document: object) -> bytes:
    """JSON, with numbers as they were read."""
    try:
        return orjson.dumps(document, default=_number)
    except TypeError:
        # The rare integer beyond 64 bits, which is never handed to `default`.
        return orjson.dumps(_with_long_integers(document), default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _with_long_integers(value: object) -> object:
    if isinstance(value, dict):
        return {name: _with_long_integers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_long_integers(inner) for inner in value]
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return orjson.Fragment(str(value))
    return value


def _require_flat(value: object, depth: int) -> None:
    if not isinstance(value, dict | list):
        return
    if depth == 0:
        raise ValueError(_MOST_DEPTH)
    for inner in value.values() if isinstance(value, dict) else value:
        _require_flat(inner, depth - 1)


def _refusal(raw: bytes, encoding: str) -> RequestRefused:
    """Why a body cannot be read; by version 1's reader, which tells a name's place."""
    faults = Faults()
    with contextlib.suppress(ValueError, RecursionError):
        duplicate_keys(raw.decode(encoding).encode(), faults)
    if faults:
        return faults.refusal()
    return RequestRefused("MA-1101", faults=(BillFault(WHOLE_BODY, "MA-1101"),))
