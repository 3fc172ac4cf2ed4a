"""One policy pack for people: tables to lay beside the decree, or the same as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from settlement.domain.bill import CareType, Place
from settlement.domain.policy import CompiledPack
from settlement.domain.policy.document import (
    Amount,
    Benefit,
    Cap,
    PackDocument,
    Rate,
    Referral,
    Share,
    Source,
)
from settlement.domain.policy.facts import Fact, facts_of
from settlement.domain.policy.notation import (
    cap_words,
    deductible_words,
    rate_words,
    tilt_words,
)

_PIPE_WIDTH = 140

_PLACES = {
    Place.LOCAL: "本地就医",
    Place.FILED_ELSEWHERE: "异地已备案",
    Place.UNFILED: "异地未备案",
}
#: Facts that belong to no category's table.
_FOR_ALL = frozenset({
    "year", "rounding", "filing_limit", "several_identities", "identity_rule",
    "indicators", "care", "places", "base",
})  # fmt: skip
_REFERRALS = {
    Referral.AS_BILLED: "按账单",
    Referral.REFERRED: "视为已转诊",
    Referral.UNREFERRED: "视为未转诊",
}


def pack_document(document: PackDocument) -> dict[str, Any]:
    """The rules of a pack as JSON values: amounts in fen, rates in ppm."""
    return {
        "care": {
            care_type.value: {
                "title": {"zh": care.title.zh, "en": care.title.en},
                "pot": care.pot.value,
                "day": care.day.value,
                "referral_required": care.referral_required.value,
            }
            for care_type, care in document.cares.items()
        },
        "places": {
            place.value: rule.value.value for place, rule in document.places.items()
        },
        "base": {
            "pre_selfpay_in": document.base.pre_selfpay_in.value,
            "commercial_off": document.base.commercial_off.value,
            "charity_off": document.base.charity_off.value,
            "top_up": document.base.top_up.value,
        },
        "filing_limit_days": document.filing_limit_days.value,
        "benefits": {
            category.id: {
                "title": {"zh": category.title.zh, "en": category.title.en},
                "aliases": list(category.aliases),
                "national_codes": list(category.national_codes),
                "care": {
                    care_type.value: _benefit(document.benefits[category.id, care_type])
                    for care_type in CareType
                },
                "year_caps": {
                    pot: _cap(document.year_caps[category.id, pot].value)
                    for pot in document.pots
                },
            }
            for category in document.categories
        },
        "source_texts": {source.key: _source(source) for source in document.sources},
    }


def _benefit(benefit: Benefit) -> dict[str, Any]:
    deductible, tilt = benefit.deductible.value, benefit.tilt.value
    return {
        "rate_ppm": None if benefit.rate.value is None else benefit.rate.value.flat_ppm,
        "rate": _rate(benefit.rate.value),
        "deductible": deductible
        and _amount("amount", deductible.amount) | {"yearly": deductible.yearly},
        "visit_cap": _cap(benefit.visit_cap.value),
        "tilt": tilt
        and _amount("threshold", tilt.threshold)
        | _amount("year_cap", tilt.year_cap)
        | {
            "rate_ppm": tilt.rate.flat_ppm,
            "rate": _rate(tilt.rate),
            "needs_referral": tilt.needs_referral,
            "yearly": tilt.yearly,
        },
        "source": benefit.rate.source.key,
    }


def _cap(cap: Cap) -> dict[str, Any]:
    return {"covered": cap.covered} | _amount("cap", cap.amount)


def _amount(name: str, amount: Amount | None) -> dict[str, Any]:
    """Fen, `null` for no limit; or a share in ppm of a published figure."""
    if not isinstance(amount, Share):
        return {f"{name}_fen": amount}
    share = {
        "share_ppm": amount.rate_ppm,
        "of": amount.indicator,
        "years_back": amount.years_back,
        "whole_yuan": amount.whole_yuan,
    }
    return {f"{name}_fen": None, f"{name}_share": share}


def _rate(rate: Rate | None) -> dict[str, Any] | None:
    """The bands where one number does not say it; rates in ppm."""
    if rate is None or rate.flat_ppm is not None:
        return None
    return {
        "yearly": rate.yearly,
        "bands": [
            {
                "from_fen": band.from_fen,
                "to_fen": band.to_fen,
                "rates_ppm": {
                    f"level_{level}_{'referred' if referred else 'unreferred'}": ppm
                    for (level, referred), ppm in sorted(band.rates.items())
                },
            }
            for band in rate.bands
        ],
        "text": rate_words(rate),
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "document": source.instrument.number,
        "title": source.instrument.title,
        "article": source.article,
        "quote": source.quote,
        "confirmed": source.confirmed,
        "note": source.note,
    }


def print_pack(pack: CompiledPack, console: Console) -> None:
    """Print head, rules, one row for each category and care, and all sources."""
    document = pack.document
    console.print(f"[bold]{document.title.zh}[/bold]  {document.title.en}")
    if document.fictional:
        console.print("[bold red]虚构，仅供演示 / fictional, for demonstration")
    console.print(
        f"{pack.ref.id}@{pack.ref.version}  "
        f"施行 in force {document.in_force_from} – {document.in_force_to or '…'}  "
        f"公布 known since {document.known_since}"
    )
    console.print(f"sha256 {pack.ref.sha256}", soft_wrap=True)
    for instrument in document.instruments:
        console.print(f"{instrument.number}  {instrument.title}", soft_wrap=True)
    console.print(base_sentence(document))
    console.print(referral_sentence(document))
    console.print(_common_table(document))
    console.print(_category_table(document))
    console.print(_benefit_table(document))
    console.print(_year_cap_table(document))
    console.print(_source_table(document))


def common_facts(document: PackDocument) -> Iterator[tuple[Fact, Source]]:
    """What holds for every category, each with the sentence that it rests on."""
    for fact in facts_of(document):
        rule = fact.path.partition(".")[0]
        if fact.source is not None and rule in _FOR_ALL:
            yield fact, fact.source


def referral_sentence(document: PackDocument) -> str:
    """Which care needs a referral, and what a place of care counts as."""
    required = [
        care.title.zh
        for care in document.cares.values()
        if care.referral_required.value
    ]
    places = "；".join(
        f"{_PLACES[place]}{_REFERRALS[rule.value]}"
        for place, rule in document.places.items()
    )
    return f"要求转诊：{'、'.join(required) or '无'}。{places}。"


def pot_sentence(document: PackDocument) -> str:
    """Which pot each kind of care draws on, and which pot lies within another."""
    pots = document.pots
    draws = [
        f"{care.title.zh}计入{pots[care.pot.value].title.zh}限额"
        for care in document.cares.values()
    ]
    nested = [
        f"{pot.title.zh}又计入{pots[pot.within].title.zh}限额"
        for pot in pots.values()
        if pot.within
    ]
    return "；".join(draws + nested) + "。"


def base_sentence(document: PackDocument) -> str:
    """What aid may touch, in one sentence."""
    base = document.base
    parts = [
        "救助基数：政策范围内费用",
        "（含先行自付）" if base.pre_selfpay_in.value else "（不含先行自付）",
        "，减各项基金支付",
        "、商业保险" if base.commercial_off.value else "",
        "、慈善" if base.charity_off.value else "",
        "；已由医疗救助支付的账单",
        "可再救助。" if base.top_up.value else "不再救助。",
    ]
    return "".join(parts)


def table_of(*headers: str, title: str | None = None, lines: bool = False) -> Table:
    """A table that folds long texts and never cuts an amount short."""
    table = Table(title=title, show_lines=lines, box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def console_for_tables() -> Console:
    """The terminal at its width; a pipe or a file gets room for whole rows."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def _common_table(document: PackDocument) -> Table:
    table = table_of("规则", "内容", "出处", title="通用规则 / rules for all")
    for fact, source in common_facts(document):
        mark = "" if source.confirmed else "[red]（未经证实）"
        table.add_row(fact.title, f"{escape(fact.words)}{mark}", source.article)
    return table


def _category_table(document: PackDocument) -> Table:
    table = table_of("类别", "又称", "身份代码", title="救助对象 / categories")
    for category in document.categories:
        on_application = category.on_application
        how = "" if on_application is None else f"\n依申请：{on_application.how.zh}"
        table.add_row(
            f"{category.title.zh}{how}",
            "、".join(category.aliases) or "—",
            "、".join(category.national_codes) or "—",
        )
    return table


def _benefit_table(document: PackDocument) -> Table:
    table = table_of(
        "类别", "就诊", "比例", "起付标准", "单次限额", "倾斜救助", "出处",
        title="救助标准 / benefits",
    )  # fmt: skip
    for category in document.categories:
        for care_type, care in document.cares.items():
            benefit = document.benefits[category.id, care_type]
            table.add_row(
                category.short.zh,
                care.title.zh,
                rate_words(benefit.rate.value),
                deductible_words(document, benefit.deductible.value),
                cap_words(document, benefit.visit_cap.value),
                tilt_words(document, benefit.tilt.value),
                benefit.rate.source.article,
            )
        table.add_section()
    return table


def _year_cap_table(document: PackDocument) -> Table:
    titles = [f"{pot.title.zh}（{pot.key}）" for pot in document.pots.values()]
    table = table_of("类别", *titles, title="年度限额 / yearly caps")
    for category in document.categories:
        caps = [document.year_caps[category.id, pot].value for pot in document.pots]
        table.add_row(category.title.zh, *[cap_words(document, cap) for cap in caps])
    table.caption = pot_sentence(document)
    return table


def _source_table(document: PackDocument) -> Table:
    headers = ("文件", "条款", "原文", "状态")
    table = table_of(*headers, title="出处 / sources", lines=True)
    for source in document.sources:
        status = "有原文" if source.confirmed else "[red]未经证实"
        note = f"\n[italic]{source.note}" if source.note else ""
        table.add_row(
            source.instrument.number, source.article, source.quote + note, status
        )
    return table
