"""The rules of a pack: categories, kinds of care, base formula and tables.

Every table names its axes and must be complete: a cell that says nothing is written
as 不享受, 不限 or 无, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from settlement.domain.bill import CareType, Place
from settlement.domain.decision import Text
from settlement.domain.policy.cells import (
    REQUIRED,
    SourceBook,
    cap_reader,
    deductible_reader,
    word,
)
from settlement.domain.policy.document import (
    BaseFormula,
    Benefit,
    Cap,
    Care,
    Category,
    IdentityRule,
    OnApplication,
    Pot,
    Referral,
    Sourced,
)
from settlement.domain.policy.rate_reading import read_rate, tilt_reader
from settlement.domain.policy.section import Section

T = TypeVar("T")

_IN_OUT = {"计入": True, "不计入": False}
_OFF = {"扣除": True, "不扣除": False}
_ALLOWED = {"允许": True, "不允许": False}
_DAYS = {"service_start": "service_start", "service_end": "service_end"}
#: Rules of the base that a category may have for itself, and the words of each.
_OWN_BASE: Mapping[str, tuple[str, Mapping[str, bool]]] = {
    "pre_selfpay": ("pre_selfpay_in", _IN_OUT),
    "commercial": ("commercial_off", _OFF),
    "charity": ("charity_off", _OFF),
    "top_up": ("top_up", _ALLOWED),
    "insurance_deductible": ("deductible_in", _IN_OUT),
}
_PLACES = {
    "按账单": Referral.AS_BILLED,
    "视为已转诊": Referral.REFERRED,
    "视为未转诊": Referral.UNREFERRED,
}


def read_categories(root: Section, book: SourceBook) -> tuple[Category, ...]:
    """The categories, in the order that decides between equal benefits."""
    categories = []
    for name, section in root.sections("categories"):
        categories.append(
            Category(
                id=name,
                title=section.both("title"),
                short=section.both("short"),
                aliases=section.texts("aliases"),
                national_codes=section.texts("national_codes"),
                source=book.cite(section),
                on_application=_read_application(section, book),
            )
        )
        section.close()
    return tuple(categories)


def _read_application(category: Section, book: SourceBook) -> OnApplication | None:
    if not category.has("on_application"):
        return None
    section = category.section("on_application")
    how = Text(section.text("zh"), section.text("en"))
    application = OnApplication(how, book.cite(section))
    section.close()
    return application


def read_pots(root: Section) -> dict[str, Pot]:
    """The yearly caps' pots; `within` names the pot that one lies in."""
    group = root.section("pots")
    pots = {}
    for name, section in root.sections("pots"):
        title = Text(section.text("zh"), section.text("en"))
        outer = None
        if section.has("within"):
            outer = section.one_of("within", group.node.entries, "pots")
        section.close()
        pots[name] = Pot(name, title, outer)
    return pots


def read_cares(
    root: Section,
    pots: Mapping[str, Pot],
    categories: Collection[str],
    book: SourceBook,
) -> dict[CareType, Care]:
    """Every kind of care with its pot, its day and whether a referral is required."""
    group = root.section("care")
    cares: dict[CareType, Care] = {}
    for care_type in CareType:
        section = group.section(care_type.value)
        pot, pots_by_category = _read_drawn(section, pots, categories, book)
        cares[care_type] = Care(
            care_type=care_type,
            title=section.both("title"),
            pot=pot,
            pots_by_category=pots_by_category,
            day=book.cell(section, "day", word(_DAYS, "service_start")),
            referral_required=book.cell(section, "referral", word(REQUIRED, True)),  # noqa: FBT003
        )
        section.close()
    group.close()
    return cares


def _read_drawn(
    care: Section,
    pots: Mapping[str, Pot],
    categories: Collection[str],
    book: SourceBook,
) -> tuple[Sourced[str], dict[str, Sourced[str]]]:
    """The pot that a kind of care draws on, and the categories with another one."""
    section = care.section("pot")
    name = _name_of(pots, "pots")
    pot = Sourced(name(section), book.cite(section))
    others = {
        category: book.cell(own, category, name)
        for category, own in _own_rules(section, categories)
    }
    section.close()
    return pot, others


def _own_rules(
    section: Section, categories: Collection[str]
) -> Iterator[tuple[str, Section]]:
    """The group `by_category`, once for each category that it names."""
    if not section.has("by_category"):
        return
    group = section.section("by_category")
    if not group.node.entries:
        group.faults.add(
            "MA-7007", group.line, group.path,
            zh="至少要有一项。", en="At least one entry is needed.",
        )  # fmt: skip
    for category in categories:
        if group.has(category):
            yield category, group
    group.close()


def _name_of(known: Mapping[str, T], what: str) -> Callable[[Section], str]:
    return lambda section: section.one_of("value", known, what)


def read_places(root: Section, book: SourceBook) -> dict[Place, Sourced[Referral]]:
    """What each place of care means for the referral rule."""
    group = root.section("places")
    places = {
        place: book.cell(group, place.value, word(_PLACES, Referral.UNREFERRED))
        for place in Place
    }
    group.close()
    return places


def read_base(
    root: Section, categories: Collection[str], book: SourceBook
) -> BaseFormula:
    """What counts towards the base and what comes off it."""
    section = root.section("base")
    base = BaseFormula(
        costs=book.only_kind(section, "costs", "政策范围内费用"),
        pre_selfpay_in=_switch(section, "pre_selfpay", _IN_OUT, book),
        commercial_off=_switch(section, "commercial", _OFF, book),
        charity_off=_switch(section, "charity", _OFF, book),
        top_up=_switch(section, "top_up", _ALLOWED, book),
        deductible_in=_switch(section, "insurance_deductible", _IN_OUT, book)
        if section.has("insurance_deductible")
        else None,
    )
    others = {
        category: _read_own_base(group.section(category), base, book)
        for category, group in _own_rules(section, categories)
    }
    section.close()
    return replace(base, by_category=others)


def _read_own_base(
    section: Section, common: BaseFormula, book: SourceBook
) -> BaseFormula:
    """What holds for all, but for the rules that one category has for itself."""
    own: dict[str, Sourced[bool]] = {
        field: _switch(section, key, words, book)
        for key, (field, words) in _OWN_BASE.items()
        if section.has(key)
    }
    if not section.node.entries:
        section.faults.add(
            "MA-7007", section.line, section.path,
            zh="至少写一项与上面不同的规则。",
            en="Write at least one rule that differs from those above.",
        )  # fmt: skip
    section.close()
    return replace(
        common,
        pre_selfpay_in=own.get("pre_selfpay_in", common.pre_selfpay_in),
        commercial_off=own.get("commercial_off", common.commercial_off),
        charity_off=own.get("charity_off", common.charity_off),
        top_up=own.get("top_up", common.top_up),
        deductible_in=own.get("deductible_in", common.deductible_in),
    )


def read_identity_rule(root: Section, book: SourceBook) -> IdentityRule:
    """Whether identities gained or lost during a visit count; unwritten: they do."""
    if not root.has("identity_during_visit"):
        return IdentityRule(gained=True, lost=True, source=None)
    section = root.section("identity_during_visit")
    rule = IdentityRule(
        gained=section.choice("gained", _IN_OUT, default=True),
        lost=section.choice("lost", _IN_OUT, default=True),
        source=book.cite(section),
    )
    section.close()
    return rule


def _switch(
    section: Section, key: str, words: Mapping[str, bool], book: SourceBook
) -> Sourced[bool]:
    return book.cell(section, key, word(words, False))  # noqa: FBT003


def read_benefits(
    root: Section, categories: Iterable[str], book: SourceBook
) -> dict[tuple[str, CareType], Benefit]:
    """The tables by category and kind of care, joined cell by cell."""
    names = list(categories)
    cares = [care_type.value for care_type in CareType]
    rates = _table(root, "rates", (names, cares), read_rate, book)
    deductibles = _table(
        root, "deductibles", (names, cares), deductible_reader(book), book
    )
    visit_caps = _table(root, "visit_caps", (names, cares), cap_reader(book), book)
    tilts = _table(root, "tilt", (names, cares), tilt_reader(book), book)
    return {
        (name, care_type): Benefit(
            rate=rates[name, care_type],
            deductible=deductibles[name, care_type],
            visit_cap=visit_caps[name, care_type],
            tilt=tilts[name, care_type],
        )
        for name in names
        for care_type in CareType
    }


def read_year_caps(
    root: Section,
    categories: Iterable[str],
    pots: Iterable[str],
    book: SourceBook,
) -> dict[tuple[str, str], Sourced[Cap]]:
    """The yearly caps by category and pot."""
    axes = (list(categories), list(pots))
    return _table(root, "year_caps", axes, cap_reader(book), book)


def _table(
    root: Section,
    key: str,
    axes: tuple[list[str], list[str]],
    read: Callable[[Section], T],
    book: SourceBook,
) -> dict[tuple[str, str], Sourced[T]]:
    return {
        (row, column): book.cell(section, column, read)
        for row, section in _rows(root.section(key), axes[0])
        for column in axes[1]
    }


def _rows(table: Section, names: list[str]) -> Iterator[tuple[str, Section]]:
    for name in names:
        row = table.section(name)
        yield name, row
        row.close()
    table.close()
