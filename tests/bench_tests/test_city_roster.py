"""The city's figures are told from what was measured."""

import asyncio
import time
from pathlib import Path

import click
import pytest

from tests.bench.city_changes import (
    STRUCK,
    _before_commit,
    _eligible,
    _households,
)
from tests.bench.city_roster import (
    CITY,
    COUNTRY,
    Loaded,
    Took,
    _loading,
    _on_paper,
    _worker,
    cards_of,
    run_measured,
)

_HEADER = (
    "action,card_number,id_number,name,household_id,category,subdistrict,"
    "valid_from,valid_to,note\n"
)


def loaded(persons: int, seconds: float) -> Loaded:
    """Return a load that took so long, half of it in the cache."""
    half = Took(seconds / 2, 1.0, 100.0)
    return Loaded(persons, persons, half, half, persons * 120 + 4096, 1)


def test_eighty_million_are_told_by_the_slope_and_not_by_the_mean() -> None:
    """What a start costs once is not counted for each person."""
    load, size = _on_paper(loaded(1_000_000, 110.0), loaded(9_000_000, 910.0))

    assert load.ratio == pytest.approx((10 + COUNTRY / 10_000) / 60)
    assert size.ratio == pytest.approx((COUNTRY * 120 + 4096) / 1e9)
    assert size.is_met


def test_slope_downhill_says_nothing() -> None:
    """Whoever measured that measured something else."""
    load, _ = _on_paper(loaded(1_000_000, 110.0), loaded(9_000_000, 100.0))

    assert load.refused
    assert not load.is_met


def test_target_of_a_load_is_of_its_size() -> None:
    """A fiftieth of a city has a fiftieth of the time."""
    load, memory = _loading(loaded(CITY // 50, 11.9))
    missed, _ = _loading(loaded(CITY // 50, 12.1))
    city, _ = _loading(loaded(CITY, 600.0))

    assert (load.is_met, missed.is_met, city.is_met) == (True, False, True)
    assert memory.ratio == 100.0


def test_memory_of_a_worker_is_all_that_it_has_made() -> None:
    """What it takes before the first question is not left out."""

    class Place:
        persons, cache = CITY, Path()

        def worker(self, _cache: Path) -> dict[str, list[float] | float]:
            return {"ready_s": 1.0, "us": [5.0], "private_mb": 151.0, "gained_mb": 1.0}

    _, memory, _ = _worker(Place())  # type: ignore[arg-type]  # what is asked of one

    assert memory.ratio == 151.0
    assert not memory.is_met


def test_each_delta_strikes_others_and_only_the_eligible(tmp_path: Path) -> None:
    """Expired and future windows are no measure of a refusal."""
    file = tmp_path / "roster.csv"
    kinds = [("2020-01-01", ""), ("2020-01-01", "2021-01-01"), ("2027-01-01", "")]
    lines = [
        f"upsert,C{n},I{n},N,H,低保,990101001,{kinds[n % 3][0]},{kinds[n % 3][1]},\n"
        for n in range(6 * STRUCK + 9)
    ]
    file.write_text(_HEADER + "".join(lines), encoding="utf-8")

    first, second = _households(file)
    assert (len(first), len(second)) == (STRUCK, STRUCK)
    assert {row[0] for row in first} == {"remove"}
    assert not {row[1] for row in first} & {row[1] for row in second}
    assert {row[1] for row in first} <= {f"C{n}" for n in range(0, len(lines), 3)}
    assert len(list(_eligible(file))) == 2 * STRUCK + 3
    assert set(cards_of(file)) <= {row[1] for row in _eligible(file)}


async def test_change_begins_before_its_commit() -> None:
    """A look that was delayed makes it seem slower, never faster."""
    seen: list[float] = []

    class Looker:
        async def fetchval(self, _query: str) -> int:
            seen.append(time.perf_counter())
            await asyncio.sleep(0.01)
            return 1 if len(seen) < 4 else 2

    began = await _before_commit(Looker())  # type: ignore[arg-type]  # looks alone

    assert seen[1] < began <= seen[2]
    assert len(seen) == 4


def test_process_is_measured_by_itself_and_its_failure_told() -> None:
    """Memory and time are the child's, not this process's."""
    took, printed = run_measured(
        ["-c", "import resource; held = b'1' * 200_000_000; print(len(held))"]
    )

    assert printed == b"200000000\n"
    assert took.rss_mb > 190
    assert 0 < took.cpu_s < took.wall_s + 60
    with pytest.raises(click.ClickException):
        run_measured(["-c", "raise SystemExit(3)"])
