"""The national envelope as a HIS writes and reads it, numbers kept as they came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gateway.his.money import AmountFault, signed_fen_of
from gateway.his_simulator.people import AREA

DONE, AGAIN, FINAL = 0, -1, -2


class NoEnvelope(Exception):
    """What came is no answer of the national interface."""


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number with its digits as they were written: no float is made of it."""

    text: str


def fen(value: object) -> int:
    """An amount that was read, in fen; raises `NoEnvelope` for what is none."""
    try:
        return signed_fen_of(value.text if isinstance(value, Number) else value)
    except AmountFault as fault:
        raise NoEnvelope("an amount is no amount") from fault


def dumped(document: object) -> bytes:
    """JSON in UTF-8; what was read as a number is written as it was."""
    return orjson.dumps(document, _plain, orjson.OPT_PASSTHROUGH_DATACLASS)


def _plain(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError(type(value).__name__)


def read_object(raw: bytes, encoding: str) -> dict[str, Any]:
    """A JSON object; raises `NoEnvelope`."""
    try:
        found = json.loads(raw.decode(encoding), parse_float=Number)
    except (ValueError, LookupError, RecursionError) as fault:
        raise NoEnvelope("no JSON") from fault
    if not isinstance(found, dict):
        raise NoEnvelope("no JSON object")
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What a HIS reads of an answer, whatever the sender's habits."""

    infcode: int
    err_msg: str
    output: dict[str, Any]
    answered_at: str
    """respond_time, yyyyMMddHHmmssSSS; empty where it is missing."""

    @property
    def is_done(self) -> bool:
        """infcode 0."""
        return self.infcode == DONE

    @property
    def code(self) -> str:
        """The stable code at the head of `err_msg`; empty where there is none."""
        head, bracket, _ = self.err_msg.partition("]")
        return head[1:] if bracket and head.startswith("[") else ""

    def node(self, name: str) -> dict[str, Any]:
        """An object of `output`; empty where it is missing."""
        found = self.output.get(name)
        return found if isinstance(found, dict) else {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """An array of `output`; empty where it is missing, and one object is one."""
        found = self.output.get(name)
        rows = found if isinstance(found, list) else [found]
        return [row for row in rows if isinstance(row, dict)]


def read_answer(raw: bytes, encoding: str) -> Answer:
    """`infcode` as number or string, `output` as object or as text with JSON.

    Raises `NoEnvelope`: nobody knows then what was done.
    """
    body = read_object(raw, encoding)
    try:
        infcode = int(str(body["infcode"]).strip())
    except (KeyError, ValueError) as fault:
        raise NoEnvelope("no infcode") from fault
    output = body.get("output")
    if isinstance(output, str):
        output = read_object(output.encode(), "utf-8") if output.strip() else {}
    return Answer(
        infcode=infcode,
        err_msg=str(body.get("err_msg") or ""),
        output=output if isinstance(output, dict) else {},
        answered_at=str(body.get("respond_time") or ""),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Who sends: a window of a hospital, for the envelope's header."""

    fixmedins_code: str
    fixmedins_name: str
    opter: str


def request_body(
    window: Window,
    infno: str,
    msgid: str,
    at: datetime,
    given: Mapping[str, Any],
    sign_no: str = "",
) -> bytes:
    """The 17 fields of the header, and `input`."""
    return dumped(
        {
            "infno": infno,
            "msgid": msgid,
            "mdtrtarea_admvs": AREA,
            "insuplc_admdvs": AREA,
            "recer_sys_code": "MBS_LOCAL",
            "dev_no": "",
            "dev_safe_info": "",
            "cainfo": "",
            "signtype": "",
            "infver": "V1.0",
            "opter_type": "1",
            "opter": window.opter,
            "opter_name": "收费窗口",
            "inf_time": f"{at:%Y-%m-%d %H:%M:%S}",
            "fixmedins_code": window.fixmedins_code,
            "fixmedins_name": window.fixmedins_name,
            "sign_no": sign_no,
            "input": dict(given),
        }
    )


def answer_body(
    output: object, *, at: datetime, serial: int, infcode: int = DONE, err_msg: str = ""
) -> bytes:
    """An answer of the national platform."""
    time = f"{at:%Y%m%d%H%M%S}"
    milliseconds = f"{time}{at.microsecond // 1_000:03d}"
    return dumped(
        {
            "infcode": infcode,
            "inf_refmsgid": f"{AREA}{time}{serial:010d}",
            "refmsg_time": milliseconds,
            "respond_time": milliseconds,
            "err_msg": err_msg,
            "warn_msg": "",
            "output": output,
        }
    )
