"""A database transaction on the money path: COMMIT's tag is required.

asyncpg's own `transaction()` ignores the tag (reliability H1); it is not used here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import asyncpg

from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from settlement.store.database import Connection

_CONNECTION_FAULTS = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A connection that is torn down while a statement begins.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,
)
#: Another transaction was in the way; the same work may succeed at once.
_PASSING_CONFLICTS = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)


@contextlib.contextmanager
def our_errors() -> Iterator[None]:
    """Turn the driver's exceptions into ours; before COMMIT nothing is kept."""
    try:
        yield
    except _PASSING_CONFLICTS as error:
        raise BatchConflictError(type(error).__name__) from error
    except _CONNECTION_FAULTS as error:
        raise StoreUnavailableError(type(error).__name__) from error
    except (asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError) as e:
        raise StoreUnavailableError(type(e).__name__) from e
    except asyncpg.PostgresError as error:
        name = getattr(error, "constraint_name", None)
        raise BatchRefusedError(
            f"{type(error).__name__} {name or ''}".strip()
        ) from error


@contextlib.asynccontextmanager
async def committed(connection: Connection) -> AsyncIterator[None]:
    """BEGIN, the caller's steps, COMMIT with its tag required.

    Raises `CommitUnknownError` when COMMIT was sent and no clear answer came; any
    other exception means that nothing was kept. A COMMIT answered `ROLLBACK`, and
    one whose wait for a synchronous standby was cancelled, are not committed for
    us (reliability H1, H2).
    """
    with our_errors():
        await connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        await _roll_back(connection)
        raise
    commit = asyncio.ensure_future(_commit(connection))
    commit.add_done_callback(_hear)
    await asyncio.shield(commit)


def _hear(commit: asyncio.Future[None]) -> None:
    """Where the caller has gone, nobody else takes note of how COMMIT ended."""
    if not commit.cancelled():
        commit.exception()


async def _roll_back(connection: Connection) -> None:
    """Leave nothing open: a connection that cannot roll back is thrown away."""
    try:
        await connection.execute("ROLLBACK")
    except Exception:  # noqa: BLE001  # whatever it was, the connection is not clean
        connection.terminate()


async def _commit(connection: Connection) -> None:
    warnings: list[str] = []

    def note(_connection: object, message: Any) -> None:
        if "synchronous replication" in message.message:
            warnings.append(message.message)

    connection.add_log_listener(note)
    try:
        tag = await connection.execute("COMMIT")
    except Exception as error:
        raise CommitUnknownError(type(error).__name__) from error
    finally:
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.remove_log_listener(note)
    if tag == "ROLLBACK":
        raise BatchRefusedError("COMMIT was answered ROLLBACK")
    if tag != "COMMIT" or warnings:
        raise CommitUnknownError(tag)
