"""The HIS's transaction log: a row stands before the message leaves.

A row says what is known: PENDING while the message is out, then SUCCESS, FAIL or
UNKNOWN. It holds no card, number or name of a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What the HIS knows of a message."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(slots=True)
class Row:
    """One message."""

    number: int
    fixmedins_code: str
    infno: str
    msgid: str
    """As the HIS believes it; a vendor's may have sent another."""
    mdtrt_id: str
    state: State = State.PENDING
    code: str = ""
    """The gateway's stable code, where it refused."""

    def document(self) -> Mapping[str, Any]:
        """As a line of the log file."""
        return {
            "number": self.number,
            "fixmedins_code": self.fixmedins_code,
            "infno": self.infno,
            "msgid": self.msgid,
            "mdtrt_id": self.mdtrt_id,
            "state": self.state.value,
            "code": self.code,
        }


class Log:
    """All rows of a day; `write` gets every row whenever it is written or changed."""

    def __init__(self, write: Callable[[Mapping[str, Any]], None]) -> None:
        """Nothing has been sent."""
        self.rows: list[Row] = []
        self._write = write

    def open(self, fixmedins_code: str, infno: str, msgid: str, mdtrt_id: str) -> Row:
        """Write a row as PENDING; only then may the message be sent."""
        row = Row(len(self.rows) + 1, fixmedins_code, infno, msgid, mdtrt_id)
        self.rows.append(row)
        self._write(row.document())
        return row

    def close(self, row: Row, state: State, code: str = "") -> None:
        """Say what became of the message."""
        row.state, row.code = state, code
        self._write(row.document())

    def counts(self) -> dict[str, int]:
        """Rows by state."""
        counts = Counter(row.state.value for row in self.rows)
        return {state.value: counts[state.value] for state in State}
