"""`medaid serve` as a real process: ready, several workers, drain, clear faults."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from gateway.cli.main import main

READY_WITHIN_S = 60


@pytest.fixture
def sandbox(data_dir: Path, database_dsn: str) -> list[str]:
    """Where a sandbox lies, as arguments of a command."""
    place = ["--data-dir", str(data_dir), "--dsn", database_dsn]
    made = CliRunner().invoke(main, ["init", "--sandbox", *place])
    assert made.exit_code == 0, made.output
    return place


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`medaid serve` as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli.main", "serve", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process, start: str) -> str:
    """The rest of the next line, which must begin so."""
    assert process.stdout is not None
    text = (await asyncio.wait_for(process.stdout.readline(), READY_WITHIN_S)).decode()
    assert text.startswith(start), text
    return text.removeprefix(start).strip()


def children_of(pid: int) -> set[int]:
    """Process ids of the workers."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(word) for word in path.read_text(encoding="ascii").split()}


async def eventually(
    look: Callable[[], set[int]], is_so: Callable[[set[int]], bool]
) -> set[int]:
    """Look until it is so; fails when it never is."""
    async with asyncio.timeout(READY_WITHIN_S):
        while not is_so(found := look()):  # noqa: ASYNC110  # other processes
            await asyncio.sleep(0.05)
    return found


async def test_one_worker_serves_and_drains(sandbox: list[str]) -> None:
    """`ready URL` with the real port; SIGTERM ends with status 0."""
    async with serving(*sandbox, "--port", "0") as process:
        url = await line(process, "ready ")
        async with (
            aiohttp.ClientSession() as http,
            http.get(url + "/healthz") as answer,
        ):
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_workers_share_a_port_and_are_replaced(sandbox: list[str]) -> None:
    """All answer before `ready`; one that is killed comes back; all end together."""
    arguments = (*sandbox, "--port", "0", "--workers", "2", "--metrics-port", "0")
    async with serving(*arguments) as process:
        metrics = await line(process, "metrics ")
        url = await line(process, "ready ")
        # Two workers, and the watch, which begins when they serve.
        before = await eventually(
            lambda: children_of(process.pid), lambda found: len(found) == 3
        )

        os.kill(min(before), signal.SIGKILL)
        after = await eventually(
            lambda: children_of(process.pid), lambda found: len(found - before) == 1
        )
        for _ in range(20):
            # Each connection may fall to any worker; none may fail for good.
            async with aiohttp.ClientSession() as http, http.get(url + "/v1/keys") as a:
                assert a.status == 200
        async with aiohttp.ClientSession() as http, http.get(metrics) as answer:
            counted = await answer.text()
        process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), 30) == 0
        assert len(after) == 3
        assert 'call="keys"' in counted
        assert not any(Path(f"/proc/{pid}").exists() for pid in after)


async def test_workers_end_with_a_killed_supervisor(sandbox: list[str]) -> None:
    """A supervisor that is gone leaves no worker behind."""
    async with serving(*sandbox, "--port", "0", "--workers", "2") as process:
        await line(process, "ready ")
        workers = children_of(process.pid)

        process.kill()

        await eventually(
            lambda: {pid for pid in workers if _is_running(pid)}, lambda left: not left
        )


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split(")")[-1]
    except (FileNotFoundError, ProcessLookupError):
        # The latter where it ends between the opening and the reading.
        return False
    return state.split()[0] not in {"Z", "X"}


async def refusal(*arguments: str, **environment: str) -> str:
    """The one sentence of a start that must fail."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli.main", "serve", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )  # fmt: skip
    printed, complaint = await asyncio.wait_for(process.communicate(), READY_WITHIN_S)
    assert process.returncode != 0
    assert b"ready" not in printed
    lines = complaint.decode().splitlines()
    assert [text for text in lines if text.startswith("Error: ")] == lines
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_busy_port_is_one_sentence(sandbox: list[str], workers: str) -> None:
    """A second gateway on the same port does not start."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = await refusal(*sandbox, "--port", port, "--workers", workers)

    assert "is in use" in said


async def test_second_gateway_on_a_shared_port_is_noticed(sandbox: list[str]) -> None:
    """Workers share their port with each other, not with another gateway."""
    async with serving(*sandbox, "--port", "0", "--workers", "2") as process:
        url = await line(process, "ready ")

        said = await refusal(
            *sandbox, "--port", url.rsplit(":", 1)[1], "--workers", "2"
        )

    assert "is in use" in said


async def test_impossible_settings_are_one_sentence(sandbox: list[str]) -> None:
    """Environment, address and key files, each with what to do."""
    assert "no setting 'colour'" in await refusal(*sandbox, MEDAID_COLOUR="red")
    assert "loopback only" in await refusal(*sandbox, "--host", "0.0.0.0")  # noqa: S104  # must be refused
    key = Path(sandbox[1]) / "keys" / "record-sign.json"
    key.chmod(0o644)
    assert "can be read by others" in await refusal(*sandbox, "--port", "0")
    key.chmod(0o600)
    installation = Path(sandbox[1]) / "installation.json"
    members = json.loads(installation.read_text(encoding="utf-8"))
    installation.write_text(
        json.dumps({"sandbox": members["sandbox"]}), encoding="utf-8"
    )
    assert "cannot be read" in await refusal(*sandbox, "--port", "0", "--workers", "2")


async def test_unreachable_database_is_one_sentence(
    data_dir: Path, sandbox: list[str]
) -> None:
    """A server that does not answer is said so, by one worker and by several."""
    nowhere = ["--data-dir", str(data_dir), "--dsn", "postgresql://127.0.0.1:1/none"]

    for workers in ("1", "2"):
        said = await refusal(*nowhere, "--port", "0", "--workers", workers)
        assert "PostgreSQL" in said
