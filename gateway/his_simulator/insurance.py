"""A simple insurance of its own, so that nothing else need be at hand.

No place's rule: shares and lines are made up. What it promises is that amounts always
conserve: total = funds + account + cash, to the fen.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.his_simulator.people import EMPLOYEES

_SHARE_OF_100 = {EMPLOYEES: {"11": 70, "21": 85}, "": {"11": 50, "21": 70}}
_INPATIENT = "21"
_DEDUCTIBLE_FEN = 65_000
_SERIOUS_LINE_FEN = 1_200_000
_SERIOUS_OF_100 = 60
_AID_OF_100 = 70


@dataclass(frozen=True, slots=True)
class Cost:
    """What a charge comes to, divided as the catalogue divides it."""

    self_funded_fen: int
    over_limit_fen: int
    pre_selfpay_fen: int
    in_policy_fen: int

    @property
    def total_fen(self) -> int:
        """medfee_sumamt."""
        return (
            self.self_funded_fen
            + self.over_limit_fen
            + self.pre_selfpay_fen
            + self.in_policy_fen
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """Who pays; the six add up to the total."""

    basic_fen: int
    serious_fen: int
    aid_fen: int
    """Aid that the platform itself has paid: of a patient settled elsewhere."""
    account_fen: int
    cash_fen: int
    deductible_fen: int
    """Within what the patient pays."""

    @property
    def funds_fen(self) -> int:
        """fund_pay_sumamt."""
        return self.basic_fen + self.serious_fen + self.aid_fen


def shares_of(
    cost: Cost, insutype: str, clr_type: str, *, balance_fen: int, is_aided: bool
) -> Shares:
    """Divide a charge; `balance_fen` is what the account may pay, 0 for nothing."""
    shares = _SHARE_OF_100.get(insutype, _SHARE_OF_100[""])
    line = _DEDUCTIBLE_FEN if clr_type == _INPATIENT else 0
    deductible = min(line, cost.in_policy_fen)
    basic = (cost.in_policy_fen - deductible) * shares[clr_type] // 100
    rest = cost.in_policy_fen - basic
    serious = max(0, rest - _SERIOUS_LINE_FEN) * _SERIOUS_OF_100 // 100
    aid = (rest - serious) * _AID_OF_100 // 100 if is_aided else 0
    owed = cost.total_fen - basic - serious - aid
    account = min(balance_fen, owed)
    return Shares(basic, serious, aid, account, owed - account, deductible)
