"""What is wrong with a policy document: every fault at once, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from settlement.domain.decision import Text


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One thing wrong: which code, where, and what to do about it."""

    code: str
    """`MA-7xxx` of `settlement.domain.reasons`."""
    line: int
    """Line in the document, counted from 1; 0 where no line is meant."""
    field: str
    """Path of the field, e.g. `rates.dibao.outpatient`."""
    text: Text
    """What is wrong and the remedy."""

    def __str__(self) -> str:
        """Place, code and the Chinese sentence, then the English one."""
        place = f"{self.line}: {self.field}" if self.line else self.field
        return f"{place}: {self.code} {self.text.zh} {self.text.en}"


class PolicyError(Exception):
    """A policy document cannot be used; carries all faults that were found."""

    def __init__(self, faults: tuple[PolicyFault, ...]) -> None:
        """Order the faults as a reader meets them in the document."""
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class FaultList:
    """Collects faults while a document is read, so that none hides another."""

    def __init__(self) -> None:
        self._faults: list[PolicyFault] = []

    def add(self, code: str, line: int, field: str, *, zh: str, en: str) -> None:
        """Note one fault and go on reading."""
        self._faults.append(PolicyFault(code, line, field, Text(zh, en)))

    def stop(self, code: str, line: int, field: str, *, zh: str, en: str) -> NoReturn:
        """Note a fault that makes reading on pointless, and raise `PolicyError`."""
        self.add(code, line, field, zh=zh, en=en)
        raise PolicyError(tuple(self._faults))

    def raise_if_any(self) -> None:
        """Raise `PolicyError` with all faults noted so far, if there are any."""
        if self._faults:
            raise PolicyError(tuple(self._faults))
