"""Fixtures for all tests. Stored things are tested on a real PostgreSQL 18.

postgres_server  the run's server (shared by workers; never stop or kill it)
database_dsn     address of a fresh, migrated database, one per test
empty_dsn        address of a fresh database without a schema
database         `settlement.store.database.Database` on `database_dsn`
data_dir         an empty folder for a `--data-dir` of the test's own; a server that
                 was started in it is stopped and erased afterwards
shared_data      the folder of test data beside the project; skips where it is absent
browser          a headless browser; skips without chromium, fails where CI=true
loop_guard       fails the test when our code blocks the event loop
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres
from tests.support import postgres
from tests.support.browser import Browser, find_chromium

PROJECT = Path(__file__).resolve().parents[1]
_OUR_PACKAGES = ["gateway", "settlement", "eligibility_cache", "crypto"]
_run_folder = pytest.StashKey[Path]()
_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's folder in the process that controls the run."""
    worker_input = getattr(config, "workerinput", None)
    if worker_input is None:
        postgres.sweep_abandoned_folders()
        config.stash[_run_folder] = postgres.make_folder()
    else:
        config.stash[_run_folder] = Path(worker_input["run_folder"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # xdist is untyped
    """Tell a worker where the run's folder is."""
    node.workerinput["run_folder"] = str(node.config.stash[_run_folder])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's folder once every worker has left."""
    folder = config.stash.get(_run_folder, None)
    if folder is not None and not hasattr(config, "workerinput"):
        postgres.remove_folder(folder)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many tests did not run for want of a browser."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum("no chromium" in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} browser tests did not run: no chromium")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """Run one server, with a migrated template, for all workers of the run."""
    folder = request.config.stash[_run_folder]
    with EmbeddedPostgres(folder / "server") as server:
        postgres.ensure_template(server, folder)
        yield server


@pytest.fixture
def database_dsn(postgres_server: EmbeddedPostgres, worker_id: str) -> Iterator[str]:
    """Give each test its own migrated database."""
    name = f"test_{worker_id}_{next(_numbers)}"
    with postgres.fresh_database(postgres_server, name) as dsn:
        yield dsn


@pytest.fixture
def empty_dsn(postgres_server: EmbeddedPostgres, worker_id: str) -> Iterator[str]:
    """Give a test its own database that no migration has touched."""
    name = f"empty_{worker_id}_{next(_numbers)}"
    with postgres.fresh_database(postgres_server, name, "template1") as dsn:
        yield dsn


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    """Open the program's own pool on the test's database."""
    database = await Database.open(database_dsn)
    yield database
    await database.close()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Make an empty data folder; erase it and any server in it afterwards."""
    folder = postgres.make_folder()
    yield folder / "var"
    postgres.remove_folder(folder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Find the third-party test data, which is never part of the project."""
    folder = PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("test data absent: no folder ../shared/data beside the project")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Find the browser; its absence is an error only where CI=true."""
    program = find_chromium()
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("no chromium, and CI=true demands the browser tests")
    if program is None:
        pytest.skip("no chromium: apt-get install chromium")
    return program


@pytest.fixture
def browser(chromium: str, tmp_path: Path) -> Browser:
    """Give a browser with an empty profile."""
    return Browser(chromium, tmp_path / "profile")


@pytest.fixture
def loop_guard() -> Iterator[None]:
    """Raise `BlockingError` where our packages block the loop; yield meanwhile."""
    guard = BlockBuster(_OUR_PACKAGES)
    guard.activate()
    yield
    guard.deactivate()
