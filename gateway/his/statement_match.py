"""3202: a hospital's rows beside ours, settlement by settlement.

Both sides are taken net: what was settled and undone within the days is nothing,
however many lines say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from gateway.his.money import yuan_of
from gateway.his.numbers import msgid_of, setl_id_of, settlement_id_of
from gateway.his.statement_rows import SentRow
from gateway.his.stored import StoredNational
from settlement.store.his_statements import DaysCharge

FLAT, GATEWAY_MORE, HOSPITAL_MORE, DIFFERS = "000000", "000101", "000102", "000103"
RESULT_TEXTS = {
    FLAT: "平",
    GATEWAY_MORE: "结算网关多",
    HOSPITAL_MORE: "医药机构多",
    DIFFERS: "数据不一致",
}
_NOT_GIVEN_BACK = "医药机构已退费，网关未撤销"
_UNDONE_HERE = "网关已撤销，医药机构未退费"
_UNKNOWN_HERE = "所对日期内网关无此结算"
_NOT_LISTED = "医药机构明细中无此结算"
_LISTED_TWICE = "医药机构明细重复"
_SETTLED_BEFORE, _UNDONE_AFTER = "结算不在所对日期内", "撤销不在所对日期内"
_OTHER_PERSON, _OTHER_VISIT, _OTHER_AMOUNTS = "人员编号不同", "就诊编号不同", "金额不同"


@dataclass(frozen=True, slots=True)
class Figures:
    """The three amounts of a row, in fen."""

    medfee_fen: int = 0
    fund_fen: int = 0
    acct_fen: int = 0

    def times(self, sign: int) -> Figures:
        """Of so many, below zero of what was taken back."""
        return Figures(
            sign * self.medfee_fen, sign * self.fund_fen, sign * self.acct_fen
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of which settlements the file means to be all; empty is any."""

    office: str
    clr_type: str

    def has(self, facts: StoredNational) -> bool:
        """Settlements that named no office are everybody's."""
        return facts.clr_optins in {self.office, ""} and self.clr_type in {
            facts.clr_type,
            "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A line of the file that 9102 gives (table 201)."""

    psn_no: str
    mdtrt_id: str
    setl_id: str
    msgid: str
    stmt_rslt: str
    refd_setl_flag: str
    memo: str
    figures: Figures

    def columns(self) -> tuple[str, ...]:
        """In the order of the table."""
        figures = self.figures
        return (
            self.psn_no, self.mdtrt_id, self.setl_id, self.msgid, self.stmt_rslt,
            self.refd_setl_flag, self.memo, yuan_of(figures.medfee_fen),
            yuan_of(figures.fund_fen), yuan_of(figures.acct_fen),
        )  # fmt: skip


@dataclass
class _Listed:
    """What a hospital's lines say of one settlement."""

    settled: int = 0
    undone: int = 0
    figures: Figures = field(default_factory=Figures)
    row: SentRow | None = None

    @property
    def net(self) -> int:
        """As a charge's."""
        return self.settled - self.undone

    def add(self, row: SentRow) -> None:
        if row.is_refund:
            self.undone += 1
        else:
            self.settled += 1
        had = self.figures
        self.figures = Figures(
            had.medfee_fen + row.medfee_fen,
            had.fund_fen + row.fund_fen,
            had.acct_fen + row.acct_fen,
        )
        self.row = self.row or row


def differences(
    ours: Sequence[DaysCharge],
    rows: Iterable[SentRow],
    wanted: Wanted,
    digest: Callable[[str], str],
) -> list[Difference]:
    """What does not agree, ours first; `digest` is how a psn_no is kept here.

    A settlement that is not wanted is no difference where the file leaves it out,
    and is compared where the file has it.
    """
    same = {each.undone_by: each.id for each in ours if each.undone_by is not None}
    listed: dict[str, _Listed] = {}
    for row in rows:
        listed.setdefault(_of(row, same), _Listed()).add(row)
    found = []
    for charge in ours:
        facts = StoredNational(*orjson.loads(charge.facts))
        lines = listed.pop(charge.id.hex(), None)
        if lines is None and not wanted.has(facts):
            continue
        difference = _compared(charge, facts, lines or _Listed(), digest)
        if difference is not None:
            found.append(difference)
    found.extend(_unknown(each) for each in listed.values() if each.net or _money(each))
    return found


def _of(row: SentRow, same: dict[bytes, bytes]) -> str:
    """The settlement that a line is of: a cancellation's own number leads to it too.

    Lines without a number of ours are of one settlement only where visit and person
    are the same too: else one visit's refund would hide another visit's settlement.
    """
    identity = settlement_id_of(row.setl_id)
    if identity is None:
        return f"{row.setl_id}\t{row.mdtrt_id}\t{row.psn_no}"
    return same.get(bytes.fromhex(identity), bytes.fromhex(identity)).hex()


def _money(listed: _Listed) -> bool:
    return listed.figures != Figures()


def _compared(
    charge: DaysCharge,
    facts: StoredNational,
    listed: _Listed,
    digest: Callable[[str], str],
) -> Difference | None:
    one = Figures(
        charge.total_fen, facts.fund_pay_fen + charge.aid_fen, facts.acct_pay_fen
    )
    own = one.times(charge.net)
    if listed.net == charge.net:
        memo = _what_differs(charge, facts, own, listed, digest)
        if not memo:
            return None
        result = DIFFERS
    elif listed.net < charge.net:
        result = GATEWAY_MORE
        memo = _why_less(charge, listed)
    else:
        result = HOSPITAL_MORE
        memo = _why_more(charge, listed)
    row = listed.row
    return Difference(
        psn_no="" if row is None else row.psn_no,
        mdtrt_id=charge.visit_no,
        setl_id=setl_id_of(charge.id.hex()),
        msgid=msgid_of(charge.key) or "",
        stmt_rslt=result,
        refd_setl_flag="0" if charge.is_in_force else "1",
        memo=memo,
        figures=own,
    )


def _why_less(charge: DaysCharge, listed: _Listed) -> str:
    """The hospital has less: its line of the settlement is missing, or it gave back."""
    was_settled, was_undone = charge.net >= 0, charge.net <= 0
    gave_back_more = listed.undone > was_undone
    if gave_back_more and charge.is_in_force:
        return _NOT_GIVEN_BACK
    if listed.settled < was_settled:
        return _NOT_LISTED
    return _LISTED_TWICE if was_undone else _UNDONE_AFTER


def _why_more(charge: DaysCharge, listed: _Listed) -> str:
    """The hospital has more.

    Only where its line of the undoing is missing is aid said to be taken back: a
    patient would be charged for what a line too many means.
    """
    was_settled, was_undone = charge.net >= 0, charge.net <= 0
    if listed.undone < was_undone:
        return _UNDONE_HERE
    return _LISTED_TWICE if was_settled else _SETTLED_BEFORE


def _what_differs(
    charge: DaysCharge,
    facts: StoredNational,
    own: Figures,
    listed: _Listed,
    digest: Callable[[str], str],
) -> str:
    """Nothing where both sides say the same."""
    row = listed.row
    if row is None:
        return ""
    told = []
    if row.psn_no and digest(row.psn_no) != facts.psn_digest:
        told.append(_OTHER_PERSON)
    if row.mdtrt_id and row.mdtrt_id != charge.visit_no:
        told.append(_OTHER_VISIT)
    if listed.figures != own:
        told.append(_OTHER_AMOUNTS)
    return "，".join(told)


def _unknown(listed: _Listed) -> Difference:
    row = listed.row
    if row is None:
        raise ValueError("what is listed has a line")
    return Difference(
        psn_no=row.psn_no, mdtrt_id=row.mdtrt_id, setl_id=row.setl_id, msgid="",
        stmt_rslt=HOSPITAL_MORE, refd_setl_flag="1" if row.is_refund else "0",
        memo=_UNKNOWN_HERE, figures=listed.figures,
    )  # fmt: skip
