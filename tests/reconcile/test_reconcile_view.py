"""What officials read of a month: whole ids, signed amounts, nothing that acts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.reconcile_view import print_differences, print_state, signed_yuan
from settlement.domain.statement import Figures
from settlement.service.reconcile.working import HospitalState, MonthState, Told
from settlement.store.closing import FacilityRow
from settlement.store.differences import DifferenceRow, EventRow
from settlement.store.periods import OpenedMonth

ID = bytes(range(16))
AT = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
#: Markup that the terminal's library would act on or trip over, and a control code.
HOSTILE = "[/nothing] [red]x \x1b[2J"


def a_difference(note: str = "seen", **changes: Any) -> Told:
    """A refund that belongs to February."""
    values: dict[str, Any] = {
        "id": ID, "month": 202601, "facility": "H001", "kind": "other_period",
        "owner": "hospital", "repair": "move_line", "settlement_id": None,
        "reversal_id": None, "listed_id": "", "visit_no": "MZ1", "key": "k",
        "lines": [1], "actual_day": date(2026, 2, 1), "state": "open",
        "amounts": {
            "hospital": {"total_fen": -25_000, "aid_fen": -105_760},
            "gateway": None, "bureau": None,
        },
    }  # fmt: skip
    row = DifferenceRow(**values | changes)
    return Told(row, (EventRow(ID, 1, AT, "zhao", "found", note),))


def shown(told: Told, width: int = 120) -> str:
    """The table as it stands on a terminal."""
    console = Console(width=width)
    with console.capture() as captured:
        print_differences(console, [told])
    return captured.get()


@pytest.mark.parametrize(
    ("fen", "text"),
    [(0, "0.00"), (-5, "-0.05"), (-5_760, "-57.60"), (-105_760, "-1,057.60"),
     (105_760, "1,057.60")],
)  # fmt: skip
def test_amount_below_nothing_is_itself_with_a_minus(fen: int, text: str) -> None:
    """More was taken back than settled: a month's net, and a refund's line."""
    assert signed_yuan(fen) == text


def test_difference_is_told_with_id_day_and_amount() -> None:
    """The id in one piece, to be copied; the day to which the line is to be moved."""
    told = shown(a_difference())
    assert ID.hex() in told
    assert "2026-02-01" in told
    assert "-1,057.60" in told
    assert "2026-01" in told


@pytest.mark.parametrize("what", ["visit_no", "key", "listed_id", "note"])
def test_what_a_hospital_writes_does_nothing_on_a_terminal(what: str) -> None:
    """It is shown as it is, without control codes."""
    told = shown(a_difference(**{what: HOSTILE}), width=300)
    assert "[/nothing] [red]x" in told
    assert "\x1b" not in told


def test_names_of_a_month_do_nothing_on_a_terminal() -> None:
    """Neither a hospital's nor that of who opened it."""
    hospital = HospitalState(
        FacilityRow(1, "H001", HOSTILE), "ready", Figures(1, 0, 0, -5, 0, 0), {},
        3, None, has_list=False, officers=(),
    )  # fmt: skip
    state = MonthState(OpenedMonth(202601, 0, 5, "", AT, HOSTILE), (hospital,))
    console = Console(width=300)
    with console.capture() as captured:
        print_state(console, state)
    assert captured.get().count("[/nothing] [red]x") == 2
    assert "-0.05" in captured.get()
    assert "\x1b" not in captured.get()
