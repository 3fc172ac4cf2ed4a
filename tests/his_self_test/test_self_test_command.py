"""`medaid his self-test` as a command: what it shows, and where it cannot run."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from gateway.cli.his import his
from gateway.his_self_test.masking import Masks, masked
from gateway.his_self_test.run import GROUPS
from gateway.his_self_test.wire import _SERIALS, _serial
from gateway.his_simulator.people import make_people
from gateway.his_simulator.platform import NationalPlatform
from gateway.his_simulator.run import listening
from settlement.domain.calendar import SHANGHAI
from tests.his.desk import HisRoom
from tests.his_self_test.runs import CARD, CODE, run
from tests.support.sources import PROJECT

PERSON = make_people(7, 1)[0]
_PAGE = PROJECT / "docs" / "his" / "self-test.md"
#: What differs from run to run: numbers, times, names that hold some.
_CHANGES = re.compile(
    r"H[0-9]{25}[0-9A-Z]{4}|[0-9A-Z]{26}|-?[0-9]+|ST[0-9A-F]{10,}|MA\*{4}.."
)


@pytest.fixture
async def platform() -> AsyncIterator[str]:
    """A national platform, which is not our gateway and has no codes of ours."""
    server = NationalPlatform([PERSON], lambda: datetime.now(SHANGHAI)).server()
    async with listening(server) as url:
        yield url


async def test_national_platform_is_judged_by_infcode(platform: str) -> None:
    """What it refuses with other words is refused all the same."""
    card = ("--card", PERSON.card, "--id-number", PERSON.id_number)
    ran = await run(platform, *card, "--live-writes", plain=True)
    assert ran.told["gateway"] is False
    assert ran.told["sandbox"] is None
    held = {
        "connection.answers", "clock.skew", "signature.good", "envelope.no-input",
        "envelope.unknown-transaction", "person.card", "person.id", "quote.adds-up",
        "settle.same-fen", "settle.repeated", "settle.changed", "look-up.setl-id",
        "cancel.negative", "cancel.repeated", "reverse.first", "reverse.settled",
        "undo.all",
    }  # fmt: skip
    assert held <= set(ran.ids("pass")), ran.failed
    assert "judged by infcode" in ran.line("envelope.no-input")["notes"][0]["en"]
    # It settles a charge for each msgid, and knows nothing of ours.
    assert "settle.other-msgid" in ran.failed
    assert "dictionaries.funds" in ran.ids("not run")
    assert PERSON.id_number not in ran.text
    assert PERSON.psn_no not in ran.text


async def test_nobody_there_cannot_be_tried() -> None:
    """Status 2, one red line, and what to look at."""
    ran = await run("http://127.0.0.1:9", plain=True)
    assert ran.status == 2
    assert ran.failed == ["connection.answers", "connection.envelope", "signature.good"]
    assert ran.line("person.card")["why"]["en"] == "nothing answers"
    assert "防火墙" in ran.line("connection.answers")["advice"]["zh"]


async def test_web_page_is_no_connection() -> None:
    """Something answers HTTP, and it is no envelope."""

    async def page(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="<html>")

    async with listening(web.Server(page, access_log=None)) as url:
        ran = await run(url, plain=True)
    assert "connection.answers" in ran.failed
    assert ran.ids("pass") == []
    assert ran.status == 1


async def test_nobody_is_handed_on(platform: str) -> None:
    """What was signed for one address goes to no other."""

    async def moved(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{platform}/his"})

    async with listening(web.Server(moved, access_log=None)) as url:
        ran = await run(url, plain=True)
    assert "HTTP 307" in ran.line("connection.answers")["exchanges"][0]["came"]
    assert "connection.answers" in ran.failed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "gateway.test"], "http or https"),
        (["--url", "http://a:b@gateway.test"], "neither a user nor a query"),
        (["--url", "http://gateway.test?secret=x"], "neither a user nor a query"),
        (["--url", "http://gateway.test"], "MEDAID_HIS_SECRET"),
        (["--url", "http://gateway.test", "--only", "money"], "connection"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], sentence: str) -> None:
    """Before anything is sent; status 2."""
    words = ["self-test", "--fixmedins-code", CODE, "--paasid", "a", *arguments]
    told = CliRunner().invoke(his, words)
    assert told.exit_code == 2
    assert sentence in told.output


def test_sign_in_wants_a_key_file(tmp_path: Path) -> None:
    """A password is none."""
    file = tmp_path / "secret"
    file.write_text("hush")
    words = ["self-test", "--fixmedins-code", CODE, "--url", "http://gateway.test"]
    words += ["--profile", "sign-in", "--secret-file", str(file)]
    told = CliRunner().invoke(his, words)
    assert (told.exit_code, "key file" in told.output) == (2, True)
    assert "hush" not in told.output


async def test_only_the_wanted_group_is_tried(room: HisRoom) -> None:
    """And what it needs beforehand."""
    ran = await run(room.url, "--only", "look-up")
    assert ran.ids("pass") == [
        "look-up.setl-id", "look-up.msgid", "look-up.none", "undo.all",
    ]  # fmt: skip


async def test_address_may_name_the_transaction(room: HisRoom) -> None:
    """As some vendors have it."""
    ran = await run(f"{room.url}/his/{{infno}}", "--only", "envelope")
    assert (ran.failed, ran.ids("not run")) == ([], [])


async def test_page_is_whole_and_chinese_first(room: HisRoom, tmp_path: Path) -> None:
    """Nothing from outside, nobody's number, every line of the run."""
    file = tmp_path / "page.html"
    ran = await run(room.url, "--json", "--html", str(file))
    page = file.read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page
    assert "http" not in page.replace("http-equiv", "").replace(room.url, "")
    assert "<script" not in page
    assert CARD not in page
    assert all(each["id"] in page for each in ran.told["lines"])


def _shape(text: str) -> list[str]:
    """Lines without what differs from run to run."""
    lines = [line.rstrip() for line in text.splitlines()]
    return [_CHANGES.sub("#", line) for line in lines if line]


async def test_example_of_the_page_is_what_is_printed(room: HisRoom) -> None:
    """By shape: numbers and times differ."""
    text = _PAGE.read_text(encoding="utf-8")
    shown = text.partition("```text\n")[2].partition("```")[0]
    only = ("connection", "person", "settle")
    words = [word for each in only for word in ("--only", each)]
    ran = await run(room.url, "--text", *words)
    printed = _shape(ran.text.replace(room.url, "https://gateway.test"))
    wanted = _shape(shown)
    assert wanted
    rest = iter(printed)
    missing = [line for line in wanted if line != "…" and line not in rest]
    assert missing == []


def test_every_group_and_option_stands_on_the_page() -> None:
    """Nobody looks for what is not named."""
    text = _PAGE.read_text(encoding="utf-8")
    command = his.get_command(None, "self-test")  # type: ignore[arg-type]
    assert command is not None
    options = {opt for param in command.params for opt in param.opts}
    assert [opt for opt in options if f"`{opt}" not in text] == []
    groups = (*GROUPS, "undo")
    assert [group for group in groups if f"| `{group}`" not in text] == []


def test_masks_hide_echoes() -> None:
    """Also what the other side repeats, and identity numbers that nobody named."""
    masks = Masks(["C00000001", ""])
    masks.add("99010000000000000000000001")
    echoed = masks.clean("C00000001 和 99010000000000000000000001 11010519491231002X")
    assert echoed == "C0****01 和 99****01 ****"
    # A msgid is a longer run of digits, and stays.
    assert masks.clean("H99010000001202601051014090001") == (
        "H99010000001202601051014090001"
    )
    assert masked("short") == "****"


async def test_sandbox_time_is_refused_elsewhere(room: HisRoom) -> None:
    """Every message would be: one red line says why."""
    room.edge.gateway = replace(room.edge.gateway, sandbox=False)
    ran = await run(room.url)
    assert ran.failed == ["signature.good"]
    assert "MA-1108" in ran.line("signature.good")["exchanges"][0]["came"]


def test_messages_of_two_runs_in_one_second_do_not_meet() -> None:
    """Nor with those of the hospital's own system, whose numbers end in digits."""
    assert {_serial(0), _serial(_SERIALS - 1)} == {"A000", "ZZZZ"}
    some = [_serial(number) for number in range(0, _SERIALS, 997)]
    assert len(set(some)) == len(some)
    assert all(len(each) == 4 and each[0].isalpha() for each in some)
    assert _SERIALS > 900_000
