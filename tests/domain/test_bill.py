"""What must hold of a bill's amounts and dates before any rule looks at it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.domain.bill import (
    MAX_AMOUNT_FEN,
    Bill,
    BillFault,
    Card,
    CardKind,
    CareType,
    NationalFacts,
    bill_faults,
)

TODAY = date(2026, 1, 5)
#: The bill of the interface's description.
BILL = Bill(
    card=Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="A12345678"),
    visit_no="MZ20260105-0001",
    care_type=CareType.OUTPATIENT,
    service_start=TODAY,
    service_end=TODAY,
    total_fen=25_000,
    self_funded_fen=1_000,
    over_limit_fen=0,
    pre_selfpay_fen=800,
    in_policy_fen=23_200,
    basic_insurance_fen=16_000,
    serious_illness_fen=0,
    other_funds_fen=0,
)
AMOUNTS = [name for name in Bill.__dataclass_fields__ if name.endswith("_fen")]


def faults(**changes: Any) -> list[tuple[str, str]]:
    """Faults of the example after these changes."""
    found = bill_faults(replace(BILL, **changes), today=TODAY)
    return [(fault.path, fault.reason) for fault in found]


def test_example_bill_is_sound() -> None:
    """The bill that the interface's description shows is taken."""
    assert bill_faults(BILL, today=TODAY) == ()
    assert (BILL.funds_fen, BILL.owed_fen) == (16_000, 9_000)


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT_FEN + 1])
def test_amount_out_of_range_names_its_field(name: str, amount: int) -> None:
    """No amount is negative or beyond every possible bill, given or not."""
    assert faults(**{name: amount}) == [(name, "MA-1110")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"total_fen": 25_001}, [("total_fen", "MA-1113")]),
        ({"in_policy_fen": 23_199}, [("total_fen", "MA-1113")]),
        ({"basic_insurance_fen": 25_000}, []),
        ({"basic_insurance_fen": 25_001}, [("basic_insurance_fen", "MA-1114")]),
        ({"serious_illness_fen": 9_001}, [("basic_insurance_fen", "MA-1114")]),
        ({"other_funds_fen": 9_001}, [("basic_insurance_fen", "MA-1114")]),
        ({"medical_aid_fen": 9_001}, [("basic_insurance_fen", "MA-1114")]),
        ({"personal_account_fen": 9_000}, []),
        ({"personal_account_fen": 9_001}, [("personal_account_fen", "MA-1115")]),
        ({"deductible_fen": 0, "expected_aid_fen": MAX_AMOUNT_FEN}, []),
        ({"service_start": date(2026, 1, 6)},
         [("service_end", "MA-1111"), ("service_end", "MA-1112")]),
        ({"service_end": date(2026, 1, 6)}, [("service_end", "MA-1112")]),
        ({"service_start": date(2025, 12, 31)}, []),
    ],
)  # fmt: skip
def test_bill_at_each_edge(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Sums and dates: one fen or one day beyond is refused, exactly there is not."""
    assert faults(**changes) == expected


def test_bill_over_nothing_is_refused() -> None:
    """Where nothing was billed there is nothing to settle."""
    nothing = dict.fromkeys(AMOUNTS, 0) | {"expected_aid_fen": None}

    assert faults(**nothing) == [("total_fen", "MA-1116")]


def test_all_faults_are_told_at_once() -> None:
    """A sender mends a bill in one go."""
    found = faults(total_fen=-1, charity_fen=-1, service_end=date(2026, 1, 6))

    assert found == [
        ("total_fen", "MA-1110"),
        ("charity_fen", "MA-1110"),
        ("service_end", "MA-1112"),
    ]


def test_card_number_is_in_no_representation() -> None:
    """A traceback, a log line or an assertion never shows whose card it is."""
    assert "A12345678" not in repr(BILL)
    assert "A12345678" not in f"{BILL.card}"
    assert "A12345678" not in repr(BillFault("card.number", "MA-1110"))


def test_person_number_is_in_no_representation() -> None:
    """The hospital's number of a person is as personal as the card."""
    facts = NationalFacts(
        psn_no="P12345678",
        insutype="390",
        clr_type="11",
        clr_optins="",
        fund_pay_fen=0,
        acct_pay_fen=0,
    )
    assert "P12345678" not in repr(replace(BILL, national=facts))


@given(st.lists(st.integers(0, MAX_AMOUNT_FEN), min_size=8, max_size=8))
def test_sound_bill_leaves_a_part_of_the_total(amounts: list[int]) -> None:
    """Whatever is accepted: funds and what is owed make up the total."""
    own, over, before, inside, *funds = amounts
    bill = replace(
        BILL,
        total_fen=min(own + over + before + inside, MAX_AMOUNT_FEN),
        self_funded_fen=own,
        over_limit_fen=over,
        pre_selfpay_fen=before,
        in_policy_fen=inside,
        basic_insurance_fen=funds[0],
        serious_illness_fen=funds[1],
        other_funds_fen=funds[2],
        medical_aid_fen=funds[3],
    )
    if bill_faults(bill, today=TODAY):
        return

    assert bill.funds_fen + bill.owed_fen == bill.total_fen
    assert 0 <= bill.owed_fen <= bill.total_fen == own + over + before + inside
