"""What others hold of the log's past, compared with the log as it stands now.

A superuser with the gateway's own keys can rewrite the whole database so that it
agrees with itself. Receipts and earlier checkpoints in other hands do not change with
it: each names a leaf, or a root of the first leaves, and there is one log for both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from crypto.merkle import EMPTY_ROOT

#: Members that a look-up adds to a stored answer, or that a repetition changes.
_ADDED_LATER = frozenset({"state", "reversal", "already"})


@dataclass(frozen=True, slots=True)
class SeenEntry:
    """A record that somebody holds, verified: it must be in the log."""

    entry: bytes
    """SHA-256 of the record's exact bytes."""
    index: int | None
    """Where it stands; `None` where only the record is held."""
    where: str
    """File that it was read from."""
    answer: bytes | None = None
    """`members_digest` of the answer that came with it, where the whole is held."""


@dataclass(frozen=True, slots=True)
class SeenCheckpoint:
    """A checkpoint that somebody holds, its signature verified."""

    size: int
    root: bytes
    where: str


@dataclass(slots=True)
class Evidence:
    """Everything that was handed in, verified one by one."""

    entries: list[SeenEntry] = field(default_factory=list)
    checkpoints: list[SeenCheckpoint] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    """(what does not hold, file) of what proves nothing."""
    without_receipt: int = 0
    """Answers that never had one: declines."""


def members_digest(answer: Mapping[str, Any]) -> bytes:
    """Digest of an answer's members, in whatever order and spacing they were kept."""
    members = {name: answer[name] for name in answer.keys() - _ADDED_LATER}
    return sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()


class Past:
    """Takes the log leaf by leaf and tells where it contradicts the evidence."""

    def __init__(self, evidence: Evidence) -> None:
        """Memory grows with the evidence, never with the log."""
        self.checked = len(evidence.entries) + len(evidence.checkpoints)
        self._faults = evidence.faults
        self._by_index: defaultdict[int, list[SeenEntry]] = defaultdict(list)
        self._anywhere: defaultdict[bytes, list[SeenEntry]] = defaultdict(list)
        self._roots: defaultdict[int, dict[bytes, str]] = defaultdict(dict)
        for seen in evidence.entries:
            if seen.index is None:
                self._anywhere[seen.entry].append(seen)
            else:
                self._by_index[seen.index].append(seen)
        self.hold(evidence.checkpoints)

    def hold(self, checkpoints: Iterable[SeenCheckpoint]) -> None:
        """Let the log be held against these, too; before its first leaf."""
        for checkpoint in checkpoints:
            # Receipts of one batch share their checkpoint: one of them stands for all.
            self._roots[checkpoint.size].setdefault(checkpoint.root, checkpoint.where)

    def begin(self) -> Iterator[tuple[str, str]]:
        """What proves nothing by itself, and a wrong root of the empty log."""
        yield from self._faults
        yield from self.root_at(0, EMPTY_ROOT)

    def wants_root(self, size: int) -> bool:
        """Whether somebody holds a checkpoint of this size."""
        return size in self._roots

    def root_at(self, size: int, root: bytes) -> Iterator[tuple[str, str]]:
        """Compare the root of the first `size` leaves."""
        for held, where in self._roots.pop(size, {}).items():
            if held != root:
                yield "past: the log does not extend a checkpoint that is held", where

    def leaf(
        self, index: int, entry: bytes, answer: bytes | None
    ) -> Iterator[tuple[str, str]]:
        """Compare one leaf and, where it can be read, its answer (exact bytes)."""
        self._anywhere.pop(entry, None)
        digest: bytes | None = None
        for seen in self._by_index.pop(index, ()):
            if seen.entry != entry:
                yield "past: another record stands where a receipt says", seen.where
            elif seen.answer is not None:
                digest = digest or _digest_of(answer)
                if seen.answer != digest:
                    yield "past: the stored answer is not the one given", seen.where

    def finish(self) -> Iterator[tuple[str, str]]:
        """What is held and was not met: the log is too short, or a record is gone."""
        for seen in _all(self._by_index.values()):
            yield "past: the log has no leaf where a receipt says", seen.where
        for seen in _all(self._anywhere.values()):
            yield "past: the log has no leaf of a record that is held", seen.where
        for held in self._roots.values():
            for where in held.values():
                yield "past: the log is shorter than a checkpoint that is held", where


def _all(lists: Iterable[list[SeenEntry]]) -> Iterator[SeenEntry]:
    for seen in lists:
        yield from seen


def _digest_of(answer: bytes | None) -> bytes:
    try:
        return members_digest(orjson.loads(answer or b"{}"))
    except (ValueError, AttributeError):
        return b""
