"""Finds what a missing safeguard lets through: books, notes of clients, receipts.

The clients of a run keep what they were answered. At the end everything that was
acknowledged must stand, once, with the same bytes; the log must hold each receipt; and
the books must agree with the sealed contents.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.evidence import read_evidence
from settlement.domain.bill import Bill
from settlement.domain.errors import RequestRefused
from settlement.service.books import Means, check_books
from settlement.store import statements
from settlement.store.known_keys import known_settlement
from tests.settlement.house import House


@dataclass
class Checker:
    """Keeps the notes of every client of one run."""

    folder: Path
    acknowledged: dict[str, list[bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Reason codes of what was not settled."""
    noted: list[str] = field(default_factory=list)
    """What a client saw that must not be."""
    rounds: int = 0

    async def settle(self, house: House, bill: Bill, key: str) -> bool:
        """Settle as a client does; whether it was answered."""
        try:
            answer = await house.settle(bill, key)
        except RequestRefused as refused:
            self.refused.append(refused.reason)
            return False
        self.acknowledged.setdefault(key, []).append(answer.body)
        return True

    async def violations(self, house: House) -> list[str]:
        """Everything that does not hold; empty where every safeguard was on."""
        found = [rule async for rule in self._notes(house)]
        means = Means(
            against=read_evidence([self._receipts()], house.trust),
            bureau_key=house.opening,
            tokenizer=house.tokenizer,
        )
        report = await check_books(house.database, house.trust, means=means)
        return self.noted + found + [violation.rule for violation in report.violations]

    async def _notes(self, house: House) -> AsyncIterator[str]:
        for key, answers in self.acknowledged.items():
            if len(set(answers)) > 1:
                yield "notes: two answers under one key"
            stored = await known_settlement(house.database, 1, key)
            if stored is None or stored.answer.body not in answers:
                yield "notes: acknowledged, and not in the database"

    def _receipts(self) -> Path:
        """The answers as a terminal keeps them."""
        self.rounds += 1
        path = self.folder / f"answers-{self.rounds}.jsonl"
        answers = [a for kept in self.acknowledged.values() for a in kept]
        path.write_bytes(b"".join(answer + b"\n" for answer in answers))
        return path


@contextlib.contextmanager
def statement_with(
    monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str
) -> Iterator[None]:
    """Run another text of a statement; fails where the old text is not in it."""
    text = statements._STATEMENTS[name]
    assert old in text
    with monkeypatch.context() as patch:
        patch.setitem(statements._STATEMENTS, name, text.replace(old, new))
        yield


async def execute(house: House, statement: str, *values: Any) -> None:
    """Do something that only a superuser may."""
    async with house.database.pool.acquire() as connection:
        await connection.execute(statement, *values)
