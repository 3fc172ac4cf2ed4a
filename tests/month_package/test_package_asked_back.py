"""What statements say is asked back: named beside the total, and never trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto.encoding import canonical_json
from gateway.month_package.asked_back import AskedBack
from tests.month_package.packages import Parts, TwoMonths, altered, told
from tests.month_package.test_package_told import run

_ID = "ab" * 16
_NAME = "hospitals/H001.json"
_AMOUNTS = {"hospital": None, "gateway": 1_230, "bureau": None}
STATED: dict[str, Any] = {
    "id": "1", "month": "2026-01", "kind": "recovery_ordered", "owner": "hospital",
    "state": "carried_over", "settlement_id": _ID, "aid_fen": _AMOUNTS,
}  # fmt: skip


def _stating(made: TwoMonths, out: Path, **lists: Any) -> Path:
    """The package with other differences, which its officers have not signed."""

    def change(parts: Parts) -> None:
        parts[_NAME] = canonical_json(json.loads(parts[_NAME]) | lists)

    return altered(made.january, out, made.bureau.signer, change)


def test_both_lists_are_read_and_other_kinds_are_not(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """What earlier months have left, too."""
    path = _stating(
        alone,
        tmp_path / "stated.zip",
        differences=[STATED, STATED | {"kind": "amount_differs"}],
        carried_in=[STATED | {"state": "resolved"}],
    )
    outcome = alone.bureau.check(path)
    assert outcome.asked_back == [
        AskedBack("H001", _ID, 1_230, "carried_over"),
        AskedBack("H001", _ID, 1_230, "resolved"),
    ]
    # It is another statement than that which was signed, so nothing is paid on it.
    assert outcome.findings
    document = json.loads(run(alone, tmp_path, path, "--json").stdout)
    assert [each["settlement_id"] for each in document["asked_back"]] == [_ID] * 2


@pytest.mark.parametrize(
    "lists",
    [
        {"differences": None},
        {"carried_in": [None]},
        {"differences": [STATED | {"settlement_id": "\x1b[2J"}]},
        {"differences": [STATED | {"settlement_id": None}]},
        {"differences": [STATED | {"aid_fen": {"gateway": True}}]},
        {"differences": [STATED | {"aid_fen": None}]},
        {"carried_in": [STATED | {"state": []}]},
        {"differences": [STATED | {"state": "open"}]},
    ],
)
def test_what_is_no_difference_is_a_finding(
    alone: TwoMonths, tmp_path: Path, lists: dict[str, Any]
) -> None:
    """And nothing of it reaches the terminal."""
    path = _stating(alone, tmp_path / "stated.zip", **lists)
    outcome = alone.bureau.check(path)
    assert outcome.asked_back == []
    assert (_NAME, "its differences do not have their members") in told(outcome)
