"""The explanation: one sentence for each step, that a cashier can read out.

All that does not depend on the bill is put together once, when a pack is compiled;
a settlement only fills in amounts. A step whose rule does not exist has no line.
"""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.adjudicate import Steps, Used
from settlement.domain.decision import ExplanationLine, Text
from settlement.domain.money import percent_text, yuan_text
from settlement.domain.policy.document import Benefit, Care, Category, PackDocument


@dataclass(frozen=True, slots=True)
class Phrase:
    """The fixed part of one sentence, ready for its amounts."""

    zh: str
    en: str
    source: str


@dataclass(frozen=True, slots=True)
class BillPhrases:
    """Phrases that are the same for every category."""

    base: Phrase
    already_paid: str
    filing_limit: str
    referral: str
    """Source of the referral rule for this kind of care."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases of one category for one kind of care; `None`: no such rule."""

    best: Phrase
    rate: Phrase
    deductible: Phrase | None
    deductible_yearly: bool
    visit_cap: Phrase | None
    year_cap: Phrase | None
    tilt: Phrase | None
    tilt_cap: Phrase | None


def bill_phrases(pack: PackDocument, care: Care) -> BillPhrases:
    """Prepare the phrases about the bill as a whole."""
    source = pack.base.costs.label
    if pack.base.pre_selfpay_in.value:
        zh, en = "政策范围内费用（含先行自付）", "In-policy costs with pre-selfpay"
    else:
        zh, en = "政策范围内费用", "In-policy costs"
    return BillPhrases(
        base=Phrase(zh, en, source),
        already_paid=pack.base.top_up.source.label,
        filing_limit=pack.filing_limit_days.source.label,
        referral=care.referral_required.source.label,
    )


def benefit_phrases(
    pack: PackDocument, category: Category, care: Care, benefit: Benefit
) -> Phrases:
    """Prepare the phrases of one category for one kind of care."""
    who_zh, who_en = category.short.zh, category.short.en
    care_zh, care_en = care.title.zh, care.title.en
    deductible = benefit.deductible.value
    return Phrases(
        best=Phrase(
            f"有多重身份，就高按{who_zh}救助，不重复享受",
            f"Several identities: the best one, {who_en}, counts alone",
            pack.identities.label,
        ),
        rate=_rate_phrase(benefit, f"{who_zh}{care_zh}", f"{who_en} {care_en}"),
        deductible=_deductible_phrase(benefit),
        deductible_yearly=deductible is not None and deductible.yearly,
        visit_cap=_visit_cap_phrase(benefit),
        year_cap=_year_cap_phrase(pack, category, care),
        tilt=_tilt_phrase(benefit),
        tilt_cap=_tilt_cap_phrase(benefit),
    )


def _rate_phrase(benefit: Benefit, zh: str, en: str) -> Phrase:
    rate_ppm, source = benefit.rate_ppm.value, benefit.rate_ppm.source.label
    if rate_ppm is None:
        return Phrase(f"{zh}不享受救助：", f"No aid for {en}: ", source)
    rate = percent_text(rate_ppm)
    return Phrase(f"{zh}救助 {rate}%：", f"{en} aid {rate} %: ", source)


def _deductible_phrase(benefit: Benefit) -> Phrase | None:
    deductible = benefit.deductible.value
    if deductible is None:
        return None
    amount, source = yuan_text(deductible.amount_fen), benefit.deductible.source.label
    if deductible.yearly:
        return Phrase(
            f"年度起付标准 {amount} 元，此前已计 ",
            f"Yearly deductible {amount}, counted before ",
            source,
        )
    return Phrase(
        f"每次起付标准 {amount} 元：", f"Deductible of a visit {amount}: ", source
    )


def _visit_cap_phrase(benefit: Benefit) -> Phrase | None:
    cap_fen = benefit.visit_cap.value.cap_fen
    if not cap_fen:
        return None
    amount = yuan_text(cap_fen)
    return Phrase(
        f"单次救助限额 {amount} 元：",
        f"Cap per visit {amount}: ",
        benefit.visit_cap.source.label,
    )


def _year_cap_phrase(
    pack: PackDocument, category: Category, care: Care
) -> Phrase | None:
    pot = care.pot.value
    cap = pack.year_caps[category.id, pot]
    if not cap.value.cap_fen:
        return None
    amount, title = yuan_text(cap.value.cap_fen), pack.pots[pot]
    return Phrase(
        f"{title.zh}年度救助限额 {amount} 元，此前已用 ",
        f"Yearly cap ({title.en}) {amount}, used before ",
        cap.source.label,
    )


def _tilt_phrase(benefit: Benefit) -> Phrase | None:
    tilt, source = benefit.tilt.value, benefit.tilt.source.label
    if tilt is None:
        return None
    rate, threshold = percent_text(tilt.rate_ppm), yuan_text(tilt.threshold_fen)
    return Phrase(
        f"倾斜救助：剩余负担超过 {threshold} 元的部分 {rate}%：",
        f"Tilt aid: {rate} % of the remaining burden above {threshold}: ",
        source,
    )


def _tilt_cap_phrase(benefit: Benefit) -> Phrase | None:
    tilt = benefit.tilt.value
    if tilt is None or tilt.year_cap_fen is None:
        return None
    amount = yuan_text(tilt.year_cap_fen)
    return Phrase(
        f"倾斜救助年度限额 {amount} 元，此前已用 ",
        f"Yearly cap (tilt) {amount}, used before ",
        benefit.tilt.source.label,
    )


def already_paid_line(phrases: BillPhrases, paid_fen: int) -> ExplanationLine:
    """Aid was paid on the bill before, and the pack does not top up."""
    paid = yuan_text(paid_fen)
    text = Text(
        f"账单中已有医疗救助支付 {paid} 元，不重复救助",
        f"The bill holds {paid} yuan of medical aid already; none is paid twice",
    )
    return ExplanationLine("already_paid", text, paid_fen, 0, phrases.already_paid)


def filing_limit_line(
    phrases: BillPhrases, days: int, total_fen: int
) -> ExplanationLine:
    """The bill comes too late."""
    text = Text(
        f"已超过就诊结束后 {days} 天的申报期限，不予救助",
        f"More than {days} days after the end of service: no aid",
    )
    return ExplanationLine("filing_limit", text, total_fen, 0, phrases.filing_limit)


def referral_line(phrases: BillPhrases, total_fen: int) -> ExplanationLine:
    """The rules demand a referral that the bill does not have."""
    text = Text("未按规定转诊，不予救助", "Not referred as the rules demand: no aid")
    return ExplanationLine("referral", text, total_fen, 0, phrases.referral)


def uncovered_line(phrases: Phrases, base_fen: int) -> ExplanationLine:
    """The category gets nothing for this kind of care."""
    return _step_line("not_covered", phrases.rate, base_fen, 0)


def base_line(
    phrase: Phrase, scope_fen: int, paid_fen: int, base_fen: int
) -> ExplanationLine:
    """What the policy covers, what is paid already, what is left to aid."""
    scope, paid, base = yuan_text(scope_fen), yuan_text(paid_fen), yuan_text(base_fen)
    return ExplanationLine(
        "base",
        Text(
            f"{phrase.zh} {scope} 元，医保等已付 {paid} 元，可救助负担 {base} 元",
            f"{phrase.en} {scope}, insurers and others paid {paid}, "
            f"aidable burden {base} yuan",
        ),
        scope_fen,
        base_fen,
        phrase.source,
    )


def patient_line(
    source: str, owed_fen: int, aid_fen: int, patient_pays_fen: int
) -> ExplanationLine:
    """What the patient was to pay, what aid takes over, what is left."""
    owed, aid, left = (
        yuan_text(owed_fen), yuan_text(aid_fen), yuan_text(patient_pays_fen),
    )  # fmt: skip
    return ExplanationLine(
        "patient_pays",
        Text(
            f"医保结算后应付 {owed} 元，救助 {aid} 元，个人支付 {left} 元",
            f"Owed after insurance {owed}, aid {aid}, patient pays {left} yuan",
        ),
        owed_fen,
        patient_pays_fen,
        source,
    )


def benefit_lines(phrases: Phrases, steps: Steps, used: Used) -> list[ExplanationLine]:
    """The lines from the base to the aid, one for each rule that exists."""
    lines: list[ExplanationLine] = []
    base, after = steps.base, steps.after_deductible
    if phrases.deductible_yearly and phrases.deductible is not None:
        lines.append(
            _cap_line(
                "deductible", phrases.deductible, used.deductible_fen, base, after
            )
        )
    elif phrases.deductible is not None:
        lines.append(_step_line("deductible", phrases.deductible, base, after))
    lines.append(_step_line("rate", phrases.rate, after, steps.rated))
    if phrases.visit_cap is not None:
        lines.append(
            _step_line(
                "visit_cap", phrases.visit_cap, steps.rated, steps.after_visit_cap
            )
        )
    if phrases.year_cap is not None:
        lines.append(
            _cap_line(
                "year_cap",
                phrases.year_cap,
                used.pot_fen,
                steps.after_visit_cap,
                steps.basic,
            )
        )
    if phrases.tilt is not None and steps.tilt_rated > 0:
        left = base - steps.basic
        lines.append(_step_line("tilt", phrases.tilt, left, steps.tilt_rated))
        if phrases.tilt_cap is not None:
            lines.append(_tilt_cap_line(phrases.tilt_cap, steps, used))
    return lines


def _tilt_cap_line(phrase: Phrase, steps: Steps, used: Used) -> ExplanationLine:
    return _cap_line("tilt_cap", phrase, used.tilt_fen, steps.tilt_rated, steps.tilt)


def best_line(phrase: Phrase, base_fen: int, aid_fen: int) -> ExplanationLine:
    """Of several identities, which one counts."""
    return ExplanationLine(
        "best_identity", Text(phrase.zh, phrase.en), base_fen, aid_fen, phrase.source
    )


def _step_line(
    rule: str, phrase: Phrase, input_fen: int, result_fen: int
) -> ExplanationLine:
    before = yuan_text(input_fen)
    after = before if result_fen == input_fen else yuan_text(result_fen)
    return ExplanationLine(
        rule,
        Text(
            f"{phrase.zh}{before} 元 → {after} 元",
            f"{phrase.en}{before} -> {after} yuan",
        ),
        input_fen,
        result_fen,
        phrase.source,
    )


def _cap_line(
    rule: str, phrase: Phrase, used_fen: int, input_fen: int, result_fen: int
) -> ExplanationLine:
    before, used = yuan_text(input_fen), yuan_text(used_fen)
    after = before if result_fen == input_fen else yuan_text(result_fen)
    return ExplanationLine(
        rule,
        Text(
            f"{phrase.zh}{used} 元：{before} 元 → {after} 元",
            f"{phrase.en}{used}: {before} -> {after} yuan",
        ),
        input_fen,
        result_fen,
        phrase.source,
    )
