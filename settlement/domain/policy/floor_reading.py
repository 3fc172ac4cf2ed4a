"""From the bytes of a floor to a `Floor`, or to every fault in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from settlement.domain.bill import CareType
from settlement.domain.money import WHOLE_PPM
from settlement.domain.policy.cells import WRONG_RATE, SourceBook, parse_rate
from settlement.domain.policy.faults import FaultList
from settlement.domain.policy.floor import KINDS, Check, Floor, Group
from settlement.domain.policy.reading import read_instruments, read_sources
from settlement.domain.policy.section import IDENTIFIER, Section
from settlement.domain.policy.tree import read_tree

FLOOR_SCHEMA = "medaid-floor/1"

_SEVERITIES = {"error": True, "warning": False}
_OF_GROUPS = frozenset(
    {"no_deductible", "deductible_share", "rate_at_least", "rate_below"}
)
_OF_CARES = frozenset({"rate_at_least", "rate_below", "shared_cap"})


def read_floor(document: bytes) -> Floor:
    """The floor as written. Raises `PolicyError` with all faults."""
    faults = FaultList()
    root = Section(read_tree(document), "", faults)
    if root.text("schema") != FLOOR_SCHEMA:
        root.faults.stop(
            "MA-7014", root.line_of("schema"), "schema",
            zh=f"只能读取 {FLOOR_SCHEMA}。", en=f"Only {FLOOR_SCHEMA} can be read.",
        )  # fmt: skip
    sources = read_sources(root, read_instruments(root))
    book = SourceBook(sources)
    groups = _read_groups(root)
    floor = Floor(
        id=root.text("id", IDENTIFIER),
        title=root.both("title"),
        sha256=hashlib.sha256(document).hexdigest(),
        checks=tuple(
            _read_check(key, section, groups, book) for key, section in _checks(root)
        ),
    )
    for key in book.uncited():
        root.section("sources").fault(
            "MA-7019", key,
            zh="没有任何核对引用此出处。请引用或删除。",
            en="No check rests on this source. Cite it or remove it.",
        )  # fmt: skip
    root.close()
    faults.raise_if_any()
    return floor


def _read_groups(root: Section) -> dict[str, Group]:
    groups = {}
    for key, section in root.sections("groups"):
        groups[key] = Group(key, section.both("title"), section.texts("spellings"))
        section.close()
    return groups


def _checks(root: Section) -> list[tuple[str, Section]]:
    """The checks by their own numbers, such as F1."""
    group = root.section("checks")
    if not group.node.entries:
        group.faults.add(
            "MA-7007", group.line, group.path,
            zh="至少要有一项。", en="At least one entry is needed.",
        )  # fmt: skip
    return [(key, group.section(key)) for key in group.node.entries]


def _read_check(
    key: str, section: Section, groups: Mapping[str, Group], book: SourceBook
) -> Check:
    kind = section.choice("kind", {name: name for name in KINDS}, "")
    cares = {care_type.value: care_type for care_type in CareType}
    meant: tuple[Group, ...] = ()
    if kind in _OF_GROUPS:
        names = section.names("groups", groups, "groups")
        meant = tuple(groups[name] for name in names if name in groups)
    chosen = tuple(CareType)
    if kind in _OF_CARES:
        named = section.names("care", cares, "care")
        chosen = tuple(cares[name] for name in named if name in cares)
    than = None
    if kind == "rate_below":
        than = groups.get(section.one_of("than", groups, "groups"))
    least_ppm, most_ppm = _limits(kind, section)
    check = Check(
        key=key,
        kind=kind,
        is_error=section.choice("severity", _SEVERITIES, default=False),
        source=book.cite(section),
        groups=meant,
        cares=chosen,
        than=than,
        least_ppm=least_ppm,
        most_ppm=most_ppm,
    )
    section.close()
    return check


def _limits(kind: str, section: Section) -> tuple[int, int]:
    """The least and the most that a check of this kind allows."""
    if kind == "rate_at_least":
        return section.parsed("rate", parse_rate, 0, WRONG_RATE), WHOLE_PPM
    if kind == "no_deductible":
        return 0, section.parsed("at_most", parse_rate, WHOLE_PPM, WRONG_RATE)
    if kind == "deductible_share":
        least = section.parsed("from", parse_rate, 0, WRONG_RATE)
        most = section.parsed("to", parse_rate, WHOLE_PPM, WRONG_RATE)
        if most < least:
            section.fault(
                "MA-7011", "to",
                zh="上限低于下限。请更正其中之一。",
                en="The end lies below the beginning. Correct one of the two.",
            )  # fmt: skip
        return least, most
    return 0, WHOLE_PPM
