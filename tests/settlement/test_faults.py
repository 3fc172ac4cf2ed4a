"""Faults around COMMIT and inside batches: nothing lost, doubled or half done."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from settlement.domain.bill import Bill
from settlement.domain.decision import Adjudication
from settlement.domain.errors import FatalError, RequestRefused
from settlement.domain.policy import CompiledPack
from settlement.store import transaction as transaction_module
from settlement.store.database import Database
from settlement.store.errors import BatchConflictError
from settlement.store.ledger import Ledger
from tests.settlement.house import (
    House,
    assert_books_clean,
    bill,
    body,
    make_keys,
    open_house,
)

Commit = Callable[[Any], Any]


class Connection:
    """A connection whose COMMIT is meddled with; all else goes through."""

    def __init__(self, real: Any, commit: Commit) -> None:
        self._real = real
        self._commit = commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def execute(self, query: str, *args: Any) -> str:
        if query == "COMMIT":
            return str(await self._commit(self._real))
        return str(await self._real.execute(query, *args))


def meddle_once(monkeypatch: pytest.MonkeyPatch, commit: Commit) -> None:
    """Let the next COMMIT go through `commit` instead."""
    original = transaction_module._commit
    pending = [commit]

    async def patched(connection: Any) -> None:
        if pending:
            connection = Connection(connection, pending.pop())
        await original(connection)

    monkeypatch.setattr(transaction_module, "_commit", patched)


async def persist_and_fail(real: Any) -> str:
    """COMMIT takes place, its answer does not come."""
    await real.execute("COMMIT")
    real.terminate()
    raise asyncpg.ConnectionDoesNotExistError("gone")


async def fail_and_not_persist(real: Any) -> str:
    """COMMIT never takes place."""
    real.terminate()
    raise asyncpg.ConnectionDoesNotExistError("gone")


async def answer_rollback(real: Any) -> str:
    """The block was aborted and nobody noticed (reliability H1)."""
    with pytest.raises(asyncpg.PostgresError):
        await real.execute("SELECT 1/0")
    tag = await real.execute("COMMIT")
    assert tag == "ROLLBACK"
    return str(tag)


async def test_commit_unknown_but_persisted_is_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown outcome is resolved by what the database kept."""
    token = await house.enrol("C1")
    one = bill("C1")
    meddle_once(monkeypatch, persist_and_fail)
    first = await house.settle(one, "k1")
    assert body(first)["decision"] == "approved"
    assert (await house.settle(one, "k1")).body == first.body
    assert await house.used(token) == 5_760
    await assert_books_clean(house)


async def test_commit_unknown_and_not_persisted_may_be_retried(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not kept is said to be not kept, and the same key settles."""
    token = await house.enrol("C1")
    one = bill("C1")
    meddle_once(monkeypatch, fail_and_not_persist)
    with pytest.raises(RequestRefused, match="MA-5105"):
        await house.settle(one, "k1")
    assert await house.used(token) == 0
    assert body(await house.settle(one, "k1"))["decision"] == "approved"
    await assert_books_clean(house)


async def test_commit_answered_rollback_is_not_acknowledged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncpg raises nothing for it; we require the tag."""
    token = await house.enrol("C1")
    one = bill("C1")
    meddle_once(monkeypatch, answer_rollback)
    with pytest.raises(RequestRefused, match="MA-5107"):
        await house.settle(one, "k1")
    assert await house.used(token) == 0
    assert body(await house.settle(one, "k1"))["decision"] == "approved"
    await assert_books_clean(house)


async def test_backend_killed_in_a_batch_fails_nobody_for_good(house: House) -> None:
    """A lost backend before COMMIT: 503, same key, next try settles."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    async with house.database.pool.acquire() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    one = bill("C1")
    results = [await _try(house, one, "k1") for _ in range(2)]
    assert set(results) <= {"MA-5105", "approved"}
    assert results[-1] == "approved"
    await assert_books_clean(house)


async def _try(house: House, one: Bill, key: str) -> str:
    try:
        return str(body(await house.settle(one, key))["decision"])
    except RequestRefused as refused:
        return refused.reason


async def test_claim_that_raises_does_not_fail_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One claim's bug is one claim's 500."""
    await house.enrol("C1")
    original = CompiledPack.adjudicate

    def adjudicate(self: CompiledPack, bill_: Any, *a: Any, **k: Any) -> Adjudication:
        if bill_.visit_no == "BAD":
            raise ZeroDivisionError
        return original(self, bill_, *a, **k)

    monkeypatch.setattr(CompiledPack, "adjudicate", adjudicate)
    answers = await asyncio.gather(
        *(house.settle(bill("C1")) for _ in range(5)),
        house.settle(bill("C1", visit_no="BAD")),
        *(house.settle(bill("C1")) for _ in range(5)),
        return_exceptions=True,
    )
    refused = [a for a in answers if isinstance(a, RequestRefused)]
    assert [r.reason for r in refused] == ["MA-5107"]
    assert len(answers) - len(refused) == 10
    await assert_books_clean(house)


async def test_claim_that_the_database_refuses_does_not_fail_another(
    house: House,
) -> None:
    """A value that no column takes is found by halving the batch."""
    await house.enrol("C1")
    odd = bill("C1", visit_no="NUL\0")  # the edge would have refused it
    answers = await asyncio.gather(
        *(house.settle(bill("C1")) for _ in range(5)),
        house.settle(odd),
        *(house.settle(bill("C1")) for _ in range(5)),
        return_exceptions=True,
    )
    assert [a.reason for a in answers if isinstance(a, RequestRefused)] == ["MA-5107"]
    assert sum(not isinstance(a, BaseException) for a in answers) == 10
    await assert_books_clean(house)


async def test_deadlock_runs_the_batch_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict that the database resolves against us is no answer."""
    await house.enrol("C1")
    original = Ledger.lock_head
    failures = [asyncpg.DeadlockDetectedError("x"), asyncpg.DeadlockDetectedError("y")]

    async def lock_head(self: Ledger) -> Any:
        if failures:
            raise BatchConflictError(str(failures.pop()))
        return await original(self)

    monkeypatch.setattr(Ledger, "lock_head", lock_head)
    assert body(await house.settle(bill("C1")))["decision"] == "approved"
    assert not failures
    await assert_books_clean(house)


async def test_log_that_went_back_stops_settlement(house: House) -> None:
    """A head behind what was shown is never signed over."""
    await house.enrol("C1")
    async with house.database.pool.acquire() as connection:
        old = await connection.fetchrow("SELECT * FROM log_head")
        assert old is not None
        await house.settle(bill("C1"))
        await connection.execute(
            "UPDATE log_head SET size = $1, root = $2, edge = $3",
            old["size"], old["root"], old["edge"],
        )  # fmt: skip
    with pytest.raises(RequestRefused, match="MA-5104"):
        await house.settle(bill("C1"))
    with pytest.raises(RequestRefused, match="MA-5104"):
        await house.settle(bill("C1"))
    reasons = await house.gateway.not_ready()
    assert any("went back" in reason for reason in reasons)


async def test_altered_edge_is_not_signed_over(house: House) -> None:
    """A head row that contradicts itself stops settlement; no root comes of it."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    before = await house.gateway.checkpoint()
    async with house.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE log_head SET edge = set_byte(edge, 20, get_byte(edge, 20) # 1)"
        )
    with pytest.raises(RequestRefused, match="MA-5104"):
        await house.settle(bill("C1"))
    assert await house.gateway.checkpoint() == before
    assert any("stored edge" in reason for reason in await house.gateway.not_ready())


async def test_start_on_an_older_database_is_refused(
    database: Database, tmp_path: Path
) -> None:
    """The mark apart from the database notices a restored backup."""
    keys = make_keys()
    async with open_house(database, tmp_path / "var", keys) as house:
        await house.enrol("C1")
        await house.settle(bill("C1"))
    async with database.pool.acquire() as connection:
        await connection.execute("DELETE FROM log_leaf")
        await connection.execute("DELETE FROM log_head")
    with pytest.raises(FatalError, match="went back in time"):
        async with open_house(database, tmp_path / "var", keys):
            pass


async def test_start_on_a_rewritten_log_is_refused(
    database: Database, tmp_path: Path
) -> None:
    """A longer log that does not extend what this machine saw is another log."""
    keys = make_keys()
    async with open_house(database, tmp_path / "var", keys) as house:
        await house.enrol("C1")
        await house.settle(bill("C1"))
    async with database.pool.acquire() as connection:
        await connection.execute(
            "TRUNCATE settle_key, settlement, visit, posting, sealed_record, answer,"
            " log_leaf, log_head"
        )
        await connection.execute("UPDATE accumulator SET used_fen = 0")
    async with open_house(database, tmp_path / "elsewhere", keys) as house:
        await house.follow(1)
        for _ in range(3):
            await house.settle(bill("C1"))
    with pytest.raises(FatalError, match="does not extend"):
        async with open_house(database, tmp_path / "var", keys):
            pass


async def test_two_workers_share_one_gapless_log(
    database: Database, tmp_path: Path
) -> None:
    """Workers order their batches by the head row; keys hold across them."""
    keys = make_keys()
    async with (
        open_house(database, tmp_path / "one", keys) as one,
        open_house(database, tmp_path / "two", keys) as two,
    ):
        for name in ("C1", "C2", "C3"):
            await one.enrol(name)
        await two.follow(3)
        bills = [bill(f"C{n % 3 + 1}") for n in range(60)]
        answers = await asyncio.gather(
            *(one.settle(b, f"k{n}") for n, b in enumerate(bills)),
            *(two.settle(b, f"k{n}") for n, b in enumerate(bills)),
            return_exceptions=True,
        )
        assert all(
            not isinstance(a, BaseException) or a.reason == "MA-4102"  # type: ignore[attr-defined]
            for a in answers
        ), answers
        again = [
            (await one.settle(b, f"k{n}")).body == (await two.settle(b, f"k{n}")).body
            for n, b in enumerate(bills)
        ]
        assert all(again)
        await assert_books_clean(one)
        assert sum([await one.used(one.tokenizer.person(f"person-C{n}"))
                    for n in (1, 2, 3)]) == 60 * 5_760  # fmt: skip
