"""The document is written from what was measured, and nothing else in it is touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.document import table, write_between
from tests.bench.measures import Measure, write


def _measure(**changes: Any) -> Measure:
    given: dict[str, Any] = {
        "name": "settle",
        "target": 0.25,
        "at_least": True,
        "scale": "64 connections",
        "ratios": [0.3, 0.26, 0.24],
        "title": "settle, one worker",
        "note": "5,000/s",
    }
    return Measure(**(given | changes))


def _table(tmp_path: Path, *measures: Measure) -> str:
    """What becomes of measures by way of the file, as in a run."""
    path = tmp_path / "var" / "bench.json"
    write(list(measures), path)
    return table(json.loads(path.read_bytes()))


def test_only_what_is_between_the_markers_changes(tmp_path: Path) -> None:
    """What was written by hand around the figures stays to the byte."""
    path = tmp_path / "performance.md"
    path.write_text(
        "# By hand\n\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nmore by hand\n"
        "<!-- bench-full: begin -->\nanother run's\n<!-- bench-full: end -->\n"
    )

    write_between(path, "bench", "new\n")
    write_between(path, "bench", "newer\n")

    assert path.read_text() == (
        "# By hand\n\n<!-- bench: begin -->\n\nnewer\n\n<!-- bench: end -->\n"
        "more by hand\n"
        "<!-- bench-full: begin -->\nanother run's\n<!-- bench-full: end -->\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "<!-- bench: begin --> no end",
        "<!-- bench: end --> before <!-- bench: begin -->",
        "<!-- bench: begin --><!-- bench: end -->" * 2,
        "<!-- bench-full: begin --><!-- bench-full: end -->",
    ],
)
def test_a_document_without_a_clear_place_is_not_written(
    tmp_path: Path, text: str
) -> None:
    """Figures are never put where somebody's words may be."""
    path = tmp_path / "performance.md"
    path.write_text(text)

    with pytest.raises(ValueError, match="no place for bench"):
        write_between(path, "bench", "figures")

    assert path.read_text() == text


def test_a_row_has_the_median_the_spread_the_aim_and_the_verdict(
    tmp_path: Path,
) -> None:
    """The best round is not shown as the result."""
    text = _table(tmp_path, _measure())

    assert (
        "| settle, one worker, 64 connections | 0.26 (0.24 to 0.30): 5,000/s | >= 0.25"
        " | met |"
    ) in text


@pytest.mark.parametrize(
    ("at_least", "verdict"), [(True, "**missed**"), (False, "met")]
)
def test_a_missed_aim_is_called_missed(
    tmp_path: Path, at_least: bool, verdict: str
) -> None:
    """At least, or at most: one direction of the two."""
    text = _table(tmp_path, _measure(target=0.27, at_least=at_least))

    assert text.endswith(f" 0.27 | {verdict} |")


def test_a_refused_figure_says_why_and_is_missed(tmp_path: Path) -> None:
    """A figure of a run in which something else went wrong is not shown at all."""
    text = _table(
        tmp_path,
        _measure(refused="3 connections dropped", ratios=[0.9, 0.9]),
        _measure(name="other", refused="late", ratios=[]),
    )

    assert "| refused: 3 connections dropped | >= 0.25 | **missed** |" in text
    assert "| refused: late | >= 0.25 | **missed** |" in text
    assert "0.90" not in text


def test_the_machine_is_told_without_its_name(tmp_path: Path) -> None:
    """Cores, processor, kernel, versions: what a ratio may depend on."""
    head = _table(tmp_path, _measure()).splitlines()[0]

    for part in ("Measured on 20", " cores (", "Linux ", "Python 3.", "PostgreSQL 1"):
        assert part in head
    assert Path("/proc/sys/kernel/hostname").read_text().strip() not in head
