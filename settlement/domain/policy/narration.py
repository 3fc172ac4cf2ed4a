"""The explanation: one line for each step whose rule exists, coded and sourced.

All that does not depend on the bill is put together once, when a pack is compiled;
a settlement notes amounts, and the sentences are made when somebody reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.adjudicate import Steps, Terms, Used, within
from settlement.domain.decision import CodedLine
from settlement.domain.money import percent_text, yuan_text
from settlement.domain.policy.amounts import Figures
from settlement.domain.policy.document import (
    BaseFormula,
    Benefit,
    Care,
    Category,
    OnApplication,
    PackDocument,
    Pot,
    Rate,
    Sourced,
)
from settlement.domain.policy.document import Cap as CapRule
from settlement.domain.policy.phrases import (
    AlreadyPaid,
    BaseSentence,
    Fixed,
    PatientSentence,
    Running,
    Step,
)


@dataclass(frozen=True, slots=True)
class BillPhrases:
    """Phrases that are the same for every category."""

    base: BaseSentence
    patient: PatientSentence
    already_paid: AlreadyPaid
    filing_limit: Fixed
    referral: Fixed


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases of one category for one kind of care; `None`: no such rule."""

    best: Fixed
    rate: Step
    banded: Running | None
    """In place of `rate` where the brackets count the year's amounts."""
    deductible: Step | None
    deductible_yearly: Running | None
    visit_cap: Step | None
    year_caps: tuple[Running | None, ...]
    """Of the pots that aid draws on, innermost first; `None`: no limit."""
    tilt: Step | Running | None
    """A running one where the tilt looks at the year's burden."""
    tilt_cap: Running | None


def application_phrase(category: Category, application: OnApplication) -> Step:
    """What the desk tells a patient whose aid is given on application."""
    return Step(
        f"{category.short.zh}救助依申请办理，不在结算时给付。{application.how.zh}本次：",
        f"{category.short.en}: aid is given on application, not at the desk. "
        f"{application.how.en} Now: ",
        application.source.label,
    )


def bill_phrases(pack: PackDocument, base: BaseFormula, care: Care) -> BillPhrases:
    """Prepare the phrases about the bill as a whole, by one formula of the base."""
    source = base.costs.label
    zh, en = "政策范围内费用", "In-policy costs"
    if base.pre_selfpay_in.value:
        zh, en = f"{zh}（含先行自付）", f"{en} with pre-selfpay"
    if base.deductible_in is not None and not base.deductible_in.value:
        zh, en = f"{zh}（不含医保起付线以下）", f"{en} above the insurers' deductible"
    days = pack.filing_limit_days.value
    return BillPhrases(
        base=BaseSentence(zh, en, source),
        patient=PatientSentence(source),
        already_paid=AlreadyPaid(base.top_up.source.label),
        filing_limit=Fixed(
            f"已超过就诊结束后 {days} 天的申报期限，不予救助",
            f"More than {days} days after the end of service: no aid",
            pack.filing_limit_days.source.label,
        ),
        referral=Fixed(
            "未按规定转诊，不予救助",
            "Not referred as the rules demand: no aid",
            care.referral_required.source.label,
        ),
    )


def benefit_phrases(
    pack: PackDocument,
    category: Category,
    care: Care,
    benefit: Benefit,
    standing: tuple[int, bool],
    figures: Figures,
    drawn: tuple[str, ...],
) -> Phrases:
    """Prepare the phrases of one category for one kind of care."""
    who_zh, who_en = category.short.zh, category.short.en
    deductible = benefit.deductible.value
    yearly = deductible is not None and deductible.yearly
    step, running = _deductible_phrases(benefit, figures)
    caps = [(pack.pots[pot], pack.year_caps[category.id, pot]) for pot in drawn]
    rate, banded = _rate_phrases(
        benefit.rate,
        standing,
        f"{who_zh}{care.title.zh}",
        f"{who_en} {care.title.en}",
    )
    return Phrases(
        best=Fixed(
            f"有多重身份，就高按{who_zh}救助，不重复享受",
            f"Several identities: the best one, {who_en}, counts alone",
            pack.identities.label,
        ),
        rate=rate,
        banded=banded,
        deductible=None if yearly else step,
        deductible_yearly=running if yearly else None,
        visit_cap=_visit_cap_phrase(benefit, figures),
        year_caps=tuple(_year_cap_phrase(pot, cap, figures) for pot, cap in caps),
        tilt=_tilt_phrase(benefit, standing, figures),
        tilt_cap=_tilt_cap_phrase(benefit, figures),
    )


def _rate_phrases(
    cell: Sourced[Rate | None], standing: tuple[int, bool], zh: str, en: str
) -> tuple[Step, Running | None]:
    source, rate = cell.source.label, cell.value
    if rate is None or not any(band.rates[standing] for band in rate.bands):
        return Step(f"{zh}不享受救助：", f"No aid for {en}: ", source), None
    words_zh, words_en = rate_words(rate, standing)
    step = Step(f"{zh}救助 {words_zh}：", f"{en} aid {words_en}: ", source)
    if not rate.yearly:
        return step, None
    return step, Running(
        f"{zh}救助 {words_zh}，年度此前已计 ",
        f"{en} aid {words_en}, counted before in the year ",
        source,
    )


def rate_words(rate: Rate, standing: tuple[int, bool]) -> tuple[str, str]:
    """A rate, or its bands one after the other: `3万以下 30%` in full amounts."""
    if len(rate.bands) == 1:
        percent = percent_text(rate.bands[0].rates[standing])
        return f"{percent}%", f"{percent} %"
    zh, en = [], []
    for band in rate.bands:
        percent = percent_text(band.rates[standing])
        if band.to_fen is None:
            edge = yuan_text(band.from_fen)
            zh.append(f"{edge} 元以上 {percent}%")
            en.append(f"{percent} % above {edge}")
        else:
            edge = yuan_text(band.to_fen)
            zh.append(f"至 {edge} 元 {percent}%")
            en.append(f"{percent} % up to {edge}")
    return f"分段（{'，'.join(zh)}）", f"in bands ({', '.join(en)})"


def _deductible_phrases(
    benefit: Benefit, figures: Figures
) -> tuple[Step | None, Running | None]:
    deductible = benefit.deductible.value
    if deductible is None:
        return None, None
    amount, source = figures.text(deductible.amount), benefit.deductible.source.label
    step = Step(
        f"每次起付标准 {amount} 元：", f"Deductible of a visit {amount}: ", source
    )
    running = Running(
        f"年度起付标准 {amount} 元，此前已计 ",
        f"Yearly deductible {amount}, counted before ",
        source,
    )
    return step, running


def _visit_cap_phrase(benefit: Benefit, figures: Figures) -> Step | None:
    cap = benefit.visit_cap.value
    if cap.amount is None or not cap.covered:
        return None
    amount = figures.text(cap.amount)
    return Step(
        f"单次救助限额 {amount} 元：",
        f"Cap per visit {amount}: ",
        benefit.visit_cap.source.label,
    )


def _year_cap_phrase(
    pot: Pot, cap: Sourced[CapRule], figures: Figures
) -> Running | None:
    if cap.value.amount is None or not cap.value.covered:
        return None
    amount = figures.text(cap.value.amount)
    return Running(
        f"{pot.title.zh}年度救助限额 {amount} 元，此前已用 ",
        f"Yearly cap ({pot.title.en}) {amount}, used before ",
        cap.source.label,
    )


def _tilt_phrase(
    benefit: Benefit, standing: tuple[int, bool], figures: Figures
) -> Step | Running | None:
    tilt, source = benefit.tilt.value, benefit.tilt.source.label
    if tilt is None:
        return None
    zh, en = rate_words(tilt.rate, standing)
    threshold = figures.text(tilt.threshold)
    if tilt.yearly:
        return Running(
            f"倾斜救助：年度剩余负担超过 {threshold} 元的部分 {zh}，此前负担 ",
            f"Tilt aid: {en} of the year's burden above {threshold}, borne before ",
            source,
        )
    return Step(
        f"倾斜救助：剩余负担超过 {threshold} 元的部分 {zh}：",
        f"Tilt aid: {en} of the remaining burden above {threshold}: ",
        source,
    )


def _tilt_cap_phrase(benefit: Benefit, figures: Figures) -> Running | None:
    tilt = benefit.tilt.value
    if tilt is None or tilt.year_cap is None:
        return None
    amount = figures.text(tilt.year_cap)
    return Running(
        f"倾斜救助年度限额 {amount} 元，此前已用 ",
        f"Yearly cap (tilt) {amount}, used before ",
        benefit.tilt.source.label,
    )


def add_benefit_lines(
    lines: list[CodedLine], phrases: Phrases, terms: Terms, steps: Steps, used: Used
) -> None:
    """Add the lines from the base to the aid, one for each rule that exists."""
    base, after, rated = steps.base, steps.after_deductible, steps.rated
    if phrases.deductible_yearly is not None:
        deductible = phrases.deductible_yearly
        lines.append(("deductible", deductible, base, after, used.deductible_fen))
    elif phrases.deductible is not None:
        lines.append(("deductible", phrases.deductible, base, after, 0))
    if phrases.banded is not None:
        lines.append(("rate", phrases.banded, after, rated, used.banded_fen))
    else:
        lines.append(("rate", phrases.rate, after, rated, 0))
    left = steps.after_visit_cap
    if phrases.visit_cap is not None:
        lines.append(("visit_cap", phrases.visit_cap, rated, left, 0))
    for number, phrase in enumerate(phrases.year_caps):
        used_fen = used.pots_fen[number]
        capped = within(left, terms.year_caps_fen[number], used_fen)
        if phrase is not None:
            lines.append(("year_cap", phrase, left, capped, used_fen))
        left = capped
    if phrases.tilt is not None and steps.tilt_rated > 0:
        _add_tilt_lines(lines, phrases.tilt, phrases.tilt_cap, steps, used)


def _add_tilt_lines(
    lines: list[CodedLine],
    tilt: Step | Running,
    tilt_cap: Running | None,
    steps: Steps,
    used: Used,
) -> None:
    left, rated = steps.base - steps.basic, steps.tilt_rated
    carried_fen = used.burden_fen if isinstance(tilt, Running) else 0
    lines.append(("tilt", tilt, left, rated, carried_fen))
    if tilt_cap is not None:
        lines.append(("tilt_cap", tilt_cap, rated, steps.tilt, used.tilt_fen))
