"""A pack taken apart into single statements in the decree's words, each with a path.

Two documents that state the same have the same facts, and what differs between two is
found path by path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields

from settlement.domain.bill import Bill, Place
from settlement.domain.money import HALF_UP, yuan_text
from settlement.domain.policy.document import (
    BaseFormula,
    Category,
    PackDocument,
    Referral,
    Source,
    WorkedCase,
)
from settlement.domain.policy.notation import (
    NONE,
    cap_words,
    deductible_words,
    rate_words,
    tilt_words,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement of a pack."""

    path: str
    """As the document's keys have it: `rates.dibao.outpatient`."""
    title: str
    """What it is about, in Chinese."""
    words: str
    source: Source | None


_BASE = (
    ("pre_selfpay", "先行自付", "pre_selfpay_in", "计入", "不计入"),
    ("commercial", "商业保险", "commercial_off", "扣除", "不扣除"),
    ("charity", "慈善", "charity_off", "扣除", "不扣除"),
    ("top_up", "已付救助的账单", "top_up", "允许", "不允许"),
    ("insurance_deductible", "医保起付线以下", "deductible_in", "计入", "不计入"),
)
_DAYS = {"service_start": "按就诊开始日", "service_end": "按就诊结束日（出院日）"}
_PLACES = {
    Place.LOCAL: "本地就医",
    Place.FILED_ELSEWHERE: "异地已备案",
    Place.UNFILED: "异地未备案",
}
_REFERRALS = {
    Referral.AS_BILLED: "按账单",
    Referral.REFERRED: "视为已转诊",
    Referral.UNREFERRED: "视为未转诊",
}
_BILL = tuple(
    field.name for field in fields(Bill) if field.name not in {"card", "visit_no"}
)


def facts_of(pack: PackDocument) -> Iterator[Fact]:
    """Every statement of the document, in the order in which it is read."""
    yield from _head(pack)
    yield from _indicators(pack)
    yield from _pots(pack)
    order = " > ".join(category.id for category in pack.categories)
    yield Fact("categories", "类别先后（救助相同时）", order, None)
    for category in pack.categories:
        yield from _category(category)
    yield from _cares(pack)
    yield from _base("base", "救助基数", pack.base)
    for category_id, base in pack.base.by_category.items():
        yield from _base(f"base.{category_id}", f"救助基数（{category_id}）", base)
    yield from _benefits(pack)
    yield from _sources(pack)
    yield from _cases(pack)


def _head(pack: PackDocument) -> Iterator[Fact]:
    plain = (
        ("id", "制度", pack.id),
        ("title", "名称", f"{pack.title.zh} / {pack.title.en}"),
        ("scheme", "救助制度", f"{pack.scheme.zh} / {pack.scheme.en}"),
        ("jurisdiction", "行政区划", pack.jurisdiction),
        ("fictional", "虚构", "是" if pack.fictional else "否"),
        ("in_force.from", "施行", f"{pack.in_force_from}"),
        ("in_force.to", "失效", f"{pack.in_force_to or 'open'}"),
        ("known_since", "公布", f"{pack.known_since}"),
    )
    for path, title, words in plain:
        yield Fact(path, title, words, None)
    year, limit = pack.year, pack.filing_limit_days
    rounding = "四舍五入" if pack.rounding.value == HALF_UP else "舍去"
    yield Fact("year", "年度起始", f"{year.month}月{year.day}日", year.source)
    yield Fact("rounding", "进位", rounding, pack.rounding.source)
    words = NONE if limit.value is None else f"{limit.value}天"
    yield Fact("filing_limit", "申报期限", words, limit.source)
    yield Fact("several_identities", "多重身份", "就高不重复", pack.identities)
    rule = pack.identity_rule
    changes = (("gained", "就诊中取得身份", rule.gained),
               ("lost", "就诊中失去身份", rule.lost))  # fmt: skip
    for key, title, counts in changes:
        text = "计入" if counts else "不计入"
        yield Fact(f"identity_rule.{key}", title, text, rule.source)


def _indicators(pack: PackDocument) -> Iterator[Fact]:
    for key, indicator in pack.indicators.items():
        for year, figure in sorted(indicator.values.items()):
            title = f"{indicator.title.zh} {year}年"
            yield Fact(
                f"indicators.{key}.{year}", title, _yuan(figure.value), figure.source
            )


def _pots(pack: PackDocument) -> Iterator[Fact]:
    for key, pot in pack.pots.items():
        within = f"，计入{pot.within}" if pot.within else ""
        yield Fact(
            f"pots.{key}",
            f"限额池 {key}",
            f"{pot.title.zh} / {pot.title.en}{within}",
            None,
        )


def _category(category: Category) -> Iterator[Fact]:
    path, name = f"categories.{category.id}", category.title.zh
    titles = f"{name} / {category.title.en}（{category.short.zh}/{category.short.en}）"
    yield Fact(path, f"类别 {category.id}", titles, category.source)
    for key, title, values in (
        ("aliases", "别名", category.aliases),
        ("national_codes", "国家代码", category.national_codes),
    ):
        words = "、".join(values) or NONE
        yield Fact(f"{path}.{key}", f"{name} {title}", words, category.source)
    application = category.on_application
    if application is not None:
        yield Fact(
            f"{path}.on_application",
            f"{name} 依申请",
            f"{application.how.zh} / {application.how.en}",
            application.source,
        )


def _cares(pack: PackDocument) -> Iterator[Fact]:
    for care_type, care in pack.cares.items():
        path, name = f"care.{care_type.value}", care.title.zh
        yield Fact(path, care_type.value, f"{name} / {care.title.en}", None)
        pot = _pot_words(pack, care.pot.value)
        yield Fact(f"{path}.pot", f"{name} 计入限额", pot, care.pot.source)
        day = _DAYS[care.day.value]
        yield Fact(f"{path}.day", f"{name} 年度和标准", day, care.day.source)
        required = "要求" if care.referral_required.value else "不要求"
        source = care.referral_required.source
        yield Fact(f"{path}.referral", f"{name} 转诊", required, source)
        for category, own in care.pots_by_category.items():
            title, pot = f"{name} 计入限额（{category}）", _pot_words(pack, own.value)
            yield Fact(f"{path}.pot.{category}", title, pot, own.source)
    for place, rule in pack.places.items():
        path, words = f"places.{place.value}", _REFERRALS[rule.value]
        yield Fact(path, f"{_PLACES[place]} 转诊", words, rule.source)


def _pot_words(pack: PackDocument, pot: str) -> str:
    return f"{pack.pots[pot].title.zh}（{pot}）"


def _base(path: str, title: str, base: BaseFormula) -> Iterator[Fact]:
    yield Fact(f"{path}.costs", title, "政策范围内费用减各项基金", base.costs)
    for key, name, attribute, yes, no in _BASE:
        rule = getattr(base, attribute)
        if rule is not None:
            words = yes if rule.value else no
            yield Fact(f"{path}.{key}", f"{title} {name}", words, rule.source)


def _benefits(pack: PackDocument) -> Iterator[Fact]:
    for category in pack.categories:
        for care_type, care in pack.cares.items():
            benefit = pack.benefits[category.id, care_type]
            cell, who = f"{category.id}.{care_type.value}", category.short.zh
            name = f"{who}{care.title.zh}"
            rate, deductible = benefit.rate, benefit.deductible
            cap, tilt = benefit.visit_cap, benefit.tilt
            for table, title, words, source in (
                ("rates", "比例", rate_words(rate.value), rate.source),
                ("deductibles", "起付标准",
                 deductible_words(pack, deductible.value), deductible.source),
                ("visit_caps", "单次限额", cap_words(pack, cap.value), cap.source),
                ("tilt", "倾斜", tilt_words(pack, tilt.value), tilt.source),
            ):  # fmt: skip
                yield Fact(f"{table}.{cell}", f"{name} {title}", words, source)
        for pot in pack.pots:
            year_cap = pack.year_caps[category.id, pot]
            yield Fact(
                f"year_caps.{category.id}.{pot}",
                f"{category.short.zh} {pack.pots[pot].title.zh}年度限额",
                cap_words(pack, year_cap.value),
                year_cap.source,
            )


def _sources(pack: PackDocument) -> Iterator[Fact]:
    for instrument in pack.instruments:
        yield Fact(
            f"instruments.{instrument.key}",
            "文件",
            f"{instrument.number}《{instrument.title}》"
            f"{instrument.issued or ''} {instrument.published or ''}".rstrip(),
            None,
        )
    for source in pack.sources:
        status = "有原文" if source.confirmed else "未经证实"
        parts = (source.instrument.number, source.article, source.quote, source.note)
        words = "｜".join([*(part for part in parts if part), status])
        yield Fact(f"sources.{source.key}", f"出处 {source.key}", words, None)


def _cases(pack: PackDocument) -> Iterator[Fact]:
    seen: Counter[str] = Counter()
    for case in pack.cases:
        seen[case.name] += 1
        again = f" ({seen[case.name]})" if seen[case.name] > 1 else ""
        path, title = f"cases.{case.name}{again}", f"算例：{case.name}"
        yield Fact(path, title, _case(case), None)


def _case(case: WorkedCase) -> str:
    """Everything that the case gives and expects; what is not given is left out."""
    bill = case.bill
    given = {name: getattr(bill, name) for name in _BILL}
    parts = [f"{name}={value}" for name, value in given.items() if value]
    parts += [f"used.{pot}={fen}" for pot, fen in case.used_fen.items()]
    parts += ["、".join(case.categories), f"settled_on={case.settled_on}"]
    parts += [f"level={case.facility_level}", f"applied={case.on_application}"]
    return "；".join(parts) + " → " + _expected(case)


def _expected(case: WorkedCase) -> str:
    return "，".join(f"{name} {words}" for name, words in case.expect.items())


def _yuan(fen: int) -> str:
    return f"{yuan_text(fen)}元"
