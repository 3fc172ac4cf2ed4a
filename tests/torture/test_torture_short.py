"""Half a minute of torture with a fixed seed; the long run is `make torture-long`."""

import sys

import pytest

from tests.torture.run import Plan, run

SHORT = frozenset(
    {
        "COMMIT answered ROLLBACK",
        "PostgreSQL answers noise",
        "PostgreSQL cut mid-answer",
        "backends ended",
        "backends ended inside COMMIT",
        "captured session replayed",
        "clients reset",
        "clock jumps",
        "deadlock",
        "fdatasync fails (EIO)",
        "gateway stopped, then continued",
        "malformed HTTP",
        "pg_ctl stop -m immediate",
        "postmaster killed",
        "second gateway, same folder",
    }
)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc"),
    pytest.mark.timeout(300),
]


async def test_nothing_is_lost_or_doubled_under_a_dozen_faults() -> None:
    """Kills and faults under load; then notes, database, log, books, model agree."""
    plan = Plan(seed=20260105, minutes=0.5, kills=8, repeats=1, round_s=15, names=SHORT)

    done = await run(plan, print)

    assert done.stage.tally.violations == []
    assert done.harness_errors == []
    assert done.stage.tally.kills >= 3
    answered = [intent for intent in done.intents if intent.answer is not None]
    assert len(answered) == len(done.intents) > 50
    made = [name for name in SHORT if done.stage.tally.injected[name]]
    assert len(made) + len(done.stage.tally.impossible) >= 8
