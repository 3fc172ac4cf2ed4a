"""The installed packs, and which of them decides a bill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from settlement.domain.bill import Bill, BillFault
from settlement.domain.errors import RequestRefused
from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.pack import CompiledPack, canonical_category
from settlement.domain.policy.succession import refuse_doubt


class PolicyBook:
    """Packs of one scheme on two time axes: in force, and known since.

    Satisfies `settlement.service.ports.PolicyBook`.
    """

    def __init__(self, packs: Sequence[tuple[CompiledPack, datetime]]) -> None:
        """Take packs with the instant since which each was known and approved.

        Raises `PolicyError` (MA-7018) where packs of two schemes stand side by side,
        because then the newer scheme would silently decide the other one's bills, and
        where two different documents carry one version, or nothing says which of two
        decides.
        """
        _check_one_scheme([pack for pack, _ in packs])
        refuse_doubt(packs)
        self._newest_first = sorted(
            packs,
            key=lambda known: (known[1], known[0].document.in_force_from),
            reverse=True,
        )

    @property
    def packs(self) -> tuple[CompiledPack, ...]:
        """All packs, the latest known first."""
        return tuple(pack for pack, _ in self._newest_first)

    def in_force(self, bill: Bill, known_at: datetime) -> CompiledPack:
        """Of the packs in force for the bill, the latest known at the instant.

        Raises `RequestRefused` where there is none: MA-1117 for a day before the
        first of them, which waiting does not change, else MA-5106.
        """
        for pack, known_since in self._newest_first:
            if known_since <= known_at and pack.covers(pack.policy_day(bill)):
                return pack
        raise self._none_for(bill.service_start, "service_start")

    def in_force_on(self, day: date, known_at: datetime) -> CompiledPack:
        """Of the packs in force on a day, the latest known at the instant.

        For questions without a bill. Raises as `in_force`.
        """
        for pack, known_since in self._newest_first:
            if known_since <= known_at and pack.covers(day):
                return pack
        raise self._none_for(day, "service_date")

    def _none_for(self, day: date, field: str) -> RequestRefused:
        begins = [pack.document.in_force_from for pack, _ in self._newest_first]
        if begins and day < min(begins):
            return RequestRefused("MA-1117", faults=(BillFault(field, "MA-1117"),))
        return RequestRefused("MA-5106")

    def canonical_category(self, spelling: str) -> str | None:
        """The category that any installed pack knows by this spelling, newest first."""
        for pack, _ in self._newest_first:
            category = canonical_category(pack, spelling)
            if category is not None:
                return category
        return None


def _check_one_scheme(packs: Sequence[CompiledPack]) -> None:
    faults = FaultList()
    seen: dict[str, CompiledPack] = {}
    for pack in packs:
        if pack.ref.id != packs[0].ref.id:
            faults.add(
                "MA-7018", 0, pack.ref.id,
                zh=f"与 {packs[0].ref.id} 不是同一制度，不能同时安装。",
                en=f"Another scheme than {packs[0].ref.id}: install one of them.",
            )  # fmt: skip
        other = seen.setdefault(pack.ref.version, pack)
        if other.ref != pack.ref:
            faults.add(
                "MA-7018", 0, f"{pack.ref.id}@{pack.ref.version}",
                zh="两份不同的文件使用了同一版本号。请换版本号。",
                en="Two different documents carry this version. Choose a new one.",
            )  # fmt: skip
    faults.raise_if_any()
