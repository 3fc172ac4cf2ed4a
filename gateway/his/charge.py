"""A charge as 2206 and 2207 send it: `data`, and what the platform has answered.

`setlinfo` and `setldetail` are the national platform's own, verbatim. They must agree
with `data` and with each other, or nothing is settled: what does not add up would
take from the fund or from the patient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.his.care import CLR_TYPE, MED_TYPES
from gateway.his.who import read_card, refuse_personal
from gateway.wire_faults import shown_name
from gateway.wire_models import CODE_PATTERN, MAX_PRESCRIPTION_DAYS
from settlement.domain.bill import (
    Bill,
    CareType,
    ConfirmReason,
    NationalFacts,
    Place,
    RepeatReason,
)

if TYPE_CHECKING:
    from gateway.his.envelope import Envelope
    from gateway.his.node import Node

#: What other funds have paid: servants, firms, large sums, disability, others, and
#: what the hospital bears itself.
_OTHER_FUNDS = (
    "cvlserv_pay", "hifes_pay", "hifob_pay", "hifdm_pay", "oth_pay", "hosp_part_amt",
)  # fmt: skip
#: Stand in `data` of 2207 and in `setlinfo`, and must be the same.
_STATED_TWICE = (
    "medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt",
    "inscp_scp_amt",
)  # fmt: skip
#: Where one of these cannot be read, the sum that it is of says nothing.
_PARTS_OF_TOTAL = (
    "medfee_sumamt", "hifp_pay", "hifmi_pay", "maf_pay", "psn_part_amt", *_OTHER_FUNDS,
)  # fmt: skip
_PARTS_OF_PATIENT = ("psn_part_amt", "psn_cash_pay", "acct_pay", "acct_mulaid_pay")
_MOST_ROWS = 100
_AID = "6101"
_CODE = re.compile(CODE_PATTERN)
_YES_NO = {"1": True, "0": False}
_DISAGREES, _NO_SUM, _HIDDEN_AID = "MA-1204", "MA-1205", "MA-1206"
#: Municipalities are one pooling area, and two digits name them.
_MUNICIPALITIES = frozenset({"11", "12", "31", "50"})
_MEDAID_FIELDS = frozenset({
    "referred", "place", "repeat_reason", "confirm_reason", "expected_aid",
    "commercial", "charity", "prescription_days",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Charge:
    """The bill that it comes to, and the platform's answer to be given back."""

    bill: Bill
    data: Node
    setlinfo: Node
    setldetail: list[Node]


def read_charge(envelope: Envelope, today: date) -> Charge:
    """Read and compare; raises `RequestRefused` with every fault at once."""
    data, setlinfo = envelope.node("data"), envelope.node("setlinfo")
    details = envelope.whole().rows("setldetail", _MOST_ROWS)
    money = _Money(data, setlinfo, details)
    visit = _Visit(data, setlinfo)
    more = _More(envelope)
    _refuse_numbers_of_the_person(envelope, visit, data, setlinfo, today)
    envelope.check()
    bill = Bill(
        card=visit.card,
        visit_no=visit.visit_no,
        bill_no=visit.bill_no,
        care_type=visit.care_type,
        service_start=visit.start,
        service_end=visit.end,
        diagnoses=visit.diagnoses,
        med_type=visit.med_type,
        place=more.place or _place(envelope),
        national=visit.national(money),
        **money.of_bill(),
        **more.of_bill(),
    )
    return Charge(bill, data, setlinfo, details)


def _refuse_numbers_of_the_person(
    envelope: Envelope, visit: _Visit, data: Node, setlinfo: Node, today: date
) -> None:
    """What is stored in clear holds neither the card's number nor the identity's."""
    known = [visit.card.number, setlinfo.text("certno", 50, required=False)]
    opaque = [
        (data, "mdtrt_id", visit.visit_no),
        (data, "chrg_bchno", visit.bill_no),
        (data, "dise_codg", "".join(visit.diagnoses)),
    ]
    refuse_personal(opaque, known, today)
    if any(number and number.upper() in envelope.msgid.upper() for number in known):
        envelope.faults.add("msgid", "MA-1104")


class _Visit:
    """Who was treated, when and how, as the hospital and the platform number it."""

    def __init__(self, data: Node, setlinfo: Node) -> None:
        self.card = read_card(data, setlinfo)
        self.psn_no = data.text("psn_no", 30)
        self.visit_no = _number(data, "mdtrt_id")
        self.bill_no = _number(data, "chrg_bchno")
        _must_agree(data, setlinfo, "psn_no", self.psn_no)
        _must_agree(data, setlinfo, "mdtrt_id", self.visit_no)
        self.insutype = data.text("insutype", 6)
        self.med_type = data.text("med_type", 6)
        if self.med_type and self.med_type not in MED_TYPES:
            data.refuse("med_type", "MA-1208")
        known = MED_TYPES.get(self.med_type)
        self.care_type = known[0] if known else CareType.OUTPATIENT
        self.start, self.end = _service_days(data, setlinfo)
        dise_codg = data.text("dise_codg", 30, required=False)
        self.diagnoses = (dise_codg,) if dise_codg else ()
        self._clr_type = setlinfo.text("clr_type", 6, required=False)
        self._clr_optins = setlinfo.text("clr_optins", 6, required=False)

    def national(self, money: _Money) -> NationalFacts:
        """What version 1 does not ask."""
        return NationalFacts(
            psn_no=self.psn_no,
            insutype=self.insutype,
            clr_type=self._clr_type or CLR_TYPE[self.care_type],
            clr_optins=self._clr_optins,
            fund_pay_fen=money.fund_sum,
            acct_pay_fen=money.acct_pay,
        )


class _Money:
    """Every amount in fen, compared and added up."""

    def __init__(self, data: Node, setlinfo: Node, details: list[Node]) -> None:
        self.total = setlinfo.fen("medfee_sumamt", required=True)
        self.self_funded = setlinfo.fen("fulamt_ownpay_amt", required=True)
        self.over_limit = setlinfo.fen("overlmt_selfpay", required=True)
        self.pre_selfpay = setlinfo.fen("preselfpay_amt", required=True)
        self.in_policy = setlinfo.fen("inscp_scp_amt", required=True)
        self.basic = setlinfo.fen("hifp_pay", required=True)
        self.serious = setlinfo.fen("hifmi_pay")
        self.fund_sum = setlinfo.fen("fund_pay_sumamt", required=True)
        self.acct_pay = setlinfo.fen("acct_pay", required=True)
        given = setlinfo.has("act_pay_dedc")
        self.deductible = setlinfo.fen("act_pay_dedc") if given else None
        self.aid, inside_others = self._aid(setlinfo, details)
        self.others = sum(setlinfo.fen(name) for name in _OTHER_FUNDS) - inside_others
        platforms = (self.total, self.self_funded, self.over_limit, self.pre_selfpay)
        for name, fen in zip(_STATED_TWICE, (*platforms, self.in_policy), strict=True):
            required = name == "medfee_sumamt"
            stated = data.fen(name, required=required)
            is_read = data.is_sound(name) and setlinfo.is_sound(name)
            if stated != fen and data.has(name) and is_read:
                data.refuse(name, _DISAGREES)
        self.account = self._account(setlinfo)

    def of_bill(self) -> dict[str, Any]:
        """The bill's amounts."""
        return {
            "total_fen": self.total,
            "self_funded_fen": self.self_funded,
            "over_limit_fen": self.over_limit,
            "pre_selfpay_fen": self.pre_selfpay,
            "in_policy_fen": self.in_policy,
            "basic_insurance_fen": self.basic,
            "serious_illness_fen": self.serious,
            "other_funds_fen": self.others,
            "medical_aid_fen": self.aid,
            "personal_account_fen": self.account,
            "deductible_fen": self.deductible,
        }

    def _aid(self, setlinfo: Node, details: list[Node]) -> tuple[int, int]:
        """Aid that was paid before, and how much of it stands within `oth_pay`.

        Systems report it in three places (his-interface.md, 0.3): whoever looks at
        one of them pays twice.
        """
        named = setlinfo.fen("maf_pay", required=True)
        listed = 0
        for row in details:
            kind = row.text("fund_pay_type", 6, required=False)
            step = row.text("setl_proc_info", 4000, required=False)
            if kind.startswith(_AID) or step.startswith(_AID):
                listed += row.fen("fund_payamt", required=True)
        if listed <= named:
            return named, 0
        is_read = setlinfo.is_sound("maf_pay", "oth_pay")
        if listed - named > setlinfo.fen("oth_pay") and is_read:
            setlinfo.refuse("maf_pay", _HIDDEN_AID)
        return listed, listed - named

    def _account(self, setlinfo: Node) -> int:
        """What the patient's account pays: of their part, what is not cash.

        The part itself must be what all funds have left.
        """
        part = setlinfo.fen("psn_part_amt", required=True)
        cash = setlinfo.fen("psn_cash_pay", required=True)
        funds = self.basic + self.serious + self.others + self.aid
        if self.total - funds != part and setlinfo.is_sound(*_PARTS_OF_TOTAL):
            setlinfo.refuse("psn_part_amt", _NO_SUM)
        shared = setlinfo.fen("acct_mulaid_pay")
        is_read = setlinfo.is_sound(*_PARTS_OF_PATIENT)
        if part - cash not in (self.acct_pay, self.acct_pay + shared) and is_read:
            setlinfo.refuse("psn_cash_pay", _NO_SUM)
        return max(0, part - cash)


class _More:
    """`input.medaid`: what version 1 asks and the national interface does not."""

    def __init__(self, envelope: Envelope) -> None:
        self.referred = True
        self.place: Place | None = None
        self.repeat_reason: RepeatReason | None = None
        self.confirm_reason: ConfirmReason | None = None
        self.expected_aid: int | None = None
        self.commercial = self.charity = 0
        self.prescription_days: int | None = None
        if not envelope.has("medaid"):
            return
        node = envelope.node("medaid")
        _refuse_unknown(node)
        if node.has("referred"):
            self.referred = _YES_NO.get(node.code("referred", _YES_NO, 1), True)
        self.place = _enum(node, "place", Place)
        self.repeat_reason = _enum(node, "repeat_reason", RepeatReason)
        self.confirm_reason = _enum(node, "confirm_reason", ConfirmReason)
        if node.has("expected_aid"):
            self.expected_aid = node.fen("expected_aid")
        self.commercial = node.fen("commercial")
        self.charity = node.fen("charity")
        if node.has("prescription_days"):
            self.prescription_days = _days(node)

    def of_bill(self) -> dict[str, Any]:
        """What the bill says of it."""
        return {
            "referred": self.referred,
            "repeat_reason": self.repeat_reason,
            "confirm_reason": self.confirm_reason,
            "expected_aid_fen": self.expected_aid,
            "commercial_fen": self.commercial,
            "charity_fen": self.charity,
            "prescription_days": self.prescription_days,
        }


_Kind = TypeVar("_Kind", bound=StrEnum)


def _enum(node: Node, name: str, kind: type[_Kind]) -> _Kind | None:
    if not node.has(name):
        return None
    text = node.code(name, {each.value: each for each in kind}, 32)
    return kind(text) if text else None


def _refuse_unknown(node: Node) -> None:
    """Ours, so that a slip is told: a reason nobody reads declines a second bill."""
    for name in node.values():
        if name not in _MEDAID_FIELDS:
            node.refuse(shown_name(name), "MA-1121")


def _days(node: Node) -> int | None:
    text = node.text("prescription_days", 3)
    if text.isascii() and text.isdigit() and int(text) <= MAX_PRESCRIPTION_DAYS:
        return int(text)
    if text:
        node.refuse("prescription_days", "MA-1130")
    return None


def _number(data: Node, name: str) -> str:
    """A number that is stored in clear and looked up by."""
    text = data.text(name, 30)
    if text and _CODE.fullmatch(text) is None:
        data.refuse(name, "MA-1126")
    return text


def _must_agree(data: Node, setlinfo: Node, name: str, text: str) -> None:
    if setlinfo.has(name) and setlinfo.text(name, 30) != text:
        data.refuse(name, _DISAGREES)


def _service_days(data: Node, setlinfo: Node) -> tuple[date, date]:
    """First and last day of the service; any day where a fault was noted.

    Of `data` where it says them, else the platform's, else the day on which the
    platform has settled, which for a visit to the outpatients is the visit's.
    """
    for node, first, last in (
        (data, "begntime", "endtime"),
        (setlinfo, "begndate", "enddate"),
    ):
        if node.has(first):
            start = node.day(first) or date.min
            end = (node.day(last) or date.min) if node.has(last) else start
            return start, end
    day = setlinfo.day("setl_time") or date.min
    return day, day


def _place(envelope: Envelope) -> Place:
    """Local where both codes are of one pooling area.

    The platform settles patients from elsewhere only where they have filed it.
    """
    here, home = envelope.mdtrtarea_admvs, envelope.insuplc_admdvs
    digits = 2 if here[:2] in _MUNICIPALITIES else 4
    is_local = not home or here[:digits] == home[:digits]
    return Place.LOCAL if is_local else Place.FILED_ELSEWHERE
