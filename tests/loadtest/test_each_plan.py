"""Each plan says no-go to a gateway that was made wrong on purpose.

Two runs of each: one past a proxy that loses one settlement, doubles another and
alters a third by a fen, one past a proxy that only adds a second of delay. Each is the
other's control: what the first breaks holds in the second, and the other way round.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.demo.folder import scratch_folder
from gateway.demo.sandbox import Sandbox, open_sandbox, serving
from gateway.loadtesting.world import limits_config, make_world
from gateway.location import open_database
from gateway.wiring import wall_clock
from loadtests import plan as plans
from tests.loadtest.kit import broken_budgets, failed_checks, made_kit, run
from tests.loadtest.lying import LyingProxy

_LIES = {"lost", "doubled", "fen"}
_STAMPS = ("a", "b")
_SECONDS = 4.0
#: The review has to be taken in, and asked about before and after.
_REVIEW_SECONDS = 12.0
#: A step of the way to the knee is judged by whole seconds.
_STEP_SECONDS = 2.0
_SLOW = {"eligibility: p50", "quote: p50", "settle: p50"}
_KNEE = "knee, in busiest minutes"
_reviews = itertools.count()
#: All nine take minutes: `make test` runs one of them, `make slow` the others.
_NAMES = [
    name if name == "smoke" else pytest.param(name, marks=pytest.mark.slow)
    for name in plans.names()
]


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway, and two worlds whose hospitals have nothing to do with each other."""

    gateway: str
    data_dir: Path
    worlds: tuple[dict[str, Any], ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A sandbox gateway in which one hospital of each world has a low rate."""
    await made_kit()
    base = tmp_path_factory.mktemp("plans")
    with scratch_folder(base / "data", "loadtest") as folder:
        async with open_sandbox(folder) as sandbox:
            worlds = tuple([await _world(sandbox, stamp) for stamp in _STAMPS])
            # Nothing here may hold connections: a plan restarts the server.
            await sandbox.database.close()
            config = folder / "limits.toml"
            parts = [limits_config(config, stamp).read_text() for stamp in _STAMPS]
            config.write_text("".join(parts), encoding="utf-8")
            async with serving(sandbox, port=0, workers=1, config=config) as gateway:
                yield Site(gateway, folder, worlds)


async def _world(sandbox: Sandbox, stamp: str) -> dict[str, Any]:
    world = await make_world(
        sandbox, persons=600, stamp=stamp, at=wall_clock(), revoked=100
    )
    # Two runs go side by side, and each is followed by others.
    return world | {"exclusive": False, "fresh": False}


async def _reviewed(site: Site) -> dict[str, Any]:
    """A world whose review can be taken in: it comes next after the roster's."""
    async with open_database(site.data_dir, None) as database:
        return await _world(Sandbox(site.data_dir, database), f"r{next(_reviews)}")


def _shipped(name: str, folder: Path) -> tuple[str, tuple[str, ...]]:
    """The shipped plan under its name, pressed into seconds with the desks' pauses."""
    text = (plans.FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[mix]\n")
    path = folder / f"{name}.toml"
    folder.mkdir(exist_ok=True)
    path.write_text(f"{head}\n[mix]\npace = 0.2\n{rest}", encoding="utf-8")
    loaded = plans.load(name)
    seconds = _REVIEW_SECONDS if name == "roster-review" else _SECONDS
    if loaded.steps:
        seconds = _STEP_SECONDS * len(loaded.phases)
    busiest = "120" if loaded.steps else "600"
    return str(path), (
        "--time-scale", f"{seconds / loaded.seconds:.6f}", "--busiest-minute", busiest,
        "--processes", "1",
    )  # fmt: skip


async def _through(
    proxy: LyingProxy, world: dict[str, Any], name: str, folder: Path
) -> tuple[int, dict[str, Any]]:
    plan, more = _shipped(name, folder)
    async with proxy.serving() as target:
        return await run(target, folder, plan, world, *more)


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_fault_passes_a_plan(site: Site, tmp_path: Path, name: str) -> None:
    """A settlement lost, one doubled, one a fen off: named; a second: too slow."""
    liar = LyingProxy(site.gateway, lies=_LIES)
    sluggard = LyingProxy(site.gateway, lies=set(), delay_s=1.0)
    if plans.load(name).events:
        # What happens to the installation happens to both: one after the other.
        is_review = name == "roster-review"
        world = await _reviewed(site) if is_review else site.worlds[0]
        lied = await _through(liar, world, name, tmp_path / "lies")
        world = await _reviewed(site) if is_review else site.worlds[1]
        slow = await _through(sluggard, world, name, tmp_path / "slow")
    else:
        lied, slow = await asyncio.gather(
            _through(liar, site.worlds[0], name, tmp_path / "lies"),
            _through(sluggard, site.worlds[1], name, tmp_path / "slow"),
        )
    _named(liar, *lied)
    _too_slow(name, *slow)


def _named(liar: LyingProxy, status: int, report: dict[str, Any]) -> None:
    """Each lie is found by its own case, and by nothing that delay would break."""
    failed = failed_checks(report)
    assert (status, report["verdict"]) == (1, "no-go")
    assert liar.victims.keys() == _LIES
    for key in liar.victims.values():
        assert key in failed["once"], failed
    assert liar.victims["fen"] in failed["receipts"]
    assert "by our notes" in failed["sums"]
    assert broken_budgets(report) == set()


def _too_slow(name: str, status: int, report: dict[str, Any]) -> None:
    """Nothing is wrong with it but the delay."""
    assert failed_checks(report) == {}
    assert (status, report["verdict"]) == (1, "no-go")
    broken = broken_budgets(report)
    if name == "failover":
        # What is a second on its way meets the restart, and was due before it.
        broken.discard("errors")
    assert broken == ({_KNEE} if name == "find-the-knee" else _SLOW)
