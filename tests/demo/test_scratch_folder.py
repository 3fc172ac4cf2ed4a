"""The folder that demo and replay empty at each start."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from gateway.demo.folder import scratch_folder


def test_starts_empty_each_time(tmp_path: Path) -> None:
    """What an earlier run left is gone; running twice in a row asks nothing."""
    folder = tmp_path / "demo"
    with scratch_folder(folder, "demo") as first:
        (first / "trust.json").write_text("old")
        (first / "export" / "2014-06").mkdir(parents=True)

    with scratch_folder(folder, "demo") as second:
        left = {path.name for path in second.iterdir()}

    assert first == second == folder
    assert not left & {"trust.json", "export"}


def test_second_run_at_once_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Two runs on one folder would empty it under each other."""
    with (
        scratch_folder(tmp_path / "demo", "demo"),
        pytest.raises(click.ClickException, match=r"still running on .* Ctrl-C"),
        scratch_folder(tmp_path / "demo", "demo"),
    ):
        pass


def test_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A mistyped --data-dir must not cost anybody their files."""
    (tmp_path / "letters.txt").write_text("dear")

    with (
        pytest.raises(click.ClickException, match="holds files of something else"),
        scratch_folder(tmp_path, "demo"),
    ):
        pass

    assert (tmp_path / "letters.txt").read_text() == "dear"


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Emptying removes a link, never what it points at."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    with scratch_folder(tmp_path / "demo", "demo") as folder:
        (folder / "link").symlink_to(elsewhere)

    with scratch_folder(tmp_path / "demo", "demo") as folder:
        assert not (folder / "link").exists()

    assert (elsewhere / "kept").read_text() == "kept"
