"""What the simulated national platform has settled: once a msgid, and undone once."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from gateway.his_simulator.insurance import Cost, Shares, shares_of
from gateway.his_simulator.messages import NoEnvelope, fen
from gateway.his_simulator.people import Person
from gateway.his_simulator.statement import Sums

_INPATIENT_TYPES = ("2", "52", "9902", "9904")
_MOST_CHARS = 30


class PlatformRefusal(Exception):
    """Refused with a sentence for the cashier."""


@dataclass(frozen=True, slots=True)
class Charged:
    """A charge as it was settled, or would be."""

    data: Mapping[str, Any]
    person: Person
    cost: Cost
    shares: Shares
    insutype: str
    clr_type: str
    at: datetime
    fixmedins_code: str = ""
    setl_id: str = ""
    msgid: str = ""
    is_in_force: bool = True


def charged_of(
    data: Mapping[str, Any], person: Person, at: datetime, *, balance_fen: int
) -> Charged:
    """Divide a charge; raises `PlatformRefusal` for one that does not add up.

    The parts of the cost are those that `data` states; what is left out is 0, and
    without `inscp_scp_amt` all that is left is within the policy's scope.
    """
    for name in ("psn_no", "mdtrt_id", "chrg_bchno", "med_type", "insutype"):
        text = f"{data.get(name) or ''}"
        if not 0 < len(text) <= _MOST_CHARS:
            raise PlatformRefusal(f"{name} 缺失或过长")
    if data["psn_no"] != person.psn_no:
        raise PlatformRefusal("人员编号与就诊凭证不符")
    total = _part(data, "medfee_sumamt")
    own = _part(data, "fulamt_ownpay_amt")
    over, pre = _part(data, "overlmt_selfpay"), _part(data, "preselfpay_amt")
    is_stated = data.get("inscp_scp_amt") is not None
    rest = total - own - over - pre
    in_policy = _part(data, "inscp_scp_amt") if is_stated else rest
    cost = Cost(own, over, pre, in_policy)
    if in_policy != rest or min(own, over, pre, in_policy) < 0 or not total:
        raise PlatformRefusal("费用各部分之和不等于医疗费总额")
    is_ward = f"{data['med_type']}".startswith(_INPATIENT_TYPES)
    clr_type = "21" if is_ward else "11"
    may_pay = balance_fen if f"{data.get('acct_used_flag')}" == "1" else 0
    shares = shares_of(
        cost,
        person.insutype,
        clr_type,
        balance_fen=may_pay,
        # Of this platform alone: who asks for a patient that it has aided elsewhere.
        is_aided=f"{data.get('maf_psn_flag')}" == "1",
    )
    return Charged(data, person, cost, shares, person.insutype, clr_type, at)


def _part(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if value is None:
        return 0
    try:
        return fen(value)
    except NoEnvelope:
        raise PlatformRefusal(f"{name} 不是金额") from None


class NationalBooks:
    """Persons, their accounts and settlements."""

    def __init__(self, people: Sequence[Person]) -> None:
        """Everybody may be asked for by card, identity number or e-voucher."""
        self._shown = {
            shown: person
            for person in people
            for shown in (person.card, person.id_number, person.token, person.psn_no)
        }
        self._spent: defaultdict[str, int] = defaultdict(int)
        self._by_id: dict[str, Charged] = {}
        self._id_of_msgid: dict[str, str] = {}
        self._stopped: set[str] = set()
        self._numbers = itertools.count(1)

    def person_shown(self, data: Mapping[str, Any]) -> Person:
        """By `mdtrt_cert_no`, `certno` or `psn_no`; raises `PlatformRefusal`."""
        for name in ("mdtrt_cert_no", "certno", "psn_no"):
            found = self._shown.get(f"{data.get(name) or ''}")
            if found is not None:
                return found
        raise PlatformRefusal("未查到参保人员")

    def balance_fen(self, person: Person) -> int:
        """Of the personal account, now."""
        return person.balance_fen - self._spent[person.psn_no]

    def settle(self, msgid: str, charged: Charged, code: str = "") -> Charged:
        """Settle once for the msgid; the same again is answered alike."""
        if msgid in self._stopped:
            raise PlatformRefusal("该报文已冲正")
        known = self._id_of_msgid.get(msgid)
        if known is not None:
            first = self._by_id[known]
            if first.data.get("mdtrt_id") != charged.data.get("mdtrt_id"):
                raise PlatformRefusal("发送方报文ID重复")
            return first
        setl_id = f"N{charged.at:%Y%m%d}{next(self._numbers):09d}"
        settled = replace(charged, setl_id=setl_id, msgid=msgid, fixmedins_code=code)
        self._by_id[setl_id] = settled
        self._id_of_msgid[msgid] = setl_id
        self._spent[charged.person.psn_no] += charged.shares.account_fen
        return settled

    def cancel(self, setl_id: str, psn_no: str) -> Charged:
        """Undo a settlement; a second time nothing more is undone."""
        found = self._by_id.get(setl_id)
        if found is None or found.person.psn_no != psn_no:
            raise PlatformRefusal("未查到结算记录")
        self._undo(found)
        return found

    def reverse(self, omsgid: str) -> None:
        """Undo what a message has done, or keep it from doing it later."""
        setl_id = self._id_of_msgid.get(omsgid)
        if setl_id is None:
            self._stopped.add(omsgid)
        else:
            self._undo(self._by_id[setl_id])

    def _undo(self, charged: Charged) -> None:
        if self._by_id[charged.setl_id].is_in_force:
            self._by_id[charged.setl_id] = replace(charged, is_in_force=False)
            self._spent[charged.person.psn_no] -= charged.shares.account_fen

    def find(self, setl_id: str, msgid: str) -> Charged:
        """By its number or by the message; raises `PlatformRefusal`."""
        found = self._by_id.get(setl_id or self._id_of_msgid.get(msgid, ""))
        if found is None:
            raise PlatformRefusal("未查到结算记录")
        return found

    def sums(self, code: str, insutype: str, clr_type: str, first: date) -> Sums:
        """What is in force of one hospital and kind, from a day on."""
        sums = Sums()
        for each in self._by_id.values():
            kind = (each.fixmedins_code, each.insutype, each.clr_type)
            is_asked = kind == (code, insutype, clr_type) and each.at.date() >= first
            if each.is_in_force and is_asked:
                sums = sums.plus(
                    each.cost.total_fen, each.shares.funds_fen, each.shares.account_fen
                )
        return sums
