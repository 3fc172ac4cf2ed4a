"""A simulation in rows and words, the same for terminal, page and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.policy_charts import Band, Pair
from gateway.cli.policy_desk import month_text, pack_name
from settlement.domain.money import yuan_text
from settlement.domain.policy import CompiledPack
from settlement.domain.reasons import REASONS
from settlement.service.policy_replay import Doubt, LeftOut, Redecided
from settlement.service.policy_simulation import BANDS_FEN, Simulation, Sum

_MONTHS_A_YEAR = 12
_LAST_BAND = len(BANDS_FEN)

LEFT_OUT = {
    LeftOut.OTHER_REASON: (
        "拒绝原因与政策无关（重复账单、金额变更等）",
        "declined for a reason that no pack decides",
    ),
    LeftOut.OTHER_KEY: (
        "拒绝后同一账单另行提交",
        "declined, and the same bill came again under another key",
    ),
    LeftOut.NO_FIGURE: (
        "政策缺少当年公布数据，无法计算",
        "the pack lacks a published figure for the year",
    ),
    LeftOut.MISSING_FIELD: (
        "账单缺少该政策所需字段",
        "the bill leaves out a field that the pack's rules rest on",
    ),
}
DOUBTS = {
    Doubt.IDENTITY_CHANGED: (
        "结算后名册变更过的其他身份未计入",
        "a further identity was changed on the roster since; it was left aside",
    ),
    Doubt.UNKNOWN_CATEGORY: (
        "该政策不认识此人的任何类别，按不予救助计",
        "the pack knows none of the person's categories: counted with no aid",
    ),
}
OF_NOBODY = (
    "不在名册的卡，没有身份可算",
    "declined cards that no roster knew: nothing to decide",
)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulation with what it was asked."""

    pack: CompiledPack
    month: int
    result: Simulation
    year: Simulation | None
    """The twelve months that end with it, where they were asked for."""


@dataclass(frozen=True, slots=True)
class Group:
    """One table: sums by something."""

    key: str
    zh: str
    en: str
    rows: tuple[tuple[str, str, Sum], ...]
    """Key, what people call it, and the sum."""


def groups(simulated: Simulated) -> list[Group]:
    """By category, by kind of care, by sub-district; by month where there is a year."""
    pack, result = simulated.pack, simulated.result
    cares = {care.value: rule.title.zh for care, rule in pack.document.cares.items()}
    found = [
        _group("category", "按类别", "by category", result.by_category,
               lambda key: pack.category_text(key)[0]),
        _group("care_type", "按就诊类型", "by kind of care", result.by_care,
               lambda key: cares.get(key, key)),
        _group("subdistrict", "按街道（乡镇）", "by sub-district",
               result.by_subdistrict, str),
    ]  # fmt: skip
    if simulated.year is not None:
        months = {month_text(m): s for m, s in simulated.year.by_month.items()}
        found.append(_group("month", "近十二个月", "the twelve months", months, str))
    return found


def _group(key: str, zh: str, en: str, sums: Mapping[str, Sum], title: Any) -> Group:
    rows = sorted(
        (each for each in sums.items() if each[1] != Sum()), key=lambda each: each[0]
    )
    return Group(
        key, zh, en, tuple((k, title(k) if k else "未知 unknown", s) for k, s in rows)
    )


@dataclass(frozen=True, slots=True)
class YearCost:
    """What the pack would cost more in a year, and what that rests on."""

    difference_fen: int
    months: int
    """Months that were decided again."""
    is_estimate: bool
    """One month times twelve; otherwise the sum of what the books hold."""

    @property
    def words(self) -> tuple[str, str]:
        """How it was come by, in Chinese and English."""
        if self.is_estimate:
            return "本月差额×12，估算", "this month's difference times 12: an estimate"
        zh = f"近十二个月中有结算的 {self.months} 个月逐笔重算之和"
        en = f"the last twelve months decided again: {self.months} have settlements"
        return zh, en


def year_cost(simulated: Simulated) -> YearCost:
    """From the twelve months where they were decided again, else an estimate."""
    if simulated.year is not None:
        months = len(simulated.year.by_month)
        return YearCost(simulated.year.total.difference_fen, months, is_estimate=False)
    difference = simulated.result.total.difference_fen * _MONTHS_A_YEAR
    return YearCost(difference, 1, is_estimate=True)


def pairs_of(group: Group) -> list[Pair]:
    """A group as bars."""
    return [
        Pair(
            label,
            sums.aid_before_fen,
            sums.aid_after_fen,
            yuan_text(sums.aid_before_fen),
            f"{yuan_text(sums.aid_after_fen)} ({signed(sums.difference_fen)})",
        )
        for _, label, sums in group.rows
    ]


def bands_of(result: Simulation) -> list[Band]:
    """From those who gain most, over those who keep, to those who lose most."""
    order = [(1, band) for band in range(_LAST_BAND, 0, -1)]
    order += [(0, 0), *((-1, band) for band in range(1, _LAST_BAND + 1))]
    return [Band(_band_words(*key), result.bands[key], key[0]) for key in order]


def _band_words(sign: int, band: int) -> str:
    if not sign:
        return "不变 same"
    word = "增 more" if sign > 0 else "减 less"
    lower = BANDS_FEN[band - 1] // 100
    if band == _LAST_BAND:
        return f"{word} >{lower:,}元"
    return f"{word} {lower:,}–{BANDS_FEN[band] // 100:,}元"


def signed(fen: int) -> str:
    """A difference in yuan with its sign: `+7.20`, `-15.20`, `0.00`."""
    sign = "+" if fen > 0 else "-" if fen < 0 else ""
    return f"{sign}{yuan_text(abs(fen))}"


def reason_words(code: str) -> str:
    """A reason's code with its Chinese text."""
    return f"{code} {REASONS[code].text.zh}" if code in REASONS else code


def remarks(result: Simulation) -> Iterator[tuple[int, str, str]]:
    """What could not be decided again or only with a reservation, with its count."""
    for why, words in LEFT_OUT.items():
        if result.left_out[why]:
            yield result.left_out[why], *words
    for doubt, words in DOUBTS.items():
        if result.doubts[doubt]:
            yield result.doubts[doubt], *words
    if result.declines_of_nobody:
        yield result.declines_of_nobody, *OF_NOBODY


def simulation_json(simulated: Simulated) -> dict[str, Any]:
    """Everything, amounts in fen."""
    result, cost = simulated.result, year_cost(simulated)
    return {
        "policy": {
            "id": simulated.pack.ref.id,
            "version": simulated.pack.ref.version,
            "sha256": simulated.pack.ref.sha256,
        },
        "month": month_text(simulated.month),
        "total": sum_json(result.total),
        "settlements_changed": result.changed,
        "newly_approved": result.newly_approved,
        "newly_declined": result.newly_declined,
        "persons": {
            "seen": result.persons,
            "gain": result.persons_gaining,
            "lose": result.persons_losing,
            "bands": [
                {"label": band.label, "persons": band.persons}
                for band in bands_of(result)
            ],
        },
        **{
            f"by_{group.key}": {key: sum_json(sums) for key, _, sums in group.rows}
            for group in groups(simulated)
        },
        "reasons": dict(sorted(result.reasons.items())),
        "caps_newly_hit": dict(sorted(result.capped.items())),
        "year": {
            "difference_fen": cost.difference_fen,
            "months": cost.months,
            "estimate": cost.is_estimate,
        },
        "left_out": {why.value: count for why, count in result.left_out.items()},
        "doubts": {doubt.value: count for doubt, count in result.doubts.items()},
        "declines_of_nobody": result.declines_of_nobody,
        "largest_gains": [settlement_json(each) for each in result.gains],
        "largest_losses": [settlement_json(each) for each in result.losses],
    }


def sum_json(sums: Sum) -> dict[str, int]:
    """A sum before and after."""
    return {
        "settlements_before": sums.settlements_before,
        "settlements_after": sums.settlements_after,
        "aid_before_fen": sums.aid_before_fen,
        "aid_after_fen": sums.aid_after_fen,
        "difference_fen": sums.difference_fen,
    }


def settlement_json(each: Redecided) -> dict[str, Any]:
    """One settlement before and after; its id, and nothing of the person."""
    return {
        "settlement_id": each.id.hex(),
        "month": month_text(each.month),
        "care_type": each.care_type,
        "category_before": each.category_before,
        "category_after": each.category_after,
        "reason_before": each.reason_before,
        "reason_after": each.reason_after,
        "aid_before_fen": each.aid_before_fen,
        "aid_after_fen": each.aid_after_fen,
        "difference_fen": each.difference_fen,
    }


def title_of(simulated: Simulated) -> str:
    """`ID@VERSION · 2026-01`."""
    return f"{pack_name(simulated.pack)} · {month_text(simulated.month)}"
