"""Where commands work: options, the embedded server, and the sentences for people."""

import os
from pathlib import Path

import asyncpg
import click
import pytest
from click.testing import CliRunner

from gateway.last_words import sentence_of_bug
from gateway.location import (
    json_option,
    location_options,
    open_database,
    own_data_dir,
    server_dsn,
)
from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres
from settlement.store.migrate import migrations


@click.command
@location_options
@json_option
def show(data_dir: Path, dsn: str | None, as_json: bool) -> None:
    """Show what the options say."""
    click.echo(f"{data_dir} {dsn} {as_json}")


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ([], {}, "var None False"),
        (["--data-dir", "d", "--dsn", "p", "--json"], {}, "d p True"),
        ([], {"MEDAID_DATA_DIR": "e", "MEDAID_DSN": "q"}, "e q False"),
        (["--data-dir", "d"], {"MEDAID_DATA_DIR": "e"}, "d None False"),
    ],
)
def test_options_come_before_environment_before_defaults(
    arguments: list[str], environment: dict[str, str], expected: str
) -> None:
    """Every command says where it works in the same way."""
    result = CliRunner().invoke(show, arguments, env=environment)

    assert result.output.strip() == expected


async def test_database_without_schema_is_refused_with_what_to_do(
    empty_dsn: str, data_dir: Path
) -> None:
    """A database that was never made ready is left alone, and the sentence says why."""
    with pytest.raises(click.ClickException, match="medaid init"):
        async with open_database(data_dir, empty_dsn):
            pass
    async with open_database(data_dir, empty_dsn, may_migrate=True) as database:
        applied = await database.pool.fetchval(
            "SELECT max(number) FROM schema_migration"
        )
    assert applied == migrations()[-1][0]
    async with open_database(data_dir, empty_dsn):
        pass
    assert not data_dir.exists()


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://medaid@127.0.0.1:1/medaid",
        "postgresql:///medaid?host=/nowhere/at/all",
        "no address at all",
    ],
)
async def test_unreachable_server_gives_one_sentence(dsn: str, data_dir: Path) -> None:
    """No traceback for a server that is down or an address with a slip in it."""
    with pytest.raises(click.ClickException, match="--dsn"):
        async with open_database(data_dir, dsn):
            pass


async def test_embedded_server_runs_while_open_and_stops_after(data_dir: Path) -> None:
    """Without an address the data folder's own server is used, and ended."""
    async with server_dsn(data_dir, None) as dsn:
        assert dsn.startswith("postgresql://medaid@/medaid?host=")
        with EmbeddedPostgres(data_dir) as other:
            assert other.dsn == dsn
        assert other.is_running()
    assert not other.is_running()


def test_own_data_dir_is_the_wanted_one_where_it_can_be(data_dir: Path) -> None:
    """A folder that is ours, or that we can make, is taken as it is."""
    assert own_data_dir(data_dir / "demo") == data_dir / "demo"
    data_dir.mkdir()
    assert own_data_dir(data_dir) == data_dir


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's folder")
def test_own_data_dir_steps_aside_for_another_users(data_dir: Path) -> None:
    """Root, like any user, leaves the scratch folder of somebody else alone."""
    data_dir.mkdir()
    os.chown(data_dir, 65534, 65534)

    assert own_data_dir(data_dir) == data_dir.with_name(f"{data_dir.name}-0")


async def test_a_server_that_lets_nobody_in_is_said_in_one_sentence(
    database_dsn: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it let the pool in and refuses the next connection."""

    async def refused(_self: Database) -> None:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    monkeypatch.setattr(Database, "connect", refused)

    with pytest.raises(click.ClickException, match=r"lets nobody in .*too many"):
        async with open_database(data_dir, database_dsn):
            pass


@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.TooManyConnectionsError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.ConnectionDoesNotExistError,
    ],
)
def test_a_server_that_is_away_is_no_bug(fault: type[Exception]) -> None:
    """Whatever step of a start it meets; the driver's own words are not told."""
    sentence = sentence_of_bug(fault("its own words"))

    assert sentence.startswith("PostgreSQL lets nobody in")
    assert "its own words" not in sentence
