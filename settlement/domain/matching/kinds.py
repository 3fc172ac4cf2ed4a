"""What a difference can be, who has to act, and what they do.

The owner follows from the kind. The hospital owns what its list says otherwise than
our ledger: each amount there was computed from the hospital's own bill and answered
to it. It owns aid that the bureau asks back, too, because it alone reverses what it
settled. The bureau owns records that it has not got yet, because it fetches them. We
own what the bureau has and our ledger has not, or has otherwise: a signed record
that contradicts the ledger is ours to explain.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from settlement.domain.decision import Text

#: The whole list agrees. National convention, `stmt_rslt`.
STATEMENT_FLAT = "000000"
_PLATFORM_HAS_MORE = "000101"
_HOSPITAL_HAS_MORE = "000102"
_DATA_DIFFER = "000103"
#: 000101 is the plain complement of 000102; no source that we have read names it.
UNCONFIRMED_STATEMENT_CODES = frozenset({_PLATFORM_HAS_MORE})


class Owner(StrEnum):
    """Who has to act."""

    HOSPITAL = "hospital"
    GATEWAY = "gateway"
    BUREAU = "bureau"


class Kind(StrEnum):
    """What is different. Stable words: they go into ids, files and answers."""

    MISSING_AT_GATEWAY = "missing_at_gateway"
    MISSING_AT_HOSPITAL = "missing_at_hospital"
    AMOUNT_DIFFERS = "amount_differs"
    REVERSED_AT_GATEWAY_ONLY = "reversed_at_gateway_only"
    REVERSED_AT_HOSPITAL_ONLY = "reversed_at_hospital_only"
    DUPLICATED = "duplicated"
    OTHER_PERIOD = "other_period"
    MISSING_AT_BUREAU = "missing_at_bureau"
    ONLY_AT_BUREAU = "only_at_bureau"
    BUREAU_DIFFERS = "bureau_differs"
    RECOVERY_ORDERED = "recovery_ordered"


class Repair(StrEnum):
    """What the owner does about it."""

    SETTLE_AGAIN = "settle_again"
    BOOK_OR_REVERSE = "book_or_reverse"
    BOOK_REVERSAL = "book_reversal"
    REVERSE = "reverse"
    CORRECT_LIST = "correct_list"
    MOVE_LINE = "move_line"
    FETCH_RECORDS = "fetch_records"
    ASK_OPERATOR = "ask_operator"
    GIVE_BACK = "give_back"


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What follows from a kind alone."""

    owner: Owner
    text: Text
    stmt_rslt: str | None
    """Of the national convention; `None` where the hospital's list is not at fault."""


KINDS: dict[Kind, KindFacts] = {
    Kind.MISSING_AT_GATEWAY: KindFacts(
        Owner.HOSPITAL,
        Text(
            "医院清单中有此笔，网关没有。",
            "The hospital lists it; the gateway has no such settlement.",
        ),
        _HOSPITAL_HAS_MORE,
    ),
    Kind.MISSING_AT_HOSPITAL: KindFacts(
        Owner.HOSPITAL,
        Text(
            "网关有此笔，医院清单中没有。",
            "The gateway has settled it; the hospital does not list it.",
        ),
        _PLATFORM_HAS_MORE,
    ),
    Kind.AMOUNT_DIFFERS: KindFacts(
        Owner.HOSPITAL,
        Text("双方金额不一致。", "The amounts differ."),
        _DATA_DIFFER,
    ),
    Kind.REVERSED_AT_GATEWAY_ONLY: KindFacts(
        Owner.HOSPITAL,
        Text(
            "网关已冲正，医院清单中没有冲正。",
            "Reversed at the gateway; the hospital does not list the reversal.",
        ),
        _DATA_DIFFER,
    ),
    Kind.REVERSED_AT_HOSPITAL_ONLY: KindFacts(
        Owner.HOSPITAL,
        Text(
            "医院清单中已退费，网关未冲正。",
            "The hospital lists a refund; the gateway has not reversed it.",
        ),
        _DATA_DIFFER,
    ),
    Kind.DUPLICATED: KindFacts(
        Owner.HOSPITAL,
        Text(
            "同一笔在医院清单中出现多次。",
            "The hospital lists the same settlement more than once.",
        ),
        _HOSPITAL_HAS_MORE,
    ),
    Kind.OTHER_PERIOD: KindFacts(
        Owner.HOSPITAL,
        Text(
            "该笔属于另一日或另一月。",
            "The settlement belongs to another day or month.",
        ),
        _HOSPITAL_HAS_MORE,
    ),
    Kind.MISSING_AT_BUREAU: KindFacts(
        Owner.BUREAU,
        Text(
            "网关有此笔，民政部门没有其记录。",
            "The gateway has settled it; the bureau has no record of it.",
        ),
        None,
    ),
    Kind.ONLY_AT_BUREAU: KindFacts(
        Owner.GATEWAY,
        Text(
            "民政部门有此笔的记录，网关本期没有。",
            "The bureau has a record of it; the gateway has none in this period.",
        ),
        None,
    ),
    Kind.BUREAU_DIFFERS: KindFacts(
        Owner.GATEWAY,
        Text(
            "民政部门的记录与网关不一致。",
            "The bureau's record says otherwise than the gateway.",
        ),
        None,
    ),
    Kind.RECOVERY_ORDERED: KindFacts(
        Owner.HOSPITAL,
        Text(
            "经核查须追回本笔救助金，尚未冲正。",
            "The bureau asks this aid back; the settlement is not reversed yet.",
        ),
        None,
    ),
}

REPAIRS: dict[Repair, Text] = {
    Repair.SETTLE_AGAIN: Text(
        "按原幂等键重新结算；确未发生的，从清单中删去该行。",
        "Settle again under the same key; where it never took place, take the line"
        " off the list.",
    ),
    Repair.BOOK_OR_REVERSE: Text(
        "按幂等键查询结果并补记入账；患者未享受救助的，按结算号冲正。",
        "Look the settlement up by its key and book it; where the patient paid without"
        " the aid, reverse it by its settlement id.",
    ),
    Repair.BOOK_REVERSAL: Text(
        "按冲正号补记冲正，并在清单中列出。",
        "Book the reversal by its reversal id, and list it.",
    ),
    Repair.REVERSE: Text(
        "确已退费的，按结算号冲正；未退费的，更正清单。",
        "Where the refund took place, reverse by the settlement id; where not, correct"
        " the list.",
    ),
    Repair.CORRECT_LIST: Text(
        "以网关的结算结果为准更正清单；账单有误的，冲正后重新结算。",
        "Correct the list to what the gateway has settled; where the bill was wrong,"
        " reverse and settle anew.",
    ),
    Repair.MOVE_LINE: Text(
        "将该行移至所示日期的清单。",
        "List the line in the period of the day shown.",
    ),
    Repair.FETCH_RECORDS: Text(
        "从网关获取本期记录后重新核对。",
        "Fetch the period's records from the gateway and match again.",
    ),
    Repair.ASK_OPERATOR: Text(
        "请结算网关值班人员核对账册（medaid check-books）。",
        "Have the gateway's staff on duty check the books.",
    ),
    Repair.GIVE_BACK: Text(
        "按结算号冲正本笔，原因填 mistake；冲正后下次核对不再列出。",
        "Reverse it by its settlement id with the reason mistake; once it is reversed,"
        " the next match lists it no more.",
    ),
}
