"""The installed packs, compiled once, with the numbers the database knows them by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from settlement.domain.bill import Bill
from settlement.domain.errors import FatalError
from settlement.domain.policy import PolicyBook, compile_pack
from settlement.service.ports import InstalledPack
from settlement.store.policies import PackRow


class PolicyShelf:
    """Satisfies `settlement.service.ports.PolicyBook`; swapped whole on a change."""

    def __init__(self, installed: Sequence[PackRow]) -> None:
        """Compile every pack; raises `PolicyError`, `FatalError` on altered bytes."""
        packs = []
        self._numbers: dict[str, int] = {}
        for row in installed:
            pack = compile_pack(row.document)
            if pack.ref.sha256 != row.sha256:
                raise FatalError(f"policy pack {row.no} differs from its stored hash")
            packs.append((pack, row.known_since))
            self._numbers[pack.ref.sha256] = row.no
        self._book = PolicyBook(packs)

    @property
    def is_empty(self) -> bool:
        """Whether no pack is installed at all."""
        return not self._numbers

    def in_force(self, bill: Bill, known_at: datetime) -> InstalledPack:
        """Of the packs in force for the bill, the latest known; else MA-5106."""
        pack = self._book.in_force(bill, known_at)
        return InstalledPack(self._numbers[pack.ref.sha256], pack)

    def in_force_on(self, day: date, known_at: datetime) -> InstalledPack:
        """The same for a day without a bill."""
        pack = self._book.in_force_on(day, known_at)
        return InstalledPack(self._numbers[pack.ref.sha256], pack)
