"""A pack as a page that prints on A4, to be laid beside the decree and signed."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.cli.policy_desk import pack_name
from gateway.cli.policy_html import Cell, heading, line, page, table
from gateway.cli.policy_view import (
    base_sentence,
    common_facts,
    pot_sentence,
    referral_sentence,
)
from settlement.domain.bill import CareType
from settlement.domain.money import yuan_text
from settlement.domain.policy import CompiledPack
from settlement.domain.policy.document import (
    Category,
    PackDocument,
    Source,
    WorkedCase,
)
from settlement.domain.policy.notation import (
    cap_words,
    deductible_words,
    rate_words,
    tilt_words,
)

_AMOUNTS = {
    "total_fen": "总费用", "in_policy_fen": "政策范围内", "pre_selfpay_fen": "先行自付",
    "over_limit_fen": "超限价", "self_funded_fen": "自费",
    "basic_insurance_fen": "基本医保", "serious_illness_fen": "大病保险",
    "other_funds_fen": "其他基金", "medical_aid_fen": "已付救助",
    "personal_account_fen": "个人账户", "deductible_fen": "医保起付线以下",
    "commercial_fen": "商业保险", "charity_fen": "慈善",
}  # fmt: skip
#: What worked cases expect, as people call it.
OUTCOMES = {
    "in_force": "适用", "decision": "决定", "reason": "原因", "category": "类别",
    "base": "基数", "aid": "救助", "tilt": "其中倾斜", "patient_pays": "个人负担",
    "cash": "现金", "account_return": "账户退回",
}  # fmt: skip


def pack_page(pack: CompiledPack) -> str:
    """The whole pack: rules beside the decree's words, worked cases, signatures."""
    name, title = pack_name(pack), pack.document.title
    foot = f"{title.zh} · {name} · SHA-256 {pack.ref.sha256}"
    return page(f"{name} {title.zh}", foot, _parts(pack))


def _parts(pack: CompiledPack) -> Iterator[str]:
    document = pack.document
    yield from _head(pack)
    yield heading("依据文件", "instruments")
    yield table(
        ("文号 number", "名称 title", "印发 issued", "公布 published"),
        [
            (
                each.number,
                each.title,
                f"{each.issued or '—'}",
                f"{each.published or '—'}",
            )
            for each in document.instruments
        ],
    )
    yield from _common(document)
    yield heading("救助标准", "benefits, beside the decree's words")
    for category in document.categories:
        yield from _category(document, category)
    yield from _caps(document)
    yield heading("出处与原文", "sources, word for word")
    yield _sources(document)
    yield heading("算例", "worked cases")
    yield table(
        ("算例 case", "给定 given", "应得 expected"),
        [_case(case) for case in document.cases],
    )
    yield from _signatures(pack)


def _head(pack: CompiledPack) -> Iterator[str]:
    document = pack.document
    yield heading(document.title.zh, document.title.en, 1)
    if document.fictional:
        yield line("虚构，仅供演示 Fictional, for demonstration", "mark")
    yield line(f"{pack_name(pack)} · {document.scheme.zh} · {document.jurisdiction}")
    yield line(
        f"施行 in force {document.in_force_from} – {document.in_force_to or '…'}；"
        f"公布 known since {document.known_since}"
    )
    unconfirmed = sum(not source.confirmed for source in document.sources)
    if unconfirmed:
        yield line(
            f"{unconfirmed} 处为未经证实的理解，以底色标出"
            " / readings that no decree confirms are shaded",
            "mark",
        )


def _common(document: PackDocument) -> Iterator[str]:
    yield heading("通用规则", "rules for all")
    yield line(base_sentence(document))
    yield line(referral_sentence(document))
    rows = [
        (fact.title, _marked(fact.words, source), *_quote(source))
        for fact, source in common_facts(document)
    ]
    yield table(("规则 rule", "内容", "条款 article", "原文 quote"), rows)


def _category(document: PackDocument, category: Category) -> Iterator[str]:
    yield heading(category.title.zh, category.title.en, 3)
    names = "、".join((*category.aliases, *category.national_codes)) or "—"
    yield line(f"又称 also: {names}", "quiet")
    if category.on_application is not None:
        yield line(f"依申请救助：{category.on_application.how.zh}", "mark")
    rows = []
    for care_type, care in document.cares.items():
        benefit = document.benefits[category.id, care_type]
        rows.append(
            (
                care.title.zh,
                _marked(rate_words(benefit.rate.value), benefit.rate.source),
                _marked(
                    deductible_words(document, benefit.deductible.value),
                    benefit.deductible.source,
                ),
                _marked(
                    cap_words(document, benefit.visit_cap.value),
                    benefit.visit_cap.source,
                ),
                _marked(tilt_words(document, benefit.tilt.value), benefit.tilt.source),
            )
        )
    yield table(("就诊", "比例", "起付标准", "单次限额", "倾斜救助"), rows)
    yield table(("条款 article", "原文 quote"), _quotes_of(document, category))


def _quotes_of(document: PackDocument, category: Category) -> list[tuple[str, ...]]:
    """Each source that the category's numbers rest on, once."""
    sources: dict[str, Source] = {}
    for care_type in CareType:
        benefit = document.benefits[category.id, care_type]
        for cell in (benefit.rate, benefit.deductible, benefit.visit_cap, benefit.tilt):
            sources.setdefault(cell.source.key, cell.source)
    return [_quote(source) for source in sources.values()]


def _caps(document: PackDocument) -> Iterator[str]:
    yield heading("年度限额", "yearly caps")
    titles = [pot.title.zh for pot in document.pots.values()]
    rows = []
    for category in document.categories:
        caps = [document.year_caps[category.id, pot] for pot in document.pots]
        words = [_marked(cap_words(document, cap.value), cap.source) for cap in caps]
        articles = dict.fromkeys(cap.source.article for cap in caps)
        rows.append((category.title.zh, *words, "、".join(articles)))
    yield table(("类别", *titles, "条款"), rows)
    yield line(pot_sentence(document))


def _sources(document: PackDocument) -> str:
    return table(
        ("文件 document", "条款 article", "原文 quote", "状态 status"),
        [
            (
                source.instrument.number,
                *_quote(source),
                Cell("有原文 confirmed")
                if source.confirmed
                else Cell("未经证实 unconfirmed", "open"),
            )
            for source in document.sources
        ],
    )


def _marked(text: str, source: Source) -> Cell:
    """Shaded, and said in words too, where no decree confirms it."""
    if source.confirmed:
        return Cell(text)
    return Cell(f"{text}（未经证实）", "open")


def _quote(source: Source) -> tuple[str, str]:
    parts = [source.quote] if source.quote else []
    if source.note:
        parts.append(f"注：{source.note}")
    text = "\n".join(parts)
    return source.article, Cell(text, "" if source.confirmed else "open")


def _case(case: WorkedCase) -> tuple[str, str, str]:
    return case.name, _given(case), _expected(case)


def _given(case: WorkedCase) -> str:
    bill = case.bill
    days = f"{bill.service_start}"
    if bill.service_end != bill.service_start:
        days += f" 至 {bill.service_end}"
    parts = ["、".join(case.categories), bill.care_type.value, days]
    if not bill.referred:
        parts.append("未转诊")
    if case.on_application:
        parts.append("依申请")
    amounts = [
        f"{title}{yuan_text(getattr(bill, name))}元"
        for name, title in _AMOUNTS.items()
        if getattr(bill, name)
    ]
    used = [f"已用 {pot} {yuan_text(fen)}元" for pot, fen in case.used_fen.items()]
    return "；".join(parts) + "\n" + "，".join([*amounts, *used])


def _expected(case: WorkedCase) -> str:
    return "，".join(
        f"{OUTCOMES.get(name, name)} {text}" for name, text in case.expect.items()
    )


def _signatures(pack: CompiledPack) -> Iterator[str]:
    yield heading("核对签字", "signatures of two officers, over the exact bytes")
    yield f"<p>SHA-256 <code>{pack.ref.sha256}</code></p>"
    yield line(
        "两位不同的官员核对本页与原文一致后签字，并各自运行 medaid policy approve。"
        " Two different officers sign after comparing this page with the decree.",
        "quiet",
    )
    both = "".join(
        f"<div>{who} officer：<br>日期 date：</div>" for who in ("核对人一", "核对人二")
    )
    yield f'<div class="sign">{both}</div>'
