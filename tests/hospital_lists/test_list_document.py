"""The page about hospitals' lists says what the program does."""

import re

from gateway.hospital_lists.layouts import _COLUMNS
from gateway.hospital_lists.limits import Limits
from settlement.domain.matching import KINDS
from settlement.domain.reasons import REASONS
from tests.support.sources import PROJECT

PAGE = (PROJECT / "docs/formats/hospital-list.md").read_text(encoding="utf-8")


def test_page_lists_every_code_of_lists() -> None:
    """Each code of the ranges 63xx and 64xx, in order, and no other."""
    codes = [code for code in REASONS if code[:5] in {"MA-63", "MA-64"}]

    assert re.findall(r"^\| `(MA-\d{4})`", PAGE, re.MULTILINE) == codes


def test_page_lists_every_kind_with_owner_and_statement_code() -> None:
    """What follows from a kind is on the page as in the table."""
    told = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (\d{6})?", PAGE, re.MULTILINE)

    assert told == [
        (kind.value, facts.owner.value, facts.stmt_rslt or "")
        for kind, facts in KINDS.items()
    ]


def test_page_names_every_column() -> None:
    """Whatever a header may be called."""
    assert [name for name in _COLUMNS if name not in PAGE.lower()] == []


def test_page_tells_the_limits() -> None:
    """Numbers as they are in the program."""
    limits = Limits()
    for number in (
        f"{limits.file_bytes >> 20} MiB",
        f"{limits.unpacked_bytes >> 20} MiB",
        f"{limits.sheet_bytes >> 20} MiB",
        f"{limits.ratio} times",
        f"{limits.lines:,}",
        f"{limits.line_characters:,} characters",
        f"{limits.sheet_cells:,}",
        f"{limits.sheet_memory >> 20} MiB of memory",
        f"{limits.sheet_seconds} seconds",
        f"| {limits.refused_lines};",
    ):
        assert number in PAGE
