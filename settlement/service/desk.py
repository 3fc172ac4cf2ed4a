"""What every batch works with, and the leaf that a claim becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from settlement.service.claims import Claim
from settlement.service.logbook import Logbook
from settlement.service.outcome import Renderer
from settlement.service.watch.shelf import RulesShelf
from settlement.store.rows import LogHead


class RecordBatch(Protocol):
    """Signs and seals the records of one batch."""

    def seal(self, claims: Mapping[str, int | str | bool], content: bytes) -> bytes:
        """The record's exact bytes; raises `ValueError` for a `sid` sealed before."""
        ...


class RecordSealer(Protocol):
    """Signs and seals: bytes in, one record out."""

    def seal(
        self,
        claims: Mapping[str, int | str | bool],
        content: bytes,
        random: Callable[[int], bytes],
    ) -> bytes:
        """The exact bytes of a record that is made alone."""
        ...

    def batch(self, random: Callable[[int], bytes]) -> RecordBatch:
        """Agree with the recipient once, for the records of one batch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Made once for each process, never changed."""

    renderer: Renderer
    sealer: RecordSealer
    logbook: Logbook
    random: Callable[[int], bytes]
    guard: Callable[[LogHead], None]
    """Raises `FatalError` for a head behind what this machine has seen."""
    tombstones_per_day: int
    """How many keys a facility may stop on a day before they arrive."""
    lasting: Callable[[bytes], bytes]
    """A token as records name it, whatever epoch the database's tokens are of."""
    alert_rules: RulesShelf | None = None
    """What detectors say at the desk; without it, nothing."""


@dataclass(slots=True)
class Leaf:
    """One record on its way into the log, with the answer that waits for it."""

    claim: Claim
    record: bytes
    body: bytes
    """The answer's JSON object without receipt."""


class ClaimFailedError(Exception):
    """Working on one claim raised: it is taken out and the batch runs again."""

    def __init__(self, claim: Claim) -> None:
        """Name the claim."""
        super().__init__("a claim could not be worked on")
        self.claim = claim
