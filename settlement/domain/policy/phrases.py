"""Sentences of the explanation: fixed parts made once, amounts filled in when read.

Each satisfies `settlement.domain.decision.Phrase`. A cashier reads them to the
patient, so they say what was taken, by which rule, and what came out.
"""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.decision import Text
from settlement.domain.money import yuan_text


@dataclass(frozen=True, slots=True)
class Fixed:
    """A sentence without amounts of the bill."""

    zh: str
    en: str
    source: str

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:  # noqa: ARG002  # as all phrases
        """The sentence as it is."""
        return Text(self.zh, self.en)


@dataclass(frozen=True, slots=True)
class Step:
    """What goes in and what comes out."""

    zh: str
    en: str
    source: str

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:  # noqa: ARG002  # as all phrases
        """`低保门诊救助 80%：64.00 元 → 51.20 元`."""
        before = yuan_text(input_fen)
        after = before if result_fen == input_fen else yuan_text(result_fen)
        return Text(
            f"{self.zh}{before} 元 → {after} 元", f"{self.en}{before} -> {after} yuan"
        )


@dataclass(frozen=True, slots=True)
class Running:
    """The same with what the year has brought before, as `also_fen`."""

    zh: str
    en: str
    source: str

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:
        """`门诊年度救助限额 6,000.00 元，此前已用 0.00 元：51.20 元 → 51.20 元`."""
        before, used = yuan_text(input_fen), yuan_text(also_fen)
        after = before if result_fen == input_fen else yuan_text(result_fen)
        return Text(
            f"{self.zh}{used} 元：{before} 元 → {after} 元",
            f"{self.en}{used}: {before} -> {after} yuan",
        )


@dataclass(frozen=True, slots=True)
class BaseSentence:
    """Costs in scope, what others paid as `also_fen`, and what is left to aid."""

    zh: str
    en: str
    source: str

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:
        """`政策范围内费用 232.00 元，医保等已付 160.00 元，可救助负担 72.00 元`."""
        scope, base = yuan_text(input_fen), yuan_text(result_fen)
        paid = yuan_text(also_fen)
        return Text(
            f"{self.zh} {scope} 元，医保等已付 {paid} 元，可救助负担 {base} 元",
            f"{self.en} {scope}, insurers and others paid {paid}, "
            f"aidable burden {base} yuan",
        )


@dataclass(frozen=True, slots=True)
class PatientSentence:
    """What was owed, the aid as `also_fen`, and what the patient pays."""

    source: str

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:
        """`医保结算后应付 90.00 元，救助 51.20 元，个人支付 38.80 元`."""
        owed, left = yuan_text(input_fen), yuan_text(result_fen)
        aid = yuan_text(also_fen)
        return Text(
            f"医保结算后应付 {owed} 元，救助 {aid} 元，个人支付 {left} 元",
            f"Owed after insurance {owed}, aid {aid}, patient pays {left} yuan",
        )


@dataclass(frozen=True, slots=True)
class AlreadyPaid:
    """The bill holds aid already, as input."""

    source: str

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:  # noqa: ARG002  # as all phrases
        """`账单中已有医疗救助支付 10.00 元，不重复救助`."""
        paid = yuan_text(input_fen)
        return Text(
            f"账单中已有医疗救助支付 {paid} 元，不重复救助",
            f"The bill holds {paid} yuan of medical aid already; none is paid twice",
        )
