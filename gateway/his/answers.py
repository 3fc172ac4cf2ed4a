"""The response envelope: `infcode`, an `err_msg` for the cashier, `output`.

`infcode` is 0 for done, -1 for an outcome that is unknown or a system that does not
answer now (send again under the same msgid, or reverse), -2 for decided and final.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from gateway.his.national_names import national_path
from gateway.problems import INTERNAL, STATUS
from settlement.domain.calendar import SHANGHAI
from settlement.domain.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from settlement.domain.errors import RequestRefused

DONE, AGAIN, FINAL = 0, -1, -2
#: `err_msg` is char(200), and shown to the cashier as it is.
MOST_MESSAGE = 200
_MOST_FIELDS = 3
#: From this HTTP status on the fault is ours, or passes by itself.
_OURS = 500
#: Under way, too fast, slow: the same message again will do.
_PASSES = frozenset({408, 409, 429})
_OK = 200
_DIGITS_ONLY = str.maketrans("", "", "-:.")
#: What must not pass for the answer to a message: its first copy may have got one.
_NO_ANSWERS = frozenset({"MA-3109"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a transaction answers."""

    output: bytes = b"{}"
    """JSON of the node `output`."""
    infcode: int = DONE
    err_msg: str = ""
    status: int = _OK
    """Of HTTP: a HIS shows nothing of others, and takes them for no answer."""
    warn_msg: str = ""
    """Shown beside the result: alerts, and what to give back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one hospital reads answers."""

    output_as_text: bool = False
    """`output` is a string that holds JSON."""
    infcode_as_text: bool = False
    encoding: str = "utf-8"
    """`utf-8` or `gb18030`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What is said of the exchange itself."""

    place: str
    """Six digits of the receiver's area; zeros where the request named none."""
    serial: int
    received_at: datetime
    answered_at: datetime


def refused(refusal: RequestRefused) -> Reply:
    """What could not be done, and why: of the sender's making, or to be sent again."""
    code = refusal.reason if refusal.reason in STATUS else INTERNAL
    status = STATUS[code]
    is_ours = status >= _OURS or status in _PASSES
    passes = is_ours and REASONS[code].retry_allowed
    faults = refusal.faults if code == refusal.reason else ()
    named = "".join(
        f"{national_path(fault.path)}：{REASONS[fault.reason].text.zh}"
        for fault in faults[:_MOST_FIELDS]
    )
    return Reply(
        infcode=AGAIN if passes else FINAL,
        err_msg=message(code, named),
        status=status if code in _NO_ANSWERS else _OK,
    )


def message(code: str, detail: str = "") -> str:
    """`[CODE]`, what happened and what the cashier does now: 200 characters at most."""
    reason = REASONS[code]
    head, tail = f"[{code}] {reason.text.zh}", reason.next_step.zh
    room = MOST_MESSAGE - len(head) - len(tail)
    if len(detail) > room:
        detail = detail[: max(0, room - 1)] + "…" if room > 0 else ""
    return (head + detail + tail)[:MOST_MESSAGE]


def decided(decision: Mapping[str, Any], output: bytes) -> Reply:
    """A bill that was declined by rule: final under this message."""
    return Reply(output, FINAL, message(decision["reason"]["code"]))


def rendered(reply: Reply, stamp: Stamp, manner: Manner) -> bytes:
    """The whole answer, in the hospital's manner and encoding."""
    received = _time(stamp.received_at)
    body = orjson.dumps(
        {
            "infcode": f"{reply.infcode}" if manner.infcode_as_text else reply.infcode,
            "inf_refmsgid": f"{stamp.place}{received[:14]}{stamp.serial:010d}",
            "refmsg_time": received,
            "respond_time": _time(stamp.answered_at),
            "err_msg": reply.err_msg,
            "warn_msg": reply.warn_msg,
            "output": (
                reply.output.decode()
                if manner.output_as_text
                else orjson.Fragment(reply.output)
            ),
        }
    )
    if manner.encoding == "utf-8":
        return body
    return body.decode().encode(manner.encoding)


def _time(instant: datetime) -> str:
    """yyyyMMddHHmmssSSS on Shanghai's clock."""
    text = instant.astimezone(SHANGHAI).isoformat("-", "milliseconds")[:23]
    return text.translate(_DIGITS_ONLY)
