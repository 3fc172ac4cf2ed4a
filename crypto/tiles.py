"""C2SP tiles: the log's hashes and entries as static files (c2sp.org/tlog-tiles).

A tile at level L holds up to 256 roots of complete subtrees of 256**L entries. A
tile that is not full yet bears its width in its path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crypto.errors import MalformedProofError
from crypto.merkle import HASH_BYTES, Path, split_hashes

TILE_WIDTH = 256
TILE_HEIGHT = 8
"""Tree levels that one tile spans."""

LEVEL_MAX = 63
ENTRY_BYTES_MAX = 2**16 - 1

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: of hashes at a level, or of entries (`level` is `None`)."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def begin(self) -> int:
        """Index, within the tile's own row, of its first hash or entry."""
        return self.index * TILE_WIDTH

    @property
    def path(self) -> str:
        """`tile/0/x001/x234/067`, with `.p/112` where it is not full."""
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_index_path(self.index)}{partial}"

    def is_in(self, tree_size: int) -> bool:
        """Whether a tree of that size has this many nodes here."""
        row = tree_size >> (TILE_HEIGHT * (self.level or 0))
        return self.begin + self.width <= row


def parse_tile_path(path: str) -> Tile:
    """Read a tile's path, in its only spelling; raises `MalformedProofError`."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedProofError("the path names no tile")
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("/", "").replace("x", ""))
    width = TILE_WIDTH if match["width"] is None else int(match["width"])
    tile = Tile(level, index, width)
    if (level or 0) > LEVEL_MAX or width > TILE_WIDTH or tile.path != path:
        raise MalformedProofError("the path names no tile")
    return tile


def tiles_of(tree_size: int) -> tuple[Tile, ...]:
    """The rightmost tile of each level, and of the entries: what a new size adds."""
    tiles: list[Tile] = []
    level, row = 0, tree_size
    while row:
        index, width = divmod(row, TILE_WIDTH)
        last = Tile(level, index, width) if width else Tile(level, index - 1)
        if level == 0:
            tiles.append(Tile(None, last.index, last.width))
        tiles.append(last)
        level, row = level + 1, row // TILE_WIDTH
    return tuple(tiles)


def tile_bytes(hashes: Sequence[bytes]) -> bytes:
    """A hash tile; raises `MalformedProofError` for too many or wrong hashes."""
    octets = b"".join(hashes)
    parse_tile(octets)
    return octets


def parse_tile(octets: bytes) -> Path:
    """The hashes of a tile, 1 to 256 of them; raises `MalformedProofError`."""
    width, rest = divmod(len(octets), HASH_BYTES)
    if rest or not 1 <= width <= TILE_WIDTH:
        raise MalformedProofError("a tile has 1 to 256 hashes of 32 bytes")
    return split_hashes(octets)


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each after its length in two bytes; raises `MalformedProofError`."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise MalformedProofError("a bundle has 1 to 256 entries")
    if any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
        raise MalformedProofError("an entry is longer than 65,535 bytes")
    return b"".join(
        len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries
    )


def parse_entry_bundle(octets: bytes) -> tuple[bytes, ...]:
    """The entries of a bundle; raises `MalformedProofError`."""
    entries: list[bytes] = []
    start = 0
    while start < len(octets):
        begin = start + _LENGTH_BYTES
        start = begin + int.from_bytes(octets[start:begin], "big")
        if start > len(octets):
            raise MalformedProofError("the bundle ends inside an entry")
        entries.append(octets[begin:start])
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise MalformedProofError("a bundle has 1 to 256 entries")
    return tuple(entries)


def _index_path(index: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups))
