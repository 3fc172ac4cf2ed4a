"""The embedded server: shared, durable, private, and stopped by the last one."""

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres, EmbeddedPostgresError

SMALL = "16MB"

#: A process that uses the server until its standard input ends.
_USER = """
import sys
from pathlib import Path
from settlement.store.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), shared_buffers="16MB") as server:
    print(server.postmaster_pid, flush=True)
    sys.stdin.read()
"""


class OtherProcess:
    """Another process that uses the same data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def postmaster_pid(self) -> int:
        """Wait until it has started the server."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def leave(self) -> None:
        """Let it stop using the server in order."""
        self._process.communicate("", timeout=60)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Give a server of the test's own, started."""
    with EmbeddedPostgres(data_dir, shared_buffers=SMALL) as server:
        yield server


def query(dsn: str, statement: str) -> object:
    """Answer a query on a new connection."""

    async def ask() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


async def test_run_server_passes_the_durability_check(database: Database) -> None:
    """Every test that stores runs on a migrated, durable server."""
    async with database.pool.acquire() as connection:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SELECT count(*) FROM schema_migration") > 0


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("listen_addresses", ""),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("log_error_verbosity", "terse"),
        ("shared_buffers", "256MB"),
    ],
)
def test_settings_are_what_settling_rests_on(
    postgres_server: EmbeddedPostgres, setting: str, value: str
) -> None:
    """Durable, checksummed, without TCP, and silent about parameters."""
    assert query(postgres_server.dsn, f"SHOW {setting}") == value


def test_program_database_orders_text_by_bytes(
    postgres_server: EmbeddedPostgres,
) -> None:
    """An index never depends on a library's collation, which an update may change."""
    statement = (
        "SELECT datcollate || ' ' || datlocprovider::text FROM pg_database"
        " WHERE datname = current_database()"
    )

    assert query(postgres_server.dsn, statement) == "C c"


def test_failing_statement_leaves_no_value_in_the_log(
    server: EmbeddedPostgres,
) -> None:
    """Personal data in a statement, a parameter or a key never reaches the log."""

    async def violate() -> None:
        connection = await asyncpg.connect(server.dsn)
        try:
            await connection.execute("CREATE TABLE t (card text PRIMARY KEY)")
            for _ in range(2):
                await connection.execute("INSERT INTO t VALUES ($1)", "A12345678")
        finally:
            await connection.close()

    with pytest.raises(asyncpg.UniqueViolationError):
        asyncio.run(violate())

    log = server.place.log.read_text(encoding="utf-8")
    assert "duplicate key" in log
    assert "A12345678" not in log
    assert "INSERT" not in log


def test_folder_and_socket_are_closed_to_others(server: EmbeddedPostgres) -> None:
    """Only the account that runs the server, and root, get near it."""
    place = server.place

    for folder in (place.folder, place.pgdata, place.socket_folder):
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IRWXU
    assert place.account.uid != 0


def test_second_start_is_the_same_server(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """Two users in one process or two share one server, and data stays."""
    query(server.dsn, "CREATE TABLE kept AS SELECT 7 AS value")

    with EmbeddedPostgres(data_dir) as second:
        assert second.postmaster_pid == server.postmaster_pid
        assert query(second.dsn, "SELECT value FROM kept") == 7


def test_last_user_stops_the_server(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The server runs as long as one process uses it, and no longer."""
    pid = server.postmaster_pid
    other = OtherProcess(data_dir)

    assert other.postmaster_pid() == pid
    server.stop()
    assert query(server.dsn, "SELECT 1") == 1
    other.leave()
    assert not server.is_running()
    assert server.postmaster_pid is None


def test_killed_user_neither_stops_nor_keeps_the_server(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """SIGKILL of one process leaves the others their server, and a way to stop it."""
    other = OtherProcess(data_dir)
    other.postmaster_pid()
    other.kill()

    assert query(server.dsn, "SELECT 1") == 1
    server.stop()
    assert not server.is_running()


def test_server_left_by_a_killed_last_user_is_taken_over(data_dir: Path) -> None:
    """A server without users is used and stopped by the next process that comes."""
    other = OtherProcess(data_dir)
    pid = other.postmaster_pid()
    other.kill()

    with EmbeddedPostgres(data_dir) as server:
        assert server.postmaster_pid == pid
    assert not server.is_running()


def test_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    """Making and starting are done once, whoever comes first."""
    others = [OtherProcess(data_dir) for _ in range(4)]

    assert len({other.postmaster_pid() for other in others}) == 1
    for other in others:
        other.leave()
    server = EmbeddedPostgres(data_dir)
    server.start()
    server.stop()
    assert not server.is_running()


def test_killed_server_recovers_what_was_committed(server: EmbeddedPostgres) -> None:
    """A server that died by SIGKILL starts again with every committed row."""
    query(server.dsn, "CREATE TABLE kept AS SELECT 7 AS value")
    killed = server.postmaster_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    server.start()

    assert server.postmaster_pid != killed
    assert query(server.dsn, "SELECT value FROM kept") == 7


def test_stale_status_file_of_a_living_stranger_is_no_hindrance(
    server: EmbeddedPostgres,
) -> None:
    """After a restart of the machine another process may have the old number."""
    status = server.place.pgdata / "postmaster.pid"
    text = status.read_text(encoding="utf-8")
    server.stop()
    stranger = server.place.account
    process = subprocess.Popen(
        ["/bin/sleep", "60"], cwd="/", user=stranger.uid if os.geteuid() == 0 else None
    )
    try:
        server.place.account.run(
            ["/bin/sh", "-c", 'cat >"$0"', status],
            stdin=text.replace(text.splitlines()[0], str(process.pid), 1),
        )

        assert server.postmaster_pid is None
        server.start()
        assert query(server.dsn, "SELECT 1") == 1
    finally:
        process.kill()
        process.wait()


def test_interrupted_making_is_made_again(server: EmbeddedPostgres) -> None:
    """A cluster that was half made when the machine stopped is never started."""
    server.stop()
    pgdata = server.place.pgdata
    draft = pgdata.with_name("pgdata.making")
    server.place.account.run(["/bin/mv", pgdata, draft])

    server.start()

    assert query(server.dsn, "SELECT 1") == 1
    assert not draft.exists()


def test_long_and_odd_paths_get_a_short_socket_folder(data_dir: Path) -> None:
    """A socket's path has 107 bytes; a data folder's may have more, and spaces."""
    odd = data_dir / "it's a folder" / ("x" * 100)
    with EmbeddedPostgres(odd, shared_buffers=SMALL) as server:
        socket_folder = server.place.socket_folder

        assert query(server.dsn, "SELECT 1") == 1
        assert stat.S_IMODE(socket_folder.stat().st_mode) == stat.S_IRWXU
    assert not socket_folder.exists()


def test_server_is_content_with_less_memory(data_dir: Path) -> None:
    """Where the system grants no such shared memory, a smaller one will do."""
    with EmbeddedPostgres(data_dir, shared_buffers="4000GB") as server:
        assert query(server.dsn, "SHOW shared_buffers") == "128MB"


def test_erase_leaves_nothing_and_refuses_while_in_use(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """A database is erased whole, and never under somebody."""
    with pytest.raises(EmbeddedPostgresError, match="in use"):
        EmbeddedPostgres(data_dir).erase()

    folder = server.place.folder
    server.stop()
    server.erase()
    assert not folder.exists()
    assert not (data_dir / "postgres.json").exists()


def test_database_of_another_version_is_refused(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """Data of another PostgreSQL is left alone, and the message says what to do."""
    record = json.loads((data_dir / "postgres.json").read_text(encoding="utf-8"))
    server.stop()
    (data_dir / "postgres.json").write_text(
        json.dumps({**record, "major_version": 17}), encoding="utf-8"
    )
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 17.*dump"):
            EmbeddedPostgres(data_dir).start()
    finally:
        (data_dir / "postgres.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to others")
def test_root_keeps_a_closed_folders_database_elsewhere(data_dir: Path) -> None:
    """In a closed home folder nothing is opened; data goes to the account's own."""
    closed = data_dir / "home"
    closed.mkdir(parents=True)
    closed.chmod(0o700)
    inside = closed / "var"
    try:
        with EmbeddedPostgres(inside, shared_buffers=SMALL) as server:
            folder = server.place.folder

            assert query(server.dsn, "SELECT 1") == 1
            assert not folder.is_relative_to(closed)
            assert stat.S_IMODE(closed.stat().st_mode) == stat.S_IRWXU
        with EmbeddedPostgres(inside, shared_buffers=SMALL) as again:
            assert again.place.folder == folder
    finally:
        EmbeddedPostgres(inside).erase()
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to others")
def test_database_of_a_vanished_scratch_folder_is_removed(tmp_path: Path) -> None:
    """What a thrown-away folder leaves elsewhere goes when the next one comes."""
    places = []
    for name in ("first", "second"):
        data_dir = tmp_path / name
        with EmbeddedPostgres(data_dir, shared_buffers=SMALL) as server:
            places.append(server.place.folder)
        if name == "first":
            shutil.rmtree(data_dir)
    try:
        assert not places[0].exists()
        assert places[1].exists()
    finally:
        EmbeddedPostgres(tmp_path / "second").erase()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to root")
def test_record_that_names_a_folder_of_root_is_refused(data_dir: Path) -> None:
    """A record can make root neither serve nor erase what is root's own."""
    precious = data_dir / "precious"
    precious.mkdir(parents=True)
    (precious / "file").touch()
    record = {
        "major_version": 18,
        "folder": str(precious),
        "socket_folder": str(precious / "socket"),
    }
    (data_dir / "postgres.json").write_text(json.dumps(record), encoding="utf-8")
    try:
        for use in (EmbeddedPostgres(data_dir).start, EmbeddedPostgres(data_dir).erase):
            with pytest.raises(EmbeddedPostgresError, match="belongs to root"):
                use()
        assert (precious / "file").exists()
    finally:
        (data_dir / "postgres.json").unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_whose_the_folder_is(data_dir: Path) -> None:
    """An ordinary user after root gets one sentence that says what to do."""
    with EmbeddedPostgres(data_dir, shared_buffers=SMALL) as server:
        account = server.place.account
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from settlement.store.embedded import EmbeddedPostgres\n"
        f"os.setgid({account.gid}); os.setuid({account.uid})\n"
        "EmbeddedPostgres(Path(sys.argv[1])).start()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(data_dir)],
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode != 0
    assert "not yours to write" in done.stderr
    assert "--data-dir" in done.stderr
