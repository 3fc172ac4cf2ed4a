"""The kit's own verification, on the vectors of docs/formats, and all altered."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from typing import Any

import pytest

from loadtests.receipts import (
    ReceiptError,
    Tree,
    Verifier,
    leaf_hash,
    node_hash,
    root_from_path,
)
from tests.support.sources import PROJECT


def _root_of(leaves: list[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def _vector(page: str, name: str) -> str:
    text = (PROJECT / "docs" / "formats" / page).read_text(encoding="utf-8")
    found = re.search(rf"```\w+ vector:{name}\n(.*?)\n```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def receipt() -> dict[str, Any]:
    """The published receipt."""
    parsed: dict[str, Any] = json.loads(_vector("receipt.md", "receipt"))
    return parsed


@pytest.fixture
def verifier() -> Verifier:
    """Believes the published trust file."""
    return Verifier(json.loads(_vector("trust-file.md", "trust-file")))


def test_the_published_receipt_verifies(
    receipt: dict[str, Any], verifier: Verifier
) -> None:
    """And its claims are those that the page shows."""
    proven = verifier.receipt(receipt)

    assert (proven.index, proven.tree_size) == (3, 7)
    assert proven.claims["aid_fen"] == 5040
    assert proven.claims["op"] == "settle"


def _with(receipt: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(receipt) | changes


def test_an_altered_receipt_does_not(
    receipt: dict[str, Any], verifier: Verifier
) -> None:
    """Record, path, place, size, checkpoint and origin are all bound."""
    head, body, signature = receipt["record"].split(".")
    altered = body[:200] + ("A" if body[200] != "A" else "B") + body[201:]
    root = receipt["checkpoint"].split("\n")[2]
    other_root = receipt["checkpoint"].replace(root, root[::-1].strip("=") + "=")
    for changed in (
        _with(receipt, record=f"{head}.{altered}.{signature}"),
        _with(receipt, record=f"{head}.{body}"),
        _with(receipt, index=2),
        _with(receipt, index=7),
        _with(receipt, tree_size=8),
        _with(receipt, path=receipt["path"][:-1]),
        _with(receipt, path=[*receipt["path"], receipt["path"][0]]),
        _with(receipt, path=receipt["path"][::-1]),
        _with(receipt, checkpoint=other_root),
        _with(receipt, checkpoint=receipt["checkpoint"].split("— ")[0]),
        _with(receipt, origin="gateway.example/other"),
        _with(receipt, more=1),
    ):
        with pytest.raises(ReceiptError):
            verifier.receipt(changed)


@pytest.mark.parametrize("role", ["record-sign", "checkpoint-sign", "bureau-seal"])
def test_keys_come_from_the_trust_file_alone(
    role: str, receipt: dict[str, Any]
) -> None:
    """A key that is not listed for its role is not believed."""
    trust = json.loads(_vector("trust-file.md", "trust-file"))
    trust["keys"] = [key for key in trust["keys"] if key["role"] != role]

    with pytest.raises(ReceiptError):
        Verifier(trust).receipt(receipt)


def test_signatures_are_asked_for_by_themselves(
    receipt: dict[str, Any], verifier: Verifier
) -> None:
    """Another signature over the same bytes: neither record nor checkpoint passes."""
    head, body, signature = receipt["record"].split(".")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    with pytest.raises(ReceiptError, match="signature"):
        verifier.record(f"{head}.{body}.{other}")

    note = receipt["checkpoint"]
    blob = bytearray(base64.b64decode(note.split()[-1]))
    blob[-1] ^= 1
    altered = note.replace(note.split()[-1], base64.b64encode(blob).decode())
    with pytest.raises(ReceiptError, match="signature"):
        verifier.checkpoint(altered)


def test_a_path_has_the_length_of_its_tree() -> None:
    """One node too few or too many proves nothing, whatever it gives."""
    for path in ([], [bytes(32)] * 2):
        with pytest.raises(ReceiptError, match="path is too"):
            root_from_path(bytes(32), 0, 2, path)


def test_the_tree_is_rfc_6962() -> None:
    """Roots by level are those by the recursive definition, and paths lead there."""

    def recursive(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        half = 1 << (len(leaves) - 1).bit_length() - 1
        return node_hash(recursive(leaves[:half]), recursive(leaves[half:]))

    def path(leaves: list[bytes], index: int) -> list[bytes]:
        if len(leaves) == 1:
            return []
        half = 1 << (len(leaves) - 1).bit_length() - 1
        if index < half:
            return [*path(leaves[:half], index), recursive(leaves[half:])]
        return [*path(leaves[half:], index - half), recursive(leaves[:half])]

    leaves = [leaf_hash(bytes([n])) for n in range(33)]
    for size in range(1, 34):
        root = recursive(leaves[:size])
        assert _root_of(leaves[:size]) == root
        for index in range(size):
            way = path(leaves[:size], index)
            assert root_from_path(leaves[index], index, size, way) == root
    assert _root_of([]) == hashlib.sha256(b"").digest()


def test_the_published_tile_gives_the_published_root(verifier: Verifier) -> None:
    """What the check does with a whole log."""
    octets = bytes.fromhex(_vector("log.md", "tile"))
    leaves = [octets[at : at + 32] for at in range(0, len(octets), 32)]
    checkpoint = verifier.checkpoint(_vector("log.md", "checkpoint") + "\n")

    assert checkpoint.size == len(leaves)
    assert _root_of(leaves) == checkpoint.root
