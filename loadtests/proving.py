"""Receipts verified as the notes are read, and the log held against them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loadtests.asking import Asker, NotToldError
from loadtests.findings import Faults, Finding, found
from loadtests.ledger import Case, Ledger
from loadtests.receipts import (
    Checkpoint,
    ReceiptError,
    Tree,
    Verifier,
    leaf_hash,
)
from loadtests.world import Hospital, World

_TILE = 256
_LEAF = 32
_OK = 200


class Receipts:
    """Verifies each receipt offline, bound to what was sent and answered."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        """Raises `ReceiptError` where the world's trust file names no keys."""
        self._verifier = Verifier(world.trust)
        self._hospitals: tuple[Hospital, ...] = world.hospitals
        self._ledger = ledger

    def settled(self, case: Case, receipt: Any) -> None:
        """Try the receipt of a settlement."""
        self._try(case.key, receipt, {
            "sid": case.sid, "op": "settle", "aid_fen": case.aid_fen,
            "patient_pays_fen": case.pays_fen, "total_fen": case.total_fen,
            "funds_fen": case.funds_fen,
            "facility": self._hospitals[case.hospital].code,
        })  # fmt: skip

    def undone(self, case: Case, undone: dict[str, Any]) -> None:
        """Try the receipt of a reversal."""
        self._try(f"{case.key} reversal", undone["receipt"], {
            "sid": undone["reversal_id"], "op": "reverse", "ref": case.undo_sid,
            "aid_fen": case.aid_fen, "total_fen": case.total_fen,
        })  # fmt: skip

    def _try(self, key: str, receipt: Any, expected: dict[str, Any]) -> None:
        faults = self._ledger.receipts
        if not isinstance(receipt, dict):
            faults.add(f"{key}: there is no receipt")
            return
        try:
            proven = self._verifier.receipt(receipt)
        except (ReceiptError, ValueError, KeyError, TypeError) as error:
            faults.add(f"{key}: {error}")
            return
        claims = proven.claims
        other = [name for name in expected if claims.get(name) != expected[name]]
        if other:
            faults.add(f"{key}: the record says otherwise of {', '.join(other)}")
        else:
            self._ledger.add("proven", proven.index, leaf_hash(proven.entry), key)


def receipts_found(ledger: Ledger) -> Finding:
    """Every receipt verifies, and there are some: silence proves nothing."""
    faults, proven = ledger.receipts, ledger.number("count(*) FROM proven")
    if not proven:
        faults.add("nothing was settled, so nothing is proven")
    return found(
        "receipts", "凭证离线验证通过", "Receipts verify offline",
        proven + faults.count, faults,
    )  # fmt: skip


def checkpoint(asker: Asker) -> Checkpoint:
    """The log's present state; raises `NotToldError` and `ReceiptError`."""
    answer = asker.get("/v1/log/checkpoint")
    if answer.status != _OK:
        raise NotToldError(f"checkpoint: {answer.code}")
    return Verifier(asker.world.trust).checkpoint(answer.body.decode())


def log_found(asker: Asker, ledger: Ledger, size_before: int) -> Finding:
    """The log holds each record once, where its receipt says; and nothing besides."""
    now = checkpoint(asker)
    faults = Faults(_places(asker, ledger, now, size_before))
    for key, times in ledger.select(
        "key, times FROM (SELECT leaf, count(*) AS times FROM logged GROUP BY leaf"
        " HAVING times > 1) JOIN proven USING (leaf)"
    ):
        faults.add(f"{key}: stands in the log {times} times")
    for (place,) in ledger.select(
        "place FROM proven GROUP BY place HAVING count(*) > 1"
    ):
        faults.add(f"index {place} was given twice")
    grown, noted, skipped = now.size - size_before, _records(ledger), ""
    if not asker.world.exclusive:
        skipped = "others settle here too, so the growth of the log says nothing"
    elif grown != noted:
        faults.add(f"the log grew by {grown}, by our notes {noted}")
    return found(
        "log", "日志中恰有一条，位置与凭证一致",
        "In the log once, where the receipt says",
        ledger.number("count(*) FROM proven"), faults, skipped,
    )  # fmt: skip


def _places(
    asker: Asker, ledger: Ledger, now: Checkpoint, size_before: int
) -> Iterator[str]:
    """Go through the whole log once, beside the receipts in the same order."""
    tree = Tree()
    proven = ledger.select("place, leaf, key FROM proven ORDER BY place")
    waiting = next(proven, None)
    for place, leaf in enumerate(_leaves(asker, now.size)):
        tree.add(leaf)
        if place >= size_before:
            ledger.add("logged", leaf)
        while waiting is not None and waiting[0] == place:
            if waiting[1] != leaf:
                yield f"{waiting[2]}: is not in the log where its receipt says"
            waiting = next(proven, None)
    while waiting is not None:
        yield f"{waiting[2]}: its receipt's place lies beyond the log"
        waiting = next(proven, None)
    if tree.root() != now.root:
        yield "the tiles do not give the checkpoint's root"


def _records(ledger: Ledger) -> int:
    """Records that the clients know of."""
    settled = ledger.number("count(*) FROM cases WHERE decision = 'approved'")
    return settled + ledger.number(
        "count(*) FROM cases WHERE undone_state = 'reversed'"
    )


def _leaves(asker: Asker, size: int) -> Iterator[bytes]:
    def tile(number: int) -> bytes:
        groups, rest = [f"{number % 1000:03d}"], number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        width = min(_TILE, size - number * _TILE)
        part = f".p/{width}" if width < _TILE else ""
        answer = asker.get(f"/v1/log/tile/0/{'/'.join(groups)}{part}")
        if answer.status != _OK or len(answer.body) != width * _LEAF:
            raise NotToldError(f"tile {number}: {answer.code}")
        return answer.body

    for octets in asker.each(range((size + _TILE - 1) // _TILE), tile):
        yield from (octets[at : at + _LEAF] for at in range(0, len(octets), _LEAF))
