"""Carries a checkpoint and its proof from a gateway to a witness, as C2SP has it.

The gateway itself waits for no witness: whoever runs this, by a timer, is a mere
messenger, and believes neither side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

import aiohttp

from crypto.add_checkpoint import AddCheckpoint
from crypto.checkpoint import Checkpoint, log_keys, verify_checkpoint
from crypto.cosignature import Cosignature, WitnessKey, verify_cosignatures
from crypto.errors import CryptoError
from crypto.note import NOTE_BYTES_MAX
from crypto.trust import Trust
from gateway.witness.notes import trimmed
from gateway.witness.source import Fetched, LogSource, SourceFault, fetch

SIZE_TYPE = "text/x.tlog.size"
"""Content type of the answer that names the size to begin from."""

#: The first one may not know the size, and other messengers may be quicker.
_ATTEMPTS = 4
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class WitnessRefusedError(Exception):
    """The witness does not countersign; the text is one sentence."""


async def submit_latest(
    http: aiohttp.ClientSession,
    source: LogSource,
    witness_url: str,
    trust: Trust,
    witnesses: Sequence[WitnessKey],
) -> tuple[str, tuple[Cosignature, ...]]:
    """The latest checkpoint with the witness's cosignatures, all verified.

    Raises `SourceFault` where gateway or witness cannot be asked now, and
    `WitnessRefusedError`.
    """
    url = witness_url.rstrip("/") + "/add-checkpoint"
    old_size = 0
    note = await source.checkpoint()
    for _ in range(_ATTEMPTS):
        newer = _verified(note, trust)
        request = await _request(source, old_size, newer, note)
        answer = await fetch(
            http, "POST", url, request.to_body(), most_bytes=4 * NOTE_BYTES_MAX
        )
        if answer.status == HTTPStatus.OK:
            return _cosigned(note, answer.body, trust, witnesses)
        old_size = _seen_size(url, answer)
        if old_size > newer.size:
            # The log has grown meanwhile, or it shows less than it did.
            note = await source.checkpoint()
    raise SourceFault(f"{url} asks for another size each time; try again")


def _verified(note: str, trust: Trust) -> Checkpoint:
    try:
        return verify_checkpoint(note, trust)
    except CryptoError as error:
        raise SourceFault(
            f"the checkpoint that is shown cannot be believed: {error.code} {error}"
        ) from None


async def _request(
    source: LogSource, old_size: int, newer: Checkpoint, note: str
) -> AddCheckpoint:
    if old_size > newer.size:
        raise WitnessRefusedError(
            f"the log shows {newer.size} entries, and the witness has seen {old_size}:"
            " entries were taken away, or an older copy is shown"
        )
    growth = await source.growth(old_size, newer)
    return AddCheckpoint(old_size, growth.path, note)


def _seen_size(url: str, answer: Fetched) -> int:
    """The size from which the witness wants its proof."""
    match = _SIZE.fullmatch(answer.body)
    if answer.status == HTTPStatus.CONFLICT and answer.content_type == SIZE_TYPE:
        if match is None:
            raise SourceFault(f"{url} answers with a size that is none")
        return int(match[1])
    if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
        raise WitnessRefusedError(
            "the witness has seen another history of this log (status"
            f" {answer.status}); ask it for its evidence"
        )
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise WitnessRefusedError(f"{url} refuses with status {answer.status}")
    raise SourceFault(f"{url} answers with status {answer.status}")


def _cosigned(
    note: str, lines: bytes, trust: Trust, witnesses: Sequence[WitnessKey]
) -> tuple[str, tuple[Cosignature, ...]]:
    """The note with what the witness added, as far as its key is known."""
    try:
        whole = note + lines.decode()
        found = verify_cosignatures(whole, witnesses)
    except (CryptoError, UnicodeDecodeError) as error:
        raise WitnessRefusedError(
            f"the witness's answer holds no cosignature that verifies ({error})"
        ) from None
    return trimmed(whole, (*log_keys(trust), *witnesses)), found
