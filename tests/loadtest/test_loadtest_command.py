"""`medaid loadtest` says in one sentence why it cannot begin."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import loadtest as command
from gateway.cli.main import main
from gateway.demo.sandbox import open_sandbox
from gateway.loadtesting.world import (
    HOSPITALS,
    limits_config,
    make_world,
    write_world,
)
from gateway.wiring import wall_clock
from loadtests.__main__ import main as kit
from loadtests.world import WorldError, read_world


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["loadtest", *arguments])


def test_help_names_every_plan_and_status() -> None:
    """What an operator needs to choose."""
    # Lines are broken after hyphens too.
    text = re.sub(r"\n +", " ", _invoke("--help").output).replace("- ", "-")

    for word in ("rollout", "find-the-knee", "roster-review", "no-go", "Example:"):
        assert word in text


def test_a_missing_kit_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever runs it first is told which command makes the environment."""
    monkeypatch.setattr(command, "_KIT_PYTHON", tmp_path / "none")

    result = _invoke("--plan", "smoke")

    assert result.exit_code == 1
    assert "make loadtest-kit" in result.output


def test_nobody_is_made_up_in_a_real_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hospitals and persons are added to sandboxes alone."""
    monkeypatch.setattr(command, "_require_kit", lambda: None)
    real = {"origin": "gateway.example/real", "sandbox": False}
    (tmp_path / "installation.json").write_text(json.dumps(real), encoding="utf-8")

    result = _invoke("--target", "http://127.0.0.1:1", "--data-dir", str(tmp_path))

    assert result.exit_code == 1
    assert "--world" in result.output


def test_an_unknown_plan_ends_with_two(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not with a verdict; and the known ones are named."""
    status = kit([
        "run", "--target", "http://127.0.0.1:1", "--plan", "nothing",
        "--world", str(tmp_path / "w"), "--out", str(tmp_path / "out"),
    ])  # fmt: skip

    assert status == 2
    assert "find-the-knee" in capsys.readouterr().err


def test_a_target_that_is_away_ends_with_two(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any load: there is nothing to judge."""
    monkeypatch.setattr("loadtests.asking._PAUSE_S", 0)
    world = {
        "hospitals": [{"code": "H1", "key_id": "pt-1", "secret": "c2VjcmV0"}],
        "cards": ["F1"],
    }
    write_world(world, tmp_path / "w")

    status = kit([
        "run", "--target", "http://127.0.0.1:1", "--plan", "smoke",
        "--world", str(tmp_path / "w"), "--out", str(tmp_path / "out"),
    ])  # fmt: skip

    assert status == 2
    assert "does not answer" in capsys.readouterr().err


def test_a_damaged_world_tells_no_secret(tmp_path: Path) -> None:
    """The file holds keys and cards; the complaint holds neither."""
    path = tmp_path / "w"
    path.write_text('{"hospitals": [{"code": "H1", "secret": "s3cr3t"}], "cards"')

    with pytest.raises(WorldError) as caught:
        read_world(path)

    assert "s3cr3t" not in str(caught.value)


def test_the_worlds_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds the hospitals' keys."""
    write_world({"hospitals": []}, tmp_path / "w")

    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o600


def test_the_last_hospital_is_the_one_with_a_low_rate(tmp_path: Path) -> None:
    """The kit lets that one flood."""
    text = limits_config(tmp_path / "c", "own").read_text(encoding="utf-8")

    assert f"[parties.LTown{HOSPITALS - 1:02d}]" in text


@pytest.mark.asyncio
async def test_a_sandbox_can_be_loaded_again_and_again(data_dir: Path) -> None:
    """Each time hospitals and persons are added, also where no review was taken in."""
    async with open_sandbox(data_dir) as sandbox:
        worlds = [
            await make_world(
                sandbox, persons=100, stamp=stamp, at=wall_clock(), revoked=40
            )
            for stamp in ("a", "b", "c")
        ]

    assert [world["fresh"] for world in worlds] == [True, False, False]
    codes = {one["code"] for world in worlds for one in world["hospitals"]}
    assert len(codes) == 3 * HOSPITALS
    manifests = [world["commands"]["roster-review"][5] for world in worlds]
    versions = [json.loads(Path(one).read_bytes())["version"] for one in manifests]
    assert versions == [2, 3, 4]
    assert all(len(set(world["revoked_cards"])) == 40 for world in worlds)
    for world in worlds:
        assert not set(world["cards"]) & set(world["revoked_cards"])
