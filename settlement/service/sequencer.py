"""One sequencer for each worker process: takes whatever waits, commits it as a batch.

No timer: while one batch decides the next gathers, so a single caller never waits for
company and a crowd shares its commits. While one is posted and committed the next
decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from settlement.domain.errors import FatalError, RequestRefused
from settlement.service.batch import Batch
from settlement.service.claims import Claim, ReversalClaim, SettleClaim
from settlement.service.desk import ClaimFailedError, Desk
from settlement.service.lanes import Lane
from settlement.service.ports import Answer
from settlement.service.publish import Publisher
from settlement.service.tally import CommittedBatch, Tally
from settlement.store.errors import (
    BatchConflictError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.ledger import ledger_transaction
from settlement.store.line import Line
from settlement.store.months import Months

_log = logging.getLogger(__name__)

#: How often a batch is run again after a deadlock before its callers are told.
_CONFLICT_RETRIES = 5
#: How late a passed deadline may be told while the database hangs.
_SWEEP_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerLimits:
    """How much may wait and how much goes into one commit."""

    pool: int = 2_000
    """Claims waiting; above it callers get 503 at once."""
    batch: int = 64
    """Claims in one database transaction."""


class Sequencer:
    """Owns the pool and its lines to the database; `run` is its only task."""

    def __init__(
        self,
        desk: Desk,
        lines: Sequence[Line],
        publisher: Publisher,
        months: Months,
        limits: SequencerLimits,
    ) -> None:
        """Nothing runs until `run` is started; each line has one batch at a time."""
        self._desk = desk
        turn = asyncio.Lock()
        self._lanes = [Lane(line, turn) for line in lines]
        self._publisher = publisher
        self._months = months
        self._limits = limits
        self._sweeper: asyncio.TimerHandle | None = None
        self._pool: deque[Claim] = deque()
        #: Who holds a key in this process, from `_join` to the answer.
        self._under_way: dict[tuple[str, int, str], Claim] = {}
        self._wake = asyncio.Event()
        self._draining = False
        #: Why settlement stopped for good, or `None`.
        self.stopped: str | None = None
        self.tally = Tally()

    @property
    def waiting(self) -> int:
        """Claims in the pool."""
        return len(self._pool)

    @property
    def waited_s(self) -> float:
        """How long the oldest claim in the pool has waited; 0 where none does."""
        if not self._pool:
            return 0.0
        return asyncio.get_running_loop().time() - self._pool[0].joined

    @property
    def batch_began(self) -> float | None:
        """When the oldest batch under way began, of `time.perf_counter()`."""
        under_way = [lane.began for lane in self._lanes if lane.began is not None]
        return min(under_way, default=None)

    @property
    def limit(self) -> int:
        """How many claims may wait."""
        return self._limits.pool

    async def settle(self, claim: Claim) -> Answer:
        """Put a claim into the pool and wait for its answer.

        Raises `RequestRefused`, as `_join` does and as the batch decides.
        """
        if self._months.lacks(claim.month):
            try:
                await self._months.ensure((claim.month,))
            except (StoreUnavailableError, BatchConflictError) as error:
                raise RequestRefused("MA-5105", retry_after_s=2) from error
        self._join(claim)
        return await claim.answer

    def require_room(self) -> None:
        """Raise `RequestRefused` where a claim would not be taken, whatever it says.

        MA-5101 when the pool is full, MA-5104 when settlement stopped. Asked before a
        request is read, it spares the work where there is too much already.
        """
        if self.stopped is not None:
            raise RequestRefused("MA-5104", retry_after_s=30)
        if self._draining or len(self._pool) >= self._limits.pool:
            self.tally.pool_full += 1
            raise RequestRefused("MA-5101", retry_after_s=1)

    def _join(self, claim: Claim) -> None:
        """Take a claim into the pool.

        Raises as `require_room`, and `RequestRefused` MA-4102 while the same key is
        under way in this process.
        """
        self.require_room()
        name = _name(claim)
        if name in self._under_way:
            raise RequestRefused("MA-4102", retry_after_s=1)
        claim.joined = asyncio.get_running_loop().time()
        self._under_way[name] = claim
        self._pool.append(claim)
        self._wake.set()
        if self._sweeper is None:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Tell those whose deadline passes while a batch keeps them waiting."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        for claim in self._pool:
            self._expire(claim, loop.time())
        if self._pool:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)

    def _expire(self, claim: Claim, now: float) -> bool:
        if claim.when.deadline >= now or claim.answer.done():
            return False
        self.tally.claims_late += 1
        self._finish(claim, RequestRefused("MA-5102", retry_after_s=1))
        return True

    async def run(self) -> None:
        """Batch after batch until `drain`."""
        async with asyncio.TaskGroup() as running_lanes:
            for lane in self._lanes:
                running_lanes.create_task(self._run(lane), name="lane")

    async def _run(self, lane: Lane) -> None:
        while self._pool or not self._draining:
            async with lane.turn():
                if not self._pool and not self._draining:
                    self._wake.clear()
                    await self._wake.wait()
                if self._pool and await self._is_connected(lane.line):
                    await self._settle(lane, self._take())
                    lane.began = None
        await lane.line.close()

    async def _is_connected(self, line: Line) -> bool:
        """Whether there is a database to settle on; those who wait are told if not."""
        reason = "MA-5104"
        if self.stopped is None:
            try:
                await line.connection()
            except StoreUnavailableError as gone:
                _log.warning("database.lost", extra={"reason": str(gone)})
                self.tally.database_lost += 1
                reason = "MA-5105"
            except Exception as fault:  # noqa: BLE001  # what it is, settling stops
                self._stop(fault)
            else:
                return True
        waiting = list(self._pool)
        self._pool.clear()
        self._fail(waiting, reason)
        return False

    def drain(self) -> None:
        """Take no more; `run` returns when everything that waits is answered."""
        self._draining = True
        self._wake.set()

    def stop(self, fault: FatalError) -> None:
        """Settle nothing more: what was seen beside the batches concerns them all."""
        if self.stopped is None:
            self._stop(fault)

    def _stop(self, fault: Exception) -> None:
        """No more settling in this process; only our own sentences are shown."""
        known = isinstance(fault, FatalError)
        self.stopped = str(fault) if known else type(fault).__name__
        _log.critical("settle.stopped", extra={"reason": self.stopped})

    def _take(self) -> list[Claim]:
        """The next batch: no key twice, and no reversal beside its original."""
        now = asyncio.get_running_loop().time()
        taken: list[Claim] = []
        keys: set[tuple[str, int, str]] = set()
        put_back: list[Claim] = []
        while self._pool and len(taken) < self._limits.batch:
            claim = self._pool.popleft()
            if self._expire(claim, now):
                continue
            if claim.answer.done():
                self._let_go(claim)
            elif keys.isdisjoint(_keys(claim)):
                keys.update(_keys(claim))
                taken.append(claim)
            else:
                put_back.append(claim)
        self._pool.extendleft(reversed(put_back))
        return taken

    async def _settle(self, lane: Lane, claims: Sequence[Claim]) -> None:
        """Run one batch; a claim that raises never fails another."""
        if not claims:
            return
        try:
            await self._attempt(lane, claims)
        except ClaimFailedError as failed:
            self._give_up(failed.claim, failed.__cause__)
            others = [claim for claim in claims if claim is not failed.claim]
            await self._settle(lane, others)
        except StoreUnavailableError as gone:
            _log.warning("database.lost", extra={"reason": str(gone)})
            self.tally.database_lost += 1
            await lane.line.drop()
            self._fail(claims, "MA-5105")
        except FatalError as fatal:
            self.stop(fatal)
            self._fail(claims, "MA-5104")
        except Exception as error:  # noqa: BLE001  # one claim's bug stays one claim's
            if len(claims) == 1:
                self._give_up(claims[0], error)
                return
            _log.warning(
                "settle.batch_divided",
                extra={"claims": len(claims), "fault": type(error).__name__},
            )
            self.tally.divided += 1
            middle = len(claims) // 2
            await self._settle(lane, claims[:middle])
            await self._settle(lane, claims[middle:])

    def _give_up(self, claim: Claim, why: BaseException | None) -> None:
        """Tell one caller of a bug; without the message, which may quote values."""
        self.tally.claims_failed += 1
        _log.error("settle.claim_failed", extra={"fault": type(why).__name__})
        self._finish(claim, RequestRefused("MA-5107"))

    async def _attempt(self, lane: Lane, claims: Sequence[Claim]) -> None:
        def decided() -> None:
            lane.pass_on()
            if self.stopped is not None:
                # Another lane's batch has seen what concerns them all.
                raise FatalError(self.stopped)

        for attempt in range(_CONFLICT_RETRIES + 1):
            batch = Batch(self._desk, claims, decided)
            began = lane.began = perf_counter()
            try:
                connection = await lane.line.connection()
                async with ledger_transaction(connection) as ledger:
                    await batch.run(ledger)
            except BatchConflictError as conflict:
                self.tally.conflicts += 1
                if attempt == _CONFLICT_RETRIES:
                    raise StoreUnavailableError(str(conflict)) from conflict
                continue
            except CommitUnknownError as unknown:
                await self._resolve(lane.line, batch, claims, str(unknown))
            _log.debug("settle.batch_committed", extra={"claims": len(claims)})
            self.tally.committed.append(
                CommittedBatch(len(claims), perf_counter() - began, batch.sealing_s)
            )
            self._answer(batch)
            return

    async def _resolve(
        self, line: Line, batch: Batch, claims: Sequence[Claim], why: str
    ) -> None:
        """COMMIT's answer did not come: the database tells what it kept.

        Raises `StoreUnavailableError` when it kept nothing, which is then certain.
        """
        _log.warning(
            "settle.commit_unknown", extra={"reason": why, "claims": len(claims)}
        )
        self.tally.unknown += 1
        ids = {claim.id: claim.month for claim in claims if claim.id in batch.new_ids}
        try:
            kept = await line.resolve(ids)
        except StoreUnavailableError:
            _log.error("settle.commit_unresolved", extra={"claims": len(claims)})
            self.tally.unknown_unresolved += 1
            self._fail(claims, "MA-5103")
            raise
        is_kept = bool(kept or not ids)
        _log.info("settle.commit_resolved", extra={"kept": is_kept})
        self.tally.unknown_kept += is_kept
        self.tally.unknown_not_kept += not is_kept
        if not is_kept:
            raise StoreUnavailableError("the commit did not take place")

    def _answer(self, batch: Batch) -> None:
        """Only now does anything leave the process."""
        if batch.head is not None:
            self._publisher.publish(batch.head)
        for claim, answer in batch.answers.items():
            self._finish(claim, answer)
        if batch.deferred:
            self._pool.extendleft(reversed(batch.deferred))
            self._wake.set()

    def _finish(self, claim: Claim, answer: Answer | Exception) -> None:
        self._let_go(claim)
        if claim.answer.done():
            return
        if isinstance(answer, Answer):
            claim.answer.set_result(answer)
        else:
            claim.answer.set_exception(answer)

    def _let_go(self, claim: Claim) -> None:
        """Free the key, unless another claim holds it by now."""
        name = _name(claim)
        if self._under_way.get(name) is claim:
            del self._under_way[name]

    def _fail(self, claims: Sequence[Claim], reason: str) -> None:
        for claim in claims:
            self._finish(claim, RequestRefused(reason, retry_after_s=2))


def _name(claim: Claim) -> tuple[str, int, str]:
    kind = "settle" if isinstance(claim, SettleClaim) else "reverse"
    return kind, *claim.key_id


def _keys(claim: Claim) -> set[tuple[str, int, str]]:
    """The keys that a claim will write: its own, and the one that it may stop."""
    if isinstance(claim, ReversalClaim) and claim.original_key_id is not None:
        return {_name(claim), ("settle", *claim.original_key_id)}
    return {_name(claim)}


@contextlib.asynccontextmanager
async def running(sequencer: Sequencer) -> AsyncIterator[Sequencer]:
    """Run the sequencer for the life of the block; drain it at the end."""
    task = asyncio.create_task(sequencer.run(), name="sequencer")
    try:
        yield sequencer
    finally:
        sequencer.drain()
        await task
