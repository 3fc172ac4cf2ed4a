"""The largest checkpoint that this machine has seen, and the guard that it makes.

A database that goes back in time would fork the log (reliability H5). The mark is
kept in a file apart from the database; a database that does not extend it stops
settlement.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from crypto.errors import CryptoError
from crypto.merkle import consistency_proof, verify_consistency
from settlement.domain.errors import FatalError
from settlement.store.log_nodes import LogNodes
from settlement.store.rows import LogHead, NewHead


class MarkFile(Protocol):
    """Where the mark outlives the process: a file apart from the database."""

    def load(self) -> tuple[int, bytes] | None:
        """Size and root of the largest checkpoint seen on this machine."""
        ...

    def save(self, size: int, root: bytes, checkpoint: str) -> None:
        """Keep it, unless a larger one is kept already."""
        ...


_log = logging.getLogger(__name__)

#: The file may lag by this much; in between the process's own memory guards.
_SAVE_DELAY_S = 0.1


class Publisher:
    """Shows checkpoints after their commit, never a smaller one than before."""

    def __init__(self, mark_file: MarkFile) -> None:
        """Call `check` before the first batch."""
        self._file = mark_file
        self._size = 0
        self._root = b""
        self._latest: NewHead | None = None
        self._saving: asyncio.Task[None] | None = None
        #: Why the mark could not be written the last time, or `None`.
        self.fault: str | None = None
        #: How often it could not be written, for metrics.
        self.failures = 0

    async def check(
        self, read_head: Callable[[], Awaitable[LogHead]], nodes: LogNodes
    ) -> None:
        """At start and on each new connection: the database extends what was seen.

        Raises `FatalError` saying what to do.
        """
        seen = self._file.load()
        # Only now: other workers of the machine move head and mark on meanwhile, and a
        # head read before the mark would look as if the database had gone back.
        head = await read_head()
        if seen is not None:
            size, root = seen
            if size > head.size:
                raise FatalError(
                    f"the database's log has {head.size} entries, but this machine"
                    f" has seen {size}: the database went back in time. Restore the"
                    " newest copy; do not delete the checkpoint file"
                )
            read = await nodes.reader(
                lambda reader: consistency_proof(size, head.size, reader)
            )
            try:
                verify_consistency(
                    size,
                    head.size,
                    consistency_proof(size, head.size, read),
                    old_root=root,
                    new_root=head.root,
                )
            except CryptoError as error:
                raise FatalError(
                    "the database's log does not extend the checkpoint that this"
                    " machine has seen: its past was rewritten, or it is another"
                    " database. Keep both for the auditor and do not settle"
                ) from error
        self.guard(head)
        self._size, self._root = head.size, head.root

    def guard(self, head: LogHead) -> None:
        """Never behind what was shown; in each batch, under the head's lock.

        Raises `FatalError`.
        """
        self.guard_from_now()(head)

    def guard_from_now(self) -> Callable[[LogHead], None]:
        """The same for a head that is read from now on, without its lock.

        Batches may show a larger checkpoint before such a reading arrives.
        """
        size, root = self._size, self._root

        def guard(head: LogHead) -> None:
            if head.size < size or (head.size == size and root and head.root != root):
                raise FatalError(
                    "the database's log went back behind a shown checkpoint"
                )

        return guard

    def publish(self, head: NewHead) -> None:
        """After COMMIT: this is now the largest."""
        if head.size >= self._size:
            self._size, self._root, self._latest = head.size, head.root, head
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save_soon(), name="mark")

    async def _save_soon(self) -> None:
        while self._latest is not None:
            await asyncio.sleep(_SAVE_DELAY_S)
            await self._save()

    async def close(self) -> None:
        """Write the mark for the last time."""
        if self._saving is not None:
            await self._saving
        await self._save()

    async def _save(self) -> None:
        """Keep the largest; what could not be kept is tried again, and said."""
        if self._latest is None:
            return
        latest, self._latest = self._latest, None
        try:
            await asyncio.to_thread(
                self._file.save, latest.size, latest.root, latest.checkpoint
            )
        except OSError as error:
            self.fault = error.strerror or type(error).__name__
            self.failures += 1
            _log.error("mark.write_failed", extra={"reason": error.strerror})
            # The next publication tries again; the process's memory guards meanwhile.
        else:
            self.fault = None
