import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crypto.key_files import private_key_file
from settlement.service.packaging import PackagingFault
from settlement.store.database import Database
from tests.month_package.packages import bureau_of, close, package, settle_january
from tests.reconcile.months import Months, open_months

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def closed(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give a January that both hospitals have closed."""
    async with open_months(database, tmp_path / "var") as months:
        await settle_january(months)
        await close(months)
        yield months


def start(
    dsn: str, months: Months, out: Path, stop_after: int
) -> subprocess.Popen[str]:
    """A process that makes the package and waits after some records."""
    key = out.with_suffix(".key")
    key.write_bytes(private_key_file(bureau_of(months).signer))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.month_package.making", dsn, key, out,
         str(stop_after)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.mark.parametrize("stop_after", [1, 4])
async def test_a_run_that_is_killed_leaves_nothing_that_counts(
    closed: Months, database_dsn: str, tmp_path: Path, stop_after: int
) -> None:
    """The next run gives the bytes that an undisturbed one gives."""
    out, signer = tmp_path / "m.zip", bureau_of(closed).signer
    with start(database_dsn, closed, out, stop_after) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "waiting\n"
        with pytest.raises(PackagingFault, match="another run"):
            await package(closed.database, signer, out)
        process.kill()
    assert not out.exists()
    async with closed.database.pool.acquire() as session:
        assert await session.fetchval("SELECT count(*) FROM month_package") == 0
    made = await package(closed.database, signer, out)
    elsewhere = await package(closed.database, signer, tmp_path / "again.zip")

    assert made.is_first
    assert out.read_bytes() == (tmp_path / "again.zip").read_bytes()
    assert made.sha256 == elsewhere.sha256
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == [
        "again.zip",
        "m.zip",
    ]
    assert list(tmp_path.glob(".*.part")) == []


async def test_two_runs_at_once_make_one_package(
    closed: Months, tmp_path: Path
) -> None:
    """Into two places at once: the same bytes, and one is the first."""
    signer = bureau_of(closed).signer
    places = [tmp_path / f"{number}.zip" for number in range(3)]
    made = await asyncio.gather(
        *(package(closed.database, signer, place) for place in places)
    )

    assert {each.sha256 for each in made} == {made[0].sha256}
    assert len({place.read_bytes() for place in places}) == 1
