"""What a reviewer would otherwise have to look for in every change."""

import ast
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest

from settlement.store.migrate import migrations
from tests.support.sources import (
    PACKAGES,
    PROJECT,
    functions,
    python_files,
    read_text,
    tracked_files,
)

FILE_LINES_MAX = 400
FILE_LINES_MEDIAN_MAX = 200
TEST_FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 40

#: Files above the limit: the path, and the reason why it reads better whole.
LONG_FILES: dict[str, str] = {}
#: Functions above the limit: "path:name", and the reason why it reads better whole.
LONG_FUNCTIONS = {
    "gateway/wiring.py:open_gateway": "each part is made once, in the order in which"
    " they need each other",
}

# Written in pieces, so that this file is not found by its own search.
_UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")
_MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:wo" + r"rk|fa" + r"rm|ro" + r"ot|t" + r"mp|home)/[\w.-]+"
)
_REGISTRY = re.compile(
    r"(?i)py" + r"pi\.org|python" + r"hosted\.org|npm" + r"js\.(?:org|com)"
    r"|https?://\S*/sim" + r"ple\b|index-url[= ]\S*://"
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_NOW = {"now", "utcnow", "today", "time", "time_ns", "monotonic"}


def _lines_matching(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked_files():
        for number, line in enumerate((read_text(path) or "").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line.strip()[:80]}")
    return found


def _line_count(path: Path) -> int:
    return len((read_text(path) or "").splitlines())


def test_files_are_small() -> None:
    """A file is read in one sitting, or is on the list with a reason."""
    long = {str(path) for path in python_files() if _line_count(path) > FILE_LINES_MAX}
    long |= {
        str(path)
        for path in python_files("tests", "tools")
        if _line_count(path) > TEST_FILE_LINES_MAX
    }

    assert long == set(LONG_FILES)


def test_median_file_is_short() -> None:
    """Small files are the rule, not what was split when it had to be."""
    sizes = [_line_count(path) for path in python_files() if _line_count(path) > 0]

    assert statistics.median(sizes) <= FILE_LINES_MEDIAN_MAX


def test_functions_read_like_the_steps_they_take() -> None:
    """A function fits a screen, or is on the list with a reason."""
    long = {
        f"{function.path}:{function.name}": str(function)
        for path in python_files()
        for function in functions(path)
        if function.lines > FUNCTION_LINES_MAX
    }

    assert set(long) == set(LONG_FUNCTIONS), "\n".join(long.values())


def _domain_files() -> list[Path]:
    files = python_files("settlement")
    return [path for path in files if path.parts[1] == "domain"]


@pytest.mark.parametrize("path", _domain_files(), ids=str)
def test_money_is_counted_in_whole_fen(path: Path) -> None:
    """No float and no true division in the domain: rounding is one named rule."""
    found = []
    for node in ast.walk(ast.parse(read_text(path) or "")):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name) and node.id == "float":
            found.append(f"{path}:{line}: float")
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"{path}:{line}: {node.value}")
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append(f"{path}:{line}: /")

    assert found == []


def test_pure_core_asks_no_clock() -> None:
    """The time is an argument in domain and crypto."""
    found = [
        f"{path}:{node.lineno}: {node.func.attr}()"
        for path in [*python_files("crypto"), *_domain_files()]
        for node in ast.walk(ast.parse(read_text(path) or ""))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _NOW
    ]

    assert found == []


def test_nothing_is_left_unfinished() -> None:
    """What is not done stands in an issue, not in the code."""
    assert _lines_matching(_UNFINISHED) == []


def test_no_file_knows_a_developers_machine() -> None:
    """No path of somebody's machine is in the project."""
    assert _lines_matching(_MACHINE_PATH) == []


def test_no_file_knows_where_packages_come_from() -> None:
    """The address of a package index is the machine's business."""
    assert _lines_matching(_REGISTRY) == []


def test_every_requirement_is_pinned_by_hash() -> None:
    """What is installed is what was tested, to the byte."""
    for name in ("runtime", "dev"):
        text = (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        # Where there are wheels for some machines alone, it says for which.
        pins = re.findall(
            r"^[a-z0-9.-]+==[^\s]+(?: ; \S+ == \S+)? \\$", text, re.MULTILINE
        )
        requirements = re.findall(r"^[a-z0-9]\S*", text, re.MULTILINE)

        assert len(pins) == len(requirements) > 0


def test_links_in_documents_lead_somewhere() -> None:
    """A relative link names a file that is in the project."""
    broken = []
    for path in tracked_files():
        if path.suffix != ".md":
            continue
        for target in _LINK.findall(read_text(path) or ""):
            file = target.split("#")[0]
            is_outside = re.match(r"[a-z]+:", target) is not None
            if file and not is_outside and not (PROJECT / path.parent / file).exists():
                broken.append(f"{path}: {target}")

    assert broken == []


def test_test_files_have_names_of_their_own() -> None:
    """Two test files of one name would hide each other."""
    names = Counter(path.name for path in python_files("tests") if "test_" in path.name)

    assert [name for name, count in names.items() if count > 1] == []


def test_migrations_are_numbered_without_gap_or_twin() -> None:
    """Migrations apply in one order everywhere."""
    numbers = [number for number, _ in migrations()]

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_package_says_what_it_is_for() -> None:
    """Whoever opens a folder is told what belongs there."""
    silent = [
        str(path)
        for path in python_files(*PACKAGES)
        if path.name == "__init__.py"
        and not ast.get_docstring(ast.parse(read_text(path) or ""))
    ]

    assert silent == []
