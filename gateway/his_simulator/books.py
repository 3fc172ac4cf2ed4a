"""A hospital's own books of aid: what it believes to be settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.his_simulator.messages import NoEnvelope, fen
from gateway.his_simulator.plan import Visit
from gateway.his_simulator.statement import REFUNDED, SETTLED, Row, Sums


class Outcome(StrEnum):
    """What became of a visit, as the HIS believes it."""

    SETTLED = "settled"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    """Decided against: infcode -2."""
    NOT_ASKED = "not-asked"
    """1101 has named no identity, and the HIS leaves it at that."""
    REVERSED = "reversed"
    """Given up with a 2601: the patient pays without aid."""
    OPEN = "open"
    """Nobody knows: for the evening."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A settlement as the gateway has answered it."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    insutype: str
    clr_type: str
    medfee_fen: int
    fund_fen: int
    acct_fen: int
    cash_fen: int
    aid_fen: int
    """Without what the national platform had paid itself."""
    other_aid_fen: int
    """What that was."""

    def row(self, flag: str) -> Row:
        """As the file of 3202 lists it; what is given back is negative."""
        sign = -1 if flag == REFUNDED else 1
        return Row(
            self.setl_id, self.mdtrt_id, self.psn_no, sign * self.medfee_fen,
            sign * self.fund_fen, sign * self.acct_fen, flag,
        )  # fmt: skip


def entry_of(
    visit: Visit, national: Mapping[str, Any], setlinfo: Mapping[str, Any]
) -> Entry:
    """Read a settlement; raises `NoEnvelope` where it does not add up.

    Of each fen of aid one is taken from the patient's part and one is added to the
    funds, and nothing else of the national platform's amounts has changed.
    """
    total, fund, part, cash, aid, acct = (fen(setlinfo.get(name)) for name in REQUIRED)
    was_total, was_fund, was_part, _, was_aid, was_acct = (
        fen(national.get(name)) for name in REQUIRED
    )
    more = aid - was_aid
    if total != was_total or acct != was_acct or fund + part != total:
        raise NoEnvelope("the amounts do not add up")
    if more < 0 or fund - was_fund != more or was_part - part != more:
        raise NoEnvelope("the aid is not what the patient pays less")
    if not 0 <= cash <= part:
        raise NoEnvelope("the cash is not within the patient's part")
    return Entry(
        setl_id=f"{setlinfo.get('setl_id') or ''}",
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.person.psn_no,
        insutype=f"{setlinfo.get('insutype')}",
        clr_type=f"{setlinfo.get('clr_type')}",
        medfee_fen=total,
        fund_fen=fund,
        acct_fen=acct,
        cash_fen=cash,
        aid_fen=more,
        other_aid_fen=was_aid,
    )


REQUIRED = (
    "medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "psn_cash_pay", "maf_pay",
    "acct_pay",
)  # fmt: skip


class Books:
    """One hospital's day."""

    def __init__(self) -> None:
        """Nobody has come."""
        self._entries: dict[str, Entry] = {}
        self._refunded: dict[str, Entry] = {}
        self.outcomes: dict[str, Outcome] = {}

    def settle(self, entry: Entry) -> None:
        """Enter a settlement."""
        self._entries[entry.mdtrt_id] = entry
        self.outcomes[entry.mdtrt_id] = Outcome.SETTLED

    def cancel(self, mdtrt_id: str) -> None:
        """Take a settlement out again."""
        self._refunded[mdtrt_id] = self._entries.pop(mdtrt_id)
        self.outcomes[mdtrt_id] = Outcome.CANCELLED

    def end(self, mdtrt_id: str, outcome: Outcome) -> None:
        """Say how a visit ended that has no settlement."""
        self.outcomes[mdtrt_id] = outcome

    def entry(self, mdtrt_id: str) -> Entry | None:
        """The settlement in force."""
        return self._entries.get(mdtrt_id)

    def entries(self) -> list[Entry]:
        """Everything in force."""
        return list(self._entries.values())

    def sums(self, kind: tuple[str, str] | None = None) -> Sums:
        """What is in force, of one (insutype, clr_type) or of all."""
        sums = Sums()
        for entry in self._entries.values():
            if kind in (None, (entry.insutype, entry.clr_type)):
                sums = sums.plus(entry.medfee_fen, entry.fund_fen, entry.acct_fen)
        return sums

    def rows(self) -> list[Row]:
        """What 3202 is asked with: what was given back has a row for each way."""
        settled = [*self._entries.values(), *self._refunded.values()]
        return [entry.row(SETTLED) for entry in settled] + [
            entry.row(REFUNDED) for entry in self._refunded.values()
        ]

    @property
    def cash_fen(self) -> int:
        """Cash of what is in force."""
        return sum(entry.cash_fen for entry in self._entries.values())

    @property
    def aid_fen(self) -> int:
        """Aid of what is in force."""
        return sum(entry.aid_fen for entry in self._entries.values())
