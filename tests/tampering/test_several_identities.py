"""Whoever has several identities is decided again as what was chosen for them."""

from __future__ import annotations

from settlement.service.books import Means, check_books
from tests.settlement.house import House, bill, body


async def test_a_choice_among_identities_is_no_violation(house: House) -> None:
    """The record names the identity chosen; the step that chose it changes nothing."""
    await house.enrol("C1", "dibao", person="one")
    await house.enrol("C1", "tekun", person="one")
    decision = body(await house.settle(bill("C1")))
    steps = [line["rule"] for line in decision["explanation"]]
    assert "best_identity" in steps

    means = Means(bureau_key=house.opening, tokenizer=house.tokenizer)
    report = await check_books(house.database, house.trust, means=means)

    assert report.violations == []
