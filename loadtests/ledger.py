"""The run as the clients know it, put together from their notes.

Eight hours at a hundred settlements a second are three million cases. They lie in a
SQLite file in the run's folder; memory holds those that are under way.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

from loadtests.findings import Faults

SHANGHAI = timezone(timedelta(hours=8))
#: Cases that are kept in memory; a visit's notes lie close together.
_AT_HAND = 10_000
_WRITTEN_AT_ONCE = 2_000
_PIECE = 1_000
_CACHE_KB = 32_000
#: In force: settled, and not undone.
IN_FORCE = "decision = 'approved' AND undone_state IS NOT 'reversed'"


@dataclass(slots=True)
class Case:
    """One settlement that somebody asked for, under one key."""

    key: str
    hospital: int
    card: int
    care: str
    year: int
    """Of the service, whose running totals it counts in."""
    total_fen: int
    funds_fen: int
    sha: str = ""
    """Of the first answer that came."""
    answers: int = 0
    """Different answers that came: one, or none yet."""
    is_odd: int = 0
    """1 where lost, repeated, undone or never answered: looked up in any case."""
    decision: str = ""
    """Acknowledged or looked up afterwards; empty: not known."""
    sid: str = ""
    day: str = ""
    """The Shanghai day on which it was settled."""
    aid_fen: int = 0
    """Aid that was given, whether or not it was given back later."""
    pays_fen: int = 0
    undo_sid: str = ""
    undone_state: str | None = None
    undone_fen: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it was approved, and so has a record in the log."""
        return self.decision == "approved"

    @property
    def is_undone(self) -> bool:
        """Whether its reversal was acknowledged."""
        return self.undone_state == "reversed"

    def decide(self, outcome: dict[str, Any]) -> None:
        """Take what the gateway says became of it."""
        self.decision = str(outcome["decision"])
        self.sid = str(outcome["sid"])
        self.aid_fen, self.pays_fen = outcome["aid"] or 0, outcome["pays"] or 0
        if outcome.get("settled_at"):
            self.day = shanghai_day(outcome["settled_at"])


_COLUMNS = [one.name for one in fields(Case)]


class Prover(Protocol):
    """Verifies receipts as they are read; they are too large to be kept."""

    def settled(self, case: Case, receipt: Any) -> None:
        """Try the receipt of a settlement."""

    def undone(self, case: Case, undone: dict[str, Any]) -> None:
        """Try the receipt of a reversal."""


class Ledger:
    """All cases, and what was noted besides."""

    def __init__(self, path: Path | None = None) -> None:
        """Begin empty, in a new file or (for few cases) in memory."""
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
        run = self._database.execute
        # The file is made again from the notes, so nothing is lost with it.
        for setting in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE"):
            run(f"PRAGMA {setting}")
        run(f"PRAGMA cache_size=-{_CACHE_KB}")
        run(
            f"CREATE TABLE cases ({', '.join(_COLUMNS)}, PRIMARY KEY (key))"
            " WITHOUT ROWID"
        )
        run("CREATE TABLE proven (place INTEGER, leaf BLOB, key TEXT)")
        run("CREATE TABLE logged (leaf BLOB)")
        run("CREATE TABLE told (s REAL, status TEXT)")
        self._at_hand: OrderedDict[str, Case] = OrderedDict()
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self.wrong = Faults()
        """Answers that were wrong in themselves, as the client saw at once."""
        self.receipts = Faults()
        self.caps, self.caps_tried = Faults(), 0

    def case(self, key: str) -> Case:
        """The case of this key; raises `ValueError` where none was sent."""
        case = self._at_hand.get(key)
        if case is None:
            rows = self._database.execute("SELECT * FROM cases WHERE key = ?", (key,))
            row = rows.fetchone()
            if row is None:
                raise ValueError(f"{key} was answered, but never sent by these notes")
            case = Case(*row)
            self.put(case)
        return case

    def put(self, case: Case) -> None:
        """Add a case; a change of it is kept too, while it is at hand."""
        self._at_hand[case.key] = case
        if len(self._at_hand) >= _AT_HAND:
            oldest = [
                self._at_hand.popitem(last=False)[1] for _ in range(_AT_HAND // 2)
            ]
            self._store(oldest)

    def add(self, table: str, *values: Any) -> None:
        """Append a row to one of the other tables."""
        rows = self._rows.setdefault(table, [])
        rows.append(values)
        if len(rows) >= _WRITTEN_AT_ONCE:
            self._append(table)

    def select(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows, drawn one by one, of what has been taken in until now."""
        self._flush()
        yield from self._database.execute(f"SELECT {query}", values)

    def number(self, query: str, *values: Any) -> int:
        """The one number that a query gives."""
        return int(next(self.select(query, *values))[0] or 0)

    def cases(self, where: str) -> Iterator[Case]:
        """Cases by their keys, drawn in pieces: they may be changed meanwhile."""
        last = ""
        query = f"* FROM cases WHERE ({where}) AND key > ? ORDER BY key LIMIT {_PIECE}"
        while piece := [Case(*row) for row in self.select(query, last)]:
            yield from piece
            last = piece[-1].key

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _flush(self) -> None:
        self._store(self._at_hand.values())
        for table in self._rows:
            self._append(table)

    def _store(self, cases: Iterable[Case]) -> None:
        places = ", ".join("?" * len(_COLUMNS))
        # Names of columns and tables are those above.
        statement = f"REPLACE INTO cases VALUES ({places})"  # noqa: S608
        self._many(statement, map(astuple, cases))

    def _append(self, table: str) -> None:
        rows = self._rows[table]
        if rows:
            places = ", ".join("?" * len(rows[0]))
            statement = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608
            self._many(statement, rows)
            rows.clear()

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


def shanghai_day(instant: str) -> str:
    """The Shanghai day of an instant in RFC 3339."""
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).date().isoformat()


def fill(ledger: Ledger, notes: Iterable[dict[str, Any]], prover: Prover) -> None:
    """Put notes together; a process's own notes are in order.

    Raises `ValueError` for notes that cannot be: an answer to what was never sent.
    """
    for note in notes:
        match note["t"]:
            case "send":
                ledger.put(Case(
                    note["k"], note["h"], note["c"], note["care"], note["year"],
                    note["total"], note["funds"],
                ))  # fmt: skip
            case "told":
                ledger.add("told", note["s"], note["status"])
            case "wrong":
                ledger.wrong.add(f"{note['call']} {note['k']}: {note['what']}")
            case "refused":
                ledger.wrong.add(f"{note['call']} {note['k']}: {note['code']}")
            case "skipped":
                pass
            case kind:
                _take(ledger, prover, ledger.case(note["k"]), kind, note)


def _take(
    ledger: Ledger, prover: Prover, case: Case, kind: str, note: dict[str, Any]
) -> None:
    match kind:
        case "ack":
            _answered(case, note["sha"])
            case.decide(note)
            _caps(ledger, case, note["quota"])
            if case.is_settled:
                prover.settled(case, note["receipt"])
        case "again":
            _answered(case, note["sha"])
            case.is_odd = 1
        case "lost":
            case.is_odd = 1
        case "undo":
            case.undo_sid, case.is_odd = note["sid"], 1
        case "undone":
            case.undone_state, case.undone_fen = note["state"], note["aid_fen"]
            if case.is_undone:
                prover.undone(case, note)
        case _:
            raise ValueError(f"there is no note of kind {kind}")


def _answered(case: Case, sha: str) -> None:
    if case.sha != sha:
        case.answers += 1
    case.sha = case.sha or sha


def _caps(ledger: Ledger, case: Case, quota: Iterable[Iterable[Any]]) -> None:
    for pot, year, cap, used in quota:
        ledger.caps_tried += 1
        if cap is not None and used > cap:
            ledger.caps.add(f"{case.key}: {pot} {year} is at {used} of {cap}")
