"""One settlement recomputed: from its sealed record, under the pack that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crypto.record import verify_record
from settlement.domain.decision import Adjudication, PolicyRef
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.domain.roster import FIRST_TOKEN_EPOCH
from settlement.service.books_decisions import (
    DecisionChecker,
    decide_again,
    sealed_bill,
    sealed_content,
)
from settlement.service.policy_past import Reader
from settlement.store import books
from settlement.store.database import read_token_epoch
from settlement.store.past import declined, leaf_of, posted_by

if TYPE_CHECKING:
    from settlement.store.books import BookLeaf
    from settlement.store.database import Database


@dataclass(frozen=True, slots=True)
class Explained:
    """A settlement, what its pack makes of it now, and what disagrees."""

    settled_at: str
    policy: PolicyRef
    category: str | None
    aid_fen: int
    patient_pays_fen: int
    """Both as they were settled and sealed."""
    again: Adjudication | None
    """`None` where the pack that decided is not installed."""
    differences: tuple[str, ...]
    """What is not as it was sealed; empty: the same to the fen."""
    is_reversed: bool


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A reversal, and what it gave back to which pot."""

    settlement: str | None
    """`None`: a tombstone, which stopped a key and gave nothing back."""
    reversed_at: str
    reason: str
    aid_fen: int
    postings: Sequence[Mapping[str, Any]]
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A decline: its reason is stored, and no record exists."""

    reason: str
    settled_at: datetime


async def explain(
    database: Database, reader: Reader, id_: bytes
) -> Explained | GivenBack | Refused | None:
    """What became of a settlement or reversal; `None` for an unknown id.

    Reads only. Raises `CryptoError` for a record that does not verify or open.
    """
    leaf = await leaf_of(database, id_)
    if leaf is None:
        refused = await declined(database, id_)
        if refused is None:
            return None
        return Refused(refused.reason, refused.settled_at)
    async with books.snapshot(database) as session:
        installed = await books.packs(session)
        is_first_epoch = await read_token_epoch(session) == FIRST_TOKEN_EPOCH
    packs = {
        pack.ref.sha256: pack
        for pack in [compile_pack(row.document) for row in installed]
    }
    posted = await posted_by(database, leaf.log_index)
    verified = verify_record(leaf.record or b"", reader.trust)
    checker = DecisionChecker(reader.key, packs, None, is_first_epoch=is_first_epoch)
    differences = tuple(dict.fromkeys(checker.check(leaf, verified, posted)))
    content = sealed_content(verified, reader.key)
    if leaf.settlement is None:
        return _given_back(content, differences)
    return _explained(leaf, content, packs, differences)


def _explained(
    leaf: BookLeaf,
    content: Mapping[str, Any],
    packs: Mapping[str, CompiledPack],
    differences: tuple[str, ...],
) -> Explained:
    claims = content["claims"]
    pack = packs.get(claims["policy_sha256"])
    again = None
    if pack is not None:
        again = decide_again(pack, sealed_bill(content["bill"]), content)
    name, _, version = str(claims["policy"]).partition("@")
    return Explained(
        settled_at=content["settled_at"],
        policy=PolicyRef(name, version, claims["policy_sha256"]),
        category=content["category"],
        aid_fen=claims["aid_fen"],
        patient_pays_fen=claims["patient_pays_fen"],
        again=again,
        differences=differences,
        is_reversed=leaf.settlement is not None and leaf.settlement["state"] == b"r",
    )


def _given_back(content: Mapping[str, Any], differences: tuple[str, ...]) -> GivenBack:
    claims = content["claims"]
    return GivenBack(
        settlement=claims["ref"] or None,
        reversed_at=content["settled_at"],
        reason=content["reason"],
        aid_fen=claims["aid_fen"],
        postings=content["postings"],
        differences=differences,
    )
