"""Roster files by HTTP: checked, handed to a process of their own, and asked after."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from crypto.keys import Role
from eligibility_cache.text_encoding import UTF8, encoding_named
from gateway.installation import load_trust
from gateway.roster_documents import delivery_document
from gateway.roster_order import DONE, RosterOrder
from settlement.domain.errors import RequestRefused
from settlement.domain.roster import RosterManifest, RosterRefusedError
from settlement.service.roster import roster_trust, verified_manifest
from settlement.store.access import AccessStore
from settlement.store.find import reading_faults
from settlement.store.roster_delivery import Deliveries, Delivery
from settlement.store.roster_import import require_successor

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from settlement.service.ports import Caller
    from settlement.store.database import Database

PROGRAM = "gateway.roster_process"
#: A delta is in by then; who sent a city is told to ask again.
PATIENCE_S = 20.0
BUSY = "MA-6114"
_NOT_TAKEN = "MA-5101"
_OTHERS_KEY = "MA-6102"
_SAME_FILE = "MA-6110"
_LOWEST_PRIORITY = 19
_ATTEMPT_BYTES = 16
_CHARSET = re.compile(r";\s*charset\s*=\s*([^;]+)", re.IGNORECASE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a version."""

    state: str | None
    """`taken`, `importing`, `refused` or `failed`; `None`: nobody brought it."""
    document: dict[str, Any]
    refusal: dict[str, Any] | None
    """Why it was refused, and its first rows."""


class RosterIntake:
    """The use case of one worker."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        now: Callable[[], datetime],
        *,
        program: str = PROGRAM,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`data_dir`: files lie in its folder `run` while they arrive."""
        self.folder = data_dir / "run"
        self._database = database
        self._data_dir = data_dir
        self._now = now
        self._program = program
        self._patience_s = patience_s
        self._deliveries = Deliveries(database)
        self._is_receiving = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def check(self, caller: Caller, text: bytes) -> RosterManifest | None:
        """The manifest, before its file is received; `None`: it was taken in already.

        Raises `RosterRefusedError` where it would not be let in whatever the file
        holds, and `RequestRefused`: MA-6114 while another file is taken in, MA-5105.
        """
        with reading_faults():
            in_file = await asyncio.to_thread(load_trust, self._data_dir)
            trust = await roster_trust(self._database, in_file)
            manifest, _ = verified_manifest(text, trust, self._now())
            if manifest.key_id not in {key.kid for key in in_file.keys}:
                await self._require_own(caller, manifest.key_id)
            try:
                await require_successor(self._database, manifest)
            except RosterRefusedError as refused:
                if refused.reason == _SAME_FILE:
                    return None
                raise
            if await self._deliveries.is_under_way():
                raise RequestRefused(BUSY)
        return manifest

    async def _require_own(self, caller: Caller, key_id: str) -> None:
        """A key that another bureau has registered signs nothing for this one.

        Those of the trust file are the operator's word, for every bureau.
        """
        keys = await AccessStore(self._database).keys()
        owners = {key.party_id for key in keys if key.key_id == key_id}
        if owners - {caller.party_id}:
            raise RosterRefusedError(
                _OTHERS_KEY, f"the {Role.BUREAU_ROSTER.value} key is another party's"
            )

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Take this worker's one turn to receive a file; raises MA-6114."""
        if self._is_receiving:
            raise RequestRefused(BUSY)
        self._is_receiving = True
        try:
            yield
        finally:
            self._is_receiving = False

    async def take(
        self, manifest: RosterManifest, text: bytes, fd: int, encoding: str
    ) -> Told:
        """Have the file taken in; how it stands when that ends, or patience does.

        Raises MA-6114 where another one is being taken in, MA-5101 where it failed
        without a fault of the file, and MA-5105.
        """
        attempt = os.urandom(_ATTEMPT_BYTES)
        with reading_faults():
            if not await self._deliveries.claim(manifest.version, attempt):
                raise RequestRefused(BUSY)
        order = RosterOrder(
            dsn=self._database.dsn,
            data_dir=str(self._data_dir),
            fd=fd,
            manifest=text.decode(),
            encoding=encoding,
            version=manifest.version,
            attempt=attempt.hex(),
        )
        process = await self._start(order)
        work = asyncio.create_task(self._follow(process, order))
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        await asyncio.wait({work}, timeout=self._patience_s)
        told = await self.find(manifest.version)
        if told.state == "failed":
            # The same file may be sent again.
            raise RequestRefused(_NOT_TAKEN)
        return told

    async def ended(self) -> None:
        """Wait until no import of this worker is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def find(self, version: int) -> Told:
        """What became of a version; raises MA-5105."""
        with reading_faults():
            return _told(version, await self._deliveries.find(version))

    async def refused(self, version: int) -> bytes | None:
        """The rows refused of a version, as CSV; raises MA-5105."""
        with reading_faults():
            return await self._deliveries.refused(version)

    async def _start(self, order: RosterOrder) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(order.fd,),
        )
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
        return process

    async def _follow(self, process: Process, order: RosterOrder) -> None:
        """Give the order, and tell where the process ends without a word."""
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the process was started without pipes")
            with contextlib.suppress(ConnectionError):
                process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
                await process.stdin.drain()
            said = await process.stdout.read()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if said != DONE:
            _log.error("roster.process_died", extra={"version": order.version})
            with contextlib.suppress(RequestRefused), reading_faults():
                attempt = bytes.fromhex(order.attempt)
                await self._deliveries.end(order.version, attempt, "failed")


def declared_encoding(content_type: str) -> str | None:
    """What the type says the text is in; `None` where rosters are not read in it."""
    named = _CHARSET.search(content_type)
    return UTF8 if named is None else encoding_named(named[1])


def _told(version: int, found: Delivery) -> Told:
    return Told(
        state="taken" if found.is_taken else found.state,
        document=delivery_document(version, found),
        refusal=None if found.outcome is None else orjson.loads(found.outcome),
    )
