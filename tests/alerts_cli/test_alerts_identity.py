"""Nobody is named until an officer opens a case, and then the history knows first."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from crypto.keys import OpeningKey
from tests.alerts_cli.office import Office
from tests.roster import bureau

PERSON = 7
CARD = bureau.card_number(PERSON)
NAME = "测试甲"


def _roster(path: Path) -> str:
    """A bureau's roster file in which one row has the card."""
    rows = [bureau.row(n, valid_from="2020-01-01") for n in (6, PERSON)]
    rows[1]["name"] = NAME
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


async def _case(office: Office) -> str:
    await office.repeat(CARD)
    await office.look()
    return await office.the_case()


async def test_nothing_personal_without_asking_for_it(
    office: Office, tmp_path: Path
) -> None:
    """Lists, cases, pages and pictures hold tokens; so does a page made with it."""
    case = await _case(office)
    key = office.write_key(office.house.opening)
    page, picture = tmp_path / "a.html", tmp_path / "a.svg"
    files = ("--html", str(page), "--svg", str(picture))

    told = [
        (await office.run(*arguments)).output
        for arguments in (
            ("list",),
            ("list", "--json"),
            ("cases",),
            ("cases", "--json"),
            ("show", case),
            ("show", case, "--json", *files),
            ("show", case, "--bureau-key", key),
        )
    ]
    told.append(page.read_text("utf-8") + picture.read_text("utf-8"))
    await office.run(
        "show", case, "--identity", "--by", "li", "--bureau-key", key, *files
    )
    told.append(page.read_text("utf-8") + picture.read_text("utf-8"))

    assert all(CARD not in text for text in told)
    history = (await office.ask("show", case))["history"]
    assert [each["action"] for each in history] == ["opened", "identity shown"]


async def test_an_officer_sees_card_and_name_and_the_history_says_so(
    office: Office, tmp_path: Path
) -> None:
    """The name only where the given file has the card; the log line names nobody."""
    case = await _case(office)
    key = office.write_key(office.house.opening)
    asked = ("show", case, "--identity", "--by", "li", "--bureau-key", key)

    done = await office.run(*asked, "--roster", _roster(tmp_path / "r.csv"), "--json")

    shown = json.loads(done.stdout)
    (person,) = shown["identities"]
    assert (person["card_number"], person["name"]) == (CARD, NAME)
    assert person["claims"] == 2
    assert person["person_token"] == shown["person_token"]
    last = shown["history"][-1]
    assert (last["who"], last["action"]) == ("li", "identity shown")
    (line,) = [
        json.loads(each)
        for each in done.stderr.splitlines()
        if "identity_shown" in each
    ]
    assert line["event"] == "alerts.identity_shown"
    assert line["case"] == case
    assert CARD not in done.stderr
    assert NAME not in done.stderr
    without = json.loads((await office.run(*asked, "--json")).stdout)
    assert [each["name"] for each in without["identities"]] == [None]
    told = (await office.run(*asked)).stdout
    assert CARD in told


async def test_the_history_has_the_line_where_opening_fails(office: Office) -> None:
    """Another bureau's key opens nothing, and the attempt stays in the books."""
    case = await _case(office)
    wrong = office.write_key(OpeningKey.generate(os.urandom), "other.json")

    done = await office.run(
        *("show", case, "--identity", "--by", "li", "--bureau-key", wrong), status=1
    )

    assert "--bureau-key" in done.stderr
    assert CARD not in done.output
    history = (await office.ask("show", case))["history"]
    assert [(each["who"], each["action"]) for each in history] == [
        ("medaid", "opened"),
        ("li", "identity shown"),
    ]


async def test_without_who_looks_or_the_key_nothing_is_opened_or_noted(
    office: Office, tmp_path: Path
) -> None:
    """No default stands in for the person who looks."""
    case = await _case(office)
    key = office.write_key(office.house.opening)

    assert "--by" in await office.refused(
        "show", case, "--identity", "--bureau-key", key
    )
    assert "--bureau-key" in await office.refused(
        "show", case, "--identity", "--by", "li"
    )
    assert "--identity" in await office.refused(
        "show", case, "--roster", _roster(tmp_path / "r.csv")
    )
    assert "MA-4108" in await office.refused(
        *("show", "0" * 32, "--identity", "--by", "li", "--bureau-key", key)
    )
    assert len((await office.ask("show", case))["history"]) == 1
