"""With the bureau's key, `check-books` decides everything once more."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crypto.key_files import private_key_file
from crypto.keys import OpeningKey
from crypto.trust import trust_file
from gateway.cli.check_books import check_books as command
from settlement.domain.bill import Bill
from settlement.domain.policy import CompiledPack
from settlement.service.books import Means, check_books
from tests.settlement.house import House, bill


async def _rules(house: House, key: OpeningKey | None) -> set[str]:
    means = Means(bureau_key=key, tokenizer=house.tokenizer)
    report = await check_books(house.database, house.trust, means=means)
    return {violation.rule for violation in report.violations}


def _looking_at_less(plain: Any) -> Any:
    """A core that overlooks one yuan of the bill; its numbers agree with each other."""

    def adjudicate(self: CompiledPack, bill: Bill, *others: Any, **named: Any) -> Any:
        misread = replace(
            bill,
            in_policy_fen=bill.in_policy_fen - 100,
            self_funded_fen=bill.self_funded_fen + 100,
        )
        return plain(self, misread, *others, **named)

    return adjudicate


async def test_a_wrong_decision_is_found_only_by_its_content(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything agrees with itself; the pack alone says otherwise."""
    await house.enrol("C1")
    with monkeypatch.context() as patch:
        plain = CompiledPack.adjudicate
        patch.setattr(CompiledPack, "adjudicate", _looking_at_less(plain))
        await house.settle(bill("C1"))
    assert await _rules(house, None) == set()
    (rule,) = await _rules(house, house.opening)
    assert rule == (
        "decision: content and tables disagree (posting: the pack posts other amounts"
        " or caps, the decision: the pack gives another one)"
    )


async def test_another_bureaus_key_opens_nothing(house: House) -> None:
    """Said for each record; nothing counts as recomputed."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    other = OpeningKey.generate(lambda count: b"\x07" * count)
    assert await _rules(house, other) == {
        "decision: content does not open (sealed_record: MA-8201)"
    }


def _run(house: House, folder: Path, *arguments: str | Path) -> Result:
    words = ["--trust", folder / "trust.json", "--dsn", house.database.dsn]
    return CliRunner().invoke(command, [*map(str, words), *map(str, arguments)])


async def test_the_command_says_whether_decisions_were_checked(
    house: House, tmp_path: Path
) -> None:
    """With the key: how many; without it: that they were not."""
    await house.enrol("C1")
    for _ in range(3):
        await house.settle(bill("C1"))
    (tmp_path / "trust.json").write_bytes(trust_file(house.trust))
    key = tmp_path / "bureau.json"
    key.touch(mode=0o600)
    key.write_bytes(private_key_file(house.opening))

    plain = await asyncio.to_thread(_run, house, tmp_path)
    opened = await asyncio.to_thread(_run, house, tmp_path, "--bureau-key", key)
    document = await asyncio.to_thread(
        _run, house, tmp_path, "--bureau-key", key, "--json"
    )

    assert "not checked: decisions" in plain.output
    assert "decisions: 3 contents opened, and they agree" in opened.output
    assert json.loads(document.stdout)["decisions"] == 3
    assert {plain.exit_code, opened.exit_code, document.exit_code} == {0}
