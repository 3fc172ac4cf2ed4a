"""`medaid serve` ends in a status by which a service manager knows what to do."""

import asyncio
import json
import signal
import sys
import textwrap
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.endings import MAY_PASS, NEEDS_REPAIR, NotStartedFault
from tests.acceptance.gateway_process import PROJECT, environment

_WITHIN_S = 60
#: The real program, in which what must run beside the requests meets a bug.
_FAILING = textwrap.dedent("""
    import asyncio
    from pathlib import Path
    from eligibility_cache.follower import Follower
    from gateway.cli.main import main
    from settlement.service.access import Sessions

    async def fail(*_, **__):
        while not Path({go!r}).exists():
            await asyncio.sleep(0.05)
        raise RuntimeError("a bug")

    {method} = fail
    main()
""")
#: What fails, and whether it does before anybody was answered, while the start waits.
_BUGS = {"access": ("Sessions.watch", False), "follower": ("Follower._write", True)}


@pytest.fixture
def place(data_dir: Path, database_dsn: str) -> list[str]:
    """Where a sandbox lies, as arguments of a command."""
    arguments = ["--data-dir", str(data_dir), "--dsn", database_dsn]
    made = CliRunner().invoke(main, ["init", "--sandbox", *arguments])
    assert made.exit_code == 0, made.output
    return arguments


async def _serve(place: list[str], program: str) -> asyncio.subprocess.Process:
    """Start the gateway; it has said that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "serve", *place, "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(), cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _WITHIN_S)
    assert line.startswith(b"ready "), line
    return process


async def _said(process: asyncio.subprocess.Process) -> str:
    _, said = await asyncio.wait_for(process.communicate(), _WITHIN_S)
    return said.decode()


@pytest.mark.parametrize("work", _BUGS)
async def test_only_worker_that_ends_by_itself_is_started_again(
    place: list[str], work: str, tmp_path: Path
) -> None:
    """Status 0 would mean that somebody wanted it so."""
    (method, at_once), go = _BUGS[work], tmp_path / "go"
    if at_once:
        go.touch()
    process = await _serve(place, _FAILING.format(go=str(go), method=method))
    go.touch()
    said = await _said(process)

    assert process.returncode == MAY_PASS, said
    ended = [json.loads(x) for x in said.splitlines() if '"work.ended"' in x]
    assert [each["work"] for each in ended] == [work]
    assert '"worker.drained"' in said
    sentences = [line for line in said.splitlines() if not line.startswith("{")]
    assert len(sentences) == 1
    assert sentences[0].startswith("Error: something that must run beside")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_gateway_that_was_told_to_stop_ends_well(
    place: list[str], number: signal.Signals
) -> None:
    """However it was told."""
    process = await _serve(place, "from gateway.cli.main import main; main()")
    process.send_signal(number)
    said = await _said(process)

    assert process.returncode == 0, said


async def test_gateway_starts_as_soon_as_the_database_lets_it(
    place: list[str], database_dsn: str, empty_dsn: str
) -> None:
    """After a power cut it is started many times before PostgreSQL is there."""
    connection = await asyncpg.connect(empty_dsn)
    program = "from gateway.cli.main import main; main()"
    name = database_dsn.rsplit("/", 1)[-1].partition("?")[0]
    try:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        away = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, "serve", *place, "--port", "0",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environment(), cwd=PROJECT,
        )  # fmt: skip
        said = await _said(away)
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await connection.close()
    assert away.returncode == MAY_PASS, said
    assert "PostgreSQL lets nobody in" in said

    process = await _serve(place, program)
    process.terminate()
    await _said(process)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("ended", "status"),
    [(NEEDS_REPAIR, NEEDS_REPAIR), (1, MAY_PASS), (0, MAY_PASS), (-9, MAY_PASS)],
)
def test_worker_hands_its_status_on(ended: int, status: int) -> None:
    """One that was killed at its start may live the next time."""
    assert NotStartedFault("a sentence", ended).status == status
