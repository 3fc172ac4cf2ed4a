"""A real gateway shot with SIGKILL under load; its clients just ask again.

Whatever dies, at whatever moment: each intent has one answer for ever, nothing that
was acknowledged is lost, nothing happens twice, and the log has no gap.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.desk import Answer, Desk
from tests.acceptance.gateway_process import GatewayProcess, wait_for
from tests.acceptance.notes import Audit, Client, read_json
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres

CLIENTS = 8
#: Long enough to settle some dozens, short enough that nothing comes to rest.
LIFE_S = (0.05, 0.8)
#: For what a restarted process must do on a machine that others use too.
WITHIN_S = 60.0
_LAST_WORDS = 4_000

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc"),
    pytest.mark.timeout(300),
]

Shoot = Callable[["Scene"], Awaitable[None]]


@dataclass(slots=True)
class Scene:
    """A gateway, its clients at work, and what was seen meanwhile."""

    sandbox: Sandbox
    gateway: GatewayProcess
    clients: list[Client]
    rng: random.Random
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """Any of the terminals."""
        return self.clients[0].desk

    async def settling_again(self) -> None:
        """Wait until each client has had an answer to something new."""
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*(client.has_news() for client in self.clients))

    async def some_time(self) -> None:
        """Let a random part of a second pass."""
        await asyncio.sleep(self.rng.uniform(*LIFE_S))

    async def come_up(self) -> None:
        """Start the gateway without standing in the clients' way."""
        self.gateway.launch()
        await asyncio.to_thread(self.gateway.wait_ready)

    async def shoot_gateway(self) -> None:
        """SIGKILL supervisor and workers as one."""
        await asyncio.to_thread(self.gateway.kill)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Make a folder that the embedded server's account can reach."""
    folder = postgres.make_folder()
    yield folder
    postgres.remove_folder(folder)


@pytest.fixture(scope="module")
def shot_sandbox(folder: Path) -> Iterator[Sandbox]:
    """One sandbox for all tests of this file: the log goes on growing."""
    with open_sandbox(folder / "var") as sandbox:
        sandbox.import_roster()
        yield sandbox


@pytest.fixture(scope="module")
def all_clients() -> list[Client]:
    """Everything that was ever noted on the module's sandbox."""
    return []


@asynccontextmanager
async def scene_of(
    sandbox: Sandbox, everybody: list[Client], seed: int
) -> AsyncIterator[Scene]:
    """A gateway of two workers with eight clients at work; quiet at the end.

    Two hospitals of its own, each with its day's limit of stopped keys.
    """
    codes = (f"K{seed}-1", f"K{seed}-2")
    await asyncio.to_thread(sandbox.add_parties, *((code,) for code in codes))
    gateway = GatewayProcess(sandbox.data_dir, workers=2)
    gateway.launch()
    try:
        await asyncio.to_thread(gateway.wait_ready)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=20),
        ) as http:
            rng = random.Random(seed)
            clients = [
                _client(sandbox, gateway.url, http, codes[number % 2], number, rng)
                for number in range(CLIENTS)
            ]
            everybody.extend(clients)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as working:
                for client in clients:
                    working.create_task(client.work(stop))
                scene = Scene(sandbox, gateway, clients, rng)
                await scene.settling_again()
                yield scene
                await scene.settling_again()
                stop.set()
            await _examine(scene, everybody, http)
    except BaseException as failure:
        words = gateway.log.read_text(encoding="utf-8")[-_LAST_WORDS:]
        failure.add_note(f"the gateway's last words:\n{words}")
        gateway.stop()
        raise
    assert gateway.stop() == 0


def _client(
    sandbox: Sandbox,
    url: str,
    http: aiohttp.ClientSession,
    code: str,
    number: int,
    rng: random.Random,
) -> Client:
    """Two clients share a person, so that they meet at the accumulator."""
    key = sandbox.keys[code]
    desk = Desk(http, url, key, sandbox.tokens, operator=f"win-{number}")
    person = 401 + number // 2
    return Client(desk, person, random.Random(rng.random()))


async def _examine(
    scene: Scene, everybody: list[Client], http: aiohttp.ClientSession
) -> None:
    """All that must be true, of this scene's clients and of those before."""
    for client in everybody:
        client.desk.http, client.desk.url = http, scene.gateway.url
    audit = Audit(everybody, scene.sandbox.trust)
    await audit.every_answer_is_repeated()
    await audit.every_visit_is_settled_once()
    await audit.log_is_exactly_these_records(scene.desk)
    books = read_json(
        await asyncio.to_thread(scene.sandbox.command, "check-books", "--json")
    )
    assert books["violations"] == []
    counted = {name: books[name] for name in audit.counts()}
    assert counted == audit.counts()
    # The gateway's own fault is never an answer, whatever was shot.
    assert all("MA-5107" not in client.refused for client in scene.clients)


async def _shoot_gateway(scene: Scene, shots: int) -> None:
    for number in range(shots):
        await scene.some_time()
        await scene.shoot_gateway()
        if number % 3 == 2:
            # Shot while it starts, before it answers anybody.
            scene.gateway.launch()
            await asyncio.sleep(scene.rng.uniform(0.2, 1.5))
            await scene.shoot_gateway()
        await scene.come_up()


async def test_gateway_killed_five_times(
    shot_sandbox: Sandbox, all_clients: list[Client]
) -> None:
    """Supervisor and workers die at random moments, also while starting."""
    async with scene_of(shot_sandbox, all_clients, seed=1) as scene:
        spent = scene.desk.signed_session()
        assert (await scene.desk.send(spent)).status == 201

        await _shoot_gateway(scene, shots=5)

        replayed = await scene.desk.send(spent)
        # A nonce counts once, also after a restart.
        assert (replayed.status, replayed.code) == (401, "MA-3103")
    lost = sum(sum(client.refused.values()) for client in scene.clients)
    assert lost > 0, "no client ever noticed a shot"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_gateway_killed_many_times(
    shot_sandbox: Sandbox, all_clients: list[Client], seed: int
) -> None:
    """The same, more often."""
    async with scene_of(shot_sandbox, all_clients, seed=seed) as scene:
        await _shoot_gateway(scene, shots=20)


async def test_one_worker_killed(
    shot_sandbox: Sandbox, all_clients: list[Client]
) -> None:
    """The other worker goes on, and the supervisor puts a new one in its place."""
    async with scene_of(shot_sandbox, all_clients, seed=2) as scene:
        for _ in range(2):
            before = scene.gateway.worker_pids()
            victim = scene.rng.choice(before)
            os.kill(victim, signal.SIGKILL)

            await scene.settling_again()
            await asyncio.to_thread(_wait_for_another, scene.gateway, victim)

            after = scene.gateway.worker_pids()
            assert len(after) == 2
            assert victim not in after
            assert len({*before, *after}) == 3


def _wait_for_another(gateway: GatewayProcess, victim: int) -> None:
    wait_for(lambda: len({*gateway.worker_pids()} - {victim}) == 2, WITHIN_S)


async def test_worker_that_read_a_damaged_map_has_the_cache_built_anew(
    shot_sandbox: Sandbox, all_clients: list[Client]
) -> None:
    """SIGBUS is what a look-up beyond the file's end gets: the next one would too."""
    current = shot_sandbox.data_dir / "cache" / "CURRENT"
    async with scene_of(shot_sandbox, all_clients, seed=4) as scene:
        before = current.read_text()
        victim = scene.rng.choice(scene.gateway.worker_pids())
        os.kill(victim, signal.SIGBUS)

        await asyncio.to_thread(_wait_for_another, scene.gateway, victim)
        await asyncio.to_thread(
            wait_for, lambda: current.read_text() != before, WITHIN_S
        )
        await scene.settling_again()


async def test_postmaster_killed(
    shot_sandbox: Sandbox, all_clients: list[Client]
) -> None:
    """PostgreSQL dies under the running gateway, which says so and then goes on."""
    async with scene_of(shot_sandbox, all_clients, seed=3) as scene:
        await scene.some_time()
        await _known_to_every_worker(scene)
        postmaster = shot_sandbox.server.postmaster_pid
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)

        told = await _while_away(scene)
        await asyncio.to_thread(shot_sandbox.server.start)
        await scene.settling_again()
        ready = await _until_status(scene.desk, 200)

    assert (told["readyz"].status, told["healthz"].status) == (503, 200)
    assert told["readyz"].json()["reasons"] == ["PostgreSQL does not answer"]
    eligibility = told["eligibility"].json()
    assert (told["eligibility"].status, eligibility["status"]) == (200, "eligible")
    assert (eligibility["quota"], eligibility["quota_as_of"]) == (None, None)
    assert eligibility["roster"]["version"] == 1
    assert eligibility["roster"]["age_s"] > 0
    assert told["settle"].status == 503
    assert told["settle"].headers["Content-Type"] == "application/problem+json"
    assert told["settle"].json()["retry"]["same_key"] is True
    assert (ready.json()["ready"], ready.json()["reasons"]) == (True, [])


async def test_quota_that_cannot_be_read_has_a_reason(shot_sandbox: Sandbox) -> None:
    """Who sees no quota is told why."""
    shot_sandbox.add_parties(("K0",))
    gateway = GatewayProcess(shot_sandbox.data_dir, workers=1)
    gateway.start()
    postmaster = shot_sandbox.server.postmaster_pid
    assert postmaster is not None
    try:
        async with aiohttp.ClientSession() as http:
            desk = Desk(http, gateway.url, shot_sandbox.keys["K0"])
            await desk.eligibility(401)
            os.kill(postmaster, signal.SIGKILL)
            await _until_status(desk, 503)
            document = (await desk.eligibility(401)).json()
    finally:
        shot_sandbox.server.start()
        gateway.stop()

    assert (document["status"], document["quota"]) == ("eligible", None)
    told = {name for name in document if name.startswith("quota")}
    assert told > {"quota", "quota_as_of"}


async def _known_to_every_worker(scene: Scene) -> None:
    """A session that a worker has not met has to be looked up in the database."""
    desk, person = scene.desk, scene.clients[0].person
    for _ in range(24):
        async with aiohttp.ClientSession() as http:
            fresh = Desk(http, desk.url, desk.key, desk.tokens)
            assert (await fresh.eligibility(person)).status == 200


async def _while_away(scene: Scene) -> dict[str, Answer]:
    """What a desk is told while the database is gone."""
    desk, person = scene.desk, scene.clients[0].person
    readyz = await _until_status(desk, 503)
    sent = scene.clients[0].notes[0].sent | {"visit_no": "MZ-away"}
    return {
        "readyz": readyz,
        "healthz": await desk.raw("GET", "/healthz"),
        "eligibility": await desk.eligibility(person),
        "settle": await desk.settle("while-away", sent),
    }


async def _until_status(desk: Desk, status: int) -> Answer:
    async with asyncio.timeout(WITHIN_S):
        while True:
            answer = await desk.raw("GET", "/readyz")
            if answer.status == status:
                return answer
            await asyncio.sleep(0.05)
