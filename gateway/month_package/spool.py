"""Rows set aside on disk by key, to be brought together when all have been seen.

What belongs to one key may stand anywhere in a month. Every row goes into one of some
files by its key; each file is then read alone, so that memory stays small however
long the month is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BUCKETS = 128
_KEY_BYTES = 16
_ROW = struct.Struct("<16sBQ?qq")
_FLUSH_BYTES = 64 * 1024
#: What a row is of: the record itself, the settlement a reversal undoes, a total, a
#: card, a bill. A card's row has, in place of an amount, a number made from its person,
#: a bill's what it is: settled, settled again for a reason, or taken back.
RECORD, UNDONE, TOTAL, CARD, BILL = 0, 1, 2, 3, 4
SETTLED, AGAIN, TAKEN_BACK = 0, 1, 2


class Row(NamedTuple):
    """One row; a running total has what it held before, where that is known."""

    key: bytes
    kind: int
    log_index: int
    before_fen: int | None = None
    posted_fen: int = 0


class Spool:
    """Takes rows of one process; several may share the folder."""

    def __init__(self, folder: Path) -> None:
        """The folder exists, and only its owner can enter it."""
        self._folder = folder
        self._waiting = [bytearray() for _ in range(BUCKETS)]

    def add(
        self,
        key: bytes,
        kind: int,
        log_index: int,
        before_fen: int | None = None,
        posted_fen: int = 0,
    ) -> None:
        """Set a row aside; its key has 16 bytes, of which the last are random."""
        bucket = key[-1] % BUCKETS
        waiting = self._waiting[bucket]
        waiting += _ROW.pack(
            key, kind, log_index, before_fen is not None, before_fen or 0, posted_fen
        )
        if len(waiting) >= _FLUSH_BYTES:
            self._write(bucket)

    def flush(self) -> None:
        """Write what is still held."""
        for bucket in range(BUCKETS):
            self._write(bucket)

    def _write(self, bucket: int) -> None:
        if not self._waiting[bucket]:
            return
        path = self._folder / f"{bucket}-{os.getpid()}"
        with path.open("ab") as file:
            file.write(self._waiting[bucket])
        self._waiting[bucket].clear()


def read_buckets(folder: Path) -> Iterator[list[Row]]:
    """Every row, file by file; within one sorted by kind, key and index."""
    for bucket in range(BUCKETS):
        rows: list[Row] = []
        for path in folder.glob(f"{bucket}-*"):
            rows.extend(
                Row(key, kind, index, before if is_known else None, posted)
                for key, kind, index, is_known, before, posted in _ROW.iter_unpack(
                    path.read_bytes()
                )
            )
        rows.sort(key=lambda row: (row.kind, row.key, row.log_index))
        yield rows
