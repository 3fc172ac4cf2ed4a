"""What must be true once everything is quiet: notes, database, log and model agree.

Findings are sentences; an empty list is what a run has to end with. The checker
looks at a database and at notes alone, so that it can be shown a spoiled copy.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson

from crypto.checkpoint import verify_checkpoint
from crypto.errors import CryptoError
from crypto.keys import OpeningKey
from crypto.merkle import RightEdge
from crypto.receipt import parse_receipt, verify_receipt
from crypto.trust import Trust
from settlement.service.books import check_books
from settlement.store.database import Database
from settlement.store.known_keys import read_settlements
from settlement.store.ledger import Ledger
from tests.acceptance.gateway_process import PROJECT, command_line, environment
from tests.settlement.house import House
from tests.settlement.replaying import replay_log
from tests.torture.terminals import Intent

_CHUNK = 500
#: A long run's books are a hundred thousand records.
_BOOKS_WITHIN_S = 1_200
#: Findings of one kind that are told one by one.
_TOLD = 5


@dataclass(slots=True)
class Findings:
    """Sentences, of each kind only the first few."""

    told: list[str] = field(default_factory=list)
    _kinds: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, place: str = "") -> None:
        """Note one; a kind that never ends is counted, not listed."""
        self._kinds[kind] += 1
        if self._kinds[kind] <= _TOLD:
            self.told.append(f"{kind} {place}".strip())
        elif self._kinds[kind] == _TOLD + 1:
            self.told.append(f"{kind}: and more")


@dataclass(slots=True)
class LogView:
    """The log as its receipts show it; grows from check to check."""

    trust: Trust
    edge: RightEdge = field(default_factory=RightEdge)
    _entries: dict[int, bytes] = field(default_factory=dict)
    _roots: dict[int, bytes] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def take(self, intents: Sequence[Intent], findings: Findings) -> None:
        """Verify the receipts that are new, offline."""
        for intent in intents:
            if intent.answer is None or intent.key in self._seen:
                continue
            self._seen.add(intent.key)
            if not intent.has_leaf:
                continue
            try:
                self._take(intent.document["receipt"], findings)
            except CryptoError as error:
                findings.add("receipt does not verify:", f"{intent.key} {error.code}")

    def _take(self, document: Any, findings: Findings) -> None:
        receipt = parse_receipt(document)
        entry = verify_receipt(receipt, self.trust).record_hash
        place = receipt.index
        if place < self.edge.size or self._entries.setdefault(place, entry) != entry:
            findings.add("two records at one place of the log:", str(place))
        self.saw(receipt.checkpoint)

    def saw(self, note: str) -> int:
        """Keep a checkpoint that somebody was shown; its size."""
        checkpoint = verify_checkpoint(note, self.trust)
        known = self._roots.setdefault(checkpoint.size, checkpoint.root)
        if known != checkpoint.root:
            raise CryptoError("two-histories")
        return checkpoint.size

    def grow(self, size: int, findings: Findings) -> None:
        """Grow the tree; every checkpoint ever seen has the root that it had."""
        for index in range(self.edge.size, size):
            entry = self._entries.pop(index, None)
            if entry is None:
                findings.add("nobody was told of the log's entry", str(index))
                return
            self.edge = self.edge.extend([entry]).edge
            root = self._roots.get(self.edge.size)
            if root is not None and root != self.edge.root:
                findings.add("a checkpoint does not extend the log:", str(index + 1))
        if self._entries:
            findings.add("the log ends before entry", str(max(self._entries)))


async def check_notes(
    database: Database, intents: Sequence[Intent], findings: Findings
) -> None:
    """Every acknowledged answer is stored byte for byte, and nothing else is."""
    async with database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT code, id FROM party")
        ids = {row["code"]: int(row["id"]) for row in rows}
        wanted: dict[str, dict[tuple[int, str], Intent]] = {"settle": {}, "reverse": {}}
        for intent in intents:
            wanted[intent.kind][ids[intent.facility], intent.key] = intent
        for kind, by_key in wanted.items():
            await _compare_stored(connection, kind, by_key, findings)
        await _nothing_besides(connection, wanted, findings)
        await _visits_once(connection, findings)


async def _compare_stored(
    connection: Any,
    kind: str,
    by_key: dict[tuple[int, str], Intent],
    findings: Findings,
) -> None:
    keys = list(by_key)
    for start in range(0, len(keys), _CHUNK):
        stored = await _stored(connection, kind, keys[start : start + _CHUNK])
        for key in keys[start : start + _CHUNK]:
            answer = by_key[key].answer
            if answer is None:
                findings.add(f"{kind} without a definite answer:", key[1])
            elif key not in stored:
                findings.add(f"acknowledged {kind} is lost:", key[1])
            elif stored[key] != answer.body:
                findings.add(f"{kind} is stored with another answer:", key[1])


async def _stored(
    connection: Any, kind: str, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], bytes]:
    if kind == "settle":
        found = await read_settlements(connection, keys)
        return {key: stored.answer.body for key, stored in found.items()}
    reversals = await Ledger(connection).stored_reversals(keys)
    return {key: stored.body for key, stored in reversals.items()}


async def _nothing_besides(
    connection: Any,
    wanted: dict[str, dict[tuple[int, str], Intent]],
    findings: Findings,
) -> None:
    """No key stands in the database that no client has noted."""
    settles, reverses = wanted["settle"], wanted["reverse"]
    for row in await connection.fetch("SELECT facility_id, key FROM settle_key"):
        if (row["facility_id"], row["key"]) not in settles:
            findings.add("settled without being asked:", row["key"])
    for row in await connection.fetch("SELECT facility_id, key FROM reversal_key"):
        if (row["facility_id"], row["key"]) not in reverses:
            findings.add("reversed without being asked:", row["key"])


async def _visits_once(connection: Any, findings: Findings) -> None:
    rows = await connection.fetch(
        "SELECT visit_no, count(*) AS times FROM settlement WHERE state <> 'd'"
        " GROUP BY facility_id, visit_no HAVING count(*) > 1"
    )
    for row in rows:
        findings.add("a visit was settled twice:", row["visit_no"])


def counts_of(intents: Sequence[Intent]) -> dict[str, int]:
    """What `medaid check-books --json` must count."""
    made: Counter[str] = Counter()
    for intent in intents:
        if intent.answer is None:
            continue
        document = intent.document
        if intent.kind == "settle":
            made[document["decision"]] += 1
        elif not document.get("already"):
            # One of a declined original undoes nothing: "declined", a row of no table.
            made[f"reversal {document['state']}"] += 1
    return {
        "settlements": made["approved"],
        "declines": made["declined"],
        "reversals": made["reversal reversed"],
        "tombstones": made["reversal tombstone"],
    }


async def check_by_command(
    data_dir: Path, intents: Sequence[Intent], findings: Findings
) -> None:
    """`medaid check-books` finds nothing, and counts what the clients count."""
    done = await asyncio.to_thread(
        subprocess.run,
        command_line("check-books", "--json", "--data-dir", str(data_dir)),
        capture_output=True,
        check=False,
        timeout=_BOOKS_WITHIN_S,
        cwd=PROJECT,
        env=environment(),
    )
    if done.returncode not in (0, 1) or not done.stdout:
        findings.add("check-books did not run:", done.stderr.decode()[-300:])
        return
    books = orjson.loads(done.stdout)
    for violation in books["violations"]:
        findings.add("check-books:", str(violation))
    if done.returncode != 0:
        findings.add("check-books ended with status", str(done.returncode))
    counted = counts_of(intents)
    found = {name: books[name] for name in counted}
    if found != counted:
        both = f"{found}, clients {counted}"
        findings.add("check-books and the clients count differently:", both)


async def check_in_process(
    database: Database, trust: Trust, intents: Sequence[Intent], findings: Findings
) -> None:
    """The same for a copy, without a process of its own."""
    report = await check_books(database, trust)
    for violation in report.violations:
        findings.add("check-books:", f"{violation}")
    found = {name: getattr(report.counts, name) for name in counts_of(())}
    if found != counts_of(intents):
        findings.add("check-books and the clients count differently:", f"{found}")


@dataclass(frozen=True, slots=True)
class _Readable:
    """What the replay of the log needs of a house."""

    database: Database
    trust: Trust
    opening: OpeningKey


async def check_model(
    database: Database, trust: Trust, opening: OpeningKey, findings: Findings
) -> None:
    """The log, replayed in index order through the pure core, gives the same fen."""
    readable = cast("House", _Readable(database, trust, opening))
    try:
        totals = await replay_log(readable)
    except AssertionError as error:
        findings.add("the replayed log gives other amounts:", str(error)[:300])
        return
    async with database.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT person, year, pot, used_fen FROM accumulator"
        )
    stored = {
        (row["person"].hex(), row["year"], row["pot"]): row["used_fen"] for row in rows
    }
    for place, fen in totals.items():
        if stored.pop(place, 0) != fen:
            findings.add("an accumulator is not what the log gives:", str(place[1:]))
    for place, fen in stored.items():
        if fen != 0:
            findings.add("an accumulator stands without a log:", str(place[1:]))
