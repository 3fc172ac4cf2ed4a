"""Our ids in the national interface's narrow columns, and its message ids in ours."""

from __future__ import annotations

import base64
import binascii
import re

from settlement.service.ids import ID_BYTES

#: `msgid` and `setl_id` are char(30) in every vendor's database.
MOST_CHARS = 30
_PLAIN = "his:"
_HEX = "hix:"
_KEY_CHARS = re.compile(r"[A-Za-z0-9._:-]{1,30}")
_PRINTED = re.compile(r"[!-~]{1,30}")
_PADDING = "======"


def setl_id_of(settlement_id: str) -> str:
    """26 characters of base32 (RFC 4648) for the 32 of hex, which are too many."""
    return base64.b32encode(bytes.fromhex(settlement_id)).decode().rstrip("=")


def settlement_id_of(setl_id: str) -> str | None:
    """The settlement's id; `None` for what none of ours is written as."""
    try:
        found = base64.b32decode(setl_id + _PADDING)
    except (binascii.Error, ValueError):
        return None
    if len(found) != ID_BYTES or setl_id_of(found.hex()) != setl_id:
        return None
    return found.hex()


def key_of(msgid: str) -> str | None:
    """The idempotency key of a message; `None` where it is no char(30) of ours.

    Whatever vendors make of the form 12 + 14 + 4, all of printed ASCII is taken; what
    a key cannot hold stands in hex.
    """
    if _KEY_CHARS.fullmatch(msgid) is not None:
        return _PLAIN + msgid
    if _PRINTED.fullmatch(msgid) is not None:
        return _HEX + msgid.encode("ascii").hex()
    return None


def msgid_of(key: str) -> str | None:
    """The message that a key was made for; `None` for a key of version 1's own."""
    if key.startswith(_PLAIN):
        return key.removeprefix(_PLAIN)
    if key.startswith(_HEX):
        return bytes.fromhex(key.removeprefix(_HEX)).decode("ascii")
    return None
