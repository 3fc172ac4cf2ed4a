"""A settlement's record, its place in the log, and its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import orjson

from crypto.checkpoint import CheckpointSigner
from crypto.merkle import RightEdge
from crypto.receipt import Receipt
from loadtests.peers.claim import Claim
from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.eligibility import RosterPerson
from settlement.domain.errors import FatalError

#: Levels at which roots of full tiles are kept.
_TILE_LEVELS = (8, 16, 24, 32, 40)
#: How a receipt's JSON begins, up to the record.
_OPENING = b'{"record":"'


def clear_claims(claim: Claim, result: Adjudication) -> dict[str, int | str | bool]:
    """What everybody who holds the record may read."""
    bill, policy = claim.bill, claim.pack.ref
    claims: dict[str, int | str | bool] = {
        "v": 1,
        "sid": claim.id.hex(),
        "op": "settle",
        "ref": "",
        "facility": claim.caller.code,
        "day": shanghai_day(claim.settled_at).isoformat(),
        "total_fen": bill.total_fen,
        "funds_fen": bill.funds_fen,
        "aid_fen": result.aid_fen,
        "patient_pays_fen": result.patient_pays_fen,
        "currency": "CNY",
        "roster_version": claim.roster.version if claim.roster else 0,
        "policy": f"{policy.id}@{policy.version}",
        "policy_sha256": policy.sha256,
    }
    if claim.sandbox:
        claims["sandbox"] = True
    return claims


def sealed_content(
    claim: Claim,
    person: RosterPerson,
    clear: Mapping[str, int | str | bool],
    result: Adjudication,
    used: Mapping[AccumulatorKey, int],
) -> bytes:
    """What the bureau alone may read, and from which the decision follows again."""
    window = claim.window_of(result.category)
    return orjson.dumps(
        {
            "claims": clear,
            "idempotency_key": claim.key,
            "settled_at": rfc3339(claim.settled_at),
            "operator": claim.caller.operator,
            "bill": claim.bill,
            "person": person.token.hex(),
            "household": person.household.hex(),
            "category": result.category,
            "window": window and {
                "valid_from": window.valid_from,
                "valid_to": window.valid_to,
                "subdistrict": window.subdistrict,
            },
            "facility_level": claim.caller.level,
            "accumulators_before": [
                {"year": key.year, "pot": key.pot, "used_fen": before}
                for key, before in used.items()
            ],
            "result": {
                "reason": result.reason,
                "base_fen": result.base_fen,
                "aid": [
                    {"kind": part.kind, "amount_fen": part.amount_fen}
                    for part in result.aid
                ],
                "cash_fen": result.cash_fen,
                "account_return_fen": result.account_return_fen,
                "steps": [
                    [line.rule, line.input_fen, line.result_fen]
                    for line in result.explanation
                ],
            },
        }
    )  # fmt: skip


class LogHead(Protocol):
    """The log's head row."""

    size: int
    root: bytes
    edge: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """A record's place in the log, and the log's head with it."""

    index: int
    entry: bytes
    root: bytes
    edge: bytes
    checkpoint: str
    nodes: list[dict[str, int | bytes]]
    """Roots of tiles that it completes, as rows of `log_node`."""
    receipt: bytes
    """The receipt's JSON behind the record."""


def append(signer: CheckpointSigner, head: LogHead, record: bytes) -> Leaf:
    """Put a record at the end of the log and sign the new checkpoint.

    Raises `FatalError` where the stored head contradicts itself.
    """
    size = head.size
    old = RightEdge.from_bytes(head.edge)
    if old.size != size or old.root != head.root:
        raise FatalError("the log's stored edge does not give its stored root")
    entry = sha256(record).digest()
    extension = old.extend([entry])
    checkpoint = signer.sign(size + 1, extension.root)
    receipt = Receipt(
        b"", signer.origin, size, size + 1, extension.paths[0], checkpoint
    )
    nodes: list[dict[str, int | bytes]] = [
        {"level": level, "node_index": index, "hash": node}
        for level in _TILE_LEVELS
        for index, node in extension.complete_nodes(level)
    ]
    rest = orjson.dumps(receipt.to_document())[len(_OPENING) :]
    return Leaf(
        size, entry, extension.root, extension.edge.to_bytes(), checkpoint, nodes, rest
    )


def without_receipt(decision: bytes) -> bytes:
    """The answer of a decline: it has no leaf."""
    return decision[:-1] + b',"receipt":null}'


def around_record(decision: bytes, leaf: Leaf) -> tuple[bytes, bytes]:
    """Head and tail of an answer; the record's bytes stand between."""
    return decision[:-1] + b',"receipt":' + _OPENING, leaf.receipt + b"}"


def receipt_within(record: bytes, tail: bytes) -> bytes:
    """The receipt of a stored answer, as JSON."""
    return _OPENING + record + tail[:-1]


def digest_of(request: bytes, head: bytes, tail: bytes) -> bytes:
    """The checksum beside an answer, as `0004_answer_digest.sql` has it."""
    return sha256(request + head + tail).digest()
