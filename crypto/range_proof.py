"""One inclusion proof for many entries of the log at once.

Who holds the entries of some stretches of the log needs of the rest nothing but the
roots of complete subtrees between them. Entries and these roots, left to right, give
the root of the whole tree: some tens of hashes where a path for each entry would be
twenty hashes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crypto.errors import MalformedProofError
from crypto.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash


def gap_nodes(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Level and index of the complete subtrees that make up a gap, left to right.

    Each is the largest that begins there and ends within the gap, so there is only
    one way to cut it.
    """
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


class RangeRoot:
    """Computes the root from entries and the nodes of gaps, taken left to right."""

    __slots__ = ("_edge", "size")

    def __init__(self) -> None:
        """Nothing taken in yet."""
        self._edge: list[bytes] = []
        self.size = 0
        """Entries covered so far: where the next one stands."""

    def take_entries(self, entries: Iterable[bytes]) -> None:
        """Take in the next entries of the log."""
        edge, size = self._edge, self.size
        for entry in entries:
            node, before = leaf_hash(entry), size
            while before & 1:
                node = node_hash(edge.pop(), node)
                before >>= 1
            edge.append(node)
            size += 1
        self.size = size

    def take_gap(self, end: int, nodes: Iterator[bytes]) -> None:
        """Take in the gap up to `end` from the proof's next nodes.

        Raises `MalformedProofError` where the proof has too few, or no hashes.
        """
        for level, _index in gap_nodes(self.size, end):
            node = next(nodes, b"")
            if len(node) != HASH_BYTES:
                raise MalformedProofError("the proof lacks a node of 32 bytes")
            self._push(level, node)

    @property
    def root(self) -> bytes:
        """Root of the tree of everything taken in."""
        if not self._edge:
            return EMPTY_ROOT
        computed = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            computed = node_hash(left, computed)
        return computed

    def _push(self, level: int, node: bytes) -> None:
        before = self.size >> level
        while before & 1:
            node = node_hash(self._edge.pop(), node)
            before >>= 1
        self._edge.append(node)
        self.size += 1 << level
