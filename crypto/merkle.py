"""The log's Merkle tree (RFC 6962 section 2.1): hashing, growing, proving.

A tree that only grows is described by its right edge, the roots of its complete
subtrees. From that and the new entries alone follow the new root and an inclusion
path for every new entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crypto.errors import MalformedProofError, ProofMismatchError

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1
"""Largest tree: what a signed 64-bit column holds."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without entries."""

Path = tuple[bytes, ...]
NodeReader = Callable[[int, int], bytes]
"""Of level and index, the root of a complete subtree of 2**level entries."""

_SIZE_BYTES = 8


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry; the prefix keeps entries and nodes apart."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Extension:
    """What a tree became by taking in new entries."""

    edge: RightEdge
    root: bytes
    paths: tuple[Path, ...]
    """For each new entry, its inclusion path in the new tree."""
    _levels: tuple[tuple[int, list[bytes]], ...] = field(repr=False)

    def complete_nodes(self, level: int) -> tuple[tuple[int, bytes], ...]:
        """Index and hash of each subtree of 2**level entries that became complete."""
        if level >= len(self._levels):
            return ()
        begin, nodes = self._levels[level]
        complete = (self.edge.size >> level) - begin
        return tuple(enumerate(nodes[:complete], start=begin))


@dataclass(frozen=True, slots=True)
class RightEdge:
    """Size of a tree and the roots of its complete subtrees, largest first."""

    size: int = 0
    hashes: Path = ()

    def __post_init__(self) -> None:
        """Raise `MalformedProofError` unless size and hashes fit together."""
        if not 0 <= self.size <= SIZE_MAX:
            raise MalformedProofError("the tree size is out of range")
        if len(self.hashes) != self.size.bit_count():
            raise MalformedProofError("the right edge has a wrong number of hashes")
        _require_hashes(self.hashes)

    def to_bytes(self) -> bytes:
        """Eight bytes of size, big-endian, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, octets: bytes) -> RightEdge:
        """Read what `to_bytes` wrote; raises `MalformedProofError`."""
        if len(octets) < _SIZE_BYTES or (len(octets) - _SIZE_BYTES) % HASH_BYTES:
            raise MalformedProofError("the right edge has a wrong length")
        size = int.from_bytes(octets[:_SIZE_BYTES], "big")
        return cls(size, split_hashes(octets[_SIZE_BYTES:]))

    @property
    def root(self) -> bytes:
        """Root of the whole tree."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT

    def extend(self, entries: Sequence[bytes]) -> Extension:
        """Take in new entries, in order; each gets its path in the new tree."""
        old = _by_level(self.size, self.hashes)
        levels = _grow(self.size, old, [leaf_hash(entry) for entry in entries])
        size = self.size + len(entries)
        edge = RightEdge(size, _edge_hashes(size, old, levels))
        root = edge.root if not entries else levels[-1][1][-1]
        return Extension(edge, root, _new_paths(old, levels), levels)


def split_hashes(octets: bytes) -> Path:
    """Cut a concatenation of hashes, whose length the caller has checked."""
    return tuple(
        octets[start : start + HASH_BYTES]
        for start in range(0, len(octets), HASH_BYTES)
    )


def inclusion_proof(index: int, size: int, nodes: NodeReader) -> Path:
    """Path of an entry in the tree of that size (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise MalformedProofError("the index is not in the tree")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_subtree(middle, end, nodes))
            end = middle
        else:
            path.append(_subtree(begin, middle, nodes))
            begin = middle
    return tuple(reversed(path))


def consistency_proof(old_size: int, new_size: int, nodes: NodeReader) -> Path:
    """That the newer tree extends the older one (RFC 6962 section 2.1.2)."""
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise MalformedProofError("the older tree is larger than the newer one")
    if old_size in (0, new_size):
        return ()
    path: list[bytes] = []
    begin, end, is_whole = 0, new_size, True
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            path.append(_subtree(middle, end, nodes))
            end = middle
        else:
            path.append(_subtree(begin, middle, nodes))
            begin, is_whole = middle, False
    if not is_whole:
        path.append(_subtree(begin, end, nodes))
    return tuple(reversed(path))


def nodes_needed(build: Callable[[NodeReader], object]) -> list[tuple[int, int]]:
    """Level and index of every node that a proof will read, for one query.

    `nodes_needed(lambda read: inclusion_proof(index, size, read))`
    """
    wanted: list[tuple[int, int]] = []

    def note(level: int, index: int) -> bytes:
        wanted.append((level, index))
        return EMPTY_ROOT

    build(note)
    return wanted


def verify_inclusion(
    index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf hash is at the index (RFC 9162 section 2.1.3.2).

    Raises `MalformedProofError` where the path cannot be one for index and size,
    `ProofMismatchError` where it leads to another root.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise MalformedProofError("the index is not in the tree")
    _require_hashes((leaf, root, *path))
    node, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise MalformedProofError("the path is too long")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise MalformedProofError("the path is too short")
    if computed != root:
        raise ProofMismatchError("the inclusion path leads to another root")


def verify_consistency(
    old_size: int,
    new_size: int,
    path: Sequence[bytes],
    *,
    old_root: bytes,
    new_root: bytes,
) -> None:
    """Check that the newer tree extends the older one (RFC 9162 section 2.1.4.2).

    Raises `MalformedProofError` or `ProofMismatchError`, as `verify_inclusion`.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise MalformedProofError("the older tree is larger than the newer one")
    _require_hashes((old_root, new_root, *path))
    if old_size in (0, new_size):
        if path:
            raise MalformedProofError("the path is too long")
        expected = new_root if old_size else EMPTY_ROOT
        if old_root != expected:
            raise ProofMismatchError("the roots differ where they must be equal")
        return
    from_old, from_new = _consistent_roots(old_size, new_size, path, old_root)
    if from_old != old_root or from_new != new_root:
        raise ProofMismatchError("the consistency path leads to other roots")


def _consistent_roots(
    old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes
) -> tuple[bytes, bytes]:
    """Both roots that the path leads to; for 0 < old_size < new_size."""
    shared = (~(old_size - 1) & old_size).bit_length() - 1
    node, last = (old_size - 1) >> shared, (new_size - 1) >> shared
    siblings = list(path) if node else [old_root, *path]
    if not siblings:
        raise MalformedProofError("the path is too short")
    from_old = from_new = siblings[0]
    for sibling in siblings[1:]:
        if last == 0:
            raise MalformedProofError("the path is too long")
        if node & 1 or node == last:
            from_old = node_hash(sibling, from_old)
            from_new = node_hash(sibling, from_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            from_new = node_hash(from_new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise MalformedProofError("the path is too short")
    return from_old, from_new


def _require_hashes(hashes: Sequence[bytes]) -> None:
    if not {*map(len, hashes)} <= {HASH_BYTES}:
        raise MalformedProofError("a hash does not have 32 bytes")


def _split(width: int) -> int:
    """The largest power of two below the width."""
    return 1 << ((width - 1).bit_length() - 1)


def _fold(hashes: Sequence[bytes]) -> bytes:
    computed = hashes[-1]
    for left in reversed(hashes[:-1]):
        computed = node_hash(left, computed)
    return computed


def _subtree(begin: int, end: int, nodes: NodeReader) -> bytes:
    """Root over entries begin to end, where begin is a multiple of their span."""
    hashes: list[bytes] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        hashes.append(nodes(level, begin >> level))
        begin += 1 << level
    return _fold(hashes)


def _by_level(size: int, hashes: Sequence[bytes]) -> dict[int, bytes]:
    """The right edge's hashes by level; the largest subtree has the highest."""
    levels = [level for level in range(size.bit_length()) if size >> level & 1]
    return dict(zip(reversed(levels), hashes, strict=True))


def _grow(
    old_size: int, old: dict[int, bytes], leaves: list[bytes]
) -> tuple[tuple[int, list[bytes]], ...]:
    """Every node above a new leaf: for each level the first index, and the nodes.

    A last node without a sibling moves up as it is; that gives the same tree as the
    standard's recursive split.
    """
    if not leaves:
        return ()
    begin, nodes = old_size, leaves
    levels = [(begin, nodes)]
    while begin + len(nodes) > 1:
        level = len(levels) - 1
        row = [old[level], *nodes] if begin & 1 else nodes
        above = [
            node_hash(row[left], row[left + 1]) for left in range(0, len(row) - 1, 2)
        ]
        if len(row) & 1:
            above.append(row[-1])
        begin, nodes = begin >> 1, above
        levels.append((begin, nodes))
    return tuple(levels)


def _edge_hashes(
    size: int, old: dict[int, bytes], levels: tuple[tuple[int, list[bytes]], ...]
) -> Path:
    edge: list[bytes] = []
    for level in reversed(range(size.bit_length())):
        if not size >> level & 1:
            continue
        index = (size >> level) - 1
        begin, nodes = levels[level] if level < len(levels) else (index + 1, [])
        edge.append(nodes[index - begin] if index >= begin else old[level])
    return tuple(edge)


def _new_paths(
    old: dict[int, bytes], levels: tuple[tuple[int, list[bytes]], ...]
) -> tuple[Path, ...]:
    """Paths from the root down: a node's path is its sibling, then its parent's."""
    if not levels:
        return ()
    paths: list[Path] = [()]
    for level in reversed(range(len(levels) - 1)):
        begin, nodes = levels[level]
        parents_begin = begin >> 1
        below: list[Path] = []
        for index in range(begin, begin + len(nodes)):
            parent = paths[(index >> 1) - parents_begin]
            sibling = (index ^ 1) - begin
            if sibling < 0:
                below.append((old[level], *parent))
            elif sibling < len(nodes):
                below.append((nodes[sibling], *parent))
            else:
                below.append(parent)
        paths = below
    return tuple(paths)
