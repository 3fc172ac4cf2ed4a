"""A real PostgreSQL 18 of our own, for where no `--dsn` is given.

Started by us from the binaries of a wheel; reached by a unix socket only; shared by
all processes that use the same data folder, and stopped by the last one that leaves.

Who holds what, in the data folder:
- `postgres.lock`: exclusively, by whoever is just starting or stopping the server.
- `postgres.users`: shared, by each process that uses the server. The kernel lets go
  when a process dies, however it dies: a killed one neither keeps the server from
  being stopped by the next that leaves, nor stops it under the others.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from settlement.store.embedded_account import EmbeddedPostgresError
from settlement.store.embedded_cluster import Cluster, State, dsn_at
from settlement.store.embedded_place import (
    RECORD_NAME,
    Place,
    find_or_make_place,
    reachable_binaries,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]


class EmbeddedPostgres:
    """This process's use of the server that belongs to one data folder."""

    def __init__(self, data_dir: Path, *, shared_buffers: str = "256MB") -> None:
        """Name the data folder; nothing is made or started yet."""
        self._data_dir = data_dir.absolute()
        self._shared_buffers = shared_buffers
        #: Open file that holds our share in `postgres.users`; `None`: not a user.
        self._share: int | None = None
        self._cluster: Cluster | None = None

    def start(self) -> str:
        """Make and start the server if need be; return the database's address.

        Blocks for a second or two. Safe from several processes at once and after any
        crash. Raises `EmbeddedPostgresError` with one sentence that says what to do.
        """
        self._make_data_dir()
        with self._alone():
            if self._share is None:
                self._share = self._open_lock("postgres.users")
            fcntl.flock(self._share, fcntl.LOCK_SH)
            try:
                return self._start()
            except BaseException:
                self._give_up_share()
                raise

    def stop(self) -> None:
        """Leave; the last user's leaving stops the server. May be called twice."""
        if self._share is None:
            return
        with self._alone():
            if self._is_last_user() and self._cluster is not None:
                self._cluster.stop()
            self._give_up_share()

    def erase(self) -> None:
        """Remove the database for ever, wherever it lies; the data folder stays.

        Raises `EmbeddedPostgresError` while another process uses it.
        """
        self._make_data_dir()
        with self._alone():
            if self._share is None:
                self._share = self._open_lock("postgres.users")
            if not self._is_last_user():
                raise EmbeddedPostgresError(
                    f"the database of {self._data_dir} is in use; stop the other"
                    " processes first"
                )
            place = Place.load(self._data_dir)
            if place is not None and place.folder.exists():
                cluster = Cluster(place, reachable_binaries(place.account))
                cluster.stop()
                cluster.remove()
            (self._data_dir / RECORD_NAME).unlink(missing_ok=True)
            self._cluster = None
            self._give_up_share()

    def is_running(self) -> bool:
        """Whether the server accepts connections now."""
        return self._cluster is not None and self._cluster.state is State.READY

    @property
    def dsn(self) -> str:
        """Address of the program's database; the server must have been started."""
        return self._started.dsn

    def dsn_of(self, database: str) -> str:
        """Address of another database on the same server."""
        return dsn_at(self._started.place, database)

    @property
    def binaries(self) -> Path:
        """Folder of `psql`, `pg_ctl`, `pgbench`, `pg_basebackup` and the others."""
        return self._started.binaries

    @property
    def place(self) -> Place:
        """Where data, socket and log lie, and under which account they are served."""
        return self._started.place

    @property
    def postmaster_pid(self) -> int | None:
        """Process id of the server, `None` when it does not run."""
        return None if self._cluster is None else self._cluster.postmaster_pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _started(self) -> Cluster:
        if self._cluster is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL was not started")
        return self._cluster

    def _start(self) -> str:
        place = find_or_make_place(self._data_dir)
        binaries = reachable_binaries(place.account)
        self._cluster = Cluster(place, binaries, self._shared_buffers)
        self._cluster.ensure_ready()
        return self._cluster.dsn

    def _make_data_dir(self) -> None:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"cannot make the data folder {self._data_dir} ({error.strerror});"
                " choose another with --data-dir"
            ) from error
        self._data_dir = self._data_dir.resolve()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other process from starting or stopping this server."""
        lock = self._open_lock("postgres.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open_lock(self, name: str) -> int:
        path = self._data_dir / name
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            lock = os.open(path, flags, 0o600)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"cannot use the data folder {self._data_dir}: {path.name} is not"
                " yours to write (another user ran here before?); run as that user,"
                " or choose a folder of your own with --data-dir"
            ) from error
        if os.geteuid() == 0:  # root at work in another user's folder
            owner = self._data_dir.stat()
            os.fchown(lock, owner.st_uid, owner.st_gid)
        return lock

    def _is_last_user(self) -> bool:
        """Whether nobody else holds a share; takes the lock exclusively if so."""
        if self._share is None:
            return False
        try:
            fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _give_up_share(self) -> None:
        if self._share is not None:
            os.close(self._share)
            self._share = None
