"""The file of 3202 as hospitals send it: read leniently, refused by line and column.

A zip with one txt in UTF-8: TAB between fields, no header, one line for each
settlement, `null` for what is empty (his-interface.md, 3.5, table 200).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.his.envelope import refusal_of
from gateway.his.money import AmountFault, signed_fen_of
from gateway.his.numbers import MOST_CHARS
from gateway.hospital_lists.limits import Limits
from gateway.hospital_lists.packed import Packed
from gateway.wire_faults import Faults
from settlement.domain.errors import RequestRefused
from settlement.domain.hospital_list import ListRefusedError

#: A day or a month of one hospital; larger ones go by version 1's lists.
MOST_ROWS = 20_000
_MOST_BYTES = 8 << 20
_COLUMNS = (
    "setl_id", "mdtrt_id", "psn_no", "medfee_sumamt", "fund_pay_sumamt", "acct_pay",
    "refd_setl_flag",
)  # fmt: skip
_TEXTS, _AMOUNTS = _COLUMNS[:3], _COLUMNS[3:6]
_EMPTY = frozenset({"", "null", "NULL"})
_FLAGS = frozenset({"", "0", "1"})
_REFUND = "1"
_WRONG_COLUMNS, _TOO_LONG, _NOT_ALLOWED = "MA-1220", "MA-1126", "MA-1123"
_NOT_ONE_TEXT, _TOO_MANY, _NO_TEXT = "MA-6305", "MA-6310", "MA-6308"


@dataclass(frozen=True, slots=True)
class SentRow:
    """One line, its amounts signed: what was given back is negative."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    medfee_fen: int
    fund_fen: int
    acct_fen: int
    is_refund: bool


def read_rows(packed: bytes) -> list[SentRow]:
    """Every line, or `RequestRefused` with the faults by line and column.

    Raises MA-63xx for what is no sound zip with one text of UTF-8 or GB18030 and at
    most 20,000 lines, and MA-1102 or what its faults say for lines that cannot be read.
    """
    return _rows(_text(_unpacked(packed)))


def _unpacked(packed: bytes) -> bytes:
    try:
        archive = Packed(io.BytesIO(packed), len(packed), Limits())
        if len(archive.members) != 1:
            raise RequestRefused(_NOT_ONE_TEXT)
        return b"".join(archive.blocks(archive.members[0], _MOST_BYTES))
    except ListRefusedError as refused:
        raise RequestRefused(refused.reason) from None


def _text(octets: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RequestRefused(_NO_TEXT)


def _rows(text: str) -> list[SentRow]:
    # Before any is read: millions of short lines fit into the bytes.
    if text.rstrip("\r\n").count("\n") >= MOST_ROWS:
        raise RequestRefused(_TOO_MANY)
    faults = Faults()
    rows = [
        row
        for number, line in enumerate(_lines(text), start=1)
        if line.strip() and (row := _row(number, line, faults)) is not None
    ]
    if faults:
        raise refusal_of(faults)
    return rows


def _lines(text: str) -> Iterator[str]:
    # `splitlines` would also divide at characters that a name may hold.
    return (line.rstrip("\r") for line in text.split("\n"))


def _row(number: int, line: str, faults: Faults) -> SentRow | None:
    # One vendor puts blanks where the layout has TABs.
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) < len(_COLUMNS) - 1:
        faults.add(f"in[{number}]", _WRONG_COLUMNS)
        return None
    values = dict(zip(_COLUMNS, (_said(each) for each in fields), strict=False))
    for name in _TEXTS:
        if len(values[name]) > MOST_CHARS or not values[name].isprintable():
            faults.add(f"in[{number}].{name}", _TOO_LONG)
    flag = values.get("refd_setl_flag", "")
    if flag not in _FLAGS:
        faults.add(f"in[{number}].refd_setl_flag", _NOT_ALLOWED)
    amounts = [_fen(values[name], f"in[{number}].{name}", faults) for name in _AMOUNTS]
    is_refund = flag == _REFUND
    if is_refund:
        # Some list what they gave back without its sign.
        amounts = [-abs(fen) for fen in amounts]
    setl_id, mdtrt_id, psn_no = (values[name] for name in _TEXTS)
    medfee_fen, fund_fen, acct_fen = amounts
    return SentRow(setl_id, mdtrt_id, psn_no, medfee_fen, fund_fen, acct_fen, is_refund)


def _said(field: str) -> str:
    text = field.strip()
    return "" if text in _EMPTY else text


def _fen(text: str, path: str, faults: Faults) -> int:
    try:
        return signed_fen_of(text or "0")
    except AmountFault as fault:
        faults.add(path, fault.reason)
        return 0
