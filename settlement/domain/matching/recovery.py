"""Aid that a confirmed case asks back: a difference that no side's list shows."""

from __future__ import annotations

from typing import NamedTuple

from settlement.domain.matching.difference import Difference
from settlement.domain.matching.items import Amounts
from settlement.domain.matching.kinds import Kind, Repair


class Recovery(NamedTuple):
    """A settlement whose aid was asked back, and that stands."""

    settlement_id: bytes
    key: str
    visit_no: str
    total_fen: int
    aid_fen: int
    """What is asked back: all of it, because a reversal takes back all."""


def recovery_difference(recovery: Recovery) -> Difference:
    """The difference that names it, until the hospital has reversed it."""
    return Difference(
        kind=Kind.RECOVERY_ORDERED,
        settlement_id=recovery.settlement_id,
        lines=(),
        visit_no=recovery.visit_no,
        key=recovery.key,
        hospital=None,
        gateway=Amounts(recovery.total_fen, recovery.aid_fen),
        bureau=None,
        repair=Repair.GIVE_BACK,
    )
