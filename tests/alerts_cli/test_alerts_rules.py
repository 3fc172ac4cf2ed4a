"""`medaid alerts rules`: faults all at once, worked cases run, in use at once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.wiring import wall_clock
from settlement import alert_rules
from settlement.service.watch.shelf import (
    LOOK_EVERY_S,
    follow_rules,
    read_rules_shelf,
)
from tests.alerts_cli.office import Office
from tests.alerts_cli.rules_files import rules_text, with_action

SHIPPED = alert_rules.read(alert_rules.DEFAULT)


async def test_what_is_put_is_listed_shown_and_in_use(
    office: Office, tmp_path: Path
) -> None:
    """Exact bytes come back; the one before stays in the list."""
    (first,) = await office.ask("rules", "list")
    assert first["in_use"]
    file = with_action(tmp_path, **{"too-soon": "off"})

    done = await office.run("rules", "put", str(file), "--by", "li")

    assert "demo-alerts@9" in done.stdout
    listed = await office.ask("rules", "list")
    assert [(each["rules"], each["in_use"]) for each in listed] == [
        (first["rules"], False),
        ("demo-alerts@9", True),
    ]
    assert listed[1]["put_by"] == "li"
    shown = await office.run("rules", "show", "--yaml")
    assert shown.stdout_bytes == file.read_bytes()
    former = await office.run("rules", "show", first["rules"], "--yaml")
    assert former.stdout_bytes == SHIPPED
    table = (await office.run("rules", "show")).stdout
    assert "停用 off" in table
    assert "demo-alerts@9" in table
    assert "medaid alerts rules list" in await office.refused("rules", "show", "no@1")


async def test_running_gateways_take_it_over(office: Office, tmp_path: Path) -> None:
    """And from then on alone: claims settled before stay under the former rules."""
    shelf = await read_rules_shelf(office.database)
    following = asyncio.create_task(follow_rules(shelf, office.database))
    file = with_action(tmp_path, **{"exact-repeat": "off"})
    before = wall_clock()
    await office.run("rules", "put", str(file))
    try:
        async with asyncio.timeout(60):
            while True:
                now = wall_clock()
                in_use = shelf.in_force(now.date(), now)
                if in_use is not None and in_use.rules.version == "9":
                    break
                await asyncio.sleep(0.02)
    finally:
        following.cancel()

    assert LOOK_EVERY_S <= 1
    former = shelf.in_force(before.date(), before - timedelta(seconds=1))
    assert former is not None
    assert former.rules.version != "9"


async def test_check_names_every_fault_with_line_field_and_remedy(
    office: Office, tmp_path: Path
) -> None:
    """Two faults far apart are told in one go, and nothing is stored."""
    lines = rules_text().splitlines()
    score = next(n for n, line in enumerate(lines) if line == "    score: 80分")
    lines[score] = "    score: high"
    action = max(n for n, line in enumerate(lines) if line.startswith("    action:"))
    lines[action] = "    action: shout"
    file = tmp_path / "broken.yaml"
    file.write_text("\n".join(lines), "utf-8")

    done = await office.run("rules", "check", str(file), status=1)

    told = done.stdout.splitlines()
    assert [line.split(":")[1] for line in told] == [str(score + 1), str(action + 1)]
    assert "detectors.exact-repeat.score" in told[0]
    assert "MA-74" in told[0]
    document = json.loads(
        (await office.run("rules", "check", str(file), "--json", status=1)).stdout
    )
    assert [each["line"] for each in document["faults"]] == [score + 1, action + 1]
    refused = await office.run("rules", "put", str(file), status=1)
    assert refused.stdout == done.stdout
    assert len(await office.ask("rules", "list")) == 1


async def test_check_runs_the_worked_cases(office: Office, tmp_path: Path) -> None:
    """A case that comes out otherwise is a fault, with what it gives."""
    text = rules_text().replace("expect: [a b]", "expect: []", 1)
    file = tmp_path / "wrong.yaml"
    file.write_text(text, "utf-8")

    done = await office.run("rules", "check", str(file), status=1)

    (told,) = done.stdout.splitlines()
    assert "[a b]" in told
    assert "exact-repeat" in told
    assert (await office.run("rules", "put", str(file), status=1)).stdout == done.stdout
    sound = await office.run("rules", "check")
    assert "worked cases pass" in sound.stdout


async def test_a_version_is_one_document_for_ever(
    office: Office, tmp_path: Path
) -> None:
    """The same bytes again are no news; other bytes under its name are refused."""
    file = with_action(tmp_path)
    await office.run("rules", "put", str(file))
    again = await office.run("rules", "put", str(file))
    assert "was there already" in again.stdout
    other = with_action(tmp_path, **{"too-soon": "off"})

    assert "raise the version" in await office.refused("rules", "put", str(other))
    assert len(await office.ask("rules", "list")) == 2


@pytest.mark.parametrize("source", ["file", "program"])
async def test_every_number_is_shown_with_its_source(
    office: Office, tmp_path: Path, source: str
) -> None:
    """As the document writes it, of a file that is not stored, too."""
    arguments = (str(with_action(tmp_path)),) if source == "file" else ()

    told = (await office.run("rules", "show", *arguments)).stdout

    flat = "".join(told.split())
    assert "分钟" in flat
    assert "（choice）" in flat
    assert "算例workedcases" in flat
