"""Whether a scheme's versions follow each other without doubt and without gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import combinations

from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.pack import CompiledPack

Known = tuple[CompiledPack, datetime]


def refuse_doubt(packs: Sequence[Known]) -> None:
    """Of two versions it must be clear which one decides a bill.

    Overlapping days are in order: of versions in force the latest known decides, and
    of those known at one instant the one that begins later. Raises `PolicyError`
    (MA-7018) where two begin on the same day and are known since the same instant.
    """
    faults = FaultList()
    for (one, known), (other, also_known) in combinations(packs, 2):
        begins = one.document.in_force_from
        is_same = (begins, known) == (other.document.in_force_from, also_known)
        if is_same and one.ref != other.ref:
            faults.add(
                "MA-7018", 0, "in_force.from",
                zh=f"{_name(one)} 与 {_name(other)} 自同一天（{begins}）施行，"
                "又自同一时刻公布，无法确定适用哪一份。请更正其中一份的日期。",
                en=f"{_name(one)} and {_name(other)} begin on the same day ({begins}) "
                "and are known since the same instant: nothing says which one decides. "
                "Correct a date of one of them.",
            )  # fmt: skip
    faults.raise_if_any()


def refuse_gaps(packs: Sequence[CompiledPack]) -> None:
    """No day between the first and the last version may be left to none of them.

    Raises `PolicyError` (MA-7012) with every gap.
    """
    faults = FaultList()
    ordered = sorted(packs, key=lambda pack: pack.document.in_force_from)
    covered_to: date | None = None
    for pack in ordered:
        document = pack.document
        if covered_to is not None and document.in_force_from > covered_to:
            last = document.in_force_from - timedelta(days=1)
            faults.add(
                "MA-7012", 0, "in_force.from",
                zh=f"{covered_to} 至 {last} 没有任何版本施行；{_name(pack)} 自 "
                f"{document.in_force_from} 起。请更正施行日期，或先启用中间的版本。",
                en=f"From {covered_to} to {last} no version is in force; {_name(pack)} "
                f"begins on {document.in_force_from}. Correct its first day, or "
                "activate the version between first.",
            )  # fmt: skip
        if document.in_force_to is None:
            break
        follows = document.in_force_to + timedelta(days=1)
        covered_to = follows if covered_to is None else max(covered_to, follows)
    faults.raise_if_any()


def _name(pack: CompiledPack) -> str:
    return f"{pack.ref.id}@{pack.ref.version}"
