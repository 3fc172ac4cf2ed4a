"""One server for the whole test run, one migrated template, one database per test."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from settlement.store.embedded import EmbeddedPostgres, EmbeddedPostgresError
from settlement.store.migrate import migrate

TEMPLATE = "medaid_template"
_PREFIX = "medaid-tests-"
#: No test cuts the power, so that files in memory are as good as files on disk, and
#: making and removing a database costs a quarter.
_MEMORY = Path("/dev/shm")  # noqa: S108  # mkdtemp makes a folder of its own there
_MEMORY_BYTES_MIN = 2 << 30


def make_folder() -> Path:
    """Make a folder that the server's account can reach, as `tmp_path` is not.

    The name says which process made it, so that a later run can tell that a killed
    one will not clean up after itself.
    """
    base = _MEMORY if _has_room(_MEMORY) else None
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    folder.chmod(0o755)
    return folder.resolve()


def _has_room(base: Path) -> bool:
    if not os.access(base, os.W_OK):
        return False
    return shutil.disk_usage(base).free >= _MEMORY_BYTES_MIN


def remove_folder(folder: Path) -> None:
    """Stop the folder's server, if any, and remove both."""
    for record in folder.rglob("postgres.json"):
        EmbeddedPostgres(record.parent).erase()
    shutil.rmtree(folder, ignore_errors=True)


def sweep_abandoned_folders() -> None:
    """Remove what runs left behind that were killed before they could."""
    bases = (Path(tempfile.gettempdir()), _MEMORY)
    for folder in (found for base in bases for found in base.glob(f"{_PREFIX}*")):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        is_ours = folder.lstat().st_uid == os.geteuid()
        if is_ours and pid.isdigit() and not _is_alive(int(pid)):
            try:
                remove_folder(folder)
            except EmbeddedPostgresError:
                continue


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ensure_template(server: EmbeddedPostgres, folder: Path) -> None:
    """Make and migrate the template once, whichever worker comes first."""
    with _exclusive(folder / "template.lock"):
        asyncio.run(_ensure_template(server))


async def _ensure_template(server: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(server.dsn_of("postgres"))
    try:
        if await admin.fetchval(
            "SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE
        ):
            return
        draft = f"{TEMPLATE}_draft"
        await admin.execute(f'DROP DATABASE IF EXISTS "{draft}"')
        await admin.execute(f'CREATE DATABASE "{draft}"')
        connection = await asyncpg.connect(server.dsn_of(draft))
        try:
            await migrate(connection)
        finally:
            await connection.close()
        await admin.execute(f'ALTER DATABASE "{draft}" RENAME TO "{TEMPLATE}"')
    finally:
        await admin.close()


@contextmanager
def fresh_database(
    server: EmbeddedPostgres, name: str, template: str = TEMPLATE
) -> Iterator[str]:
    """Give the address of a new copy of the template; drop it afterwards."""
    asyncio.run(_execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    try:
        yield server.dsn_of(name)
    finally:
        asyncio.run(_execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn_of("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
