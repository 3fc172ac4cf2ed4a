"""What is signed is computed twice: a flipped bit stops the batch, not the log."""

from pathlib import Path

import pytest

from crypto import merkle
from settlement.domain.errors import RequestRefused
from settlement.store.database import Database
from tests.settlement.house import (
    House,
    assert_books_clean,
    bill,
    body,
    make_keys,
    open_house,
)


def flip(octets: bytes, bit: int = 77) -> bytes:
    """The same with one bit the other way."""
    number = int.from_bytes(octets, "big") ^ (1 << bit)
    return number.to_bytes(len(octets), "big")


async def _settles_nothing_more(house: House, why: str) -> None:
    before = await house.gateway.checkpoint()
    for _ in range(2):
        with pytest.raises(RequestRefused, match="MA-5104"):
            await house.settle(bill("C1"))
    assert await house.gateway.checkpoint() == before
    assert any(why in reason for reason in await house.gateway.not_ready())


async def test_a_flipped_leaf_hash_is_not_signed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settlement stops and says that the machine is at fault; another goes on."""
    keys = make_keys()
    plain = merkle.leaf_hash
    async with open_house(database, tmp_path / "var", keys) as house:
        await house.enrol("C1")
        await house.settle(bill("C1"))
        monkeypatch.setattr(merkle, "leaf_hash", lambda entry: flip(plain(entry)))
        await _settles_nothing_more(house, "memory or processor is faulty")
        monkeypatch.undo()
        await assert_books_clean(house)
    async with open_house(database, tmp_path / "another", keys) as house:
        assert body(await house.settle(bill("C1")))["decision"] == "approved"
        await assert_books_clean(house)


async def test_a_flipped_edge_is_not_signed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next batch would have gone on from an edge that leads to another root."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    await house.settle(bill("C1"))
    plain = merkle._edge_hashes

    def flipped(*arguments: object) -> tuple[bytes, ...]:
        first, *others = plain(*arguments)  # type: ignore[arg-type]  # handed through
        return (flip(first), *others)

    monkeypatch.setattr(merkle, "_edge_hashes", flipped)
    await _settles_nothing_more(house, "new edge does not give its new root")
