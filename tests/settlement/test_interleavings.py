"""Any interleaving settles each key once, keeps every cap, and replays to the same."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settlement.domain.bill import Bill, Card, CardKind, CareType
from settlement.domain.errors import RequestRefused
from settlement.service.sequencer import SequencerLimits
from settlement.store.database import Database
from tests.settlement.house import (
    House,
    assert_books_clean,
    bill,
    body,
    open_house,
)
from tests.settlement.replaying import replay_log

_PERSONS = 3
_examples = itertools.count(1)


@dataclass(frozen=True)
class Settle:
    """Settle one of a few bills under one of a few keys."""

    key: int
    person: int
    visit: int
    yuan: int
    care: CareType


@dataclass(frozen=True)
class Undo:
    """Reverse whatever the key stands for, or stop it."""

    key: int
    person: int


_SMALL = st.integers(0, 4)
_PERSON = st.integers(0, _PERSONS - 1)
_STEPS = st.lists(
    st.one_of(
        st.builds(
            Settle,
            key=_SMALL,
            person=_PERSON,
            visit=_SMALL,
            yuan=st.sampled_from([90, 700, 4_000]),
            care=st.sampled_from(list(CareType)),
        ),
        st.builds(Undo, key=_SMALL, person=_PERSON),
    ),
    min_size=2,
    max_size=24,
)


@pytest.fixture
def runner(database_dsn: str, tmp_path: Path) -> Iterator[tuple[asyncio.Runner, House]]:
    """Give a house that lives over many examples, and the loop that it lives on."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()

        async def enter() -> House:
            database = await Database.open(database_dsn)
            stack.push_async_callback(database.close)
            return await stack.enter_async_context(
                open_house(database, tmp_path / "var", limits=SequencerLimits(batch=5))
            )

        house = runner.run(enter())
        for person, category in enumerate(("dibao", "dishouru", "yinbing")):
            runner.run(house.enrol(f"P{person}", category))
        yield runner, house
        runner.run(stack.aclose())


def _bill(step: Settle, example: int) -> Bill:
    fen = step.yuan * 100
    return bill(
        f"P{step.person}",
        visit_no=f"E{example}-{step.visit}",
        care_type=step.care,
        total_fen=fen,
        self_funded_fen=0,
        pre_selfpay_fen=0,
        in_policy_fen=fen,
        basic_insurance_fen=fen // 3,
    )


async def _take(house: House, step: Settle | Undo, example: int) -> str:
    """One step to its definite end, as a patient client would."""
    key = f"e{example}-{step.key}"
    while True:
        try:
            if isinstance(step, Settle):
                return str(
                    body(await house.settle(_bill(step, example), key))["reason"]
                )
            card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=f"P{step.person}")
            answer = await house.reverse(
                f"r{example}-{next(_examples)}", original_key=key, card=card
            )
            return str(body(answer)["state"])
        except RequestRefused as refused:
            if refused.reason not in {"MA-4102", "MA-5101"}:
                return refused.reason
            await asyncio.sleep(0.002)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=_STEPS)
def test_any_interleaving_keeps_books_caps_and_replay(
    runner: tuple[asyncio.Runner, House], steps: list[Settle | Undo]
) -> None:
    """Whatever meets whatever: books clean, and the log replays to the totals."""
    loop, house = runner
    example = next(_examples)

    async def run() -> None:
        outcomes = await asyncio.gather(*(_take(house, s, example) for s in steps))
        assert all(outcomes)
        await assert_books_clean(house)
        totals = await replay_log(house)
        async with house.database.pool.acquire() as connection:
            rows = await connection.fetch("SELECT * FROM accumulator")
        stored = {
            (row["person"].hex(), row["year"], row["pot"]): row["used_fen"]
            for row in rows
            if row["used_fen"]
        }
        assert stored == {key: fen for key, fen in totals.items() if fen}

    loop.run(run())
