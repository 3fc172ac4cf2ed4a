"""The assistance roster as files bring it and as store and cache pass it on.

Tokens, dates, categories and sub-districts only: no card, identity number or name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from settlement.domain.calendar import shanghai_day
from settlement.domain.eligibility import RosterPerson, RosterVersion

#: Of the tokens: that of the token key alone. Later ones have a key of their own, too.
FIRST_TOKEN_EPOCH = 1


class RosterRefusedError(Exception):
    """A roster file that is not taken in; nothing of it was stored."""

    def __init__(
        self,
        reason: str,
        detail: str,
        refused: tuple[RefusedRow, ...] = (),
        current_version: int | None = None,
    ) -> None:
        """Carry the reason's code (MA-61xx), what was found, and the rows at fault.

        `current_version`: on which the next file must rest, where that is the fault;
        0 before the first file.
        """
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.refused = refused
        self.current_version = current_version


class RosterUnreachableError(Exception):
    """The roster's tables cannot be read now; the same call may work later."""


class RosterRow(NamedTuple):
    """One window that a line of the file names; a tuple, as COPY takes it."""

    line: int
    """Physical line in the data file, the header being line 1."""
    removes: bool
    person: bytes
    card: bytes | None
    household: bytes
    """Empty where the row names none."""
    category: str | None
    """Canonical id; `None` only where a removal means every category."""
    valid_from: date | None
    """`None` only where a removal means every window."""
    valid_to: date | None
    subdistrict: str


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A line that was not taken, or a remark on one that was: never the value."""

    line: int
    column: str
    """Name of the column at fault; empty where the line as a whole is."""
    reason: str
    """Code MA-62xx; from MA-6231 on a remark."""
    person: bytes | None = None
    """Token of whom the line seems to mean; they keep their former state."""
    card: bytes | None = None
    """Token of the card on the line; its owner keeps the former state too."""
    value_class: str = ""
    """What kind of text stands there, as `digits:15`; empty for a whole line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterManifest:
    """What a roster file says of itself, its signature verified. API.md, Files."""

    kind: str
    """`full` or `delta`."""
    version: int
    previous_version: int | None
    """The version that a delta changes; `None` for a full file."""
    as_of: datetime
    """The instant that the file describes; aware."""
    rows: int
    sha256: bytes
    """Over the data file's bytes as they lie on disk."""
    key_id: str
    """Of the bureau's key that signed."""

    @property
    def is_full(self) -> bool:
        """Whether whom the file does not name leaves the roster."""
        return self.kind == "full"

    @property
    def as_of_day(self) -> date:
        """The Shanghai day of `as_of`; windows end on the day before it."""
        return shanghai_day(self.as_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterHead:
    """Where the roster stands, read in the same snapshot as what comes with it."""

    roster_id: bytes
    """16 bytes, made with the schema: tells one database from another."""
    version: RosterVersion | None
    """`None` before the first file."""
    last_change: int
    """Number of the newest change."""
    scan_floor: int
    """Changes up to here may be missing from the feed: who is below must scan."""
    key_check: bytes
    """Made by the token key that wrote the roster; empty before the first file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterChanges:
    """What changed after a cursor, as it stands now."""

    head: RosterHead
    cursor: int
    """Changes up to here are contained; equals `head.last_change` at the end."""
    persons: Mapping[bytes, RosterPerson | None]
    """By person token; `None` where no window is left."""
    cards: Sequence[tuple[bytes, bytes]]
    """Card token and person token, for all cards of those who have a new one."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing newer remains."""
        return self.cursor >= self.head.last_change


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterCounts:
    """What a roster file did."""

    rows: int
    """Data rows in the file."""
    refused: int
    persons_changed: int
    windows_upserted: int
    """Windows new or changed; the same window again does not count."""
    windows_ended: int
    removals_without_effect: int
    """Removals of persons who never were on the roster."""
    remarked: int = 0
    """Lines that were taken and are worth a look."""
