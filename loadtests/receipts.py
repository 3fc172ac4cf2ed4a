"""Receipts verified offline, written again from docs/formats and from nothing else.

A second implementation on purpose: were the gateway's own used, a fault in it would
excuse itself. Suite MA1: Ed25519 and SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_HEADER = {"alg", "kid", "typ", "cty"}
_RECEIPT = {"record", "origin", "index", "tree_size", "path", "checkpoint"}
_KEY_HINT = 4
_CHECKPOINTS_MAX = 1_000
_SEGMENTS, _JWE_SEGMENTS = 3, 5


class ReceiptError(ValueError):
    """A receipt, record or checkpoint that does not verify."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's signed state."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt proves."""

    claims: dict[str, Any]
    entry: bytes
    index: int
    tree_size: int


class Verifier:
    """Believes the keys of one trust file, and nothing else."""

    def __init__(self, trust: dict[str, Any]) -> None:
        """Raises `ReceiptError` for a trust file without the keys that it takes."""
        self._origin = trust.get("origin", "")
        keys = trust.get("keys", [])
        self._records = _keys_of(keys, "record-sign")
        self._checkpoint_keys = _keys_of(keys, "checkpoint-sign")
        self._recipients = {
            key["kid"] for key in keys if key.get("role") == "bureau-seal"
        }
        if not self._origin or not self._records or not self._checkpoint_keys:
            raise ReceiptError("the trust file names no origin or no signing keys")
        # Receipts of a batch share a checkpoint and come close together.
        self._seen: OrderedDict[str, Checkpoint] = OrderedDict()

    def receipt(self, receipt: dict[str, Any]) -> Verified:
        """Verify a receipt as receipt.md says; raises `ReceiptError`."""
        if set(receipt) != _RECEIPT:
            raise ReceiptError("the receipt has other members than it may have")
        record = str(receipt["record"])
        claims = self.record(record)
        if receipt["origin"] != self._origin:
            raise ReceiptError("the receipt is of another log")
        checkpoint = self.checkpoint(str(receipt["checkpoint"]))
        index, size = receipt["index"], receipt["tree_size"]
        if checkpoint.size != size:
            raise ReceiptError("the checkpoint has another size than the receipt")
        entry = hashlib.sha256(record.encode("ascii")).digest()
        try:
            path = [base64.b64decode(one, validate=True) for one in receipt["path"]]
        except (binascii.Error, TypeError) as error:
            raise ReceiptError("the path is no base64") from error
        if root_from_path(leaf_hash(entry), index, size, path) != checkpoint.root:
            raise ReceiptError("the path does not lead to the checkpoint's root")
        return Verified(claims, entry, index, size)

    def record(self, record: str) -> dict[str, Any]:
        """Verify a record's signature; give its clear claims."""
        segments = record.split(".")
        if len(segments) != _SEGMENTS:
            raise ReceiptError("a record has three segments")
        header = _json(_b64u(segments[0]))
        if set(header) != _HEADER or header["alg"] != "Ed25519":
            raise ReceiptError("the record's header is not as it must be")
        key = self._records.get(header["kid"])
        if key is None:
            raise ReceiptError("the record is signed by a key that is not trusted")
        _verify(key, _b64u(segments[2]), f"{segments[0]}.{segments[1]}".encode())
        jwe = _b64u(segments[1]).decode("ascii", "replace").split(".")
        if len(jwe) != _JWE_SEGMENTS:
            raise ReceiptError("the sealed part has five segments")
        claims = _json(_b64u(jwe[0]))
        if claims.get("kid") not in self._recipients:
            raise ReceiptError("the record is sealed to a key that is not trusted")
        funds, aid = claims["funds_fen"], claims["aid_fen"]
        if claims["total_fen"] != funds + aid + claims["patient_pays_fen"]:
            raise ReceiptError("the record's amounts do not add up")
        return claims

    def checkpoint(self, note: str) -> Checkpoint:
        """Verify a signed note of this log."""
        known = self._seen.get(note)
        if known is None:
            known = self._seen[note] = self._checkpoint(note)
            if len(self._seen) > _CHECKPOINTS_MAX:
                self._seen.popitem(last=False)
        return known

    def _checkpoint(self, note: str) -> Checkpoint:
        text, separator, signatures = note.partition("\n\n")
        text += "\n"
        lines = text.split("\n")
        if not separator or lines[0] != self._origin:
            raise ReceiptError("the checkpoint is of another log")
        signed = False
        for line in signatures.splitlines():
            name, _, encoded = line.removeprefix("— ").partition(" ")
            blob = base64.b64decode(encoded)
            hint, signature = blob[:_KEY_HINT], blob[_KEY_HINT:]
            for raw, key in self._checkpoint_keys.values():
                named = name.encode() + b"\n\x01" + raw
                if hashlib.sha256(named).digest()[:_KEY_HINT] == hint:
                    _verify((raw, key), signature, text.encode())
                    signed = True
        if not signed:
            raise ReceiptError("the checkpoint is not signed by a trusted key")
        return Checkpoint(int(lines[1]), base64.b64decode(lines[2]))


_Key = tuple[bytes, Ed25519PublicKey]


def _keys_of(keys: list[dict[str, Any]], role: str) -> dict[str, _Key]:
    found = {}
    for key in keys:
        if key.get("role") == role and key.get("alg") == "ed25519":
            raw = base64.b64decode(key["public_key"])
            found[str(key["kid"])] = (raw, Ed25519PublicKey.from_public_bytes(raw))
    return found


def _verify(key: _Key, signature: bytes, text: bytes) -> None:
    try:
        key[1].verify(signature, text)
    except InvalidSignature as error:
        raise ReceiptError("a signature does not hold") from error


def _b64u(text: str) -> bytes:
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ReceiptError("a segment is no base64url") from error
    if base64.urlsafe_b64encode(octets).rstrip(b"=").decode() != text:
        raise ReceiptError("a segment is not written in the one canonical way")
    return octets


def _json(octets: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(octets)
    except ValueError as error:
        raise ReceiptError("a header is no JSON") from error
    if not isinstance(parsed, dict):
        raise ReceiptError("a header is no object")
    return parsed


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962: of an entry of the log."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962: of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ReceiptError("the index lies outside of the tree")
    at, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ReceiptError("the path is too long")
        if at % 2 == 1 or at == last:
            node = node_hash(sibling, node)
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            node = node_hash(node, sibling)
        at, last = at // 2, last // 2
    if last != 0:
        raise ReceiptError("the path is too short")
    return node


class Tree:
    """A whole tree's root, leaf after leaf: only its right edge is kept."""

    def __init__(self) -> None:
        """Begin with the empty tree."""
        self._edge: list[tuple[int, bytes]] = []
        """Full subtrees from left to right, with their heights."""

    def add(self, leaf: bytes) -> None:
        """Put a leaf's hash at the end."""
        height, node = 0, leaf
        while self._edge and self._edge[-1][0] == height:
            height, node = height + 1, node_hash(self._edge.pop()[1], node)
        self._edge.append((height, node))

    def root(self) -> bytes:
        """Of all leaves until now."""
        if not self._edge:
            return hashlib.sha256(b"").digest()
        node = self._edge[-1][1]
        for _, left in self._edge[-2::-1]:
            node = node_hash(left, node)
        return node
