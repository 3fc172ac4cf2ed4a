"""A PostgreSQL server in memory that fails in every way that a server can.

One backend for each connection, as there; what a client sent goes on when the client
has gone. A crash takes every backend with it and leaves what was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import asyncpg

from settlement.domain.decision import PolicyRef
from tests.simulation import (  # noqa: F401  # they enter themselves
    batch_statements,
    side_statements,
)
from tests.simulation.faults import Fault, Plan
from tests.simulation.loop import Process, SimLoop
from tests.simulation.registry import STATEMENTS, Record
from tests.simulation.transactions import Tables, Transaction

#: A connection that broke, as the driver says it.
GONE = asyncpg.ConnectionDoesNotExistError


@dataclass(frozen=True)
class Roster:
    """One version of the roster; an import makes the next one."""

    id: bytes
    version: int = 0
    as_of: datetime | None = None
    key_check: bytes = b""
    last_change: int = 0
    scan_floor: int = 0
    windows: dict[bytes, list[Record]] = field(default_factory=dict)
    cards: dict[bytes, bytes] = field(default_factory=dict)
    changes: tuple[tuple[int, bytes], ...] = ()


class Backend:
    """The server's side of one connection."""

    def __init__(self, server: Server, client: Process | None, *, pooled: bool) -> None:
        self.server = server
        self.client = client
        self.pooled = pooled
        server.pids += 1
        self.pid = server.pids
        self.started = datetime(2026, 1, 1, tzinfo=UTC)
        self.is_gone = False
        #: The client has hung up, was killed, or cannot be reached any more.
        self.is_alone = False
        self.is_busy = False
        self.follows = False
        #: Whether the client has said BEGIN.
        self.is_in_block = False
        self.transaction: Transaction | None = None
        self.pinned: Roster | None = None
        self.reply: asyncio.Future[Any] | None = None
        self.warn: Callable[[str], None] = lambda _message: None
        self.on_end: list[Callable[[], None]] = []
        server.backends[self.pid, self.started] = self

    @property
    def roster(self) -> Roster:
        """As the surrounding transaction sees it."""
        return self.pinned or self.server.roster

    def step_of(self, text: str) -> str:
        """The step's name; the same statement serves several."""
        if text in {"BEGIN", "COMMIT", "ROLLBACK"}:
            return text.lower()
        step = STATEMENTS[text][0]
        if self.pooled and step == "stored_settlements":
            return "known_key"
        if self.pooled and step == "fence":
            return "known_key"
        if self.follows and step == "persons":
            return "roster_changes"
        return step

    # -- one statement -------------------------------------------------------------

    async def serve(self, text: str, args: tuple[Any, ...]) -> None:
        """Work on one statement to its end, whatever befalls it."""
        server, step = self.server, self.step_of(text)
        self.is_busy = True
        fault = server.plan.strike(step) if step != "rollback" else None
        server.note(step, self, fault)
        # A commit waits for the disk, and meanwhile the next batch gathers.
        await asyncio.sleep(server.latency() * (8 if text == "COMMIT" else 1))
        if fault is not None and not await self._suffer(fault):
            self._end_alone()
            return
        try:
            _refuse(fault)
            result = await self._perform(text, args, fault)
        except asyncpg.PostgresError as error:
            self._fail_transaction()
            self._answer(error)
        except Exception as bug:  # noqa: BLE001  # of the simulation: the run fails
            server.loop.unhandled.append(f"{step}: {bug!r}")
            server.crash()
        else:
            if fault is not None and not self._strike_after(fault):
                self._end_alone()
                return
            self._answer(result)
        self.is_busy = False
        if self.is_alone:
            self.end()

    async def _suffer(self, fault: Fault) -> bool:
        """What happens before the statement takes effect; whether it then does."""
        server = self.server
        random = server.random
        if fault is Fault.SLOW:
            await asyncio.sleep(random.choice([0.3, 1.0, 6.0]))
        elif fault is Fault.LOST_BEFORE:
            self.cut()
            return False
        elif fault is Fault.LIMBO:
            self.hang_up()
            await asyncio.sleep(random.uniform(0.1, 4))
        elif fault is Fault.PAUSE and self.client is not None:
            server.on_pause(self.client, random.choice([0.1, 1.0, 15.0]))
        elif fault in {Fault.KILL, Fault.CRASH} and random.random() < 0.5:
            self._strike(fault)
            # A killed client's statement was sent, or it was not.
            return fault is Fault.KILL and random.random() < 0.5
        return True

    def _strike(self, fault: Fault) -> None:
        if fault is Fault.CRASH:
            self.server.crash()
        elif self.client is not None:
            self.server.on_kill(self.client)

    def _strike_after(self, fault: Fault) -> bool:
        """What happens after the statement took effect; whether it is answered."""
        if fault is Fault.LOST_AFTER:
            self.cut()
            return False
        if fault in {Fault.KILL, Fault.CRASH}:
            client = self.client
            if not self.is_gone and not (client is not None and client.is_dead):
                self._strike(fault)
            return not self.is_gone and not self.is_alone
        return True

    async def _perform(
        self, text: str, args: tuple[Any, ...], fault: Fault | None
    ) -> Any:
        if text == "BEGIN":
            self.transaction = self._begin()
            self.is_in_block = True
            return "BEGIN"
        if text == "COMMIT":
            return self._commit(fault)
        if text == "ROLLBACK":
            self._roll_back()
            return "ROLLBACK"
        handler = STATEMENTS[text][1]
        if self.transaction is not None:
            if self.transaction.has_failed:
                raise asyncpg.InFailedSQLTransactionError("transaction is aborted")
            return await handler(self, self.transaction, args)
        alone = self.transaction = self._begin()
        result = await handler(self, alone, args)
        alone.commit()
        self.transaction = None
        return result

    def _begin(self) -> Transaction:
        return Transaction(self.server.tables, str(self.pid))

    def _commit(self, fault: Fault | None) -> str:
        transaction, self.transaction = self.transaction, None
        self.is_in_block = False
        if transaction is None:
            return "COMMIT"
        if transaction.has_failed or fault is Fault.ROLLED_BACK:
            transaction.end()
            return "ROLLBACK"
        self.server.commit(transaction)
        if fault is Fault.NO_STANDBY:
            self.warn("canceling wait for synchronous replication due to user request")
        return "COMMIT"

    def _roll_back(self) -> None:
        self.is_in_block = False
        if self.transaction is not None:
            self.transaction.end()
            self.transaction = None

    def _fail_transaction(self) -> None:
        """After an error nothing of the transaction is left but its name."""
        if self.transaction is None:
            return
        self.transaction.end()
        self.transaction.has_failed = True
        if not self.is_in_block:
            self.transaction = None

    def _answer(self, result: Any) -> None:
        reply, self.reply = self.reply, None
        if reply is None or reply.done():
            return
        if isinstance(result, Exception):
            reply.set_exception(result)
            # Whoever asked may be dead by now, and then nobody looks at it.
            reply.exception()
        else:
            reply.set_result(result)

    # -- its end ---------------------------------------------------------------------

    def hang_up(self) -> None:
        """The client is told that the connection is lost, or is gone itself."""
        self.is_alone = True
        self._answer(GONE("connection was closed in the middle of operation"))
        for told in self.on_end:
            told()
        self.on_end = []
        if not self.is_busy:
            self.end()

    def cut(self) -> None:
        """Lost on both sides at once."""
        self.is_busy = False
        self.hang_up()
        self.end()

    def _end_alone(self) -> None:
        self.is_busy = False
        self.end()

    def end(self) -> None:
        """The backend exits: its locks are free, what was open is gone."""
        if self.is_gone:
            return
        self.is_gone = True
        self._roll_back()
        self.server.backends.pop((self.pid, self.started), None)
        if not self.is_alone:
            self.hang_up()


class Server:
    """Tables, backends and the moods of the machine that they run on."""

    def __init__(
        self, loop: SimLoop, random: Random, plan: Plan, roster: Roster, pack: PolicyRef
    ) -> None:
        self.loop = loop
        self.random = random
        self.plan = plan
        self.pack = pack
        self.tables = Tables()
        self.ordinals: dict[bytes, set[int]] = {}
        self.roster = roster
        self.backends: dict[tuple[int, datetime], Backend] = {}
        self.pids = 100
        self.process = Process("postgres")
        self.is_up = True
        self.listeners: list[Callable[[], None]] = []
        #: Everything that happened, for the digest and for whoever reads a failure.
        self.trace: list[tuple[Any, ...]] = []
        self.buried: list[Process] = []
        self.on_kill: Callable[[Process], None] = lambda _process: None
        self.on_pause: Callable[[Process, float], None] = lambda _process, _s: None
        self.commit: Callable[[Transaction], None] = lambda transaction: (
            transaction.commit()
        )

    def latency(self) -> float:
        """Seconds of one statement, mostly far below a millisecond."""
        share = self.random.random()
        return share * share * share * 0.003

    def note(self, step: str, backend: Backend, fault: Fault | None) -> None:
        """One line of the trace."""
        client = backend.client.name if backend.client else "-"
        self.trace.append(
            (round(self.loop.time(), 6), client, step, fault.value if fault else "")
        )

    def connect(self, client: Process | None, *, pooled: bool) -> Backend:
        """A backend for a client; raises as the driver does when there is none."""
        if not self.is_up:
            raise ConnectionRefusedError("connection refused")
        return Backend(self, client, pooled=pooled)

    def crash(self) -> None:
        """Everything in memory is gone; it is back after a while."""
        self.is_up = False
        self.loop.kill(self.process)
        self.buried.append(self.process)
        self.process = Process("postgres")
        for backend in list(self.backends.values()):
            backend.cut()
        self.loop.later(self.random.choice([0.05, 0.3, 4.0]), self.start)

    def start(self) -> None:
        """Recovered: what was committed is there."""
        self.is_up = True

    def let_go(self, client: Process) -> None:
        """The client was killed: idle backends end, busy ones finish first."""
        for backend in list(self.backends.values()):
            if backend.client is client:
                backend.reply = None
                backend.on_end = []
                backend.hang_up()

    def import_roster(
        self,
        windows: dict[bytes, list[Record]],
        cards: dict[bytes, bytes],
        as_of: datetime,
        key_check: bytes,
        *,
        list_changes: bool = True,
    ) -> None:
        """Take a roster file in: visible at once, the followers are rung."""
        old = self.roster
        touched: Sequence[bytes] = sorted(windows)
        last = old.last_change + len(touched)
        listed = tuple(enumerate(touched, start=old.last_change + 1))
        self.roster = replace(
            old,
            version=old.version + 1,
            as_of=as_of,
            key_check=key_check,
            last_change=last,
            scan_floor=old.scan_floor if list_changes else last,
            windows={**old.windows, **windows},
            cards={**old.cards, **cards},
            changes=old.changes + (listed if list_changes else ()),
        )
        for ring in list(self.listeners):
            ring()


def _refuse(fault: Fault | None) -> None:
    """Raise what the server answers instead of the result."""
    if fault is Fault.CONFLICT:
        raise asyncpg.DeadlockDetectedError("deadlock detected")
    if fault is Fault.FULL:
        raise asyncpg.DiskFullError("could not extend file: No space left on device")
    if fault is Fault.REFUSED:
        raise asyncpg.DataError("the statement was refused")
