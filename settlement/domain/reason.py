"""What one reason is; the list of all of them is `settlement.domain.reasons`."""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.decision import Text


@dataclass(frozen=True, slots=True)
class Reason:
    """One code with its sentence, what to do next, and whether to try again."""

    code: str
    text: Text
    next_step: Text
    retry_allowed: bool = False
    same_key: bool = False
