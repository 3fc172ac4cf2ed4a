"""A process of its own that makes a package, and waits where it is told to."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from crypto.key_files import parse_private_key_file
from crypto.keys import SigningKey
from gateway.month_package.writer import make_package
from settlement.store.database import Database
from tests.reconcile.months import JANUARY
from tests.settlement.house import NOW, ORIGIN


async def _make(dsn: str, key: SigningKey, out: Path, stop_after: int) -> None:
    written = 0

    def on_progress(count: int) -> None:
        nonlocal written
        written += count
        if written == stop_after:
            sys.stdout.write("waiting\n")
            sys.stdout.flush()
            sys.stdin.read()  # Until the other side closes it, or ends us.

    database = await Database.open(dsn)
    try:
        await make_package(
            database,
            JANUARY,
            out,
            key,
            origin=ORIGIN,
            made_at=NOW,
            on_progress=on_progress,
        )
    finally:
        await database.close()


if __name__ == "__main__":
    found = parse_private_key_file(Path(sys.argv[2]).read_bytes())
    assert isinstance(found, SigningKey)
    asyncio.run(_make(sys.argv[1], found, Path(sys.argv[3]), int(sys.argv[4])))
