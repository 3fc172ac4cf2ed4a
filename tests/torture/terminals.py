"""Clients under torture: every intent is written down before it is sent.

They behave as badly as real ones: ask twice at once, ask again what was answered
long ago, hang up in the middle, take back before they have settled.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import aiohttp
import orjson

from tests.acceptance.desk import AT, DAY, Answer, Desk, bill, new_name
from tests.acceptance.notes import Client, Note

#: Not an answer yet: the same request is sent again under the same key.
_AGAIN = frozenset({409, 429, 500, 502, 503, 504})
#: Of these, the ones that promise that this attempt has stored nothing.
_NOTHING_STORED = frozenset({"MA-2104", "MA-2106", "MA-5101", "MA-5102", "MA-5105"})
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)
_UNAUTHORISED = 401
_PAUSE_S = 0.05
#: Keys that a hospital may stop on one day of the sandbox: its limit is a hundred.
_STOPPED_A_DAY = 80
_FIRST_DAY = datetime(2026, 1, 5, 2, 14, 9, tzinfo=UTC)
#: The last second of a year of caps and the first of the next, Shanghai time.
_YEAR_ENDS = (
    ("2025-12-31T15:59:59Z", "2025-12-31"),
    ("2025-12-31T16:00:00Z", "2026-01-01"),
)


class StuckError(Exception):
    """An intent was answered with what is no answer; the fault is noted."""


class Journal:
    """Every intent, on disk before it is sent."""

    def __init__(self, path: Path) -> None:
        """Start an empty journal."""
        self._file: IO[bytes] = path.open("wb")

    def write(self, intent: Intent) -> None:
        """Append one intent."""
        line = [intent.facility, intent.kind, intent.key, intent.at, intent.sent]
        self._file.write(orjson.dumps(line) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """End it."""
        self._file.close()


@dataclass(slots=True)
class Intent(Note):
    """A note with the hospital and the instant that it is sent with."""

    facility: str = ""
    at: str | None = AT
    first_at_s: float = 0.0


@dataclass(slots=True)
class Hospital:
    """What its terminals share: the days on which they may stop keys."""

    code: str
    stopped: int = 0

    def take_stop(self) -> str:
        """An instant of a day that still has stops left, for one more."""
        day, self.stopped = self.stopped // _STOPPED_A_DAY, self.stopped + 1
        return f"{_FIRST_DAY + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(slots=True)
class Terminal(Client):
    """One terminal; several share hospitals and persons, so that they meet."""

    hospital: Hospital = field(default_factory=lambda: Hospital(""))
    persons: tuple[int, ...] = ()
    journal: Journal | None = None
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What this terminal saw and must never see."""
    pause_s: float = 0.12

    async def work(self, stop: asyncio.Event) -> None:
        """Go on until told to stop; nothing is left without a definite answer."""
        ways = (
            (self._plainly, 30),
            (self._and_back, 20),
            (self._twice_at_once, 12),
            (self._hang_up, 10),
            (self._stop_first, 8),
            (self._back_twice_at_once, 8),
            (self._bill_again, 6),
            (self._ask_again, 14),
            (self._look_around, 4),
        )
        while not stop.is_set():
            way = self.rng.choices([w for w, _ in ways], [p for _, p in ways])[0]
            with contextlib.suppress(StuckError):
                await way()
            await asyncio.sleep(self.rng.random() * 2 * self.pause_s)

    async def _plainly(self) -> Intent:
        settling = self._settling()
        await self._until_definite(settling)
        return settling

    async def _and_back(self) -> None:
        await self._until_definite(self._refund(await self._plainly()))

    async def _twice_at_once(self) -> None:
        """The same request two or three times in flight, in any order."""
        settling = self._settling()
        settling.is_open = True
        copies = self.rng.randint(2, 3)
        self.counts["doubled requests"] += 1
        await asyncio.gather(*(self._quietly(settling) for _ in range(copies)))
        await self._until_definite(settling)

    async def _hang_up(self) -> None:
        """Go away in the middle, and come back for the answer."""
        settling = self._settling()
        settling.is_open = True
        self.counts["clients gone mid-request"] += 1
        asking = asyncio.create_task(self._quietly(settling))
        await asyncio.wait({asking}, timeout=self.rng.random() * 0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await self._until_definite(settling)

    async def _stop_first(self) -> None:
        """Stop a key before, beside or after its settlement."""
        at = self.hospital.take_stop()
        settling = self._settling(at=at)
        settling.is_open = True
        order = {"original_idempotency_key": settling.key, "reason": "timeout"}
        order["card"] = settling.sent["card"]
        stopping = self._intend("reverse", order, at)
        self.counts["reversals before or beside their originals"] += 1
        choice = self.rng.random()
        if choice < 0.4:
            await asyncio.gather(self._quietly(stopping), self._quietly(settling))
        elif choice < 0.7:
            await self._quietly(settling)
        await self._until_definite(stopping)
        await self._until_definite(settling)

    async def _back_twice_at_once(self) -> None:
        """Two reversals of one settlement under two keys race."""
        settling = await self._plainly()
        racing = [self._refund(settling) for _ in range(2)]
        self.counts["reversals twice, racing"] += 1
        await asyncio.gather(*(self._until_definite(intent) for intent in racing))
        made = [intent for intent in racing if not intent.document.get("already")]
        if settling.document["decision"] == "approved" and len(made) != 1:
            self.faults.append(f"{len(made)} of two racing reversals were the first")

    async def _bill_again(self) -> None:
        """The same bill of the same visit under another key is no second claim."""
        first = await self._plainly()
        again = self._intend("settle", first.sent, first.at)
        self.counts["bills sent again under another key"] += 1
        await self._until_definite(again)
        if first.document["decision"] == "approved":
            reason = again.document["reason"]["code"]
            if again.document["decision"] != "declined" or reason != "MA-2202":
                self.faults.append(f"a bill was settled twice ({reason})")

    async def _ask_again(self) -> None:
        """Replay something that was answered, maybe long ago."""
        answered = [note for note in self.notes[-400:] if note.answer is not None]
        if not answered:
            return
        note = self.rng.choice(answered)
        self.counts["replayed requests"] += 1
        try:
            answer = await self.send(note)
        except _NO_ANSWER:
            return
        if answer.status in _AGAIN:
            return
        self._compare(note, answer)

    async def _look_around(self) -> None:
        """Ask what binds nobody; whatever comes, it is no fault of the gateway."""
        try:
            await self.desk.eligibility(self.rng.choice(self.persons))
            await self.desk.quote(bill(self.rng.choice(self.persons)))
        except (*_NO_ANSWER, AssertionError):
            return

    def _settling(self, at: str | None = None) -> Intent:
        person, day, when = self.rng.choice(self.persons), DAY, at or AT
        choice = self.rng.random()
        if at is None and choice < 0.1:
            when, day = self.rng.choice(_YEAR_ENDS)
        live = at is None and 0.1 <= choice < 0.2
        sent = bill(person, service_start=day, service_end=day, occurred_at=when)
        return self._intend("settle", sent, None if live else when)

    def _refund(self, settling: Intent) -> Intent:
        order = {"settlement_id": settling.document["settlement_id"]}
        return self._intend("reverse", order | {"reason": "refund"}, settling.at)

    def _intend(self, kind: str, sent: dict[str, Any], at: str | None) -> Intent:
        intent = Intent(kind, new_name(kind), sent, facility=self.hospital.code, at=at)
        intent.first_at_s = asyncio.get_running_loop().time()
        if self.journal is not None:
            self.journal.write(intent)
        self.notes.append(intent)
        return intent

    async def _quietly(self, note: Note) -> None:
        """Send it; an answer counts, anything else is met again later."""
        await self._once(note)

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
        if note.answer is not None:
            self._compare(note, answer)
        elif answer.status != 201:
            told = answer.body[:200].decode(errors="replace")
            self.faults.append(f"a {note.kind} was answered {answer.status}: {told}")
            self.notes.remove(note)
            raise StuckError(note.kind)
        else:
            if answer.replayed and not note.is_open:
                self.faults.append(f"a {note.kind} said not to be stored was stored")
            note.answer = answer
            self.news.set()
        return True

    def _compare(self, note: Note, answer: Answer) -> None:
        assert note.answer is not None
        if (answer.status, answer.body) != (201, note.answer.body):
            self.faults.append(f"a {note.kind} was answered {answer.status} otherwise")

    async def send(self, note: Note) -> Answer:
        """Send what the note says, under its key, with its instant."""
        assert isinstance(note, Intent)
        path = "/v1/settlements" if note.kind == "settle" else "/v1/reversals"
        try:
            answer = await self.desk.ask(
                "POST", path, note.sent, at=note.at, Idempotency_Key=note.key
            )
        except AssertionError as refused:
            # A session that cannot be opened now: the database is away, or a clock
            # is wrong. The request was not sent.
            raise aiohttp.ClientError("no session") from refused
        if answer.status == _UNAUTHORISED:
            self.desk.tokens.pop(self.desk.key.kid, None)
            raise aiohttp.ClientError("the session has ended")
        return answer


def make_terminals(
    desks: list[Desk], hospitals: list[Hospital], rng: random.Random, journal: Journal
) -> list[Terminal]:
    """One terminal for each desk; each person is shared by several."""
    made = []
    for number, (desk, hospital) in enumerate(zip(desks, hospitals, strict=True)):
        persons = tuple(range(1 + number // 2 * 40, 41 + number // 2 * 40))
        made.append(
            Terminal(
                desk,
                persons[0],
                random.Random(rng.random()),
                hospital=hospital,
                persons=(*persons, *range(401, 411)),
                journal=journal,
            )
        )
    return made
