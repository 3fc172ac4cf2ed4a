"""What the database did to us, in our own words: drivers' exceptions stop here."""

from __future__ import annotations

import asyncpg

#: The server lets nobody in, or ends who is in: it passes, and is no bug.
SERVER_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)


class StoreUnavailableError(Exception):
    """The database cannot be reached; nothing of this call was committed."""


class StoreBusyError(StoreUnavailableError, OSError):
    """All connections are in use, and too many wait or none came free in time.

    Also an `OSError`, as whatever keeps a connection from being had.
    """


class CommitUnknownError(Exception):
    """COMMIT was sent and its answer did not come: resolve by key."""


class BatchRefusedError(Exception):
    """The database refused a statement of the batch; all of it was rolled back."""


class BatchConflictError(Exception):
    """A deadlock or serialization failure; the batch may be run again as it is."""
