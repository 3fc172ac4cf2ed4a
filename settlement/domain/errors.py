"""Faults: what stops a request although no rule said no."""

from __future__ import annotations

from typing import NoReturn

from settlement.domain.bill import BillFault


class RequestRefused(Exception):
    """The request cannot be served; nothing was stored unless the reason says so."""

    def __init__(
        self,
        reason: str,
        *,
        faults: tuple[BillFault, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        """Carry the reason's code, the fields at fault, and when to try again."""
        super().__init__(reason)
        self.reason = reason
        self.faults = faults
        self.retry_after_s = retry_after_s


class FatalError(Exception):
    """State that nobody can reason about: settlement stops until it is repaired."""


class InvariantBrokenError(Exception):
    """A bug: something that must hold does not. Never caught on the money path."""


def require(condition: object, message: str) -> None:
    """Crash when an invariant is false; stays on in production."""
    if not condition:
        raise InvariantBrokenError(message)


def unreachable(message: str) -> NoReturn:
    """Mark a branch that cannot be taken."""
    raise InvariantBrokenError(message)
