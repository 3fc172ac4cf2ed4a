"""One key agreement for a batch, and for no more than that (ADR 36)."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from crypto.record import open_record, verify_record
from crypto.sealer import BatchSealer
from settlement.store.errors import BatchConflictError
from settlement.store.ledger import Ledger
from tests.crypto.fixed import jwe_of, unb64u
from tests.settlement.house import House, assert_books_clean, bill, body, new_key


def header(record: bytes) -> dict[str, Any]:
    """The sealing header of a record."""
    members: dict[str, Any] = json.loads(unb64u(jwe_of(record)[0]))
    return members


def assert_opens(house: House, record: bytes) -> None:
    """Anybody can verify the record, and the bureau reads it."""
    assert open_record(verify_record(record, house.trust), house.opening)


async def settled(house: House, key: str | None = None) -> bytes:
    """The record of one more settlement."""
    answer = body(await house.settle(bill("C1"), key))
    record: str = answer["receipt"]["record"]
    return record.encode()


async def test_claims_that_settle_together_share_an_agreement_and_no_key(
    house: House,
) -> None:
    """Later settlements, and reversals, have agreements of their own."""
    await house.enrol("C1")
    key = new_key()
    together = await asyncio.gather(*(settled(house) for _ in range(12)))
    alone = [await settled(house, key), await settled(house)]
    undone = body(await house.reverse(original_key=key))
    reversal: str = undone["receipt"]["record"]
    alone.append(reversal.encode())

    shared = {header(record)["epk"]["x"] for record in together}
    assert len(shared) < len(together)
    assert len({header(r)["epk"]["x"] for r in alone} - shared) == len(alone)
    everyone = [*together, *alone]
    for name in ("apu", "ck"):
        assert len({header(record)[name] for record in everyone}) == len(everyone)
    for record in everyone:
        assert_opens(house, record)
    await assert_books_clean(house)


async def test_a_batch_that_runs_again_agrees_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same settlement, sealed three times: three agreements, three keys."""
    await house.enrol("C1")
    sealed: list[bytes] = []
    seal, lock_head = BatchSealer.seal, Ledger.lock_head

    def seen(
        self: BatchSealer, claims: Mapping[str, int | str | bool], content: bytes
    ) -> bytes:
        sealed.append(seal(self, claims, content))
        return sealed[-1]

    async def refused_twice(self: Ledger) -> Any:
        if len(sealed) <= 2:
            raise BatchConflictError("x")
        return await lock_head(self)

    monkeypatch.setattr(BatchSealer, "seal", seen)
    monkeypatch.setattr(Ledger, "lock_head", refused_twice)
    record = await settled(house)

    headers = [header(each) for each in sealed]
    assert record == sealed[-1]
    assert len({each["sid"] for each in headers}) == 1
    assert len({each["epk"]["x"] for each in headers}) == len(sealed) == 3
    assert len({each["ck"] for each in headers}) == len(sealed)
    assert_opens(house, record)
    await assert_books_clean(house)
