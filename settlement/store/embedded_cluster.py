"""The embedded server's files and process: make, configure, start, look at, stop.

Knows one place and nothing about who else uses it; `settlement.store.embedded`
decides when, and holds the lock under which each function here is called.
"""

from __future__ import annotations

import enum
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from settlement.store.embedded_account import EmbeddedPostgresError
from settlement.store.embedded_place import MAJOR_VERSION, SOCKET_NAME, Place

DATABASE = "medaid"
SUPERUSER = "medaid"
#: Recovery after a crash replays at most this program's own write-ahead log.
READY_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
_POLL_SECONDS = 0.02
#: Waiting for the last processes of a server that was killed to leave its memory.
_LEFTOVER_SECONDS_MAX = 15
_SETTINGS_FILE = "medaid.conf"

#: What an acknowledged settlement rests on, then size, then what the log may tell.
_SETTINGS = """\
# Written at each start; changes by hand belong into postgresql.conf, above the include.
listen_addresses = ''
unix_socket_directories = '{socket_folder}'
unix_socket_permissions = 0700
max_connections = 100

fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = replica

{shared_buffers}
wal_buffers = 16MB
min_wal_size = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a '
log_statement = none
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
# DETAIL would quote key values of the row at fault.
log_error_verbosity = terse
"""
_HBA = """\
# The socket's folder is closed to others; the name of who connects is checked as well.
local all all peer map=medaid
local replication all peer map=medaid
"""


class State(enum.Enum):
    """What the server's process is doing, by its own status file."""

    STOPPED = "stopped"
    #: Starting, recovering or shutting down: will become one of the others.
    CHANGING = "changing"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Cluster:
    """One database cluster at its place, with the binaries that serve it."""

    place: Place
    binaries: Path
    #: PostgreSQL's notation; smaller is used where the system grants no more.
    shared_buffers: str = "256MB"

    @property
    def dsn(self) -> str:
        """Address of the database, for asyncpg."""
        return dsn_at(self.place)

    @property
    def postmaster_pid(self) -> int | None:
        """Process id of the server, `None` when it does not run."""
        lines = self._status_lines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        return pid if pid and _serves(pid, self.place.pgdata) else None

    @property
    def state(self) -> State:
        """What the server is doing now."""
        if self.postmaster_pid is None:
            return State.STOPPED
        lines = self._status_lines()
        if len(lines) > 7 and lines[7].strip() == "ready":  # noqa: PLR2004  # miscadmin.h, LOCK_FILE_LINE_PM_STATUS
            return State.READY
        return State.CHANGING

    def ensure_ready(self) -> None:
        """Make the cluster if there is none, and start it unless it runs.

        Raises `EmbeddedPostgresError` with the log's place when it does not get up.
        """
        self._make_if_missing()
        deadline = time.monotonic() + READY_SECONDS_MAX
        while (state := self.state) is not State.READY:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL was not ready within {READY_SECONDS_MAX} s; see"
                    f" {self.place.log}"
                )
            if state is State.STOPPED:
                self._start()
            else:
                time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server after a checkpoint; open connections are ended."""
        if self.postmaster_pid is None:
            return
        done = self._pg_ctl("stop", "-m", "fast", "-t", str(STOP_SECONDS_MAX))
        if done.returncode != 0 and self.postmaster_pid is not None:
            raise EmbeddedPostgresError(
                f"PostgreSQL did not stop within {STOP_SECONDS_MAX} s; see"
                f" {self.place.log}"
            )
        if self.place.socket_folder.parent != self.place.folder:
            self._run("rmdir", self.place.socket_folder)

    def remove(self) -> None:
        """Remove everything in the place, and the place; the server must be down."""
        self._run("find", self.place.folder, "-mindepth", "1", "-delete")
        self.place.folder.rmdir()

    def _status_lines(self) -> list[str]:
        try:
            text = (self.place.pgdata / "postmaster.pid").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return text.splitlines()

    def _make_if_missing(self) -> None:
        version = self.place.pgdata / "PG_VERSION"
        if not version.exists():
            self._make()
        found = version.read_text(encoding="ascii").strip()
        if found != str(MAJOR_VERSION):
            raise EmbeddedPostgresError(
                f"{self.place.pgdata} holds PostgreSQL {found}, this program brings"
                f" {MAJOR_VERSION}; dump it with the former program"
            )

    def _make(self) -> None:
        """Make the cluster aside and move it into place when it is complete."""
        draft = self.place.folder / "pgdata.making"
        self._run("rm", "-rf", draft)
        self._run(
            self.binaries / "initdb",
            *("--pgdata", draft, "--username", SUPERUSER, "--auth", "peer"),
            *("--encoding", "UTF8", "--locale", "C", "--data-checksums"),
        )
        self._run(
            self.binaries / "postgres",
            *("--single", "-D", draft, "postgres"),
            stdin=f"CREATE DATABASE {DATABASE}\n",
        )
        self._run(
            "sh",
            *("-c", 'echo "include \'$1\'" >>"$0/postgresql.conf"'),
            *(draft, _SETTINGS_FILE),
        )
        self._run(
            "mv",
            "-T" if os.uname().sysname == "Linux" else "-n",
            draft,
            self.place.pgdata,
        )

    def _start(self) -> None:
        """Start the server and wait until it is ready or says why not."""
        self._remove_stale_files()
        self._run("mkdir", "-p", "-m", "0700", self.place.socket_folder)
        self._write("pg_hba.conf", _HBA)
        self._write("pg_ident.conf", self._identities())
        deadline = time.monotonic() + _LEFTOVER_SECONDS_MAX
        shared_buffers = f"shared_buffers = {self.shared_buffers}"
        while (report := self._try_to_start(shared_buffers)) is not None:
            if "could not map anonymous shared memory" in report and shared_buffers:
                shared_buffers = ""  # what initdb found to work
            elif "is still in use" in report and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)  # backends of a killed server are leaving
            else:
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not start; see {self.place.log}"
                )

    def _try_to_start(self, shared_buffers: str) -> str | None:
        """Start once; return what the server reported if it did not get up."""
        folder = str(self.place.socket_folder).replace("'", "''")
        settings = _SETTINGS.format(socket_folder=folder, shared_buffers=shared_buffers)
        self._write(_SETTINGS_FILE, settings)
        log_size = self._log_size()
        wait = ("-t", str(READY_SECONDS_MAX))
        done = self._pg_ctl("start", *wait, "-l", self.place.log)
        return None if done.returncode == 0 else self._log_since(log_size)

    def _remove_stale_files(self) -> None:
        """Remove what a dead server left; called only when none runs here.

        PostgreSQL would refuse to start where another process has got the dead one's
        number meanwhile, or where nobody has reaped it. That backends of the dead one
        still work on the data it finds out by the shared memory that they hold.
        """
        socket = self.place.socket_folder / SOCKET_NAME
        lock = socket.with_name(f"{SOCKET_NAME}.lock")
        stale = (self.place.pgdata / "postmaster.pid", socket, lock)
        self._run("rm", "-f", *stale)

    def _identities(self) -> str:
        """Let the account and root connect as any role; nobody else."""
        names = {"root", self.place.account.name}
        return "".join(f'medaid "{name}" all\n' for name in sorted(names))

    def _write(self, name: str, text: str) -> None:
        self._run("sh", "-c", 'cat >"$0"', self.place.pgdata / name, stdin=text)

    def _log_size(self) -> int:
        try:
            return self.place.log.stat().st_size
        except FileNotFoundError:
            return 0

    def _log_since(self, size: int) -> str:
        try:
            with self.place.log.open("rb") as log:
                log.seek(size)
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _pg_ctl(
        self, action: str, *options: str | Path
    ) -> subprocess.CompletedProcess[str]:
        return self.place.account.run(
            [self.binaries / "pg_ctl", action, "-D", self.place.pgdata, "-w", *options],
            seconds=READY_SECONDS_MAX + 30,
        )

    def _run(self, program: str | Path, *options: str | Path, stdin: str = "") -> None:
        done = self.place.account.run([program, *options], stdin=stdin)
        if done.returncode != 0:
            report = (done.stderr or done.stdout).strip().splitlines()
            raise EmbeddedPostgresError(
                f"{Path(program).name} failed:"
                f" {report[-1] if report else f'status {done.returncode}'}"
            )


def dsn_at(place: Place, database: str = DATABASE) -> str:
    """Return the address of a database on the server at this place."""
    host = quote(os.fspath(place.socket_folder), safe="")
    return f"postgresql://{SUPERUSER}@/{database}?host={host}"


def _serves(pid: int, pgdata: Path) -> bool:
    """Whether this process is a postmaster of this data folder, and alive."""
    command = _command_line(pid)
    return os.fsencode(pgdata) in command and b"postgres" in command


def _command_line(pid: int) -> bytes:
    """Return a process's command line; empty when it is dead or a zombie."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""
    done = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
    )
    return done.stdout
