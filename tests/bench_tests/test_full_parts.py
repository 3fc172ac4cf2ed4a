"""A run of hours loses nothing when it is ended, and goes on with what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import soak
from tests.bench.full import _text, parts_of
from tests.bench.measures import Measure
from tests.bench.parts import Kept, Part, to_run


def _part(name: str) -> Part:
    return Part(name, "no time", lambda: [_measure(name)])


def _measure(name: str, ratio: float = 1.0) -> Measure:
    return Measure(f"figure_{name}", 1.0, at_least=True, scale="", ratios=[ratio])


_PARTS = [_part("first"), _part("second"), _part("third")]


def _names(parts: list[Part]) -> list[str]:
    return [part.name for part in parts]


def test_second_run_goes_on_with_the_parts_that_are_missing(tmp_path: Path) -> None:
    """Each part's figures are on the disk when the next begins."""
    path = tmp_path / "full.json"
    Kept(path).keep("first", [_measure("first")])
    kept = Kept(path)
    assert _names(to_run(_PARTS, kept, only=(), again=False)) == ["second", "third"]
    kept.keep("third", [_measure("third"), _measure("more")])
    again = Kept(path)
    assert _names(to_run(_PARTS, again, only=(), again=False)) == ["second"]
    assert list(again.in_order(_PARTS)) == [
        "figure_first",
        "figure_third",
        "figure_more",
    ]


def test_part_measured_again_replaces_all_figures_of_its_own(tmp_path: Path) -> None:
    """And those of others stay."""
    path = tmp_path / "full.json"
    kept = Kept(path)
    kept.keep("second", [_measure("second")])
    kept.keep("first", [_measure("first"), _measure("gone")])
    only = to_run(_PARTS, kept, only=("first",), again=False)
    assert _names(only) == ["first"]
    kept.keep("first", [_measure("first", 3.0)])
    figures = json.loads(path.read_bytes())
    assert set(figures) == {"figure_second", "figure_first"}
    assert figures["figure_first"]["ratio"] == 3.0
    assert list(Kept(path).in_order(_PARTS)) == ["figure_first", "figure_second"]


def test_begin_anew_measures_every_part(tmp_path: Path) -> None:
    """Also those that are done."""
    kept = Kept(tmp_path / "full.json")
    kept.keep("first", [_measure("first")])
    assert to_run(_PARTS, kept, only=(), again=True) == _PARTS
    kept.drop({"first"})
    assert not Kept(tmp_path / "full.json").figures


def test_part_that_there_is_not_is_named(tmp_path: Path) -> None:
    """With those that there are."""
    kept = Kept(tmp_path / "full.json")
    with pytest.raises(ValueError, match="no part fourth; there are first, second"):
        to_run(_PARTS, kept, only=("first", "fourth"), again=False)


def test_figures_of_a_version_without_parts_are_measured_again(tmp_path: Path) -> None:
    """They are of no part, so none is done."""
    path = tmp_path / "full.json"
    path.write_text(json.dumps({"figure_first": {"ratio": 1.0}}), encoding="utf-8")
    assert to_run(_PARTS, Kept(path), only=(), again=False) == _PARTS


def test_part_without_a_figure_is_not_done(tmp_path: Path) -> None:
    """It would be run for ever, and nobody told."""
    with pytest.raises(ValueError, match="first measured nothing"):
        Kept(tmp_path / "full.json").keep("first", [])


def test_stages_of_a_full_database_are_parts_of_their_own(tmp_path: Path) -> None:
    """A million on the way to three; ten million where they are asked for."""
    names = [part.name for part in parts_of(tmp_path, 3_000_000, 60.0, tmp_path)]
    assert "stored-1000000" in names
    assert "stored-3000000" in names
    assert names[-1] == "soak"
    assert len(names) == len(set(names))
    ten = [part.name for part in parts_of(tmp_path, 10_000_000, 60.0, tmp_path)]
    assert "stored-10000000" in ten


def test_picture_stands_below_the_table_once_there_is_one(tmp_path: Path) -> None:
    """Before the first soak the document shows no broken picture."""
    assert _text("| table |", tmp_path) == "| table |"
    (tmp_path / soak.PICTURE.name).write_text("<svg/>", encoding="utf-8")
    assert f"({soak.PICTURE.name})" in _text("| table |", tmp_path)
