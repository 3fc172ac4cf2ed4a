"""Contradictions inside a pack: values that are each in order, but not together."""

from __future__ import annotations

from settlement.domain.bill import CareType
from settlement.domain.policy.amounts import years_known
from settlement.domain.policy.compiled import chain
from settlement.domain.policy.document import (
    RESERVED_POTS,
    Amount,
    Benefit,
    PackDocument,
)
from settlement.domain.policy.section import Section
from settlement.domain.policy.spelling import normal_spelling, spellings


def check_document(pack: PackDocument, root: Section) -> None:
    """Note every contradiction, at the place where it shows."""
    _check_pots(pack, root)
    _check_spellings(pack, root)
    _check_instruments(pack, root)
    for (name, care_type), benefit in pack.benefits.items():
        if benefit.rate.value is None:
            _check_uncovered(benefit, name, care_type, root)
        elif not benefit.visit_cap.value.covered:
            root.fault_below(
                "MA-7015", "visit_caps", name, care_type,
                zh="有救助比例却写单次限额“不享受”。请写金额或“不限”。",
                en="There is a rate, so write a cap per visit or 不限.",
            )  # fmt: skip
    _check_figures(pack, root)
    for category in pack.categories:
        _check_year_caps(pack, category.id, root)
        _check_shared(pack, category.id, root)


def _check_pots(pack: PackDocument, root: Section) -> None:
    used = {
        pot
        for care in pack.cares.values()
        for drawn in (care.pot, *care.pots_by_category.values())
        for pot in chain(pack, drawn.value)
    }
    reserved = "、".join(RESERVED_POTS)
    for pot in pack.pots:
        outermost = pack.pots[chain(pack, pot)[-1]]
        if outermost.within is not None:
            root.fault_below(
                "MA-7022", "pots", pot, "within",
                zh="限额池互相包含，成了循环。请删除其中一个 within。",
                en="The pots lie within each other in a circle. Remove one `within`.",
            )  # fmt: skip
        if pot in RESERVED_POTS:
            root.fault_below(
                "MA-7015", "pots", pot,
                zh=f"{reserved} 是保留名称。请换名。",
                en=f"{reserved.replace('、', ', ')} are reserved names. "
                "Choose another.",
            )  # fmt: skip
        elif pot not in used:
            root.fault_below(
                "MA-7015", "pots", pot,
                zh="没有任何就诊类型使用该限额池。请在 care 下引用或删除。",
                en="No kind of care draws on this pot. Use it under care or remove it.",
            )  # fmt: skip


def _check_spellings(pack: PackDocument, root: Section) -> None:
    owners: dict[str, str] = {}
    for category in pack.categories:
        if not category.aliases:
            root.fault_below(
                "MA-7007", "categories", category.id, "aliases",
                zh="至少写一个别名，名册才能认出该类别。",
                en="Write at least one alias, by which rosters name the category.",
            )  # fmt: skip
        for spelling in spellings(category):
            owner = owners.setdefault(normal_spelling(spelling), category.id)
            if owner != category.id:
                root.fault_below(
                    "MA-7016", "categories", category.id, "aliases",
                    zh=f"“{spelling}”已属于 {owner}。一个名称只能属于一个类别。",
                    en=f"`{spelling}` names {owner} already. "
                    "A spelling belongs to one category.",
                )  # fmt: skip


def _check_instruments(pack: PackDocument, root: Section) -> None:
    cited = {source.instrument.key for source in pack.sources}
    for instrument in pack.instruments:
        if instrument.key not in cited:
            root.fault_below(
                "MA-7019", "instruments", instrument.key,
                zh="没有任何出处引用此文件。请引用或删除。",
                en="No source cites this document. Cite it or remove it.",
            )  # fmt: skip


def _check_figures(pack: PackDocument, root: Section) -> None:
    """A pack that no year has all figures for could never be used."""
    years = years_known(pack)
    if years is not None and not years:
        root.fault_below(
            "MA-7023", "indicators",
            zh="没有任何年度具备全部指标数值。请补写上年或本年的数值。",
            en="There is no year for which all figures are given. Write the values "
            "of the year before, or of the year itself.",
        )  # fmt: skip


def _check_uncovered(
    benefit: Benefit, category: str, care_type: CareType, root: Section
) -> None:
    if benefit.visit_cap.value.covered:
        root.fault_below(
            "MA-7015", "visit_caps", category, care_type,
            zh="该类别不享受此类救助，单次限额应写“不享受”。",
            en="No aid for this kind of care, so write 不享受.",
        )  # fmt: skip
    if benefit.deductible.value is not None:
        root.fault_below(
            "MA-7015", "deductibles", category, care_type,
            zh="该类别不享受此类救助，起付标准应写“无”。",
            en="No aid for this kind of care, so write 无.",
        )  # fmt: skip
    if benefit.tilt.value is not None:
        root.fault_below(
            "MA-7015", "tilt", category, care_type,
            zh="该类别不享受此类救助，倾斜救助应写“不享受”。",
            en="No aid for this kind of care, so write 不享受.",
        )  # fmt: skip


def _check_year_caps(pack: PackDocument, category: str, root: Section) -> None:
    for pot in pack.pots:
        covered = any(
            pack.benefits[category, care_type].rate.value is not None
            for care_type, care in pack.cares.items()
            if pot in chain(pack, care.pot_of(category).value)
        )
        if covered != pack.year_caps[category, pot].value.covered:
            root.fault_below(
                "MA-7015", "year_caps", category, pot,
                zh="与救助比例表不符：有比例写金额或“不限”，全无比例写“不享受”。",
                en="Does not fit the rates: write an amount or 不限 where there is a "
                "rate, and 不享受 where there is none.",
            )  # fmt: skip


def _check_shared(pack: PackDocument, category: str, root: Section) -> None:
    """One running total per person and year can have one limit only."""
    benefits = [(care, pack.benefits[category, care]) for care in CareType]
    limits: dict[str, set[Amount | None]] = {"deductibles": set(), "tilt": set()}
    for care_type, benefit in benefits:
        deductible, tilt = benefit.deductible.value, benefit.tilt.value
        if deductible is not None and deductible.yearly:
            limits["deductibles"].add(deductible.amount)
        if tilt is not None:
            limits["tilt"].add(tilt.year_cap)
        for table, amounts in limits.items():
            if len(amounts) > 1:
                amounts.clear()
                root.fault_below(
                    "MA-7015", table, category, care_type,
                    zh="同一类别的年度金额共用一个累计，各就诊类型必须相同。",
                    en="Yearly amounts of one category share one running total: "
                    "write the same for every kind of care.",
                )  # fmt: skip
