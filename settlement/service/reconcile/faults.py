"""Why a month cannot be worked on; a code for programs, a sentence for people."""

from __future__ import annotations

from settlement.domain.errors import RequestRefused
from settlement.domain.reasons import reason


class MonthFault(RequestRefused):
    """The month stays as it is; `str` is one English sentence with what to do."""

    def __init__(self, code: str, detail: str = "") -> None:
        """`detail` names the month, hospital or difference; never a person."""
        super().__init__(code)
        self.detail = detail

    def __str__(self) -> str:
        why = reason(self.reason)
        named = f" ({self.detail})" if self.detail else ""
        return f"{self.reason}{named}: {why.text.en} {why.next_step.en}"
