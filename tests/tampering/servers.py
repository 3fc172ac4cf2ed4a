"""PostgreSQL servers of a test's own: copied, crashed, restored, promoted."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from settlement.store.embedded import EmbeddedPostgres
from settlement.store.migrate import migrate
from tests.support import postgres

_STANDBY_CONF = """\
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
shared_buffers = 32MB
hot_standby = on
"""


@dataclass
class Server:
    """One primary with what a test does to it; its folder is erased afterwards."""

    embedded: EmbeddedPostgres
    folder: Path

    @property
    def dsn(self) -> str:
        """Address of the program's database on the primary."""
        return self.embedded.dsn

    @property
    def pgdata(self) -> Path:
        """The primary's files."""
        return self.embedded.place.pgdata

    def run(self, *command: str | Path) -> None:
        """Run a program as the server's account; it has to succeed."""
        done = self.embedded.place.account.run([*command], seconds=120)
        assert done.returncode == 0, done.stderr or done.stdout

    def tool(self, name: str) -> Path:
        """One of PostgreSQL's programs."""
        return self.embedded.binaries / name

    def base_backup(self, to: Path) -> Path:
        """A base backup of the running primary, as an operator would take it."""
        self.run(
            *(self.tool("pg_basebackup"), "-D", to, "-c", "fast", "-X", "stream"),
            *("-h", self.embedded.place.socket_folder, "-U", "medaid"),
        )
        return to

    def restore(self, backup: Path) -> None:
        """Put a backup in the place of the files; the server must be down."""
        self.run("rm", "-rf", self.pgdata)
        self.run("cp", "-a", backup, self.pgdata)
        self.run("rm", "-f", self.pgdata / "postmaster.pid")

    def crash(self) -> None:
        """End the primary and all its processes at once."""
        postmaster = self.embedded.postmaster_pid
        assert postmaster is not None
        for pid in (postmaster, *_children(postmaster)):
            # Its processes end by themselves as soon as they see it gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Standby:
    """A streaming standby of the primary, under a socket folder of its own."""

    def __init__(self, primary: Server, folder: Path) -> None:
        self._primary = primary
        self.pgdata = folder / "data"
        self.socket = folder / "s"

    @property
    def dsn(self) -> str:
        """Address of the program's database on the standby."""
        return f"postgresql://medaid@/medaid?host={quote(str(self.socket), safe='')}"

    def start(self) -> None:
        """Copy the primary and follow it."""
        primary = self._primary
        primary.run("mkdir", "-p", "-m", "0700", self.socket)
        primary.base_backup(self.pgdata)
        conf = _STANDBY_CONF.format(socket=self.socket)
        source = primary.embedded.place.socket_folder
        conf += f"primary_conninfo = 'host={source} user=medaid'\n"
        primary.embedded.place.account.run(
            ["sh", "-c", 'cat >"$0"', self.pgdata / "medaid.conf"], stdin=conf
        )
        primary.run("touch", self.pgdata / "standby.signal")
        primary.run(
            *(primary.tool("pg_ctl"), "start", "-w", "-D", self.pgdata),
            *("-l", self.pgdata.parent / "log"),
        )

    def promote(self) -> None:
        """Make it the primary, whatever it has missed."""
        self._primary.run(
            self._primary.tool("pg_ctl"), "promote", "-w", "-D", self.pgdata
        )

    def stop(self) -> None:
        """End it, if it runs."""
        if (self.pgdata / "postmaster.pid").exists():
            self._primary.run(
                *(self._primary.tool("pg_ctl"), "stop", "-m", "immediate"),
                *("-D", self.pgdata),
            )


@contextmanager
def a_server() -> Iterator[Server]:
    """Start a primary in a folder that its account can reach."""
    folder = postgres.make_folder()
    embedded = EmbeddedPostgres(folder / "var", shared_buffers="32MB")
    try:
        embedded.start()
        backups = folder / "backups"
        backups.mkdir()
        account = embedded.place.account
        os.chown(backups, account.uid, account.gid)
        yield Server(embedded, backups)
    finally:
        embedded.stop()
        postgres.remove_folder(folder)


async def make_schema(dsn: str) -> None:
    """Make the database ready, as `medaid init` does."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
    finally:
        await connection.close()


async def execute(dsn: str, *statements: str) -> None:
    """Run statements as superuser."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found
