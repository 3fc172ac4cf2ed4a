"""Limits for parties that nobody registered are said at the start, and only then."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from tests.gateway.test_serve import line, serving


@pytest.fixture
def place(data_dir: Path, database_dsn: str, tmp_path: Path) -> list[str]:
    """Where a sandbox lies that knows the facility H001."""
    place = ["--data-dir", str(data_dir), "--dsn", database_dsn]
    for command in (
        ("init", "--sandbox"),
        ("facility", "add", "H001", "--key-out", str(tmp_path / "H001.key.json")),
    ):
        done = CliRunner().invoke(main, [*command, *place])
        assert done.exit_code == 0, done.output
    return place


async def _log_of_a_start(place: list[str], config: Path) -> list[dict[str, object]]:
    """What a gateway with these settings logs until it has drained."""
    options = ("--port", "0", "--config", str(config))
    async with serving(*place, *options) as process:
        await line(process, "ready ")
        process.terminate()
        _, said = await process.communicate()
    return [json.loads(each) for each in said.decode().splitlines()]


async def test_limits_of_nobody_are_said_once(place: list[str], tmp_path: Path) -> None:
    """With the codes as they stand in the file; those that exist are not named."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        "".join(
            f"[parties.{code}]\nmoney_at_once = 7\n" for code in ("H01", "H001", "H1")
        ),
        encoding="utf-8",
    )

    events = await _log_of_a_start(place, config)

    said = [each for each in events if each["event"] == "limits.party_unknown"]
    assert [each["codes"] for each in said] == [["H01", "H1"]]
    assert [each["level"] for each in said] == ["warning"]


async def test_nothing_is_said_of_parties_that_exist(
    place: list[str], tmp_path: Path
) -> None:
    """A warning that is always there is read by nobody."""
    config = tmp_path / "gateway.toml"
    config.write_text("[parties.H001]\nmoney_at_once = 7\n", encoding="utf-8")

    events = await _log_of_a_start(place, config)

    assert "worker.ready" in {each["event"] for each in events}
    assert "limits.party_unknown" not in {each["event"] for each in events}
