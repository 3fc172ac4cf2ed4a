"""Each signature is good once: nonces of a worker's requests, kept by the batch."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.in_time import in_time
from settlement.domain.errors import RequestRefused
from settlement.service.access import not_now
from settlement.store.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from settlement.store.his_clients import HisClientStore

_MOST_AT_ONCE = 500
#: From the beginning of one batch to that of the next.
_PACE_S = 0.005
#: Whoever repeats a message with all its headers, as some libraries and proxies do by
#: themselves, must not hear that it was decided: the first may have settled.
_USED_BEFORE = "MA-3109"

_log = logging.getLogger(__name__)
_Nonce = tuple[str, str]


class Nonces:
    """One worker's. What waits while a batch is written goes with the next."""

    def __init__(self, store: HisClientStore, now: Callable[[], datetime]) -> None:
        """`now` is the wall clock."""
        self._store = store
        self._now = now
        self._waiting: list[tuple[_Nonce, asyncio.Future[bool]]] = []
        self._come = asyncio.Event()
        #: Requests that came a second time, for metrics.
        self.replays = 0

    async def take(self, key_id: str, nonce: str) -> None:
        """Use the nonce; raises MA-3109 when it was used, MA-5101 or MA-5105."""
        is_first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(((key_id, nonce), is_first))
        self._come.set()
        if not await is_first:
            self.replays += 1
            _log.warning("access.nonce_replayed", extra={"key": key_id})
            raise RequestRefused(_USED_BEFORE)

    async def run(self) -> None:
        """Write what waits, batch after batch, until cancelled."""
        clock = asyncio.get_running_loop().time
        last = 0.0
        while True:
            await self._come.wait()
            # One that comes alone is written at once; a crowd is, a few at a time.
            if (early := last + _PACE_S - clock()) > 0:
                await asyncio.sleep(early)
            last = clock()
            batch = self._waiting[:_MOST_AT_ONCE]
            del self._waiting[:_MOST_AT_ONCE]
            if not self._waiting:
                self._come.clear()
            await self._write(batch)

    async def _write(self, batch: list[tuple[_Nonce, asyncio.Future[bool]]]) -> None:
        asked = [(nonce, future) for nonce, future in batch if not future.done()]
        try:
            # Whoever waits here waits for two batches at most, each with an end.
            fresh = await in_time(
                self._store.take_nonces({nonce for nonce, _ in asked}, self._now())
            )
        except StoreUnavailableError as gone:
            self._refuse(asked, not_now(gone))
            return
        except RequestRefused as busy:
            self._refuse(asked, busy)
            return
        for nonce, future in asked:
            if not future.done():
                future.set_result(nonce in fresh)
            # Who comes second in the batch comes second.
            fresh.discard(nonce)

    def _refuse(
        self, asked: list[tuple[_Nonce, asyncio.Future[bool]]], why: RequestRefused
    ) -> None:
        for _, future in asked:
            if not future.done():
                future.set_exception(
                    RequestRefused(why.reason, retry_after_s=why.retry_after_s)
                )
