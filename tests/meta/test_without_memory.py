"""What is remembered or computed twice: leaf hashes, nonces, a machine's mark."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from crypto import merkle
from gateway.mark_file import CheckpointMark
from settlement.domain.errors import FatalError
from settlement.service import logbook
from settlement.store.access import AccessStore, NewSession
from settlement.store.database import Database
from tests.gateway.bodies import bill as bill_body
from tests.gateway.desk import ControlledUseCases, RunningEdge, register, running_edge
from tests.meta.checker import Checker, execute
from tests.settlement.house import House, bill, make_keys, open_house


@pytest.mark.parametrize("is_recomputed", [True, False])
async def test_leaf_hash(
    house: House,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    is_recomputed: bool,
) -> None:
    """A bit flips in a leaf's hash: signed over, the log can never be proved again."""
    await house.enrol("C1")
    await checker.settle(house, bill("C1"), "k0")
    plain = merkle.leaf_hash
    with monkeypatch.context() as patch:
        patch.setattr(merkle, "leaf_hash", lambda entry: plain(entry + b"?"))
        if not is_recomputed:
            patch.setattr(logbook, "_check_before_signing", lambda *_: None)
        await checker.settle(house, bill("C1"), "k1")
    found = await checker.violations(house)
    if is_recomputed:
        assert checker.refused == ["MA-5104"]
        assert found == []
    else:
        assert any(rule.startswith("log: stored root is not") for rule in found)
        assert any(rule.startswith("signature: receipt does not") for rule in found)


@pytest.mark.parametrize("is_kept", [True, False])
async def test_nonce(
    house: House,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    is_kept: bool,
) -> None:
    """Somebody sends a signed request again, to the machine's other worker."""
    await house.enrol("A12345678")
    key = await register(house.database, "H001")
    if not is_kept:
        _remember_in_one_process(monkeypatch)
    use_cases = cast("ControlledUseCases", house.gateway)
    async with (
        running_edge(house.database, use_cases) as one,
        running_edge(house.database, use_cases) as two,
    ):
        body = orjson.dumps({"operator": "win-03"})
        headers = one.signed(key, "/v1/sessions", body) | {"host": one.authority}
        assert (await one.ask("POST", "/v1/sessions", body, **headers))[0] == 201
        assert (await one.ask("POST", "/v1/sessions", body, **headers))[0] == 401
        status, opened, _ = await two.ask("POST", "/v1/sessions", body, **headers)
        if status == 201 and await _settles(two, opened["token"]):
            checker.noted.append("notes: settled for whoever repeats a request")
    assert await checker.violations(house) == (
        [] if is_kept else ["notes: settled for whoever repeats a request"]
    )


async def _settles(edge: RunningEdge, token: str) -> bool:
    status, _, _ = await edge.ask(
        "POST",
        "/v1/settlements",
        bill_body(),
        **{"Authorization": f"Bearer {token}", "Idempotency-Key": "stolen"},
    )
    return status == 201


def _remember_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of nonces that no other worker sees, and no restart keeps."""
    plain = AccessStore.open_session
    seen: dict[int, set[str]] = {}

    async def open_session(self: AccessStore, session: NewSession) -> bool:
        mine = seen.setdefault(id(self), set())
        if session.nonce in mine:
            return False
        mine.add(session.nonce)
        return await plain(self, replace(session, nonce=os.urandom(12).hex()))

    monkeypatch.setattr(AccessStore, "open_session", open_session)


_MONEY = ("settle_key", "visit", "settlement", "answer", "sealed_record", "log_leaf",
          "posting", "accumulator", "log_head")  # fmt: skip


@pytest.mark.parametrize("is_consulted", [True, False])
async def test_checkpoint_file(
    database: Database,
    tmp_path: Path,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    is_consulted: bool,
) -> None:
    """The database goes back by three settlements, and a retry comes in."""
    keys = make_keys()
    async with open_house(database, tmp_path / "var", keys) as house:
        await house.enrol("C1")
        await checker.settle(house, bill("C1"), "k0")
        for table in _MONEY:
            await execute(house, f"CREATE TABLE old_{table} AS TABLE {table}")
        bills = [bill("C1") for _ in range(3)]
        for number, one in enumerate(bills, start=1):
            await checker.settle(house, one, f"k{number}")
    for table in _MONEY:
        await execute(house, f"DELETE FROM {table}")  # noqa: S608  # ours
        await execute(house, f"INSERT INTO {table} TABLE old_{table}")  # ours
    if is_consulted:
        with pytest.raises(FatalError, match="went back in time"):
            async with open_house(database, tmp_path / "var", keys):
                pass
        return
    monkeypatch.setattr(CheckpointMark, "load", _has_seen_nothing)
    async with open_house(database, tmp_path / "var", keys) as house:
        await checker.settle(house, bills[2], "k3")
        found = await checker.violations(house)
    assert "notes: two answers under one key" in found
    assert "past: the log is shorter than a checkpoint that is held" in found
    assert "past: another record stands where a receipt says" in found


def _has_seen_nothing(_mark: Any) -> None:
    """A mark that is not asked."""
