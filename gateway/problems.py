"""Errors as `application/problem+json` (RFC 9457): the only renderer.

`STATUS` is the one table from reason code to HTTP status. Anything that is not in
it is answered as an internal error, without detail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from gateway.wire_models import RANGES
from settlement.domain.reasons import REASONS

if TYPE_CHECKING:
    from settlement.domain.bill import BillFault
    from settlement.domain.decision import Text
    from settlement.domain.errors import RequestRefused

CONTENT_TYPE = "application/problem+json"
INTERNAL = "MA-5107"
_OUT_OF_RANGE = "MA-1130"
#: What `retry.after_s` says where the refusal itself names no time.
DEFAULT_RETRY_AFTER_S = {
    "MA-1140": 1,
    "MA-2104": 2,
    "MA-2106": 60,
    "MA-3105": 1,
    "MA-3106": 1,
    "MA-4102": 1,
    "MA-5101": 1,
    "MA-5102": 1,
    "MA-5103": 1,
    "MA-5104": 30,
    "MA-5105": 2,
    "MA-5106": 60,
    "MA-5107": 2,
    "MA-6114": 10,
}

STATUS = {
    "MA-1101": 400,
    "MA-1102": 422,
    "MA-1103": 400,
    "MA-1104": 422,
    "MA-1105": 413,
    "MA-1106": 415,
    "MA-1107": 400,
    "MA-1108": 400,
    "MA-1109": 431,
    "MA-1110": 422,
    "MA-1111": 422,
    "MA-1112": 422,
    "MA-1113": 422,
    "MA-1114": 422,
    "MA-1115": 422,
    "MA-1116": 422,
    "MA-1117": 422,
    "MA-1120": 422,
    "MA-1121": 422,
    "MA-1122": 422,
    "MA-1123": 422,
    "MA-1124": 422,
    "MA-1125": 422,
    "MA-1126": 422,
    "MA-1127": 422,
    "MA-1128": 422,
    "MA-1129": 422,
    "MA-1130": 422,
    "MA-1131": 422,
    "MA-1132": 422,
    "MA-1133": 422,
    "MA-1134": 422,
    "MA-1135": 422,
    "MA-1136": 422,
    "MA-1137": 422,
    "MA-1138": 422,
    "MA-1139": 422,
    "MA-1140": 408,
    # The national envelope, where `infcode` is made of these.
    "MA-1201": 422,
    "MA-1202": 422,
    "MA-1203": 422,
    "MA-1204": 422,
    "MA-1205": 422,
    "MA-1206": 422,
    "MA-1207": 422,
    "MA-1208": 422,
    "MA-1209": 422,
    "MA-1210": 422,
    "MA-1211": 422,
    "MA-1220": 422,
    "MA-1221": 422,
    "MA-1222": 422,
    "MA-1223": 422,
    "MA-1230": 422,
    "MA-1231": 422,
    "MA-1232": 422,
    "MA-1233": 422,
    "MA-1234": 422,
    "MA-1235": 422,
    # The rules that stop a settlement without deciding it: not stored.
    "MA-2104": 503,
    "MA-2106": 503,
    "MA-3101": 401,
    "MA-3102": 401,
    "MA-3103": 401,
    "MA-3104": 403,
    "MA-3105": 429,
    "MA-3106": 429,
    "MA-3107": 401,
    "MA-3108": 403,
    "MA-3109": 409,
    "MA-4101": 404,
    "MA-4102": 409,
    "MA-4103": 422,
    "MA-4104": 422,
    "MA-4105": 404,
    "MA-4106": 405,
    "MA-4107": 429,
    "MA-4108": 404,
    "MA-4109": 409,
    "MA-4110": 422,
    "MA-4111": 422,
    "MA-4112": 422,
    "MA-4201": 404,
    "MA-4204": 409,
    "MA-4212": 422,
    "MA-4213": 404,
    "MA-5101": 503,
    "MA-5102": 503,
    "MA-5103": 503,
    "MA-5104": 503,
    "MA-5105": 503,
    "MA-5106": 503,
    "MA-5107": 500,
    # A roster file.
    "MA-6101": 422,
    "MA-6102": 422,
    "MA-6103": 422,
    "MA-6104": 422,
    "MA-6105": 422,
    "MA-6106": 422,
    "MA-6107": 409,
    "MA-6108": 409,
    "MA-6109": 409,
    "MA-6111": 409,
    "MA-6112": 422,
    "MA-6113": 422,
    "MA-6114": 409,
    # A hospital's list; MA-6302 is of larger files than a call takes.
    "MA-6301": 422,
    "MA-6303": 422,
    "MA-6304": 422,
    "MA-6305": 422,
    "MA-6306": 422,
    "MA-6307": 422,
    "MA-6308": 422,
    "MA-6309": 422,
    "MA-6310": 422,
    "MA-6311": 422,
    "MA-6312": 422,
    "MA-6313": 422,
    "MA-6314": 422,
    "MA-6315": 422,
    # A line of it, as a field at fault.
    "MA-6401": 422,
    "MA-6402": 422,
    "MA-6403": 422,
    "MA-6404": 422,
    "MA-6405": 422,
    "MA-6406": 422,
    "MA-6407": 422,
    "MA-6408": 422,
    "MA-6409": 422,
    "MA-6410": 422,
    "MA-6411": 422,
}


def prefers_english(accept_language: str | None) -> bool:
    """Whether English ranks above Chinese in an `Accept-Language` value.

    Chinese is the default: for no header, `*`, a tie, and anything not understood.
    """
    if not accept_language:
        return False
    best = {"zh": 0.0, "en": 0.0}
    for item in accept_language.split(","):
        tag, _, weight = item.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        if primary in best:
            best[primary] = max(best[primary], _weight(weight))
    return best["en"] > best["zh"]


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def problem(refused: RequestRefused, *, english: bool) -> tuple[int, bytes, int | None]:
    """Status, body and `Retry-After` seconds of a refusal, in one language."""
    code = refused.reason if refused.reason in STATUS else INTERNAL
    reason = REASONS[code]
    status = STATUS[code]
    after_s = refused.retry_after_s
    if after_s is None and reason.retry_allowed:
        after_s = DEFAULT_RETRY_AFTER_S.get(code)
    faults = refused.faults if code == refused.reason else ()
    title = _in(reason.text, english=english)
    body: dict[str, Any] = {
        "type": f"/docs#{code}",
        "status": status,
        "code": code,
        "title": title,
        "detail": _detail(title, faults, english=english),
        "next_step": _in(reason.next_step, english=english),
        "retry": {
            "allowed": reason.retry_allowed,
            "after_s": after_s,
            "same_key": reason.same_key,
        },
    }
    if faults:
        body["fields"] = [_field(fault, english=english) for fault in faults]
    return status, orjson.dumps(body), after_s


def _detail(title: str, faults: tuple[BillFault, ...], *, english: bool) -> str:
    if not faults:
        return title
    paths = sorted({fault.path for fault in faults})
    if english:
        return f"{title} Fields at fault: {', '.join(paths)}."
    return f"{title}有问题的字段：{'、'.join(paths)}。"


def _field(fault: BillFault, *, english: bool) -> dict[str, str]:
    message = _in(REASONS[fault.reason].text, english=english)
    if fault.reason == _OUT_OF_RANGE and fault.path in RANGES:
        least, most = RANGES[fault.path]
        message += (
            f" From {least} to {most}." if english else f"允许 {least} 至 {most}。"
        )
    return {"path": fault.path, "code": fault.reason, "message": message}


def _in(text: Text, *, english: bool) -> str:
    return text.en if english else text.zh
