"""Whose card it is, and which numbers must stand nowhere else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.identity import check_digit_holds, holds_identity
from settlement.domain.bill import Card, CardKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from gateway.his.node import Node

#: `mdtrt_cert_type`: e-voucher token, resident identity number, social security card.
CERT_TYPES = {
    "01": None,
    "02": CardKind.RESIDENT_ID,
    "03": CardKind.SOCIAL_SECURITY_CARD,
}
#: `psn_cert_type` of a resident identity card.
_RESIDENT = "01"
_CARD_NUMBER = re.compile(r"[A-Za-z0-9]{6,32}")
_IDENTITY_CHARS = 18


def read_card(data: Node, setlinfo: Node | None) -> Card:
    """The card of `data`; behind an e-voucher the identity number of `setlinfo`.

    The token of an e-voucher means nothing to us, and the national platform has told
    the hospital whose it is: `certno` with `psn_cert_type` 01.
    """
    kind_text = data.code("mdtrt_cert_type", CERT_TYPES, 3)
    kind = CERT_TYPES.get(kind_text)
    if kind is not None:
        return _card(data, "mdtrt_cert_no", kind)
    if setlinfo is not None and setlinfo.has("certno") and _is_resident(setlinfo):
        return _card(setlinfo, "certno", CardKind.RESIDENT_ID)
    if kind_text:
        data.refuse("mdtrt_cert_no", "MA-1207")
    return Card(kind=CardKind.RESIDENT_ID, number="")


def _is_resident(setlinfo: Node) -> bool:
    return setlinfo.text("psn_cert_type", 6, required=False) in (_RESIDENT, "")


def _card(node: Node, name: str, kind: CardKind) -> Card:
    number = node.text(name, 50).upper()
    if number and _CARD_NUMBER.fullmatch(number) is None:
        node.refuse(name, "MA-1126")
    elif number and kind is CardKind.RESIDENT_ID and not check_digit_holds(number):
        node.refuse(name, "MA-1129")
    return Card(kind=kind, number=number)


def refuse_personal(
    given: Iterable[tuple[Node, str, str]], numbers: Iterable[str], today: date
) -> None:
    """Note fields that are stored in clear and hold a number of the person.

    `given`: node, name and text. Of other identity numbers only one that is the whole
    text counts: the platform's own numbers are long runs of digits, in which one of
    some thousands hides what looks like an identity number, and nobody could settle
    such a visit (docs/adr/0037).
    """
    known = [number for number in numbers if number]
    for node, name, text in given:
        if is_personal(text, known, today):
            node.refuse(name, "MA-1104")


def is_personal(text: str, known: Iterable[str], today: date) -> bool:
    """Whether a text holds one of the numbers, or is an identity number itself."""
    if any(number.upper() in text.upper() for number in known):
        return True
    return len(text) == _IDENTITY_CHARS and holds_identity(text, None, today)
