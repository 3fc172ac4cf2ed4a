"""The same by `medaid serve` with two workers: what operator and cashier are told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.desk import Desk, bill
from tests.acceptance.gateway_process import GatewayProcess
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres
from tests.tampering.servers import Server

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds children in /proc"),
    pytest.mark.timeout(240),
]
_WITHIN_S = 60.0
#: Connections that meet both workers, with all but certainty.
_ASKED = 16


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give a sandbox of this test's own, with a roster and one hospital."""
    folder = postgres.make_folder()
    try:
        with open_sandbox(folder / "var") as sandbox:
            sandbox.add_party("H001")
            sandbox.import_roster()
            yield sandbox
    finally:
        postgres.remove_folder(folder)


def _server_of(sandbox: Sandbox) -> Server:
    embedded = sandbox.server
    backups = sandbox.data_dir.parent / "backups"
    backups.mkdir()
    os.chown(backups, embedded.place.account.uid, embedded.place.account.gid)
    return Server(embedded, backups)


async def _readiness(url: str) -> list[tuple[int, str]]:
    """What each of many fresh connections is told."""
    told = []
    for _ in range(_ASKED):
        async with (
            aiohttp.ClientSession(headers={"Accept-Language": "en"}) as http,
            http.get(f"{url}/readyz") as answer,
        ):
            told.append((answer.status, await answer.text()))
    return told


async def _all_stopped(url: str) -> list[tuple[int, str]]:
    async with asyncio.timeout(_WITHIN_S):
        while True:
            told = await _readiness(url)
            if all("settlement stopped" in text for _, text in told):
                return told
            await asyncio.sleep(0.2)


async def test_both_workers_say_why_and_the_next_start_too(sandbox: Sandbox) -> None:
    """Readiness, log, metrics, answers; then the start that is refused."""
    server = _server_of(sandbox)
    gateway = GatewayProcess(sandbox.data_dir, workers=2)
    gateway.launch()
    try:
        await asyncio.to_thread(gateway.wait_ready)
        async with aiohttp.ClientSession() as http:
            desk = Desk(http, gateway.url, sandbox.keys["H001"], sandbox.tokens)
            kept = await desk.settle("k1", bill(2))
            assert kept.status == 201
            old = await asyncio.to_thread(server.base_backup, server.folder / "old")
            for number in range(2, 6):
                assert (await desk.settle(f"k{number}", bill(2))).status == 201
            await asyncio.to_thread(server.crash)
            await asyncio.to_thread(server.restore, old)
            await asyncio.to_thread(server.embedded.start)

            told = await _all_stopped(gateway.url)
            await _nothing_is_settled(desk)
            await _questions_are_answered(desk, kept.json()["settlement_id"])
            metrics = await _stopped_in_the_metrics(gateway.url)
        assert {status for status, _ in told} == {503}
        assert all(
            "has 1 entries" in text and "has seen 5" in text and "Restore" in text
            for _, text in told
        )
        assert "medaid_settle_stopped" in metrics
        _assert_alarm(gateway.log)
    finally:
        gateway.stop()
    gateway.launch()
    await asyncio.to_thread(_ended, gateway)
    last = gateway.log.read_text(encoding="utf-8").strip().splitlines()[-1]
    assert "went back in time" in last
    assert "do not delete the checkpoint file" in last


async def _nothing_is_settled(desk: Desk) -> None:
    """New bills and retries of the lost ones alike: 503 with the same key."""
    for key in ("k5", "k6", "k7", "k8"):
        answer = await desk.settle(key, bill(2))
        assert (answer.status, answer.json()["code"]) == (503, "MA-5104")


async def _questions_are_answered(desk: Desk, settlement_id: str) -> None:
    assert (await desk.eligibility(2)).json()["status"] == "eligible"
    assert (await desk.get(f"/v1/settlements/{settlement_id}")).status == 200
    # A smaller checkpoint than the one that was shown is not shown.
    assert (await desk.raw("GET", "/v1/log/checkpoint")).status == 503


async def _stopped_in_the_metrics(url: str) -> str:
    """Each worker reports its own values when their turn comes."""
    async with asyncio.timeout(_WITHIN_S):
        while not (metrics := await _metrics(url)):  # noqa: ASYNC110  # other processes
            await asyncio.sleep(0.2)
    return metrics


async def _metrics(url: str) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{url}/metrics") as answer,
    ):
        text = await answer.text()
    return "".join(
        line
        for line in text.splitlines()
        if line.startswith("medaid_settle_stopped") and not line.endswith(" 0.0")
    )


def _assert_alarm(log: Path) -> None:
    """One line a worker, at the highest level, with the sentence."""
    events = [
        json.loads(line)
        for line in log.read_text(encoding="utf-8").splitlines()
        if "settle.stopped" in line
    ]
    assert len(events) == 2
    assert all("went back in time" in json.dumps(event) for event in events)
    assert all(
        event.get("level", "").lower() in {"critical", "error"} for event in events
    )


def _ended(gateway: GatewayProcess) -> None:
    process = gateway._process
    assert process is not None
    assert process.wait(_WITHIN_S) != 0
