"""A hospital's list of settlements as its file is read; no personal data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ListedRow(NamedTuple):
    """One line that was read. At least one of the three names is not empty."""

    line: int
    """Physical line of the text, or row of the sheet, from 1."""
    settlement_id: str
    """As listed: ours in lower-case hex, or whatever the hospital's system has."""
    visit_no: str
    key: str
    """Idempotency key; the national layout has none."""
    total_fen: int
    """As listed; a refund's may be negative, or positive with the flag."""
    aid_fen: int
    is_refund: bool
    """Flagged as a refund; negative amounts say so without a flag."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that cannot be read: where and why, never the value."""

    line: int
    column: str
    """Our name of the column at fault; empty where the line as a whole is."""
    reason: str
    """Code MA-64xx."""


class ListRefusedError(Exception):
    """A list that is not taken, as a whole; rows that were given do not count."""

    def __init__(
        self,
        reason: str,
        detail: str = "",
        refused: tuple[RefusedLine, ...] = (),
    ) -> None:
        """Carry the reason's code (MA-63xx), what was found, and the lines at fault."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.refused = refused
