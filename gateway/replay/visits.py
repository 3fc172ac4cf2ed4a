"""A file of visits, row by row, and the bill that each row is.

Amounts are taken as CNY, whatever the currency column says. A row that is no sound
bill is passed on as it stands, text for text where it is no number: to refuse it is
the gateway's task, and the code that is counted is the gateway's.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from settlement.domain.calendar import SHANGHAI, rfc3339, shanghai_day

REQUIRED_COLUMNS = (
    "visit_id",
    "person_ref",
    "facility_ref",
    "care_type",
    "start",
    "end",
    "total_cost",
    "insurer_paid",
    "other_payer_paid",
)

#: Columns that a file may have besides; empty where a row does not say.
OPTIONAL_COLUMNS = (
    "birth_date",
    "dx_code",
    "operator",
    "subdistrict",
    "prescription_days",
    "household_id",
    "death_date",
    "roster_until",
    "reversed_at",
    "reversal_reason",
)

#: No line of visits is longer.
LINE_CHARACTERS = 65_536
_GZIP = b"\x1f\x8b"
_AMOUNT = re.compile(r"([+-]?)([0-9]{1,12})(?:\.([0-9]{1,2})0*)?")
_DIAGNOSIS = re.compile(r"[A-Za-z0-9.+*/_-]{1,40}")
_DAYS = re.compile(r"[0-9]{1,4}")
_REFUND = "refund"
_OPERATOR = re.compile(r"[A-Za-z0-9._-]{1,32}")
#: Where a file knows the day alone, the bill is made in the morning.
_OPENING = time(9, tzinfo=SHANGHAI)


class VisitFileError(Exception):
    """The file is not one of visits; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One visit as the file has it."""

    line: int
    """Row number in the file, the first row of data being 1."""
    visit_id: str
    person: str
    facility: str
    operator: str
    """Empty where the file names none that the gateway could take."""
    subdistrict: str
    """Empty where the file names none."""
    household: str
    """Empty where the file names none."""
    roster_until: date | None
    """The person's last day on the roster; `None` where there is none."""
    birth_on: date | None
    start: datetime | None
    """`None` where the file's text is no date."""
    at: datetime | None
    """The instant of settling: the start, or the end of a longer stay."""
    bill: Mapping[str, Any]
    """Everything of the BILL but the card."""
    reversed_at: datetime | None
    """When the hospital undid it; `None` where it stands."""
    reversal_reason: str
    """As the file has it; whether it is one, the gateway says."""

    @property
    def key(self) -> str:
        """The row's idempotency key: each row is one intent."""
        return f"replay-{self.line}"

    @property
    def reversal_key(self) -> str:
        """The idempotency key of the row's reversal."""
        return f"{self.key}-undone"


def read_visits(path: Path, limit: int | None = None) -> Iterator[VisitRow]:
    """The rows of a CSV file, gzip or not, at most `limit`.

    Raises `VisitFileError` for a file that cannot be read or lacks a column.
    """
    try:
        with _open(path) as file:
            rows = csv.DictReader(_lines(file))
            missing = [
                name for name in REQUIRED_COLUMNS if name not in (rows.fieldnames or ())
            ]
            if missing:
                raise VisitFileError(f"{path} lacks the columns {', '.join(missing)}")
            for line, row in enumerate(islice(rows, limit), start=1):
                yield _visit(line, row)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise VisitFileError(f"{path} cannot be read as CSV: {error}") from error


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        is_gzip = file.read(len(_GZIP)) == _GZIP
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _lines(file: IO[str]) -> Iterator[str]:
    """Its lines; a packed file of one endless line does not fill the memory."""
    for line in iter(partial(file.readline, LINE_CHARACTERS), ""):
        if len(line) == LINE_CHARACTERS and not line.endswith("\n"):
            raise csv.Error(f"a line is longer than {LINE_CHARACTERS} characters")
        yield line


def _visit(line: int, row: Mapping[str, str | None]) -> VisitRow:
    start, end = _instant(_text(row, "start")), _instant(_text(row, "end"))
    operator = _text(row, "operator")
    until = [_day(_text(row, name)) for name in ("death_date", "roster_until")]
    return VisitRow(
        line=line,
        visit_id=_text(row, "visit_id"),
        person=_text(row, "person_ref"),
        facility=_text(row, "facility_ref"),
        operator=operator if _OPERATOR.fullmatch(operator) else "",
        subdistrict=_text(row, "subdistrict"),
        household=_text(row, "household_id"),
        roster_until=min(filter(None, until), default=None),
        birth_on=_day(_text(row, "birth_date")),
        start=start,
        at=_settling(start, end),
        bill=_bill(row, start, end),
        reversed_at=_instant(_text(row, "reversed_at")),
        reversal_reason=_text(row, "reversal_reason") or _REFUND,
    )


def _settling(start: datetime | None, end: datetime | None) -> datetime | None:
    """A bill is made when care ends, so a longer stay is settled on its last day."""
    if start is None or end is None:
        return start
    return end if shanghai_day(end) > shanghai_day(start) else start


def _bill(
    row: Mapping[str, str | None], start: datetime | None, end: datetime | None
) -> dict[str, Any]:
    total = fen_of(_text(row, "total_cost"))
    diagnosis = _text(row, "dx_code")
    bill = {
        "visit_no": _text(row, "visit_id"),
        "care_type": _text(row, "care_type"),
        "service_start": _service_day(start, _text(row, "start")),
        "service_end": _service_day(end, _text(row, "end")),
        "diagnoses": [diagnosis] if _DIAGNOSIS.fullmatch(diagnosis) else [],
        "referred": True,
        "total_fen": total,
        "self_funded_fen": 0,
        "over_limit_fen": 0,
        "pre_selfpay_fen": 0,
        "in_policy_fen": total,
        "basic_insurance_fen": fen_of(_text(row, "insurer_paid")),
        "serious_illness_fen": 0,
        "other_funds_fen": fen_of(_text(row, "other_payer_paid")),
        "medical_aid_fen": 0,
        "personal_account_fen": 0,
    }
    if start is not None:
        bill["occurred_at"] = rfc3339(start)
    days = _text(row, "prescription_days")
    if days:
        bill["prescription_days"] = int(days) if _DAYS.fullmatch(days) else days
    return bill


def fen_of(yuan: str) -> int | str:
    """Yuan with up to two decimals as fen; any other text as it stands."""
    match = _AMOUNT.fullmatch(yuan)
    if match is None:
        return yuan
    sign, whole, decimals = match.groups()
    fen = int(whole) * 100 + int((decimals or "").ljust(2, "0"))
    return -fen if sign == "-" else fen


def _text(row: Mapping[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()


def _instant(text: str) -> datetime | None:
    """A day, or an instant; without an offset it is Shanghai's time."""
    try:
        parsed = datetime.fromisoformat(text)
        if len(text) == len("YYYY-MM-DD"):
            parsed = datetime.combine(parsed.date(), _OPENING)
        elif parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=SHANGHAI)
        # At the ends of the years 1 and 9999 there is no such day here or in UTC.
        rfc3339(parsed)
        shanghai_day(parsed)
    except (ValueError, OverflowError):
        return None
    return parsed


def _day(text: str) -> date | None:
    instant = _instant(text)
    return None if instant is None else instant.date()


def _service_day(instant: datetime | None, text: str) -> str:
    return text if instant is None else shanghai_day(instant).isoformat()
