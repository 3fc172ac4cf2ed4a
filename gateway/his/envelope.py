"""The request envelope: 17 header fields read leniently, and `input`.

Strings and numbers are taken alike, unknown fields are ignored, and a field that we
do not use may say anything. What names the message, its sender and its place must be
right (docs/his/envelope.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.his.node import Node
from gateway.his.numbers import MOST_CHARS, key_of
from gateway.wire_faults import Faults
from settlement.domain.errors import RequestRefused

_INFNO = re.compile(r"([0-9]{4})[A-Z]?")
_ADMDVS = re.compile(r"[0-9]{6}")
#: The national text spells the two places differently, and so must a sender.
_SPELLINGS = {
    "mdtrtarea_admvs": "mdtrtarea_admdvs",
    "insuplc_admdvs": "insuplc_admvs",
}
_MISSPELT = "MA-1211"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One request, its header understood."""

    infno: str
    """Four digits; a letter behind them (2207A) is left away."""
    msgid: str
    key: str
    """Idempotency key made of `msgid`."""
    mdtrtarea_admvs: str
    insuplc_admdvs: str
    """Empty where the header leaves it out."""
    opter: str
    fixmedins_code: str
    sign_no: str
    input: Mapping[str, Any]
    faults: Faults
    """Faults of the input gather here; of the header there are none."""

    def node(self, name: str) -> Node:
        """A node of `input`."""
        return Node(self.input.get(name), f"input.{name}", self.faults)

    def whole(self) -> Node:
        """`input` itself."""
        return Node(self.input, "input", self.faults)

    def has(self, name: str) -> bool:
        """Whether `input` has the node."""
        return self.input.get(name) is not None

    def check(self) -> None:
        """Raise `RequestRefused` with every fault that was found."""
        if self.faults:
            raise refusal_of(self.faults)


def read_envelope(body: Mapping[str, Any]) -> Envelope:
    """The envelope; raises `RequestRefused` with every fault of its header."""
    faults = Faults()
    header = _Header(body, faults)
    infno = header.text("infno", 6)
    number = _INFNO.fullmatch(infno)
    if infno and number is None:
        faults.add("infno", "MA-1201")
    msgid = header.text("msgid", MOST_CHARS)
    key = key_of(msgid) if msgid else ""
    if key is None:
        faults.add("msgid", "MA-1126")
    given = body.get("input")
    if not isinstance(given, Mapping):
        faults.add("input", "MA-1120" if given is None else "MA-1128")
    envelope = Envelope(
        infno=number.group(1) if number else "",
        msgid=msgid,
        key=key or "",
        mdtrtarea_admvs=header.place("mdtrtarea_admvs", required=True),
        insuplc_admdvs=header.place("insuplc_admdvs", required=_names_a_person(given)),
        opter=header.text("opter", 30),
        fixmedins_code=header.text("fixmedins_code", 30),
        sign_no=header.text("sign_no", 30, required=False),
        input=given if isinstance(given, Mapping) else {},
        faults=Faults(),
    )
    if faults:
        raise refusal_of(faults)
    return envelope


class _Header:
    """The fields of the header that are used."""

    def __init__(self, body: Mapping[str, Any], faults: Faults) -> None:
        self._body = body
        self._faults = faults

    def text(self, name: str, most: int, *, required: bool = True) -> str:
        value = self._body.get(name)
        if value is None or value == "":
            if required:
                self._faults.add(name, self._why_missing(name))
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            self._faults.add(name, "MA-1128")
            return ""
        text = str(value).strip()
        if len(text) > most or not text.isprintable():
            self._faults.add(name, "MA-1126")
            return ""
        return text

    def place(self, name: str, *, required: bool) -> str:
        text = self.text(name, 6, required=required)
        if text and _ADMDVS.fullmatch(text) is None:
            self._faults.add(name, "MA-1126")
            return ""
        return text

    def _why_missing(self, name: str) -> str:
        return _MISSPELT if _SPELLINGS.get(name) in self._body else "MA-1120"


def _names_a_person(given: object) -> bool:
    """Where the input carries a psn_no, the header says where they are insured."""
    if not isinstance(given, Mapping):
        return False
    data = given.get("data")
    return isinstance(data, Mapping) and bool(data.get("psn_no"))


def refusal_of(faults: Faults) -> RequestRefused:
    """The exception that carries all faults, under the code that fits best."""
    refused = faults.refusal()
    own = {fault.reason for fault in refused.faults}
    # One kind of fault alone says more under its own code than under the general one.
    if refused.reason == "MA-1102" and len(own) == 1 and own <= _TELLING:
        return RequestRefused(own.pop(), faults=refused.faults)
    return refused


_TELLING = frozenset({
    "MA-1201", "MA-1204", "MA-1205", "MA-1206", "MA-1207", "MA-1208", "MA-1209",
    "MA-1211", "MA-1220", "MA-1221",
})  # fmt: skip
