"""Cross-check the roster: what a bureau should look into, by kind, and the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from settlement.domain.decision import Text
from settlement.domain.policy import compile_pack
from settlement.store.database import Database
from settlement.store.policies import read_packs
from settlement.store.roster_audit import AuditCount, AuditList, open_audit


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of finding, with what its two days are and what to do."""

    title: Text
    days: Text
    next_step: Text


#: Every check by its code, in the order in which they are shown.
CHECKS: Mapping[str, Check] = {
    "settled_after_death": Check(
        Text("去世日期之后有结算", "visits settled after the day of death"),
        Text("去世日期 – 末次就诊", "death – last visit"),
        Text(
            "请核实死亡信息；属实的按异常结算立案并追回。",
            "Confirm the death; then open a case and recover the aid.",
        ),
    ),
    "dead": Check(
        Text("已报去世仍在册", "reported dead, still on the roster"),
        Text("去世日期 – 有效期止或今日", "death – end of the window, or today"),
        Text(
            "请在下一份变更文件中终止其资格。",
            "End the window at the day of death in the next delta.",
        ),
    ),
    "twice": Check(
        Text("同一人重复在册", "the same person twice"),
        Text("有效期", "windows"),
        Text(
            "同一类别有两个有效期，或在两户中：请核对后更正其一。",
            "Two windows of one category, or two households: correct one of them.",
        ),
    ),
    "contradicting": Check(
        Text("同户成员类别互相矛盾", "members in contradicting categories"),
        Text("有效期", "windows"),
        Text("请核对该户的收入认定。", "Have the household assessed again."),
    ),
    "ending": Check(
        Text("资格即将到期", "windows about to end"),
        Text("有效期", "window"),
        Text(
            "请提前告知本人复审，避免就诊时才知道资格已到期。",
            "Tell the person before they lose aid: the review is due.",
        ),
    ),
    "reentered": Check(
        Text("退出后重新纳入", "struck and re-entered"),
        Text("中断前末日 – 重新纳入日", "last day before the gap – first day after it"),
        Text(
            "请核对退出是否有误；中断期间的就诊可能应予补结算。",
            "Was striking them a mistake? Visits in the gap may be owed aid.",
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """What is looked for."""

    day: date
    most: int
    """Rows listed of each kind; all are counted."""
    ending_within: int
    """Days."""
    reentered_within: int
    """Days."""
    excluding: Sequence[str]
    """Ids of categories that members of one household cannot have side by side."""
    deaths: dict[bytes, date] | None = None
    """By person token; `None` where no file was given."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found on the day."""

    rules: AuditRules
    lists: Mapping[str, AuditList]
    """By the codes of `CHECKS`; those on deaths only where deaths were given."""
    counts: Sequence[AuditCount]
    titles: Mapping[str, tuple[str, str]]
    """Chinese and English name of each category, from the installed packs."""


async def audit(database: Database, rules: AuditRules) -> Audit:
    """Look at one snapshot. Raises `StoreUnavailableError`."""
    titles = {}
    for row in await read_packs(database):
        pack = compile_pack(row.document)
        for category in pack.document.categories:
            titles[category.id] = pack.category_text(category.id)
    async with open_audit(database, rules.day, rules.most) as reader:
        lists = {}
        if rules.deaths is not None:
            lists["settled_after_death"] = await reader.settled_after_death(
                rules.deaths
            )
            lists["dead"] = await reader.dead(rules.deaths)
        lists["twice"] = await reader.twice()
        lists["contradicting"] = await reader.contradicting(rules.excluding)
        lists["ending"] = await reader.ending(rules.ending_within)
        lists["reentered"] = await reader.reentered(rules.reentered_within)
        return Audit(rules, lists, await reader.counts(), titles)
