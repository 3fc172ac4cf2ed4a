"""The largest checkpoint that this machine has seen, and the guard that it makes.

A database that goes back in time would fork the log (reliability H5). The mark is
kept in a file apart from the database; a database that does not extend it stops
settlement.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from crypto.checkpoint import parse_checkpoint
from crypto.errors import CryptoError
from crypto.merkle import consistency_proof, verify_consistency
from settlement.domain.errors import FatalError, RequestRefused
from settlement.store.errors import StoreUnavailableError
from settlement.store.find import reading_faults
from settlement.store.log_nodes import LogNodes
from settlement.store.rows import LogHead, NewHead


class MarkFile(Protocol):
    """Where the mark outlives the process: a file apart from the database."""

    def load(self) -> tuple[int, bytes] | None:
        """Size and root of the largest checkpoint seen on this machine.

        Raises `FatalError` for what is no checkpoint, and `OSError` where the system
        cannot read it now.
        """
        ...

    def save(self, size: int, root: bytes, checkpoint: str) -> None:
        """Keep it, unless a larger one is kept already."""
        ...


_log = logging.getLogger(__name__)

#: The file may lag by this much; in between the process's own memory guards.
_SAVE_DELAY_S = 0.1
#: How soon it is tried again where it could not be written.
_RETRY_S = 1.0
#: For so long the process's memory may stand for a mark that cannot be read or written.
UNSAVED_MAX_S = 10.0
#: How often the log is held against what was seen, beside the batches.
WATCH_S = 1.0


@dataclass(slots=True)
class _Access:
    """Reading or writing the mark's file: why it fails now, and since when."""

    fault: str | None = None
    since: float = 0.0

    def failed(self, reason: str) -> None:
        if self.fault is None:
            self.since = asyncio.get_running_loop().time()
        self.fault = reason

    def worked(self) -> None:
        self.fault = None

    def fails_too_long(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self.fault is not None and now - self.since > UNSAVED_MAX_S


class Publisher:
    """Shows checkpoints after their commit, never a smaller one than before."""

    def __init__(self, mark_file: MarkFile) -> None:
        """Call `check` before the first batch."""
        self._file = mark_file
        self._size = 0
        self._root = b""
        self._latest: NewHead | None = None
        self._saving: asyncio.Task[None] | None = None
        #: How often the mark could not be read or written, for metrics.
        self.failures = 0
        self._reading = _Access()
        self._writing = _Access()
        self._is_begun = False
        self._closing = False

    @property
    def fault(self) -> str | None:
        """Why the mark could not be read or written the last time, or `None`."""
        return self._writing.fault or self._reading.fault

    async def begin(self, nodes: LogNodes, origin: str) -> None:
        """At start, after `check`: the log is ours, and a mark can be kept here.

        Raises `FatalError` saying what to do.
        """
        head, checkpoint = await _standing(nodes)
        try:
            found = parse_checkpoint(checkpoint)
        except CryptoError as error:
            raise FatalError(
                "the database's checkpoint is damaged; run medaid check-books"
            ) from error
        if found.origin != origin:
            raise FatalError(
                f"the database holds the log {found.origin}, and this installation's"
                f" is {origin}: it is another installation's database. Is --dsn or"
                " --data-dir right?"
            )
        if await self._seen() is None and head.size:
            # A machine's first start; anything else is somebody who removed the mark.
            _log.warning("mark.missing", extra={"entries": head.size})
        try:
            await asyncio.to_thread(self._file.save, head.size, head.root, checkpoint)
        except OSError as error:
            raise FatalError(
                f"the checkpoint file cannot be written ({error.strerror}); without it"
                " a database that goes back would not be noticed"
            ) from error
        self._is_begun = True

    async def check(
        self, read_head: Callable[[], Awaitable[LogHead]], nodes: LogNodes
    ) -> None:
        """At start, on each new connection, and by `watch`: the log was only extended.

        What the machine's file has seen and what this process has shown must both be
        in it. Raises `FatalError` saying what to do, and after `begin` `OSError` where
        the file cannot be read now.
        """
        shown = (self._size, self._root) if self._root else None
        seen = await self._seen()
        # Only now: other workers of the machine move head and mark on meanwhile, and a
        # head read before the mark would look as if the database had gone back.
        head = await read_head()
        for known in {shown, seen} - {None, (head.size, head.root)}:
            if known is not None:
                await _require_extended(*known, head, nodes)
        if head.size >= self._size:
            self._size, self._root = head.size, head.root

    async def _seen(self) -> tuple[int, bytes] | None:
        """What the file holds.

        While running, what the system cannot read may pass, as a full disk does; a
        start without it would have nothing to hold the database against.
        """
        try:
            seen = await asyncio.to_thread(self._file.load)
        except OSError as error:
            reason = _reason_of(error)
            if not self._is_begun:
                raise FatalError(
                    f"checkpoint cannot be read ({reason}); give it back to the user"
                    " who runs the gateway. Do not remove it"
                ) from error
            self.failures += 1
            self._reading.failed(reason)
            _log.error("mark.read_failed", extra={"reason": reason})
            raise
        self._reading.worked()
        return seen

    async def watch(
        self, nodes: LogNodes, on_fault: Callable[[FatalError], None]
    ) -> None:
        """Look once a second, so that it is noticed also while nobody settles.

        In between a batch itself sees a head that is behind; what only this sees is
        a past that was rewritten under a head that goes on. Whatever keeps it from
        looking, but for a database or a file that is away, stops settlement too.
        """

        async def read_head() -> LogHead:
            return (await _standing(nodes))[0]

        while True:
            await asyncio.sleep(WATCH_S)
            try:
                with reading_faults():
                    await self.check(read_head, nodes)
            except RequestRefused:
                continue  # database or file is away, which others tell
            except FatalError as fault:
                on_fault(fault)
            except Exception as fault:  # noqa: BLE001  # unwatched, nobody settles
                # Without its message, which might quote values.
                on_fault(
                    FatalError(
                        "the log cannot be held against what this machine has seen"
                        f" ({type(fault).__name__}): parts of it are missing. Keep a"
                        " copy and run medaid check-books"
                    )
                )

    def guard(self, head: LogHead) -> None:
        """Never behind what was shown; in each batch, under the head's lock.

        Raises `FatalError`; `StoreUnavailableError` while the mark cannot be kept.
        """
        self.guard_from_now()(head)
        if self._writing.fails_too_long():
            raise StoreUnavailableError("the checkpoint file cannot be written")
        if self._reading.fails_too_long():
            raise StoreUnavailableError("the checkpoint file cannot be read")

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
        while self._latest is not None and not self._closing:
            fails = self._writing.fault is not None
            await asyncio.sleep(_RETRY_S if fails else _SAVE_DELAY_S)
            await self._save()

    async def close(self) -> None:
        """Write the mark for the last time."""
        self._closing = True
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
        except (OSError, FatalError) as error:
            reason = _reason_of(error)
            self.failures += 1
            if self._latest is None:
                self._latest = latest
            self._writing.failed(reason)
            _log.error("mark.write_failed", extra={"reason": reason})
        else:
            self._writing.worked()


def _reason_of(error: Exception) -> str:
    """The system's own words, or ours."""
    return getattr(error, "strerror", None) or str(error)


async def _standing(nodes: LogNodes) -> tuple[LogHead, str]:
    found = await nodes.head()
    if found is None:
        raise FatalError(
            "the log's head row is gone: somebody altered the database. Keep a copy,"
            " run medaid check-books, and restore the newest sound one"
        )
    return found


async def _require_extended(
    size: int, root: bytes, head: LogHead, nodes: LogNodes
) -> None:
    """The log as it stands extends the one of that size and root."""
    if size > head.size:
        raise FatalError(
            f"the database's log has {head.size} entries, but this machine"
            f" has seen {size}: the database went back in time. Restore the"
            " newest copy; do not delete the checkpoint file"
        )
    read = await nodes.reader(lambda reader: consistency_proof(size, head.size, reader))
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
