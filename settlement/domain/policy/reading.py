"""From the bytes of a pack to a `PackDocument`, or to every fault in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date

from settlement.domain.money import DOWN, HALF_UP, parse_yuan
from settlement.domain.policy.case_reading import read_cases
from settlement.domain.policy.cells import SourceBook, read_days, word
from settlement.domain.policy.checks import check_document
from settlement.domain.policy.document import (
    RESERVED_POTS,
    SCHEMA,
    Indicator,
    Instrument,
    PackDocument,
    Source,
    Year,
)
from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.rules_reading import (
    read_base,
    read_benefits,
    read_cares,
    read_categories,
    read_identity_rule,
    read_places,
    read_pots,
    read_year_caps,
)
from settlement.domain.policy.section import WRONG_DAY, Section, Wrong, parse_day
from settlement.domain.policy.tree import read_tree

_PACK_ID = re.compile(r"[a-z][a-z0-9-]{0,47}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,31}")
_JURISDICTION = re.compile(r"[0-9]{6}")
_YES_NO = {"是": True, "否": False}
_STATUS = {"confirmed": True, "unconfirmed": False}
_ROUNDINGS = {"half_up": HALF_UP, "down": DOWN}
_YEAR = re.compile(r"[12][0-9]{3}")
_YEAR_START = re.compile(r"每年([0-9]{2})-([0-9]{2})起")
_WRONG_YEAR: Wrong = (
    "MA-7009",
    "年度写成 calendar_year，或 每年09-01起。",
    "write the year as calendar_year, or as 每年09-01起 where it begins elsewhere.",
)
_WRONG_FIGURE: Wrong = (
    "MA-7010",
    "金额写成 39520元，最多两位小数，须大于 0。",
    "write an amount as 39520元: no separators, two decimals, above 0.",
)
_OPEN = "open"
_UNKNOWN_DAY = "unconfirmed"


def read_document(document: bytes) -> PackDocument:
    """The pack as written, checked for completeness and contradictions.

    Raises `PolicyError` with all faults: first those of the YAML itself, then all
    that single fields have, then all contradictions between fields. Worked cases are
    read here, not run.
    """
    faults = FaultList()
    root = Section(read_tree(document), "", faults)
    if root.text("schema") != SCHEMA:
        root.faults.stop(
            "MA-7014", root.line_of("schema"), "schema",
            zh=f"只能读取 {SCHEMA}。", en=f"Only {SCHEMA} can be read.",
        )  # fmt: skip
    pack = _read_pack(root, hashlib.sha256(document).hexdigest())
    root.close()
    faults.raise_if_any()
    check_document(pack, root)
    faults.raise_if_any()
    return pack


def _read_pack(root: Section, sha256: str) -> PackDocument:
    instruments = read_instruments(root)
    sources = read_sources(root, instruments)
    book = SourceBook(sources)
    indicators = _read_indicators(root, book)
    pots = read_pots(root)
    categories = read_categories(root, book)
    names = [category.id for category in categories]
    in_force_from, in_force_to = _read_in_force(root, book)
    pack = PackDocument(
        id=root.text("id", _PACK_ID),
        version=root.text("version", _VERSION),
        sha256=sha256,
        title=root.both("title"),
        scheme=root.both("scheme"),
        jurisdiction=root.text("jurisdiction", _JURISDICTION),
        fictional=root.choice("fictional", _YES_NO, default=True),
        in_force_from=in_force_from,
        in_force_to=in_force_to,
        known_since=root.day("known_since"),
        instruments=tuple(instruments.values()),
        sources=tuple(sources.values()),
        year=_read_year(root, book),
        indicators=indicators,
        pots=pots,
        categories=categories,
        cares=read_cares(root, pots, names, book),
        places=read_places(root, book),
        base=read_base(root, names, book),
        identities=book.only_kind(root, "several_identities", "就高不重复"),
        identity_rule=read_identity_rule(root, book),
        rounding=book.cell(root, "rounding", word(_ROUNDINGS, HALF_UP)),
        filing_limit_days=book.cell(root, "filing_limit", read_days),
        benefits=read_benefits(root, names, book),
        year_caps=read_year_caps(root, names, pots, book),
        cases=read_cases(root, [*pots, *RESERVED_POTS], names),
    )
    _check_citations(root, book)
    return pack


def read_instruments(root: Section) -> dict[str, Instrument]:
    """The decrees that sources lie in."""
    instruments = {}
    for key, section in root.sections("instruments"):
        instruments[key] = Instrument(
            key=key,
            number=section.text("number"),
            title=section.text("title"),
            issued=_day_if_known(section, "issued"),
            published=_day_if_known(section, "published"),
            address=section.optional_text("address"),
        )
        section.close()
    return instruments


def _day_if_known(section: Section, key: str) -> date | None:
    if section.has(key) and section.text(key) == _UNKNOWN_DAY:
        return None
    return section.day(key)


def read_sources(
    root: Section, instruments: Mapping[str, Instrument]
) -> dict[str, Source]:
    """The places in decrees that rules name."""
    sources = {}
    for key, section in root.sections("sources"):
        name = section.one_of("instrument", instruments, "instruments")
        confirmed = section.choice("status", _STATUS, default=True)
        if confirmed:
            quote, note = section.text("quote"), section.optional_text("note")
        else:
            quote, note = section.optional_text("quote"), section.text("note")
        sources[key] = Source(
            key=key,
            instrument=instruments.get(name, _NO_INSTRUMENT),
            article=section.text("article"),
            quote=quote,
            confirmed=confirmed,
            note=note,
        )
        section.close()
    return sources


_NO_INSTRUMENT = Instrument("", "", "", None, None, "")


def _read_indicators(root: Section, book: SourceBook) -> dict[str, Indicator]:
    """Published figures by year; none where the document needs none."""
    if not root.has("indicators"):
        return {}
    indicators = {}
    for key, section in root.sections("indicators"):
        title = section.both("title")
        years = section.section("values")
        values = {}
        for year in years.node.entries:
            if _YEAR.fullmatch(year) is None:
                years.fault(
                    "MA-7009", year,
                    zh="年份写成四位数字。", en="Write the year with four digits.",
                )  # fmt: skip
                continue
            values[int(year)] = book.cell(years, year, _read_figure)
        section.close()
        indicators[key] = Indicator(key, title, values)
        book.indicators[key] = book.indicators[title.zh] = key
    return indicators


def _read_figure(section: Section) -> int:
    def above_zero(text: str) -> int | None:
        return parse_yuan(text) or None

    return section.parsed("value", above_zero, 1, _WRONG_FIGURE)


def _read_year(root: Section, book: SourceBook) -> Year:
    section = root.section("year")
    begins = section.parsed("value", _year_start, date(2000, 1, 1), _WRONG_YEAR)
    year = Year(begins.month, begins.day, book.cite(section))
    section.close()
    return year


def _year_start(text: str) -> date | None:
    if text == "calendar_year":
        return date(2000, 1, 1)
    match = _YEAR_START.fullmatch(text)
    # A year that has no 29 February: such a start would not come every year.
    return parse_day(f"2001-{match[1]}-{match[2]}") if match else None


def _read_in_force(root: Section, book: SourceBook) -> tuple[date, date | None]:
    section = root.section("in_force")
    begins = section.day("from")
    ends = section.parsed("to", _last_day, date.max, WRONG_DAY)
    book.cite(section)
    section.close()
    if ends < begins:
        section.fault(
            "MA-7012", "to",
            zh="终止日期早于开始日期。请更正其中之一。",
            en="Ends before it begins. Correct one of the two.",
        )  # fmt: skip
    return begins, None if ends == date.max else ends


def _last_day(text: str) -> date | None:
    return date.max if text == _OPEN else parse_day(text)


def _check_citations(root: Section, book: SourceBook) -> None:
    sources = root.section("sources")
    for key in book.uncited():
        sources.fault(
            "MA-7019", key,
            zh="没有任何规则引用此出处。请引用或删除。",
            en="No rule rests on this source. Cite it or remove it.",
        )  # fmt: skip
    for key in book.unused_indicators():
        root.fault_below(
            "MA-7019", "indicators", key,
            zh="没有任何金额引用此指标。请引用或删除。",
            en="No amount is a share of this indicator. Use it or remove it.",
        )  # fmt: skip
