"""A file as a request's body: to the disk as it comes, never into memory whole."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from aiohttp import web

from gateway.edge import is_plain, let_continue, refused_at
from gateway.wire_faults import WHOLE_BODY
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from gateway.protocol import Protocol

#: Zipped, a month of more than a million lines.
MOST_BYTES = 32 << 20
#: For all of it; between two pieces the limit is that of other bodies.
WITHIN_S = 120.0
#: What a list may be said to be. What it is shows in its content.
LIST_TYPES = (
    "application/zip",
    "application/octet-stream",
    "text/csv",
    "text/plain",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
#: What a roster may be said to be; with `charset` where it is not UTF-8.
ROSTER_TYPES = ("text/csv", "application/gzip", "application/octet-stream")
_WRITTEN_AT_ONCE = 1 << 20
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a call takes as a file."""

    types: tuple[str, ...]
    most_bytes: int
    within_s: float


#: A city's roster, not packed, over a line of 5 Mbit/s.
ROSTER = Accepted(ROSTER_TYPES, 2 << 30, 3_600.0)

_log = logging.getLogger(__name__)


@asynccontextmanager
async def received(
    request: web.BaseRequest, folder: Path, accepted: Accepted | None = None
) -> AsyncIterator[BinaryIO]:
    """The body as a file without a name, which ends with the block.

    `accepted`: a hospital's list where nothing else is said. Raises MA-1106 for what
    is of another type, MA-1105 for more bytes than that, before
    anything is read where it was declared, MA-1140 for a body that does not arrive in
    time, MA-1107 for one that is no HTTP, and MA-5101 where there is no room for it.
    """
    taken = accepted or Accepted(LIST_TYPES, MOST_BYTES, WITHIN_S)
    _check_head(request, taken)
    let_continue(request)
    file = await asyncio.to_thread(_nameless_file, folder)
    try:
        await _receive(request, file, taken)
        yield file
    finally:
        await asyncio.to_thread(file.close)


def _check_head(request: web.BaseRequest, accepted: Accepted) -> None:
    media_type = request.headers.get("Content-Type", "").partition(";")[0]
    if media_type.strip().lower() not in accepted.types:
        raise refused_at("MA-1106", "Content-Type")
    if "Content-Encoding" in request.headers and not is_plain(request):
        raise refused_at("MA-1106", "Content-Type")
    declared = request.content_length
    if declared is not None and declared > accepted.most_bytes:
        raise refused_at("MA-1105", WHOLE_BODY)


def _nameless_file(folder: Path) -> BinaryIO:
    try:
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        return cast("BinaryIO", tempfile.TemporaryFile(dir=folder, buffering=0))
    except OSError as error:
        raise _no_room(error) from error


async def _receive(
    request: web.BaseRequest, file: BinaryIO, accepted: Accepted
) -> None:
    pieces_s = cast("Protocol", request.protocol).limits.body_s
    left = accepted.most_bytes
    held = bytearray()
    try:
        async with asyncio.timeout(accepted.within_s):
            while True:
                async with asyncio.timeout(pieces_s):
                    piece = await request.content.readany()
                left -= len(piece)
                if left < 0:
                    raise refused_at("MA-1105", WHOLE_BODY)
                held += piece
                if len(held) >= _WRITTEN_AT_ONCE or not piece:
                    await _write(file, bytes(held))
                    held.clear()
                if not piece:
                    return
    except web.RequestPayloadError:
        raise RequestRefused("MA-1107") from None
    except (TimeoutError, ConnectionError):
        raise RequestRefused("MA-1140") from None


async def _write(file: BinaryIO, block: bytes) -> None:
    try:
        await asyncio.to_thread(_write_whole, file, block)
    except OSError as error:
        raise _no_room(error) from error


def _write_whole(file: BinaryIO, block: bytes) -> None:
    """Write all of it: a disk that runs full takes a part and says so next time."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def _no_room(error: OSError) -> RequestRefused:
    _log.error("list.not_stored", extra={"fault": error.strerror})
    return RequestRefused("MA-5101")
