"""docs/security.md claims nothing that is not there, and forgets no row."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
_DOCUMENTS = ("docs/security.md", "THREAT_MODEL.md")
_CLAIM = re.compile(r"`(tests/[a-z0-9_/]+\.py)::([a-z0-9_]+)`")
_FILE = re.compile(
    r"`((?:tests|gateway|settlement|crypto|eligibility_cache|docs)/[\w./-]+)`"
)
_ROW = re.compile(r"^\| ((?:[0-9]+\.[0-9.*]+(?:, )?)+) \|", re.MULTILINE)
#: How many requirements each section of ASVS 5.0.0 has: 345 in all.
SECTIONS = {
    1: (2, 10, 12, 3, 3),
    2: (3, 3, 5, 2),
    3: (1, 3, 5, 8, 8, 1, 5),
    4: (5, 5, 2, 4),
    5: (1, 6, 3, 3),
    6: (3, 12, 8, 6, 8, 4, 2, 4),
    7: (3, 4, 2, 5, 3, 2),
    8: (4, 4, 3, 2),
    9: (3, 4),
    10: (2, 3, 5, 16, 5, 2, 3),
    11: (4, 5, 5, 4, 2, 2, 2),
    12: (5, 2, 5),
    13: (4, 6, 4, 7),
    14: (2, 8, 3),
    15: (5, 5, 7, 4),
    16: (1, 5, 4, 3, 4),
    17: (2, 8, 2),
}
ALL = [
    f"{chapter}.{section}.{number}"
    for chapter, sizes in SECTIONS.items()
    for section, size in enumerate(sizes, start=1)
    for number in range(1, size + 1)
]


def text_of(document: str) -> str:
    """A document of the project."""
    return (PROJECT / document).read_text(encoding="utf-8")


def names_in(path: Path) -> set[str]:
    """Names of the tests in a file, without importing it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def missing(document: str) -> list[str]:
    """Claims of a text for which there is no test."""
    found = []
    for file, name in set(_CLAIM.findall(document)):
        path = PROJECT / file
        if not path.is_file() or name not in names_in(path):
            found.append(f"{file}::{name}")
    return sorted(found)


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_named_test_exists(document: str) -> None:
    """A test that is renamed or removed takes its claim with it."""
    text = text_of(document)

    assert len(_CLAIM.findall(text)) > 20
    assert missing(text) == []


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_named_file_exists(document: str) -> None:
    """Code, documents and tests that the texts lead to."""
    names = {name.rstrip("/") for name in _FILE.findall(text_of(document))}

    assert [name for name in sorted(names) if not (PROJECT / name).exists()] == []


def test_a_claim_without_a_test_is_seen() -> None:
    """The search itself can fail."""
    claim = "`tests/security/test_security_map.py::test_that_never_was`"

    assert missing(claim) == [claim.strip("`")]
    assert missing("`tests/nothing.py::test_x`") == ["tests/nothing.py::test_x"]


def test_every_row_of_asvs_stands_once() -> None:
    """Claimed, a gap, or not applicable with a reason: one of the three."""
    named = [
        each
        for row in _ROW.findall(text_of("docs/security.md"))
        for each in row.split(", ")
    ]
    rows: Counter[str] = Counter()
    for name in named:
        prefix = name.removesuffix("*")
        rows.update(
            each
            for each in ALL
            if each == name or (prefix != name and each.startswith(prefix))
        )

    assert len(ALL) == 345
    assert [each for each in ALL if rows[each] != 1] == []
    assert [name for name in named if "*" not in name and name not in ALL] == []


def test_every_claimed_row_names_a_test() -> None:
    """The table of what is done has a test in each of its rows."""
    done = text_of("docs/security.md").split("## ASVS rows")[1].split("## Gaps")[0]
    rows = [each for each in done.splitlines() if re.match(r"\| [0-9]", each)]

    assert len(rows) > 50
    assert [row for row in rows if not _CLAIM.search(row)] == []


def test_threat_model_can_be_read_in_one_sitting() -> None:
    """200 lines at most."""
    assert len(text_of("THREAT_MODEL.md").splitlines()) <= 200
