"""Play the pilot over HTTP: one task for each hospital, side by side.

A hospital does its own steps in order. One person's steps keep their order across
hospitals: a step waits until the person's step before it is done. Both orders follow
the instants, so the earliest step that is left can always be done, and nothing waits
in a circle.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from crypto.keys import SharedSecret
from gateway.client import GatewayClient, Line
from gateway.demo.desk import Desk
from gateway.demo.outcomes import Tally
from gateway.demo.steps import Step

#: Called after each step that is done.
Advance = Callable[[Step], None]


async def play(
    line: Line,
    keys: Mapping[str, SharedSecret],
    steps: Sequence[Step],
    advance: Advance,
) -> Tally:
    """Do all steps, which are in the order of their instants; return what became.

    `keys` holds each hospital's key by its code. An error in one hospital ends the
    others too, and is raised.
    """
    tally = Tally()
    by_hospital: defaultdict[str, list[_Turn]] = defaultdict(list)
    last_of_person: dict[int, asyncio.Event] = {}
    for step in steps:
        turn = _Turn(step, last_of_person.get(step.person))
        last_of_person[step.person] = turn.done
        by_hospital[step.hospital.code].append(turn)
    async with asyncio.TaskGroup() as hospitals:
        for code, turns in by_hospital.items():
            client = GatewayClient(line, keys[code], operator="cashier-1")
            hospitals.create_task(_work(Desk(client, tally), turns, advance))
    return tally


class _Turn:
    """A step, the person's step that it waits for, and the sign that it is done."""

    __slots__ = ("after", "done", "step")

    def __init__(self, step: Step, after: asyncio.Event | None) -> None:
        self.step = step
        self.after = after
        self.done = asyncio.Event()


async def _work(desk: Desk, turns: Sequence[_Turn], advance: Advance) -> None:
    for turn in turns:
        if turn.after is not None:
            await turn.after.wait()
        await desk.do(turn.step)
        turn.done.set()
        advance(turn.step)
