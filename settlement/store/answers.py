"""The checksum that is stored beside each answer."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settlement.store.rows import AnswerRow


def answer_digest(row: AnswerRow) -> bytes:
    """SHA-256 over request, head and tail, as `0004_answer_digest.sql` has it.

    The record between head and tail is not in it: its own hash is in the log.
    """
    return sha256(row.request + row.head + row.tail).digest()
