import base64
import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import CryptoError, MalformedProofError, ProofMismatchError
from crypto.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    RightEdge,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_needed,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [hashlib.sha256(bytes([number])).digest() for number in range(70)]


def root_of(entries: Sequence[bytes]) -> bytes:
    """The tree hash as RFC 6962 section 2.1 defines it, without any cleverness."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = root_of(entries[:split]), root_of(entries[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


def read(level: int, index: int) -> bytes:
    """A complete subtree of the test's entries; fails where it is not complete."""
    end = (index + 1) << level
    assert end <= len(ENTRIES)
    return root_of(ENTRIES[index << level : end])


@given(st.integers(0, 40), st.integers(0, 30))
def test_a_tree_grows_from_its_right_edge_alone(old: int, more: int) -> None:
    """Root, edge and a path for every new entry come out as in the whole tree."""
    before = RightEdge().extend(ENTRIES[:old]).edge
    grown = RightEdge.from_bytes(before.to_bytes()).extend(ENTRIES[old : old + more])
    size = old + more

    assert before.root == root_of(ENTRIES[:old])
    assert (grown.edge.size, grown.root) == (size, root_of(ENTRIES[:size]))
    assert grown.edge.root == grown.root
    assert grown.paths == tuple(
        inclusion_proof(index, size, read) for index in range(old, size)
    )


@given(st.integers(0, 40), st.integers(0, 30), st.integers(0, 8))
def test_extending_tells_which_subtrees_became_complete(
    old: int, more: int, level: int
) -> None:
    """Each complete subtree is told exactly once, when its last entry came."""
    grown = RightEdge().extend(ENTRIES[:old]).edge.extend(ENTRIES[old : old + more])
    first, last = old >> level, (old + more) >> level

    assert grown.complete_nodes(level) == tuple(
        (index, read(level, index)) for index in range(first, last)
    )


@given(st.integers(1, 70), st.data())
def test_inclusion_is_proved_and_any_change_is_refused(
    size: int, data: st.DataObject
) -> None:
    """The path holds for its leaf, index, size and root, and for nothing else."""
    index = data.draw(st.integers(0, size - 1))
    path = list(inclusion_proof(index, size, read))
    leaf, root = leaf_hash(ENTRIES[index]), root_of(ENTRIES[:size])
    verify_inclusion(index, size, leaf, path, root)

    other = hashlib.sha256(b"other").digest()
    wrong: list[tuple[int, int, bytes, list[bytes], bytes]] = [
        (index, size, other, path, root),
        (index, size, leaf, path, other),
        (index, size, leaf, [*path, other], root),
        (size, size, leaf, path, root),
        (-1, size, leaf, path, root),
        (index, size, leaf[:-1], path, root),
        (index ^ 1, size, leaf, path, root) if size > 1 else (1, 1, leaf, path, root),
    ]
    wrong += [(index, size, leaf, path[:cut], root) for cut in range(len(path))]
    wrong += [
        (index, size, leaf, [*path[:at], other, *path[at + 1 :]], root)
        for at in range(len(path))
    ]
    if len(path) > 1:
        wrong.append((index, size, leaf, [path[1], path[0], *path[2:]], root))
    for arguments in wrong:
        with pytest.raises(CryptoError):
            verify_inclusion(*arguments)


@given(st.integers(0, 70), st.integers(0, 70), st.data())
def test_consistency_is_proved_and_any_change_is_refused(
    one: int, two: int, data: st.DataObject
) -> None:
    """The newer tree extends the older one, and no other pair of trees."""
    old, new = sorted((one, two))
    roots = {"old_root": root_of(ENTRIES[:old]), "new_root": root_of(ENTRIES[:new])}
    path = list(consistency_proof(old, new, read))
    verify_consistency(old, new, path, **roots)

    other = hashlib.sha256(b"other").digest()
    for name in roots:
        if old or name == "old_root":
            with pytest.raises(CryptoError):
                verify_consistency(old, new, path, **{**roots, name: other})
    with pytest.raises(MalformedProofError):
        verify_consistency(old, new, [*path, other], **roots)
    for cut in range(len(path)):
        with pytest.raises(CryptoError):
            verify_consistency(old, new, path[:cut], **roots)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        changed = [*path[:at], other, *path[at + 1 :]]
        with pytest.raises(ProofMismatchError):
            verify_consistency(old, new, changed, **roots)


@given(st.integers(1, 70), st.data())
def test_the_nodes_that_a_proof_reads_are_known_before(
    size: int, data: st.DataObject
) -> None:
    """One query can fetch them all; a proof from exactly these is the proof."""
    index = data.draw(st.integers(0, size - 1))
    wanted = nodes_needed(lambda reader: inclusion_proof(index, size, reader))
    fetched = {place: read(*place) for place in wanted}
    path = inclusion_proof(index, size, lambda level, at: fetched[level, at])

    assert path == inclusion_proof(index, size, read)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    """An index outside the tree and a shrinking tree have no proof."""
    for index, size in ((0, 0), (5, 5), (-1, 5), (0, SIZE_MAX + 1)):
        with pytest.raises(MalformedProofError):
            inclusion_proof(index, size, read)
    for old, new in ((5, 4), (-1, 4)):
        with pytest.raises(MalformedProofError):
            consistency_proof(old, new, read)
        with pytest.raises(MalformedProofError):
            verify_consistency(old, new, [], old_root=EMPTY_ROOT, new_root=EMPTY_ROOT)


def test_an_edge_whose_size_and_hashes_do_not_fit_is_refused() -> None:
    """As many hashes as the size has bits set, of 32 bytes each."""
    for size, hashes in ((0, (EMPTY_ROOT,)), (3, (EMPTY_ROOT,)), (1, (b"short",))):
        with pytest.raises(MalformedProofError):
            RightEdge(size, hashes)
    for size in (-1, SIZE_MAX + 1):
        with pytest.raises(MalformedProofError):
            RightEdge(size)
    sound = RightEdge(1, (EMPTY_ROOT,)).to_bytes()
    for octets in (b"", sound[:-1], sound + bytes(32), b"\xff" * 8):
        with pytest.raises(MalformedProofError):
            RightEdge.from_bytes(octets)


def test_one_entry_on_a_huge_tree_needs_only_the_edge() -> None:
    """The cost of a new entry is the depth of the tree, not its size."""
    size = 2**40 - 1
    edge = RightEdge(size, tuple(leaf_hash(bytes([n])) for n in range(40)))
    grown = edge.extend([b"one more"])

    assert len(grown.paths[0]) == 40
    assert grown.edge == RightEdge(2**40, (grown.root,))
    verify_inclusion(size, size + 1, leaf_hash(b"one more"), grown.paths[0], grown.root)


def decoded(text: str | None) -> bytes:
    """Base64 of the vector files; null stands for nothing."""
    return base64.b64decode(text or "")


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """The cases of one vector file."""
    text = (folder / "vectors" / "merkle" / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_published_roots_of_rfc_6962_come_out(shared_data: Path) -> None:
    """Leaf hashes, inner nodes and roots of the reference tree of eight entries."""
    file = shared_data / "vectors" / "merkle" / "rfc6962_reference.json"
    reference = json.loads(file.read_text())
    entries = [bytes.fromhex(text) for text in reference["leaf_inputs_hex"]]
    levels = reference["node_hashes_by_level"]

    assert [leaf_hash(entry).hex() for entry in entries] == levels[0]
    for below, above in itertools.pairwise(levels):
        pairs = [bytes.fromhex(each) for each in below]
        assert above == [
            node_hash(pairs[at], pairs[at + 1]).hex() for at in range(0, len(pairs), 2)
        ]
    roots = reference["root_by_tree_size"]
    expected = roots.values() if isinstance(roots, dict) else roots
    for size, root in enumerate(expected):
        assert RightEdge().extend(entries[:size]).root.hex() == root


def test_published_inclusion_proofs_hold_or_fail(shared_data: Path) -> None:
    """98 proofs of transparency-dev/merkle, 92 of them corrupted."""
    outcomes = []
    for case in lines(shared_data, "inclusion.jsonl"):
        try:
            verify_inclusion(
                case["leafIdx"],
                case["treeSize"],
                decoded(case["leafHash"]),
                [decoded(each) for each in case["proof"] or []],
                decoded(case["root"]),
            )
        except CryptoError:
            outcomes.append((case["desc"], True, case["wantErr"]))
        else:
            outcomes.append((case["desc"], False, case["wantErr"]))

    assert len(outcomes) == 98
    assert [each for each in outcomes if each[1] != each[2]] == []


def test_published_consistency_proofs_hold_or_fail(shared_data: Path) -> None:
    """98 proofs of transparency-dev/merkle, 92 of them corrupted.

    One valid case has texts instead of hashes for roots; we refuse those.
    """
    outcomes = []
    for case in lines(shared_data, "consistency.jsonl"):
        try:
            verify_consistency(
                case["size1"],
                case["size2"],
                [decoded(each) for each in case["proof"] or []],
                old_root=decoded(case["root1"]),
                new_root=decoded(case["root2"]),
            )
        except CryptoError:
            outcomes.append((case["desc"], True, case["wantErr"]))
        else:
            outcomes.append((case["desc"], False, case["wantErr"]))

    assert len(outcomes) == 98
    assert [each for each in outcomes if each[1] != each[2]] == [
        ("sizes are equal (one) and proof is empty", True, False)
    ]
