"""Which settlements a later roster file has corrected backwards; it changes none.

A roster file may say of days gone by what was not known then: that somebody had died
or been struck before the visit, or was entitled all along. What was settled, or
declined, on the version before is compared with the windows as they stand now, by the
identity rule of the pack that decided it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from settlement.domain.decision import Text
from settlement.domain.eligibility import RosterPerson, windows_during
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.store.database import Database
from settlement.store.past import PastWindow
from settlement.store.policies import read_packs
from settlement.store.roster_sweep import Suspect, suspects_since


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which a correction touches a decision."""

    text: Text
    next_step: Text


#: Every kind by its code, those that cost somebody money first.
KINDS: Mapping[str, Kind] = {
    "not_eligible": Kind(
        Text(
            "按更正后的名册，就诊日期无救助资格", "not eligible on the dates of service"
        ),
        Text(
            "请民政部门核对更正；属实的由医院冲正，或由民政部门追回救助金。",
            "Have the bureau confirm the correction; then the facility reverses the"
            " settlement, or the bureau recovers the aid.",
        ),
    ),
    "other_category": Kind(
        Text("按更正后的名册，就诊日期属其他类别", "of another category on the dates"),
        Text(
            "请医院冲正后新开一笔，按更正后的类别结算，多退少补。",
            "The facility reverses it and settles anew, by the category as corrected.",
        ),
    ),
    "now_eligible": Kind(
        Text(
            "当时未予救助，按更正后的名册有资格", "declined then, eligible as corrected"
        ),
        Text(
            "请通知患者持原票据回医院，由医院新开一笔结算。",
            "Tell the patient to bring the bill back; the facility settles it under a"
            " new key.",
        ),
    ),
    "better_category": Kind(
        Text(
            "按更正后的名册，另有待遇更高的类别",
            "a better category was added for the dates",
        ),
        Text(
            "请医院试算；对患者更有利的，冲正后新开一笔。",
            "The facility quotes it again; where the patient gets more, it reverses and"
            " settles anew.",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Corrected:
    """One decision that the roster as it stands now would not bear."""

    kind: str
    suspect: Suspect
    category_now: str | None
    """The best of the dates' categories by the pack that decided."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep has found, by instant of settling."""

    checked: int
    """Decisions of persons whose windows have changed since."""
    corrected: Sequence[Corrected]


async def sweep(database: Database, since: datetime) -> Sweep:
    """Look at every decision since an instant. Raises `StoreUnavailableError`."""
    packs = {row.no: compile_pack(row.document) for row in await read_packs(database)}
    checked, found = 0, []
    async with suspects_since(database, since) as suspects:
        async for chunk in suspects.chunks():
            checked += len(chunk)
            for suspect, windows in chunk:
                corrected = _judge(suspect, windows, packs[suspect.policy_no])
                if corrected is not None:
                    found.append(corrected)
    return Sweep(checked, found)


def _judge(
    suspect: Suspect, windows: Sequence[PastWindow], pack: CompiledPack
) -> Corrected | None:
    now = _categories(suspect, windows, pack)
    best = pack.best_category(now)
    if not suspect.is_in_force:
        return Corrected("now_eligible", suspect, best) if best else None
    if not now:
        return Corrected("not_eligible", suspect, None)
    if suspect.category not in now:
        return Corrected("other_category", suspect, best)
    since = [each for each in windows if each.version > suspect.roster_version]
    added = _categories(suspect, since, pack)
    if best != suspect.category and best in added:
        return Corrected("better_category", suspect, best)
    return None


def _categories(
    suspect: Suspect, windows: Sequence[PastWindow], pack: CompiledPack
) -> list[str]:
    rule = pack.document.identity_rule
    person = RosterPerson(suspect.person, b"", tuple(each.window for each in windows))
    found = windows_during(
        person,
        suspect.service_start,
        suspect.service_end,
        gained=rule.gained,
        lost=rule.lost,
    )
    return [window.category for window in found]
