"""The kit against a real gateway, and against one that was made wrong on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from gateway.demo.folder import scratch_folder
from gateway.demo.sandbox import open_sandbox, serving
from gateway.loadtesting.world import make_world
from gateway.wiring import wall_clock
from tests.loadtest.kit import (
    PYTHON,
    broken_budgets,
    command,
    failed_checks,
    made_kit,
    run,
)
from tests.loadtest.lying import LyingProxy
from tests.loadtest.page import tab
from tests.support.sources import PROJECT

#: Addresses of what the page holds itself.
_WITHIN = ("data:", "blob:", "about:")
_PLAN = """
zh = "三秒"
en = "three seconds"
busiest_minute = 1200
settle_down_s = 20

[[phases]]
seconds = 3
begin = 1.0
end = 1.0

[mix]
refunded = 0.10
repeated = 0.15
looked_up = 0.10
malformed = 0.05
pace = 0.2
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway that serves, and what the kit is told of it."""

    gateway: str
    world: dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A sandbox gateway with hospitals and a roster."""
    await made_kit()
    base = tmp_path_factory.mktemp("loadtest")
    with scratch_folder(base / "data", "loadtest") as folder:
        async with open_sandbox(folder) as sandbox:
            world = await make_world(sandbox, persons=600, stamp="t", at=wall_clock())
            async with serving(sandbox, port=0, workers=1) as gateway:
                yield Site(gateway, world)


async def _run(
    site: Site, target: str, folder: Path, *more: str
) -> tuple[int, dict[str, Any]]:
    """Run the plan of three seconds; its exit status and its report."""
    (folder / "plan.toml").write_text(_PLAN, encoding="utf-8")
    # The books of this site are not fresh after the first run, but nobody else is here.
    world = site.world | {"fresh": False}
    return await run(target, folder, str(folder / "plan.toml"), world, *more)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_sound_gateway_gets_a_go(site: Site, tmp_path: Path) -> None:
    """Two processes load it; every check is tried and holds."""
    status, report = await _run(site, site.gateway, tmp_path, "--processes", "2")

    assert (status, report["verdict"], failed_checks(report)) == (0, "go", {})
    tried = {one["name"]: one["tried"] for one in report["checks"]}
    assert len(tried) == 10
    assert min(tried.values()) > 0
    assert tried["receipts"] > 20
    calls = report["calls"]
    assert calls["settle"]["count"] > 20
    assert {"reverse", "repeat", "look_up", "eligibility", "quote"} <= set(calls)
    folder = tmp_path / "out"
    assert len(list(folder.glob("notes-*.jsonl"))) == 2
    assert "可以上线" in (folder / "report.html").read_text(encoding="utf-8")
    cards = site.world["cards"]
    notes = "".join(path.read_text("utf-8") for path in folder.glob("*.jsonl"))
    assert not any(card in notes for card in cards)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_gateway_that_lies_gets_a_no_go(site: Site, tmp_path: Path) -> None:
    """One settlement lost, one doubled, one a fen off, one forged: each is named."""
    lying = LyingProxy(site.gateway, lies={"lost", "doubled", "fen", "forged"})
    async with lying.serving() as target:
        status, report = await _run(site, target, tmp_path, "--processes", "1")

    failed = failed_checks(report)
    assert (status, report["verdict"]) == (1, "no-go")
    assert lying.victims.keys() == {"lost", "doubled", "fen", "forged"}
    for lie, check in (
        ("lost", "once"),
        ("doubled", "once"),
        ("fen", "once"),
        ("forged", "once"),
        ("fen", "receipts"),
        ("forged", "receipts"),
    ):
        assert lying.victims[lie] in failed[check], (lie, check, failed)
    # Two records that nobody knows of, and amounts that do not match.
    assert "the log grew by" in failed["log"]
    assert "by our notes" in failed["sums"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_slow_gateway_gets_a_no_go(site: Site, tmp_path: Path) -> None:
    """A second of added delay is found by the budgets alone: all else is right."""
    slow = LyingProxy(site.gateway, lies=set(), delay_s=1.0)
    async with slow.serving() as target:
        status, report = await _run(site, target, tmp_path, "--processes", "1")

    assert (status, failed_checks(report)) == (1, {})
    assert broken_budgets(report) == {"eligibility: p50", "quote: p50", "settle: p50"}


_LONGER = _PLAN.replace("seconds = 3", "seconds = 15")


async def _start(command: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_comes_up_during_a_run_and_goes_with_it(
    site: Site, tmp_path: Path, chromium: str
) -> None:
    """A real browser shows it; it fetches from this machine alone."""
    (tmp_path / "plan.toml").write_text(_LONGER, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = f"http://127.0.0.1:{port}/"
    run = command(
        site.gateway, tmp_path, str(tmp_path / "plan.toml"),
        site.world | {"fresh": False}, "--web", str(port), "--processes", "1",
    )  # fmt: skip
    async with (
        aiohttp.ClientSession() as http,
        # Before the run, which does not wait for a browser to start.
        tab(chromium, tmp_path / "profile") as browser,
    ):
        process = await _start(run)
        while not await _answers(http, page):
            assert process.returncode is None
            await asyncio.sleep(0.2)
        opened = await browser.open(page, "settle")
        assert process.returncode is None, "the run was over before the page was seen"
        status = await process.wait()
        assert not await _answers(http, page)

    assert status == 0
    # What is within the page itself is fetched from nowhere.
    fetched = [one for one in opened.fetched if not one.startswith(_WITHIN)]
    hosts = {urlsplit(one).netloc for one in fetched}
    assert hosts == {f"127.0.0.1:{port}"}, opened.fetched
    assert opened.failed == []
    for word in ("settle", "eligibility", "RUNNING"):
        assert word.lower() in opened.text.lower(), opened.text
    assert opened.picture.startswith(b"\x89PNG")
    (tmp_path / "page.png").write_bytes(opened.picture)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest.mark.asyncio(loop_scope="module")
async def test_another_machine_joins_by_the_documented_commands(
    site: Site, tmp_path: Path
) -> None:
    """It has run.json alone; without its notes there is no verdict, with them a go."""
    (tmp_path / "plan.toml").write_text(_PLAN, encoding="utf-8")
    here, there = tmp_path / "out", tmp_path / "there" / "run1"
    world = site.world | {"fresh": False}
    process = await _start(
        command(
            site.gateway, tmp_path, str(tmp_path / "plan.toml"), world,
            "--processes", "1", "--elsewhere", "1", "--listen", "127.0.0.1:0",
        )
    )  # fmt: skip
    assert process.stdout is not None
    waiting = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    master = re.search(r"processes? to join (\S+)", waiting)
    assert master is not None, waiting
    there.mkdir(parents=True)
    shutil.copy(here / "run.json", there)
    kit = [str(PYTHON), "-m", "loadtests"]
    worker = await _start([*kit, "worker", str(there), "--master", master[1]])
    printed, _ = await process.communicate()
    assert await worker.wait() == 0

    assert process.returncode == 3, printed.decode()
    assert "notes of 1 of 2 processes are missing" in printed.decode()
    assert json.loads((here / "report.json").read_bytes())["checks"] == []
    for name in ("notes", "samples"):
        (path,) = there.glob(f"{name}-*.jsonl")
        shutil.copy(path, here)
    judge = await _start([*kit, "judge", str(here)])
    printed, _ = await judge.communicate()
    assert judge.returncode == 0, printed.decode()
    report = json.loads((here / "report.json").read_bytes())
    assert (report["verdict"], failed_checks(report)) == ("go", {})


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_that_is_killed_leaves_nobody_behind(
    site: Site, tmp_path: Path
) -> None:
    """A generator that goes on unseen would load an installation for hours."""
    (tmp_path / "plan.toml").write_text(_LONGER, encoding="utf-8")
    process = await _start(
        command(
            site.gateway, tmp_path, str(tmp_path / "plan.toml"),
            site.world | {"fresh": False}, "--processes", "1",
        )
    )  # fmt: skip
    out = tmp_path / "out"
    while not list(out.glob("notes-*.jsonl")):  # noqa: ASYNC110  # another's file
        await asyncio.sleep(0.1)
    assert len(_running(out)) == 3  # run, conduct, worker
    process.kill()
    await process.wait()

    for _ in range(100):
        if not _running(out):
            return
        await asyncio.sleep(0.1)
    pytest.fail("a process goes on")


def _running(folder: Path) -> list[str]:
    """Command lines of the processes that name this folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_text("utf-8", "replace").replace("\0", " "))
    return [line for line in lines if str(folder) in line]
