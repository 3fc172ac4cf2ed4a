"""A sandbox gateway of one's own: real commands, real processes, real HTTP.

Whatever can be done by a `medaid` command is done by running it, so that a run of
the demo shows what an operator would do. Only what would take thousands of commands
is done in process.
"""

from __future__ import annotations

import asyncio
import csv
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click
import orjson

from gateway.client import Line, OutcomeUnknownError, SignInRefusedError
from gateway.location import open_database, server_dsn
from gateway.wiring import wall_clock
from settlement.store.database import Database

_READY = b"ready "
#: The gateway answers within a second or two; a busy machine may need longer.
_READY_WITHIN_S = 60
_STOP_WITHIN_S = 40
_LOG_LINES_SHOWN = 5
_PR_SET_PDEATHSIG = 1

ROSTER_COLUMNS = (
    "action", "card_number", "id_number", "name", "household_id", "category",
    "subdistrict", "valid_from", "valid_to", "note", "birth_date",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A data folder made ready, with its database open; no gateway runs yet."""

    data_dir: Path
    database: Database

    async def command(self, *arguments: str) -> bytes:
        """Run `medaid ARGUMENTS` on this sandbox; return what it printed.

        Raises `CommandFailedError` when it ends non-zero.
        """
        return await _run((*arguments, *_at(self.data_dir)))

    async def tool(self, *arguments: str) -> bytes:
        """Run a `medaid` command that needs no data folder, as the bureau would.

        Raises `CommandFailedError` when it ends non-zero.
        """
        return await _run(arguments)

    async def import_roster(self, rows: Iterable[Sequence[str]]) -> int:
        """Write, sign and take in a full roster; return how many rows were taken.

        Rows hold the columns of `ROSTER_COLUMNS`. Raises `CommandFailedError`.
        """
        manifest = await self.sign_roster(rows, kind="full", version=1)
        printed = await self.command("roster", "import", str(manifest), "--json")
        return int(orjson.loads(printed)["rows"])

    async def sign_roster(
        self, rows: Iterable[Sequence[str]], *, kind: str, version: int
    ) -> Path:
        """Write and sign a roster file, and return its manifest; nothing is taken in.

        Rows hold the columns of `ROSTER_COLUMNS`. Raises `CommandFailedError`.
        """
        folder = self.data_dir / ("roster" if kind == "full" else f"roster-{version}")
        # There may be an older one of this version, which was never taken in.
        folder.mkdir(exist_ok=True)
        path = folder / "roster.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(ROSTER_COLUMNS)
            writer.writerows(rows)
        manifest = folder / "manifest.json"
        key = self.data_dir / "bureau" / "roster-key.json"
        # Signing is the bureau's, and needs no gateway's folder.
        await self.tool(
            "roster", "sign", str(path), "--kind", kind, "--version", str(version),
            "--key", str(key), "--out", str(manifest),
        )  # fmt: skip
        return manifest


class CommandFailedError(click.ClickException):
    """A `medaid` command that the run needs ended non-zero."""

    def __init__(
        self, arguments: Sequence[str], printed: bytes, complaint: bytes
    ) -> None:
        """Keep what it printed for those who can read more out of it."""
        lines = (complaint or printed).decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else "no reason given"
        super().__init__(f"medaid {' '.join(arguments[:2])} failed: {why}")
        self.printed = printed


@asynccontextmanager
async def open_sandbox(data_dir: Path) -> AsyncIterator[Sandbox]:
    """Start the embedded server in an empty folder and make a sandbox in it."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server_dsn(data_dir, None))
        await _run(("init", "--sandbox", *_at(data_dir)))
        database = await stack.enter_async_context(open_database(data_dir, None))
        yield Sandbox(data_dir, database)


async def _run(arguments: Sequence[str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *_medaid(arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    try:
        printed, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise CommandFailedError(arguments, printed, complaint)
    return printed


@asynccontextmanager
async def serving(
    sandbox: Sandbox, *, port: int, workers: int, config: Path | None = None
) -> AsyncIterator[str]:
    """Run `medaid serve` until the block ends; give its address.

    The gateway drains when the block ends, and also when this process is killed.
    Raises `click.ClickException` with its last words when it does not come up.
    """
    log = sandbox.data_dir / "serve.log"
    arguments = ["serve", "--port", str(port), "--workers", str(workers)]
    if config is not None:
        arguments += ["--config", str(config)]
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *_medaid((*arguments, *_at(sandbox.data_dir))),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        yield await _address_of(process, log)
    finally:
        await _stop(process)


@asynccontextmanager
async def line_to(base_url: str, *, connections: int) -> AsyncIterator[Line]:
    """Open a line to the gateway for so many calls at once."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Line(
            http=http,
            base_url=base_url,
            clock=lambda: wall_clock().timestamp(),
            nonce=lambda: os.urandom(16).hex(),
        )


@contextmanager
def gateway_answering() -> Iterator[None]:
    """Say it in one sentence when tasks end because the gateway went silent.

    Raises `click.ClickException` in place of their group of errors; any other error
    passes as it is.
    """
    try:
        yield
    except ExceptionGroup as group:
        silent = group.subgroup((OutcomeUnknownError, SignInRefusedError))
        if silent is None:
            raise
        first: Exception = silent
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise click.ClickException(
            f"the gateway stopped answering: {first}; its log is serve.log"
        ) from group


async def _address_of(process: asyncio.subprocess.Process, log: Path) -> str:
    try:
        line = await asyncio.wait_for(_ready_line(process), _READY_WITHIN_S)
    except TimeoutError:
        line = b""
    if line.startswith(_READY):
        return line.removeprefix(_READY).strip().decode()
    raise click.ClickException(f"the gateway did not come up: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " / ".join(lines[-_LOG_LINES_SHOWN:]) or "no reason given"


async def _ready_line(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        return b""
    while line := await process.stdout.readline():
        if line.startswith(_READY):
            return line
    return b""


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the gateway as an operator would, and for sure."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _medaid(arguments: Sequence[str]) -> list[str]:
    """The command line, for the very Python that runs this."""
    return [sys.executable, "-m", "gateway.cli.main", *arguments]


def _at(data_dir: Path) -> tuple[str, str]:
    return ("--data-dir", str(data_dir))


def _environment() -> dict[str, str]:
    """This process's environment, without settings meant for another gateway."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MEDAID_")
    }


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
