"""Which column is what: by the header, or by the place in the national layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.hospital_lists.cells import CellFault, Unit, amount, flag, name, plain
from settlement.domain.hospital_list import (
    ListedRow,
    ListRefusedError,
    RefusedLine,
)

#: National layout (3202): setl_id, mdtrt_id, psn_no, medfee_sumamt, fund_pay_sumamt,
#: acct_pay, refd_setl_flag and whatever follows. A known system stops after five.
_POSITIONAL_CELLS_MIN = 5

#: Header, in lower case, to our column and its unit.
_COLUMNS: dict[str, tuple[str, Unit | None]] = {
    "settlement_id": ("settlement_id", None),
    "setl_id": ("settlement_id", None),
    "结算id": ("settlement_id", None),
    "visit_no": ("visit_no", None),
    "mdtrt_id": ("visit_no", None),
    "就诊id": ("visit_no", None),
    "idempotency_key": ("idempotency_key", None),
    "total_fen": ("total", Unit.FEN),
    "medfee_sumamt": ("total", Unit.YUAN),
    "医疗费总额": ("total", Unit.YUAN),
    "aid_fen": ("aid", Unit.FEN),
    "fund_pay_sumamt": ("aid", Unit.YUAN),
    "基金支付总额": ("aid", Unit.YUAN),
    "refund": ("refund", None),
    "refd_setl_flag": ("refund", None),
    "退费结算标志": ("refund", None),
}
#: Columns that show a header to be one, and are dropped unread.
_DROPPED = frozenset({"psn_no", "人员编号", "acct_pay", "个人账户支出", "exp_content"})
#: Two such names in a line make it a header; no settlement is called like this.
_HEADER_NAMES_MIN = 2
_NAMES = ("settlement_id", "visit_no", "idempotency_key")


class Layout(StrEnum):
    """How the columns were told apart."""

    NATIONAL = "national"
    HEADER = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where what stands; -1 for a column that the list does not have."""

    layout: Layout
    settlement_id: int = -1
    visit_no: int = -1
    idempotency_key: int = -1
    total: int
    total_unit: Unit = Unit.YUAN
    aid: int
    aid_unit: Unit = Unit.YUAN
    refund: int = -1
    cells_min: int
    """A line with fewer is refused; more may follow and are dropped."""


NATIONAL = Columns(
    layout=Layout.NATIONAL,
    settlement_id=0,
    visit_no=1,
    total=3,
    aid=4,
    refund=6,
    cells_min=_POSITIONAL_CELLS_MIN,
)


def is_header(cells: Sequence[str]) -> bool:
    """Whether the cells are names of columns."""
    names = [plain(cell).lower() for cell in cells]
    known = sum(each in _COLUMNS or each in _DROPPED for each in names)
    return known >= _HEADER_NAMES_MIN


def columns_of(header: Sequence[str], line: int) -> Columns:
    """What the header in this line says. Raises `ListRefusedError` (MA-6309)."""
    places: dict[str, int] = {}
    units: dict[str, Unit] = {}
    for place, cell in enumerate(header):
        column, unit = _COLUMNS.get(plain(cell).lower(), (None, None))
        if column is None:
            continue
        if column in places:
            raise _header_refused(line, (column,), f"two columns for {column}")
        places[column] = place
        if unit is not None:
            units[column] = unit
    missing = {column: column for column in ("total", "aid") if column not in places}
    if not any(column in places for column in _NAMES):
        missing[_NAMES[0]] = " or ".join(_NAMES)
    if missing:
        detail = f"no column for {', '.join(missing.values())}"
        raise _header_refused(line, missing, detail)
    needed = [place for column, place in places.items() if column != "refund"]
    return Columns(
        layout=Layout.HEADER,
        **places,
        total_unit=units["total"],
        aid_unit=units["aid"],
        cells_min=max(needed) + 1,
    )


def _header_refused(line: int, columns: Iterable[str], detail: str) -> ListRefusedError:
    faults = (RefusedLine(line, column, "MA-6309") for column in columns)
    return ListRefusedError("MA-6309", detail, tuple(faults))


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the cells of one line after another."""

    columns: Columns
    today: date
    """Nobody has an identity number with a birth date after it."""

    def read(self, line: int, cells: Sequence[str]) -> ListedRow | RefusedLine:
        """The row, or where and why it is refused; other cells are not looked at."""
        columns = self.columns
        if len(cells) < columns.cells_min:
            return RefusedLine(line, "", "MA-6401")
        column = "settlement_id"
        try:
            settlement_id = self._name(cells, columns.settlement_id)
            column = "visit_no"
            visit_no = self._name(cells, columns.visit_no)
            column = "idempotency_key"
            key = self._name(cells, columns.idempotency_key)
            column = "total"
            total_fen = amount(cells[columns.total], columns.total_unit)
            column = "aid"
            aid_fen = amount(cells[columns.aid], columns.aid_unit)
            column = "refund"
            has_flag = 0 <= columns.refund < len(cells)
            is_refund = has_flag and flag(cells[columns.refund])
        except CellFault as fault:
            return RefusedLine(line, column, fault.reason)
        if not (settlement_id or visit_no or key):
            return RefusedLine(line, "", "MA-6402")
        return ListedRow(
            line, settlement_id, visit_no, key, total_fen, aid_fen, is_refund
        )

    def _name(self, cells: Sequence[str], place: int) -> str:
        return "" if place < 0 else name(cells[place], self.today)
