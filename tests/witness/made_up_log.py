"""A log and witnesses with fixed keys, for tests that need no gateway."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto.add_checkpoint import AddCheckpoint
from crypto.checkpoint import CheckpointSigner
from crypto.cosignature import WitnessKey
from crypto.keys import Role, SigningKey
from crypto.merkle import (
    EMPTY_ROOT,
    RightEdge,
    consistency_proof,
    leaf_hash,
    node_hash,
)
from crypto.trust import Trust, TrustedKey

ORIGIN = "log.example/witnessed"


def signing_key(role: Role, name: str) -> SigningKey:
    """A key that is always the same, and protects nothing."""
    return SigningKey(hashlib.sha256(f"witness test: {name}".encode()).digest(), role)


def random_bytes(size: int) -> bytes:
    """Not random at all: what a test's witness makes its key from."""
    return hashlib.sha256(b"witness of a folder").digest()[:size]


LOG_KEY = signing_key(Role.CHECKPOINT_SIGN, "log")
WITNESS = signing_key(Role.WITNESS_COSIGN, "witness")
WITNESS_KEY = WitnessKey("witness.example/w1", WITNESS.public)
OTHER_WITNESS = signing_key(Role.WITNESS_COSIGN, "other witness")
OTHER_KEY = WitnessKey("witness.example/w2", OTHER_WITNESS.public)
TRUST = Trust(ORIGIN, [TrustedKey(LOG_KEY.public)])


def entries(history: str, size: int) -> list[bytes]:
    """Entries of one telling of the past; two tellings share the first three."""
    told = [history if number >= 3 else "shared" for number in range(size)]
    return [
        hashlib.sha256(f"{each} {number}".encode()).digest()
        for number, each in enumerate(told)
    ]


@dataclass(slots=True)
class MadeUpLog:
    """A log that tells a history; another object with the same key tells another."""

    history: str = "true"
    origin: str = ORIGIN
    key: SigningKey = field(default=LOG_KEY)

    def edge(self, size: int) -> RightEdge:
        """The tree of that size."""
        return RightEdge().extend(entries(self.history, size)).edge

    def note(self, size: int) -> str:
        """The signed checkpoint of that size."""
        root = self.edge(size).root if size else EMPTY_ROOT
        return CheckpointSigner(self.origin, self.key).sign(size, root)

    def node(self, level: int, index: int) -> bytes:
        """Root of a complete subtree."""
        span = 1 << level
        leaves = entries(self.history, (index + 1) * span)[index * span :]
        return fold([leaf_hash(entry) for entry in leaves])

    def path(self, old: int, new: int) -> tuple[bytes, ...]:
        """That the tree of the newer size extends that of the older."""
        return consistency_proof(old, new, self.node)

    def request(self, old: int, new: int) -> AddCheckpoint:
        """What the log sends to a witness that has seen the older size."""
        return AddCheckpoint(old, self.path(old, new), self.note(new))


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root of a complete subtree from its leaf hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(*row[left : left + 2]) for left in range(0, len(row), 2)]
    return row[0]
