"""3201 and 3202: sums of a day, and the file of rows in its exact layout.

A zip with one txt in UTF-8: TAB between fields, no header, a line for each row, and
`null` for what is empty.
"""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.his.money import yuan_of
from gateway.his_simulator.messages import Answer, NoEnvelope, fen

FLAT, PLATFORM_MORE, HOSPITAL_MORE, DIFFERS = "000000", "000101", "000102", "000103"
#: Of a row: settled, or given back.
SETTLED, REFUNDED = "0", "1"
_EMPTY = "null"
_MOST_BYTES = 32 << 20
#: Every zip that holds a file begins so: PK, 3, 4.
_ZIP_IN_BASE64 = "UEsDB"
#: Columns of the file of differences (table 201); later provinces add some.
_DIFFERENCE_COLUMNS = ("psn_no", "mdtrt_id", "setl_id", "msgid", "stmt_rslt")


@dataclass(frozen=True, slots=True)
class Sums:
    """What 3201 compares, in fen."""

    medfee_fen: int = 0
    fund_fen: int = 0
    acct_fen: int = 0
    count: int = 0

    def plus(self, medfee_fen: int, fund_fen: int, acct_fen: int) -> Sums:
        """With one more settlement."""
        return Sums(
            self.medfee_fen + medfee_fen,
            self.fund_fen + fund_fen,
            self.acct_fen + acct_fen,
            self.count + 1,
        )

    def fields(self) -> dict[str, str]:
        """As 3201 sends them."""
        return {
            "medfee_sumamt": yuan_of(self.medfee_fen),
            "fund_pay_sumamt": yuan_of(self.fund_fen),
            "acct_pay": yuan_of(self.acct_fen),
            "fixmedins_setl_cnt": f"{self.count}",
        }


def compared(platform: Sums, hospital: Sums) -> str:
    """`stmt_rslt`: who has more settlements, or that their sums differ."""
    if platform == hospital:
        return FLAT
    if platform.count == hospital.count:
        return DIFFERS
    return PLATFORM_MORE if platform.count > hospital.count else HOSPITAL_MORE


@dataclass(frozen=True, slots=True)
class AskedSums:
    """A 3201 as it came."""

    insutype: str
    clr_type: str
    first: date
    sums: Sums


def read_sums(data: Mapping[str, Any]) -> AskedSums:
    """Raises `NoEnvelope` where a field is missing or no number."""
    try:
        sums = Sums(
            fen(data["medfee_sumamt"]),
            fen(data["fund_pay_sumamt"]),
            fen(data["acct_pay"]),
            int(str(data["fixmedins_setl_cnt"])),
        )
        first = date.fromisoformat(f"{data['stmt_begndate']}"[:10])
        return AskedSums(f"{data['insutype']}", f"{data['clr_type']}", first, sums)
    except (KeyError, ValueError) as fault:
        raise NoEnvelope("对账数据缺失或不是数字") from fault


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file that the hospital sends (table 200)."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    medfee_fen: int
    fund_fen: int
    acct_fen: int
    refd_setl_flag: str


def rows_file(name: str, rows: Iterable[Row]) -> bytes:
    """The zip for 9101; the same rows give the same bytes."""
    lines = "".join(
        "\t".join((
            row.setl_id or _EMPTY, row.mdtrt_id or _EMPTY, row.psn_no or _EMPTY,
            yuan_of(row.medfee_fen), yuan_of(row.fund_fen), yuan_of(row.acct_fen),
            row.refd_setl_flag,
        ))
        + "\n"
        for row in rows
    )  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}.txt"), lines.encode())
    return packed.getvalue()


@dataclass(frozen=True, slots=True)
class Difference:
    """A line of the file of differences (table 201)."""

    psn_no: str
    mdtrt_id: str
    setl_id: str
    msgid: str
    """To be the `omsgid` of a 2601."""
    stmt_rslt: str


def read_differences(packed: bytes) -> list[Difference]:
    """What 9102 gives; raises `NoEnvelope` for what has another layout."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            first = archive.infolist()[0]
            if first.file_size > _MOST_BYTES:
                raise NoEnvelope("the file of differences is too large")
            text = archive.read(first).decode("utf-8")
    except (zipfile.BadZipFile, IndexError, ValueError) as fault:
        raise NoEnvelope("the file of differences is no zip with a txt") from fault
    found = []
    for line in text.splitlines():
        columns = ["" if each == _EMPTY else each for each in line.split("\t")]
        if len(columns) < len(_DIFFERENCE_COLUMNS):
            raise NoEnvelope("a line of the file of differences is too short")
        found.append(Difference(*columns[: len(_DIFFERENCE_COLUMNS)]))
    return found


def file_number(sent: Answer) -> str:
    """What 9101 calls the file; empty where it says nothing."""
    for node in _levels(sent):
        if node.get("file_qury_no"):
            return f"{node['file_qury_no']}"
    return ""


def packed_file(got: Answer) -> bytes:
    """The zip of 9102, under whichever name it stands; raises `NoEnvelope`."""
    for node in _levels(got):
        for value in node.values():
            if isinstance(value, str) and value.startswith(_ZIP_IN_BASE64):
                try:
                    return base64.b64decode(value, validate=True)
                except (binascii.Error, ValueError) as fault:
                    raise NoEnvelope("the file is not in base64") from fault
    raise NoEnvelope("there is no file in the answer")


def _levels(answer: Answer) -> list[Mapping[str, Any]]:
    """`output` and the nodes in it: platforms differ in whether they put one around."""
    nodes = [each for each in answer.output.values() if isinstance(each, Mapping)]
    return [answer.output, *nodes]
