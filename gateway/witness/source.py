"""A gateway's public log as a witness reads it: checkpoint and tiles, never believed.

What is fetched proves itself or is of no use: the tiles must lead to the root that
the log signed. No token is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from crypto.checkpoint import Checkpoint
from crypto.errors import CryptoError
from crypto.merkle import (
    HASH_BYTES,
    NodeReader,
    Path,
    RightEdge,
    consistency_proof,
    node_hash,
    nodes_needed,
    verify_consistency,
)
from crypto.note import NOTE_BYTES_MAX
from crypto.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, parse_tile

_CHECKPOINT = "/v1/log/checkpoint"
_TILES = "/v1/log/"
_TILE_BYTES = TILE_WIDTH * HASH_BYTES
_ANSWER_WITHIN_S = 30.0
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class SourceFault(Exception):
    """Somebody else's server cannot be asked now; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a signed tree grew from an older size, as the log itself shows it."""

    prefix_root: bytes
    """Root that this tree has at the older size."""
    path: Path
    """Leads from there to the signed root; verified."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A bounded answer."""

    status: int
    content_type: str
    body: bytes


class LogSource:
    """The log of one gateway, read over HTTP."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str) -> None:
        """`base_url`: the gateway's address, without `/v1`."""
        self._http = http
        self._base_url = base_url.rstrip("/")

    async def checkpoint(self) -> str:
        """The latest signed checkpoint, not verified; raises `SourceFault`."""
        octets = await self._get(_CHECKPOINT, 4 * NOTE_BYTES_MAX)
        try:
            return octets.decode()
        except UnicodeDecodeError:
            raise SourceFault(f"{self._base_url} shows no checkpoint") from None

    async def growth(self, old_size: int, newer: Checkpoint) -> Growth:
        """How the signed tree grew from this size, at most its own.

        Raises `SourceFault`, also where the tiles do not lead to the signed root.
        """

        def edge(read: NodeReader) -> RightEdge:
            return _right_edge(old_size, read)

        def proof(read: NodeReader) -> Path:
            return consistency_proof(old_size, newer.size, read)

        wanted = {*nodes_needed(edge), *nodes_needed(proof)}
        nodes = await self._nodes(wanted, newer.size)
        root, path = edge(nodes).root, proof(nodes)
        try:
            verify_consistency(
                old_size, newer.size, path, old_root=root, new_root=newer.root
            )
        except CryptoError:
            raise SourceFault(
                f"the tiles of {self._base_url} do not lead to the root of size"
                f" {newer.size} that the log signed"
            ) from None
        return Growth(root, path)

    async def _nodes(
        self, wanted: Iterable[tuple[int, int]], tree_size: int
    ) -> NodeReader:
        """Fetch every tile that these nodes lie in, each once."""
        tiles: dict[Tile, Path] = {}
        for level, index in sorted(wanted):
            tile = _tile_of(level, index, tree_size)
            if tile not in tiles:
                tiles[tile] = await self._tile(tile)

        def read(level: int, index: int) -> bytes:
            tile = _tile_of(level, index, tree_size)
            span = 1 << level % TILE_HEIGHT
            begin = index * span - tile.begin
            return _root_of(tiles[tile][begin : begin + span])

        return read

    async def _tile(self, tile: Tile) -> Path:
        octets = await self._get(_TILES + tile.path, _TILE_BYTES)
        if len(octets) != tile.width * HASH_BYTES:
            raise SourceFault(f"{self._base_url} shows a tile of another width")
        return parse_tile(octets)

    async def _get(self, path: str, most: int) -> bytes:
        url = self._base_url + path
        answer = await fetch(self._http, "GET", url, most_bytes=most)
        if answer.status != HTTPStatus.OK:
            raise SourceFault(f"{url} answers with status {answer.status}")
        return answer.body


async def fetch(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    body: bytes | None = None,
    *,
    most_bytes: int,
) -> Fetched:
    """Ask once, follow nobody elsewhere, read no more than this.

    Raises `SourceFault`.
    """
    try:
        async with http.request(
            method,
            url,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S),
        ) as answer:
            octets = b""
            async for piece in answer.content.iter_any():
                octets += piece
                if len(octets) > most_bytes:
                    raise SourceFault(f"{url} answers with more than it should")
            return Fetched(answer.status, answer.content_type, octets)
    except _NO_ANSWER as error:
        raise SourceFault(f"{url} gives no answer ({type(error).__name__})") from error


def _tile_of(level: int, index: int, tree_size: int) -> Tile:
    """The hash tile, full or not, in which a complete subtree's root can be found."""
    row_level = level // TILE_HEIGHT
    tile_index = (index << level % TILE_HEIGHT) // TILE_WIDTH
    row = tree_size >> (TILE_HEIGHT * row_level)
    return Tile(row_level, tile_index, min(TILE_WIDTH, row - tile_index * TILE_WIDTH))


def _root_of(hashes: Path) -> bytes:
    """Root of a complete subtree from a row of its hashes."""
    row = hashes
    while len(row) > 1:
        row = tuple(
            node_hash(row[left], row[left + 1]) for left in range(0, len(row), 2)
        )
    return row[0]


def _right_edge(size: int, read: NodeReader) -> RightEdge:
    """The complete subtrees of a tree of that size, largest first."""
    levels = [
        level for level in reversed(range(size.bit_length())) if size >> level & 1
    ]
    return RightEdge(size, tuple(read(level, (size >> level) - 1) for level in levels))
