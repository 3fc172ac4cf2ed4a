"""Replay a file of visits: a sandbox of its own, persons side by side.

One person's visits are settled in order, each after the answer to the one before;
so accumulators meet the visits as they came. Persons with the most visits begin
first, so that nobody is left alone at the end.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rich.console import Console

from crypto.keys import SharedSecret
from gateway.client import GatewayClient, Line
from gateway.demo.audit import audit_books
from gateway.demo.parties import facility, register_facilities
from gateway.demo.progress import Show, progress
from gateway.demo.sandbox import (
    Sandbox,
    gateway_answering,
    line_to,
    open_sandbox,
    serving,
)
from gateway.keyfiles import load_party_secret_key
from gateway.replay.looking import all_looked_at
from gateway.replay.persons import (
    RosterRule,
    card_of,
    facility_code_of,
    level_of,
    roster_rows,
    subdistrict_of,
)
from gateway.replay.summary import Summary, is_settled
from gateway.replay.visits import VisitRow, read_visits
from gateway.wiring import wall_clock
from settlement import policies
from settlement.domain.policy import compile_pack

_PACK = "demo-district.yaml"
_WORKERS = 2
_OPERATOR = "replay"
_SHOWN_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What to replay and how."""

    visits: Path
    data_dir: Path
    """An empty folder of this run's own."""
    limit: int | None
    concurrency: int
    """Persons whose visits are under way at once."""
    eligible_ppm: int


async def run_replay(options: ReplayOptions, console: Console) -> Summary:
    """Settle all visits of the file and check the books.

    Raises `VisitFileError` for a file that cannot be read, `click.ClickException`
    where the sandbox does not run or stops answering.
    """
    chains = _chains(read_visits(options.visits, options.limit))
    summary = Summary()
    async with open_sandbox(options.data_dir) as sandbox:
        keys = await _prepare(sandbox, chains, options, console)
        async with (
            serving(sandbox, port=0, workers=_WORKERS) as base_url,
            line_to(base_url, connections=options.concurrency) as line,
        ):
            total = sum(map(len, chains))
            started = time.monotonic()
            with progress(console, "settling", total) as show:
                desks = _Desks(line, keys)
                await _settle_all(chains, desks, options.concurrency, summary, show)
                show(total, f"{summary.settled:,} settled")
            summary.seconds = time.monotonic() - started
        summary.alerts = await all_looked_at(sandbox.database, console)
        summary.violations = (await audit_books(sandbox)).violations
    return summary


def _chains(visits: Iterable[VisitRow]) -> list[list[VisitRow]]:
    """Each person's visits in order, the longest chain first."""
    by_person: defaultdict[str, list[VisitRow]] = defaultdict(list)
    for visit in visits:
        by_person[visit.person].append(visit)
    for chain in by_person.values():
        chain.sort(key=_order)
    return sorted(by_person.values(), key=len, reverse=True)


def _order(visit: VisitRow) -> tuple[bool, datetime, int]:
    """By start; a row without one comes last."""
    start = visit.start
    return (start is None, start or wall_clock(), visit.line)


async def _prepare(
    sandbox: Sandbox,
    chains: Sequence[Sequence[VisitRow]],
    options: ReplayOptions,
    console: Console,
) -> dict[str, SharedSecret]:
    """Register every facility and take the roster in; keys by facility code."""
    now = wall_clock()
    places = _places(chains)
    keys = await register_facilities(
        sandbox.database,
        (
            facility(
                facility_code_of(reference),
                f"Replayed facility {number}",
                level=level_of(reference),
                subdistrict=place,
                at=now,
            )
            for number, (reference, place) in enumerate(sorted(places.items()), start=1)
        ),
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
    )
    pack = compile_pack(policies.read(_PACK))
    rule = RosterRule(
        options.eligible_ppm, [category.id for category in pack.document.categories]
    )
    rows = await sandbox.import_roster(roster_rows(_firsts(chains), rule))
    console.print(
        f"{len(keys):,} facilities registered; {rows:,} of {len(chains):,} persons"
        " are on the roster, and alerts are about these alone",
        highlight=False,
        soft_wrap=True,
    )
    return keys


def _firsts(chains: Sequence[Sequence[VisitRow]]) -> Iterator[VisitRow]:
    """One visit of each person, with what the first visits that say it say of them."""
    for chain in chains:
        until = [visit.roster_until for visit in chain if visit.roster_until]
        yield replace(
            chain[0],
            subdistrict=next((v.subdistrict for v in chain if v.subdistrict), ""),
            household=next((v.household for v in chain if v.household), ""),
            roster_until=min(until, default=None),
        )


def _places(chains: Sequence[Sequence[VisitRow]]) -> dict[str, str]:
    """Each facility's sub-district, as most of its rows that name one have it."""
    named: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for chain in chains:
        for visit in chain:
            named[visit.facility][visit.subdistrict] += bool(visit.subdistrict)
    return {
        reference: subdistrict_of(
            reference, max(counts, key=lambda one: (counts[one], one))
        )
        for reference, counts in named.items()
    }


class _Desks:
    """A client for each facility and operator, made when first needed."""

    def __init__(self, line: Line, keys: Mapping[str, SharedSecret]) -> None:
        self._line = line
        self._keys = keys
        self._clients: dict[tuple[str, str], GatewayClient] = {}

    def client(self, visit: VisitRow) -> GatewayClient:
        desk = (facility_code_of(visit.facility), visit.operator or _OPERATOR)
        found = self._clients.get(desk)
        if found is None:
            found = GatewayClient(self._line, self._keys[desk[0]], desk[1])
            self._clients[desk] = found
        return found


async def _settle_all(
    chains: Sequence[Sequence[VisitRow]],
    desks: _Desks,
    concurrency: int,
    summary: Summary,
    show: Show,
) -> None:
    remaining = iter(chains)

    async def work() -> None:
        for chain in remaining:
            for visit in chain:
                await _settle(visit, desks, summary)
                if summary.visits % _SHOWN_EVERY == 0:
                    show(summary.visits, f"{summary.settled:,} settled")

    with gateway_answering():
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(work())


async def _settle(visit: VisitRow, desks: _Desks, summary: Summary) -> None:
    card = {"kind": "social_security_card", "number": card_of(visit.person)}
    bill = {"card": card, **visit.bill}
    desk = desks.client(visit)
    reply = await desk.settle(visit.key, bill, visit.at)
    summary.note(reply)
    if visit.reversed_at is not None and is_settled(reply):
        undo = {
            "settlement_id": reply.json()["settlement_id"],
            "reason": visit.reversal_reason,
        }
        summary.note_reversal(
            await desk.reverse(visit.reversal_key, undo, visit.reversed_at)
        )
