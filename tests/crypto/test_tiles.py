import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedProofError
from crypto.tiles import (
    Tile,
    entry_bundle,
    parse_entry_bundle,
    parse_tile,
    parse_tile_path,
    tile_bytes,
    tiles_of,
)

HASHES = [hashlib.sha256(bytes([n, n])).digest() for n in range(256)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(1, 1234067), "tile/1/x001/x234/067"),
        (Tile(None, 1000, 255), "tile/entries/x001/000.p/255"),
        (Tile(63, 5), "tile/63/005"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    """Paths are those of the specification's examples."""
    assert tile.path == path
    assert parse_tile_path(path) == tile


@given(st.none() | st.integers(0, 63), st.integers(0, 10**17), st.integers(1, 256))
def test_paths_come_back(level: int | None, index: int, width: int) -> None:
    """Reading a written path gives the same tile."""
    tile = Tile(level, index, width)

    assert parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/300",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/０００",
        "tile/data/000",
        "tile/0/000\n",
    ],
)
def test_another_spelling_is_no_path(path: str) -> None:
    """Leading zeroes, full tiles marked partial and foreign digits are refused."""
    with pytest.raises(MalformedProofError):
        parse_tile_path(path)


def test_the_example_of_the_specification_comes_out() -> None:
    """A tree of 70,000 entries, and one of 256."""
    assert [tile.path for tile in tiles_of(70_000)] == [
        "tile/entries/273.p/112",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert [tile.path for tile in tiles_of(256)] == [
        "tile/entries/000",
        "tile/0/000",
        "tile/1/000.p/1",
    ]
    assert tiles_of(0) == ()


@given(st.integers(1, 10**7))
def test_a_tile_is_in_the_tree_that_calls_for_it(size: int) -> None:
    """Each rightmost tile is there, and one hash more is not."""
    for tile in tiles_of(size):
        assert tile.is_in(size)
        assert not Tile(tile.level, tile.index, tile.width + 1).is_in(size)
        assert not Tile(tile.level, tile.index + 1, 1).is_in(size)


def test_hash_tiles_come_back() -> None:
    """One to 256 hashes, end to end."""
    for width in (1, 255, 256):
        assert parse_tile(tile_bytes(HASHES[:width])) == tuple(HASHES[:width])
    assert len(tile_bytes(HASHES)) == 8192


def test_tiles_of_another_size_are_refused() -> None:
    """Neither empty, nor too long, nor cut."""
    for octets in (b"", bytes(31), bytes(33), bytes(32 * 257)):
        with pytest.raises(MalformedProofError):
            parse_tile(octets)
    with pytest.raises(MalformedProofError):
        tile_bytes([])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_entry_bundles_come_back(entries: list[bytes]) -> None:
    """Entries of any length, the empty one included."""
    assert parse_entry_bundle(entry_bundle(entries)) == tuple(entries)


def test_bundles_of_another_form_are_refused() -> None:
    """Neither empty nor too many, and none that ends inside an entry."""
    for octets in (b"", b"\0", b"\0\5abc", b"\0\1a\0", entry_bundle([b""] * 256) * 2):
        with pytest.raises(MalformedProofError):
            parse_entry_bundle(octets)
    for entries in ([], [b""] * 257, [bytes(65_536)]):
        with pytest.raises(MalformedProofError):
            entry_bundle(entries)
