"""One roster file by HTTP, taken in apart: `python -m gateway.roster_process`.

A worker gives the order as one line of JSON on standard input and the file as an
inherited descriptor. How it goes and how it ends stands in PostgreSQL, where every
machine can tell. Standard input stays open; its end means that the worker is gone, and
so is this process then: what was begun is rolled back.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import orjson

from eligibility_cache.subdistricts import SubdistrictsFault, read_subdistricts
from gateway.crash_dumps import forbid_crash_dumps
from gateway.installation import InstallationFault, load_trust
from gateway.keyfiles import KeyFileFault, load_keys
from gateway.last_words import speak_without_traceback
from gateway.roster_documents import refusal_document
from gateway.roster_order import DONE, RosterOrder
from gateway.wiring import wall_clock
from settlement.domain.errors import FatalError
from settlement.domain.roster import RosterRefusedError
from settlement.service.roster import (
    ImportRules,
    ListingError,
    Progress,
    by_spelling,
    installed_spellings,
    roster_trust,
    take_in,
    verified_manifest,
)
from settlement.service.roster_listing import LimitedListing
from settlement.store.database import Database
from settlement.store.errors import CommitUnknownError, StoreUnavailableError
from settlement.store.roster_delivery import Deliveries

_TELL_EVERY_S = 1.0
_GONE_STATUS = 1
#: What ended an import although nothing is wrong with the file.
_FAULTS = (
    StoreUnavailableError,
    CommitUnknownError,
    FatalError,
    ListingError,
    InstallationFault,
    KeyFileFault,
    SubdistrictsFault,
    OSError,
)


def main() -> None:
    """Do one order and end."""
    forbid_crash_dumps()
    speak_without_traceback()
    order = RosterOrder(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_worker, daemon=True).start()
    asyncio.run(_obey(order))
    sys.stdout.buffer.write(DONE)
    sys.stdout.buffer.flush()


def _end_with_worker() -> None:
    """End this process where standard input ends; what was begun is rolled back."""
    sys.stdin.read()
    os._exit(_GONE_STATUS)


async def _obey(order: RosterOrder) -> None:
    database = await Database.open(order.dsn, max_size=3, gives_way=True)
    try:
        await _deliver(database, order)
    finally:
        await database.close()


async def _deliver(database: Database, order: RosterOrder) -> None:
    deliveries, attempt = Deliveries(database), bytes.fromhex(order.attempt)
    text = io.StringIO()
    listing = LimitedListing(text)
    state, outcome = "failed", None
    try:
        async with _telling(deliveries, order.version, attempt) as progress:
            await _import(database, order, progress, listing)
        # Whether it was taken says the roster itself.
    except RosterRefusedError as refused:
        state, outcome = "refused", orjson.dumps(refusal_document(refused))
    except _FAULTS as fault:
        sys.stderr.write(f"roster import failed: {type(fault).__name__}\n")
    rows = text.getvalue().encode("utf-8-sig") if listing.lines else None
    await deliveries.end(order.version, attempt, state, outcome, rows)


async def _import(
    database: Database, order: RosterOrder, progress: Progress, listing: LimitedListing
) -> None:
    data_dir = Path(order.data_dir)
    trust = await roster_trust(database, load_trust(data_dir))
    now = wall_clock()
    spellings = await installed_spellings(database)
    if not spellings:
        raise FatalError("no policy pack is installed, so no category can be told")
    rules = ImportRules(
        trust=trust,
        tokenizer=load_keys(data_dir).tokenizer(await database.hold_to_token_epoch()),
        categories=by_spelling(spellings),
        now=now,
        encoding=order.encoding,
        subdistricts=read_subdistricts(data_dir),
    )
    manifest, _ = verified_manifest(order.manifest.encode(), trust, now)
    path = Path(f"/proc/self/fd/{order.fd}")
    await take_in(database, manifest, path, rules, progress, listing)


@contextlib.asynccontextmanager
async def _telling(
    deliveries: Deliveries, version: int, attempt: bytes
) -> AsyncIterator[Progress]:
    """Tell the database how far it is, once a second."""
    latest = ("checking", 0, 1)

    def progress(step: str, done: int, total: int) -> None:
        nonlocal latest
        latest = (step, done, total)

    async def tell() -> None:
        while True:
            with contextlib.suppress(*_FAULTS):
                await deliveries.tell(version, attempt, *latest)
            await asyncio.sleep(_TELL_EVERY_S)

    telling = asyncio.create_task(tell())
    try:
        yield progress
    finally:
        telling.cancel()
        await asyncio.wait({telling})


if __name__ == "__main__":
    main()
