"""A PostgreSQL of the test's own, to be crashed; never the run's shared one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from settlement.store.embedded import EmbeddedPostgres
from tests.support import postgres


@contextmanager
def own_server() -> Iterator[EmbeddedPostgres]:
    """Start one in a folder that its account can reach; erase it afterwards."""
    folder = postgres.make_folder()
    server = EmbeddedPostgres(folder / "var", shared_buffers="32MB")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        postgres.remove_folder(folder)


def crash(server: EmbeddedPostgres) -> None:
    """End the server and all its processes at once, as a loss of power would."""
    postmaster = server.postmaster_pid
    assert postmaster is not None
    children = _children(postmaster)
    for pid in (postmaster, *children):
        os.kill(pid, signal.SIGKILL)


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found
