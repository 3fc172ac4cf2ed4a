"""Fixtures of the fuzz tests."""

from collections.abc import Iterator

import pytest

from settlement.store.embedded import EmbeddedPostgres
from tests.fuzz.target import Target, attacked
from tests.support import postgres


@pytest.fixture(scope="module")
def target(
    postgres_server: EmbeddedPostgres,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Target]:
    """One gateway for all inputs of a file of tests."""
    name = f"fuzz_{worker_id}_{request.module.__name__.rpartition('.')[2]}"
    with (
        postgres.fresh_database(postgres_server, name) as dsn,
        attacked(dsn, tmp_path_factory.mktemp("gateway") / "var") as target,
    ):
        yield target
