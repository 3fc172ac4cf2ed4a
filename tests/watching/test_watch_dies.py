"""A look that ends between its first write and COMMIT: nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from settlement.service.watch import looking
from settlement.store import alerts as rows
from settlement.store.database import Database
from tests.watching.watched import (
    alerts,
    events_make_sense,
    look,
    open_watched,
    settle,
    visit,
)

_DAY = date(2026, 3, 2)
_STEPS: tuple[tuple[ModuleType, str], ...] = (
    (rows, "open_cases"),
    (rows, "insert_alerts"),
    (rows, "put_claims"),
    (rows, "score_cases"),
    (rows, "put_events"),
    (looking, "store"),
    (looking, "close_recovered"),
    (looking, "move_cursor"),
)


class _DiedError(Exception):
    """Stands for whatever ends a process."""


def _dying(step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def die(*given: Any, **named: Any) -> None:
        await step(*given, **named)
        raise _DiedError

    return die


async def _written(database: Database) -> tuple[int, ...]:
    row = await database.pool.fetchrow(
        "SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM alert_claim),"
        " (SELECT count(*) FROM alert_event), (SELECT count(*) FROM alert_case),"
        " (SELECT count(*) FROM alert_case_event),"
        " (SELECT count(*) FROM clinical.alert_facts),"
        " (SELECT log_index FROM watch_cursor)"
    )
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize(("module", "name"), _STEPS, ids=[name for _, name in _STEPS])
async def test_a_look_that_dies_after_any_step_leaves_nothing(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
) -> None:
    """The next look finds all of it, and each alert is told once."""
    async with open_watched(database, tmp_path / "var") as house:
        for _ in range(2):
            await settle(house, visit("C1", _DAY))
        before = await _written(database)
        with monkeypatch.context() as patched:
            patched.setattr(module, name, _dying(getattr(module, name)))
            with pytest.raises(_DiedError):
                await look(database)
        assert await _written(database) == before

        await look(database)
        found = await alerts(database)
        assert "exact-repeat" in {each.detector for each in found}
        await events_make_sense(database)
        told = await database.pool.fetchval(
            "SELECT count(*) FROM alert_event WHERE what = 'raised'"
        )
        assert told == len(found)
        after = await _written(database)
        await look(database)
        assert await _written(database) == after
