"""A hospital's list on its way into the store."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from itertools import islice

from gateway.hospital_lists.reading import HospitalList
from settlement.domain.hospital_list import ListedRow, ListRefusedError
from settlement.service.ids import ID_BYTES
from settlement.store.hospital_lists import RawLine

_LINES_AT_ONCE = 5_000
_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")


async def raw_lines(
    listed: HospitalList, progress: Callable[[int], None]
) -> AsyncIterator[list[RawLine]]:
    """The list's lines, some thousands at a time.

    Raises `ListRefusedError`: whatever reading does, and MA-6312 for a list of which
    no line can be read. Kept, it would stand for a month without settlements.
    """
    rows = iter(listed.rows())
    while some := list(islice(rows, _LINES_AT_ONCE)):
        yield list(map(raw_line, some))
        progress(len(some))
    if listed.refused and not listed.facts.rows:
        raise ListRefusedError("MA-6312", "not one line", tuple(listed.refused))


def raw_line(row: ListedRow) -> RawLine:
    """A line as the store keeps it."""
    is_ours = _ID.fullmatch(row.settlement_id) is not None
    return RawLine(
        row.line,
        bytes.fromhex(row.settlement_id) if is_ours else None,
        row.settlement_id,
        row.visit_no,
        row.key,
        row.total_fen,
        row.aid_fen,
        row.is_refund,
    )


def form_of(listed: HospitalList) -> str:
    """How a list was read, for the books."""
    facts = listed.facts
    return " ".join(
        part for part in (facts.form.value, facts.layout.value, facts.encoding) if part
    )
