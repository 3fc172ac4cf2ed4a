"""What clients remember while the gateway is shot under them, and what must be true.

A client keeps a bill under its key until it has a definite answer; that answer's
bytes are what nothing may ever change.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from crypto.checkpoint import verify_checkpoint
from crypto.merkle import RightEdge
from crypto.receipt import parse_receipt, verify_receipt
from crypto.trust import Trust
from tests.acceptance.desk import Answer, Desk, bill, card, new_name

#: Not an answer yet: the same request is sent again under the same key.
_AGAIN = frozenset({409, 429, 500, 502, 503, 504})
_PAUSE_S = 0.05
#: Of these, the ones that promise that this attempt has stored nothing.
_NOTHING_STORED = frozenset({"MA-2104", "MA-2106", "MA-5101", "MA-5102", "MA-5105"})
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(slots=True)
class Note:
    """One intent of one client."""

    kind: str
    key: str
    sent: dict[str, Any]
    answer: Answer | None = None
    """The definite one."""
    is_open: bool = False
    """Whether an attempt ended without telling that nothing was stored."""

    @property
    def document(self) -> Any:
        """The definite answer, parsed."""
        assert self.answer is not None
        return self.answer.json()

    @property
    def has_leaf(self) -> bool:
        """Whether the answer is of a record of its own."""
        return bool(self.document["receipt"]) and not self.document.get("already")


@dataclass(slots=True)
class Client:
    """One terminal: settles bill after bill, and takes some of them back."""

    desk: Desk
    person: int
    rng: random.Random
    notes: list[Note] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """What came in place of answers, by code or by the kind of failure."""
    give_ups: int = 25
    """How often it may still stop a key: four clients share a facility's hundred."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by each definite answer."""

    async def work(self, stop: asyncio.Event) -> None:
        """Go on until told to stop; nothing is left without a definite answer."""
        while not stop.is_set():
            settling = self._note("settle", bill(self.person))
            choice = self.rng.random()
            if choice < 0.15 and self.give_ups:
                self.give_ups -= 1
                await self._give_up(settling)
            else:
                await self._until_definite(settling)
            if 0.15 <= choice < 0.4:
                order = {"settlement_id": settling.document["settlement_id"]}
                await self._until_definite(
                    self._note("reverse", order | {"reason": "refund"})
                )
            await asyncio.sleep(self.rng.random() * 0.02)

    async def _give_up(self, settling: Note) -> None:
        """Stop a key without knowing what became of it; its bill arrives late."""
        stopping = self._note(
            "reverse",
            {
                "original_idempotency_key": settling.key,
                "card": card(self.person),
                "reason": "timeout",
            },
        )
        if self.rng.random() < 0.5:
            await self._once(settling)
        await self._until_definite(stopping)
        await self._until_definite(settling)

    def _note(self, kind: str, sent: dict[str, Any]) -> Note:
        note = Note(kind, new_name(kind), sent)
        self.notes.append(note)
        return note

    async def _until_definite(self, note: Note) -> None:
        while note.answer is None:
            if not await self._once(note):
                await asyncio.sleep(_PAUSE_S)

    async def _once(self, note: Note) -> bool:
        """Send it once more; whether there is a definite answer now."""
        try:
            answer = await self.send(note)
        except _NO_ANSWER as error:
            self.refused[type(error).__name__] += 1
            note.is_open = True
            return False
        if answer.status in _AGAIN:
            self.refused[answer.code] += 1
            note.is_open |= answer.code not in _NOTHING_STORED
            return False
        assert answer.status == 201, answer.body
        assert note.answer is None, "a note is sent until it has an answer"
        # An unknown outcome was called unknown: nothing that was said not to be
        # stored turns out to be.
        assert note.is_open or not answer.replayed, note.kind
        note.answer = answer
        self.news.set()
        return True

    async def send(self, note: Note) -> Answer:
        """Send what the note says, under its key."""
        if note.kind == "settle":
            return await self.desk.settle(note.key, note.sent)
        return await self.desk.reverse(note.key, note.sent)

    async def has_news(self) -> None:
        """Wait until an answer has come to a request that is sent from now on."""
        answered = len(self.notes)
        while not any(note.answer for note in self.notes[answered:]):
            self.news.clear()
            await self.news.wait()


class Audit:
    """What must be true of all clients' notes once everything is quiet."""

    def __init__(self, clients: list[Client], trust: Trust) -> None:
        self.clients = clients
        self.trust = trust

    @property
    def notes(self) -> list[Note]:
        """Every intent of every client."""
        return [note for client in self.clients for note in client.notes]

    async def every_answer_is_repeated(self) -> None:
        """Each acknowledged answer comes again, byte for byte, and says so."""
        for client in self.clients:
            for note in client.notes:
                assert note.answer is not None
                again = await client.send(note)
                assert again.body == note.answer.body
                assert (again.status, again.replayed) == (201, True), note.kind

    async def every_visit_is_settled_once(self) -> None:
        """No settlement is lost and none is doubled, counted by visit."""
        for client in self.clients:
            for note in client.notes:
                if note.kind == "settle":
                    await self._visit_is_as_noted(client, note)

    async def _visit_is_as_noted(self, client: Client, note: Note) -> None:
        visit = note.sent["visit_no"]
        found = await client.desk.get(f"/v1/settlements?visit_no={visit}")
        states = [item["state"] for item in found.json()["items"]]
        if note.document["decision"] == "declined":
            assert note.document["reason"]["code"] == "MA-2205"
            assert "settled" not in states
            assert "reversed" not in states
        else:
            assert states == [self._state_of(client, note)]
            assert (
                found.json()["items"][0]["settlement_id"]
                == note.document["settlement_id"]
            )

    def _state_of(self, client: Client, settling: Note) -> str:
        undone = {
            note.document["settlement_id"]
            for note in client.notes
            if note.kind == "reverse"
        }
        is_undone = settling.document["settlement_id"] in undone
        return "reversed" if is_undone else "settled"

    async def log_is_exactly_these_records(self, desk: Desk) -> None:
        """Gapless, nothing beside what was acknowledged, one history.

        Every receipt verifies offline, the indexes of the receipts are all the
        indexes of the log, and the root of every receipt's checkpoint is that of
        the tree as it grew.
        """
        entries: dict[int, bytes] = {}
        roots: dict[int, bytes] = {}
        for note in self.notes:
            if not note.has_leaf:
                continue
            receipt = parse_receipt(note.document["receipt"])
            entry = verify_receipt(receipt, self.trust).record_hash
            assert entries.setdefault(receipt.index, entry) == entry
            checkpoint = verify_checkpoint(receipt.checkpoint, self.trust)
            roots[checkpoint.size] = checkpoint.root
        shown = await desk.raw("GET", "/v1/log/checkpoint")
        latest = verify_checkpoint(shown.body.decode(), self.trust)
        assert sorted(entries) == list(range(latest.size))
        edge = RightEdge()
        for index in range(latest.size):
            edge = edge.extend([entries[index]]).edge
            if edge.size in roots:
                assert roots[edge.size] == edge.root
        assert latest.root == edge.root

    def counts(self) -> dict[str, int]:
        """What `medaid check-books --json` must count."""
        settles = [note for note in self.notes if note.kind == "settle"]
        reverses = [note for note in self.notes if note.kind == "reverse"]
        states = Counter(note.document["state"] for note in reverses)
        decisions = Counter(note.document["decision"] for note in settles)
        return {
            "settlements": decisions["approved"],
            "declines": decisions["declined"],
            "reversals": states["reversed"],
            "tombstones": states["tombstone"],
        }


def read_json(text: str) -> Any:
    """Parse what a command printed with `--json`."""
    return orjson.loads(text)
