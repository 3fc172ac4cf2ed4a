"""Where a command works: its data folder, its database, and the options that say so.

Every command that touches the database takes these options and opens it here, so
that all agree on defaults, on the embedded server and on what is said when there is
none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from settlement.domain.errors import FatalError
from settlement.store.database import Database
from settlement.store.errors import SERVER_AWAY, StoreUnavailableError
from settlement.store.migrate import migrate, missing_migrations

_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_DATA_DIR = Path("var")


def location_options(command: _Command) -> _Command:
    """Add `--data-dir` and `--dsn`: parameters `data_dir: Path, dsn: str | None`."""
    data_dir = click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        envvar="MEDAID_DATA_DIR",
        show_envvar=True,
        help="Folder of keys, cache and, without --dsn, of the database.",
    )
    dsn = click.option(
        "--dsn",
        default=None,
        envvar="MEDAID_DSN",
        show_envvar=True,
        help="PostgreSQL server to use instead of the embedded one:"
        " postgresql://USER@HOST/DATABASE.",
    )
    return data_dir(dsn(command))


def json_option(command: _Command) -> _Command:
    """Add `--json`: parameter `as_json: bool`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON."
    )(command)


@asynccontextmanager
async def server_dsn(data_dir: Path, dsn: str | None) -> AsyncIterator[str]:
    """Give the address of a server that runs as long as this is open.

    Without `dsn` it is the data folder's embedded one, started unless it runs, and
    stopped after its last user. Raises `click.ClickException` when it cannot run.
    """
    if dsn is not None:
        yield dsn
        return
    # Not imported, and its binaries not needed, where a server is given.
    from settlement.store.embedded import (  # noqa: PLC0415
        EmbeddedPostgres,
        EmbeddedPostgresError,
    )

    server = EmbeddedPostgres(data_dir)
    try:
        address = await asyncio.to_thread(server.start)
    except EmbeddedPostgresError as error:
        raise click.ClickException(str(error)) from error
    try:
        yield address
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def open_database(
    data_dir: Path,
    dsn: str | None,
    *,
    may_migrate: bool = False,
    max_size: int = 8,
    gives_way: bool = False,
) -> AsyncIterator[Database]:
    """Give the database, its schema as this program knows it.

    A schema that lacks something is brought up to date with `may_migrate` (`init`
    does so) and refused without. `gives_way`: for long work beside settling. Raises
    `click.ClickException` with what to do.
    """
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(server_dsn(data_dir, dsn))
        try:
            database = await Database.open(
                address, max_size=max_size, gives_way=gives_way
            )
            stack.push_async_callback(database.close)
            connection = await database.connect()
            try:
                await _check_schema(connection, may_migrate=may_migrate)
            finally:
                await connection.close()
        except (StoreUnavailableError, *SERVER_AWAY) as error:
            raise click.ClickException(
                f"PostgreSQL lets nobody in ({error}); is it running, and is --dsn"
                " right?"
            ) from error
        except FatalError as error:
            raise click.ClickException(str(error)) from error
        yield database


async def _check_schema(connection: Any, *, may_migrate: bool) -> None:
    if may_migrate:
        await migrate(connection)
    elif await missing_migrations(connection):
        raise click.ClickException(
            "this database has not been made ready for this program; run"
            " medaid init with the same --data-dir or --dsn first"
        )


def own_data_dir(data_dir: Path) -> Path:
    """Return the folder, or one beside it where the folder belongs to somebody else.

    For commands whose data folder is scratch (the demo): root ran them first, and
    then an ordinary user runs them in the same place. Raises `click.ClickException`
    where this user can write nowhere near.
    """
    if _is_usable(data_dir):
        return data_dir
    for folder in [data_dir, *data_dir.parents]:
        if not folder.name:
            continue
        beside = folder.with_name(f"{folder.name}-{os.geteuid()}")
        candidate = beside / data_dir.relative_to(folder)
        if _is_usable(candidate):
            return candidate
    raise click.ClickException(
        f"{data_dir} belongs to another user and nothing can be written beside it;"
        " choose a folder of your own with --data-dir"
    )


def _is_usable(folder: Path) -> bool:
    """Whether this user can write into the folder, or make it."""
    existing = next(
        path for path in [folder, *folder.absolute().parents] if path.exists()
    )
    if not os.access(existing, os.W_OK | os.X_OK):
        return False
    return existing != folder or folder.stat().st_uid == os.geteuid()
