"""Hospitals side by side, each person's steps in order; and what desks make of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.client import Reply
from gateway.demo import play as play_module
from gateway.demo.desk import Desk
from gateway.demo.district import HOSPITALS
from gateway.demo.outcomes import Tally
from gateway.demo.play import play
from gateway.demo.steps import Kind, Step


def steps_of(count: int, persons: int, hospitals: int) -> Iterator[Step]:
    """Steps of random persons at random hospitals, in the order of their instants."""
    rng = random.Random(7)
    for number in range(count):
        yield Step(
            number=number,
            at=datetime(2014, 6, 2, tzinfo=UTC) + timedelta(minutes=number),
            hospital=HOSPITALS[rng.randrange(hospitals)],
            person=rng.randrange(persons),
            kind=Kind.SETTLE,
            key=f"K-{number}",
            expect=frozenset({"settled with aid"}),
        )


async def test_each_persons_and_each_hospitals_steps_stay_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Accumulators depend on the order, so no interleaving may change it."""
    rng = random.Random(11)
    by_person: defaultdict[int, list[int]] = defaultdict(list)
    by_hospital: defaultdict[str, list[int]] = defaultdict(list)
    at_once = Counter[str]()
    most_at_once = 0

    async def do(_: Desk, step: Step) -> None:
        nonlocal most_at_once
        at_once["now"] += 1
        most_at_once = max(most_at_once, at_once["now"])
        for _turn in range(rng.randrange(4)):
            await asyncio.sleep(0)
        by_person[step.person].append(step.number)
        by_hospital[step.hospital.code].append(step.number)
        at_once["now"] -= 1

    monkeypatch.setattr(Desk, "do", do)
    monkeypatch.setattr(play_module, "GatewayClient", lambda *_, **__: None)
    steps = list(steps_of(2_000, persons=40, hospitals=12))
    keys: Any = defaultdict(lambda: None)
    line: Any = None

    await play(line, keys, steps, lambda _: None)

    assert sum(map(len, by_person.values())) == 2_000
    assert all(numbers == sorted(numbers) for numbers in by_person.values())
    assert all(numbers == sorted(numbers) for numbers in by_hospital.values())
    assert most_at_once > 3


class ScriptedClient:
    """Gives the next answer, whatever is asked."""

    def __init__(self, *bodies: bytes, replayed: bool = True) -> None:
        self._bodies = list(bodies)
        self._replayed = replayed
        self.calls: list[str] = []

    def _next(self, call: str) -> Reply:
        self.calls.append(call)
        return Reply(201, self._bodies.pop(0), self._replayed, 1)

    async def settle(self, *_: Any) -> Reply:
        """Answer a settlement."""
        return self._next("settle")

    async def reverse(self, *_: Any) -> Reply:
        """Answer a reversal."""
        return self._next("reverse")

    async def settle_and_hang_up(self, *_: Any) -> None:
        """Cut the line."""
        self.calls.append("cut")


APPROVED = (
    b'{"decision":"approved","reason":{"code":"MA-2000"},"aid_fen":100,'
    b'"settlement_id":"ab"}'
)
VOID = (
    b'{"decision":"declined","reason":{"code":"MA-2205"},"aid_fen":0,'
    b'"settlement_id":"cd"}'
)
TOMBSTONE = b'{"state":"tombstone","already":false}'
REVERSED = b'{"state":"reversed","already":false}'


async def outcome(kind: Kind, client: ScriptedClient) -> str:
    """What a desk says became of one step."""
    tally = Tally()
    step = Step(
        number=1,
        at=datetime(2014, 6, 2, tzinfo=UTC),
        hospital=HOSPITALS[0],
        person=1,
        kind=kind,
        key="K-1",
        bill={"total_fen": 1},
        expect=frozenset(),
    )
    scripted: Any = client
    await Desk(scripted, tally).do(step)
    (said,) = tally.counts[kind]
    return said


async def test_lost_answer_needs_the_same_bytes_again() -> None:
    """A second answer that differs by a byte, or is not a replay, is no proof."""
    same = ScriptedClient(APPROVED, APPROVED)
    other = ScriptedClient(APPROVED, APPROVED.replace(b"100", b"101"))
    fresh = ScriptedClient(APPROVED, APPROVED, replayed=False)

    assert await outcome(Kind.LOST_ANSWER, same) == "settled once, same bytes again"
    assert same.calls == ["cut", "settle", "settle"]
    for client in (other, fresh):
        said = await outcome(Kind.LOST_ANSWER, client)
        assert said == "settled, but the answer changed"


async def test_giving_up_must_leave_nothing_settled() -> None:
    """After a tombstone the late original is void, or the demo fails."""
    void = ScriptedClient(TOMBSTONE, VOID)
    settled = ScriptedClient(TOMBSTONE, APPROVED)
    undone = ScriptedClient(REVERSED, APPROVED)

    assert await outcome(Kind.GIVEN_UP, void) == "tombstone"
    assert await outcome(Kind.GIVEN_UP, undone) == "reversed"
    assert await outcome(Kind.GIVEN_UP, settled) == (
        "tombstone, but its original settled"
    )


async def test_wrong_outcomes_are_remembered() -> None:
    """One surprise is enough for the demo to fail, and its key is named."""
    tally = Tally()
    step = next(steps_of(1, 1, 1))

    tally.judge(step, "declined MA-2101")
    tally.judge(step, "settled with aid")

    assert tally.unexpected == [
        "bill settled, key K-0: declined MA-2101, expected settled with aid"
    ]
    assert tally.total(Kind.SETTLE) == 2
