"""The kit against a real gateway, and against one that was made wrong on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.demo.folder import scratch_folder
from gateway.demo.sandbox import open_sandbox, serving
from gateway.loadtesting.world import make_world
from gateway.wiring import wall_clock
from tests.loadtest.kit import broken_budgets, failed_checks, made_kit, run
from tests.loadtest.lying import LyingProxy

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
