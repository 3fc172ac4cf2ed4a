"""Workers that move head and mark on meanwhile are no database that went back."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from crypto.checkpoint import CheckpointSigner
from gateway.mark_file import CheckpointMark
from settlement.service.logbook import Logbook
from settlement.service.publish import Publisher
from settlement.store.database import Database
from settlement.store.head import ensure_head
from settlement.store.log_nodes import LogNodes
from settlement.store.rows import LogHead
from tests.settlement.house import ORIGIN, House, bill


async def test_mark_that_moves_on_while_the_head_is_read(
    database: Database, house: House, tmp_path: Path
) -> None:
    """A worker that is slow between head and mark does not stop settlement.

    Found by the simulation: a worker stopped for twenty seconds between the two read
    a head older than the mark that its neighbour had saved meanwhile.
    """
    await house.enrol("C1")
    await house.settle(bill("C1"))
    mark = CheckpointMark(tmp_path / "neighbour")
    publisher = Publisher(mark)
    empty = Logbook(CheckpointSigner(ORIGIN, house.keys.checkpoint_sign)).empty()

    async def slow() -> LogHead:
        head = await ensure_head(database, empty)
        await house.settle(bill("C1"))
        newer = await ensure_head(database, empty)
        mark.save(newer.size, newer.root, _note(newer))
        return head

    await publisher.check(slow, LogNodes(database))


def _note(head: LogHead) -> str:
    return f"o\n{head.size}\n{b64encode(head.root).decode()}\n"


async def test_checkpoint_is_shown_while_a_batch_commits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head read before a commit, and arriving after it, is no smaller checkpoint."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    unpatched = LogNodes.head

    async def slow(self: LogNodes) -> Any:
        found = await unpatched(self)
        await house.settle(bill("C1"))
        return found

    monkeypatch.setattr(LogNodes, "head", slow)

    note = await house.gateway.checkpoint()

    assert note.split(b"\n")[1] == b"1"
