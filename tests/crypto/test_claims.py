from datetime import date

import pytest

from crypto.claims import check_claims, day_of
from crypto.errors import BadClaimsError
from tests.crypto.fixed import TOMBSTONE, claims

SID = "f" * 32


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sandbox": True},
        {"op": "reverse", "ref": SID},
        {"total_fen": 0, "funds_fen": 0, "aid_fen": 0, "patient_pays_fen": 0},
        {"facility": "Fffc7c56439e8"},
    ],
)
def test_sound_claims_pass(changes: dict[str, int | str]) -> None:
    """Settlement, reversal, sandbox and a bill of nothing are sound."""
    check_claims(claims(**changes))


def test_a_tombstone_undoes_nothing() -> None:
    """It has no amounts, no policy and no settlement."""
    check_claims(claims(**TOMBSTONE))
    for changes in (
        {"ref": SID},
        {"policy": "demo@1"},
        {"policy_sha256": "0" * 64},
        {"total_fen": 1, "aid_fen": 1},
    ):
        with pytest.raises(BadClaimsError):
            check_claims({**claims(**TOMBSTONE), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"v": "1"},
        {"sid": "0123"},
        {"sid": "0123456789ABCDEF0123456789ABCDEF"},
        {"sid": 5},
        {"op": "delete"},
        {"op": "settle", "ref": SID},
        {"op": "reverse", "ref": ""},
        {"op": "reverse", "ref": "0123456789abcdef0123456789abcdef"},
        {"facility": ""},
        {"facility": "医院"},
        {"facility": "H" * 65},
        {"day": "2026-02-30"},
        {"day": "20260105"},
        {"day": "2026-W01-1"},
        {"day": 20260105},
        {"total_fen": 25001},
        {"total_fen": "25000"},
        {"aid_fen": -1, "patient_pays_fen": 9001},
        {"aid_fen": True, "patient_pays_fen": 8999},
        {"total_fen": 10**12 + 1, "funds_fen": 10**12 - 8999},
        {"currency": "USD"},
        {"roster_version": -1},
        {"roster_version": "7"},
        {"policy": ""},
        {"policy": "demo pack"},
        {"policy_sha256": ""},
        {"sandbox": False},
        {"sandbox": 1},
        {"operator": "op1"},
    ],
)
def test_claims_that_are_not_those_of_a_record_are_refused(
    changes: dict[str, int | str | bool],
) -> None:
    """Types, forms, sums and names are all checked; nothing unknown gets in."""
    with pytest.raises(BadClaimsError):
        check_claims(claims(**changes))


@pytest.mark.parametrize("missing", sorted(claims()))
def test_a_missing_claim_is_refused(missing: str) -> None:
    """Every claim is there in every record."""
    with pytest.raises(BadClaimsError):
        check_claims({k: v for k, v in claims().items() if k != missing})


def test_the_day_is_read_from_the_claims() -> None:
    """The Shanghai day of settling, as a date."""
    assert day_of(claims()) == date(2026, 1, 5)
