"""Is the gateway able to settle, and what else is wrong with it: for the operator."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from settlement.domain.calendar import next_month
from settlement.domain.eligibility import RosterVersion
from settlement.service.claims import month_number
from settlement.service.findings import Finding
from settlement.service.freshness import Freshness
from settlement.service.policy_shelf import PolicyShelf
from settlement.service.ports import EligibilitySource
from settlement.service.publish import Publisher
from settlement.service.sequencer import Sequencer
from settlement.store.database import Database
from settlement.store.vitals import Vitals, VitalsReader

_PROBE_TIMEOUT_S = 2.0
_MB = 1_000_000
#: Looks while the watch is behind; of more the second oldest is forgotten.
_LOOKS_KEPT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """From where on the operator is told; none of them stops settling."""

    cache_behind_s: float = 30.0
    """The cache follows within a second; a city's is built anew in minutes."""
    watch_behind_s: float = 60.0
    """An alert is due within a second; after a flood it may take longer."""
    roster_age: timedelta = timedelta(days=40)
    """A month in which the bureau sent nothing, and some days."""
    clock_skew_s: float = 5.0
    disk_free_bytes: int = 20_000_000_000
    disk_free_part: int = 20
    """Or a twentieth of the disk, where that is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look saw."""

    findings: tuple[Finding, ...]
    vitals: Vitals | None
    """`None` where PostgreSQL did not answer."""
    skew_s: float
    """This machine's clock against the database's, either way."""
    months_ahead: int
    """Months with partitions after this one; -1 where this one has none."""
    lag_versions: int
    """By how much the cache is behind the database."""
    lag_s: float
    """For how long."""
    watch_lag_s: float
    """For how long something has been in the log that the watch has not looked at."""
    disk_free: int
    disk_size: int
    mark_written_at: float | None
    """Seconds since 1970; `None` before the first mark."""


class Health:
    """Asked by `/readyz` and by the metrics; never on the settle path."""

    def __init__(
        self,
        *,
        database: Database,
        sequencer: Sequencer,
        publisher: Publisher,
        shelf: PolicyShelf,
        cache: EligibilitySource,
        data_dir: Path,
        now: Callable[[], datetime],
        freshness: Freshness,
    ) -> None:
        """Everything comes from outside; `now` is the wall clock."""
        self._vitals = VitalsReader(database)
        self._sequencer = sequencer
        self._publisher = publisher
        self._shelf = shelf
        self._cache = cache
        self._data_dir = data_dir
        self._now = now
        self._freshness = freshness
        self._limits = HealthLimits(
            roster_age=timedelta(seconds=freshness.limits.age_s) or timedelta.max
        )
        self._behind_since: float | None = None
        #: When the log was seen with how many entries, that the watch has not seen yet.
        self._unwatched: deque[tuple[float, int]] = deque()

    async def look(self) -> Look:
        """Everything that is wrong now, and what was measured to tell."""
        asked_at = self._now()
        vitals = await self._vitals.read(within_s=_PROBE_TIMEOUT_S)
        now = self._now()
        held = self._cache.roster_version()
        disk = await asyncio.to_thread(_disk_of, self._data_dir)
        versions = _versions_behind(vitals, held)
        if vitals is not None and vitals.roster_version == (
            held.version if held else 0
        ):
            self._freshness.confirm()
        look = Look(
            findings=(),
            vitals=vitals,
            skew_s=_skew_s(vitals, asked_at, now),
            months_ahead=_months_ahead(vitals, now),
            lag_versions=versions,
            lag_s=self._behind_for(versions),
            watch_lag_s=self._watch_lag(vitals),
            disk_free=disk.free,
            disk_size=disk.size,
            mark_written_at=disk.mark_written_at,
        )
        findings = [*self._stopping(look), *self._warning(look, held, now)]
        return replace(look, findings=tuple(findings))

    async def close(self) -> None:
        """Close the connection that looks go over."""
        await self._vitals.close()

    def _stopping(self, look: Look) -> list[Finding]:
        """Why settling is not possible now."""
        found = []
        if self._sequencer.stopped is not None:
            found.append(Finding("settlement_stopped", self._sequencer.stopped))
        if self._publisher.fault is not None:
            found.append(Finding("mark_not_written", self._publisher.fault))
        if self._shelf.is_empty:
            found.append(Finding("no_policy_pack"))
        if self._cache.roster_version() is None:
            found.append(Finding("no_roster"))
        if self._freshness.limits.refuses and self._is_old():
            found.append(Finding("roster_refused"))
        if look.vitals is None:
            found.append(Finding("database_away"))
        return found

    def _is_old(self) -> bool:
        held = self._cache.roster_version()
        return self._freshness.limits.is_old(held, self._now())

    def _warning(
        self, look: Look, held: RosterVersion | None, now: datetime
    ) -> list[Finding]:
        """What will stop it, or already misleads, if nobody acts."""
        limits, found = self._limits, []
        if look.lag_s > limits.cache_behind_s:
            found.append(Finding("cache_behind", str(look.lag_versions)))
        if held is not None:
            age = now - datetime.fromisoformat(held.as_of)
            if age > limits.roster_age:
                found.append(Finding("roster_old", str(age.days)))
        if look.vitals is not None and look.months_ahead < 1:
            this = month_number(now)
            missing = next_month(this) if look.months_ahead == 0 else this
            found.append(Finding("month_missing", str(missing)))
        if self._shelf.fault is not None:
            found.append(Finding("pack_refused", self._shelf.fault))
        found += self._of_the_watch(look)
        if look.skew_s > limits.clock_skew_s:
            found.append(Finding("clock_far", f"{look.skew_s:.0f}"))
        part = look.disk_size // limits.disk_free_part
        if look.disk_free < min(limits.disk_free_bytes, part):
            found.append(Finding("disk_nearly_full", str(look.disk_free // _MB)))
        return found

    def _of_the_watch(self, look: Look) -> list[Finding]:
        """Alerts that come late, or not at all before the next start."""
        found = []
        if look.watch_lag_s > self._limits.watch_behind_s:
            found.append(Finding("watch_behind", f"{look.watch_lag_s:.0f}"))
        if look.vitals is not None and look.vitals.skipped_claims:
            found.append(Finding("claims_skipped", str(look.vitals.skipped_claims)))
        return found

    def _watch_lag(self, vitals: Vitals | None) -> float:
        """Seconds since the watch had seen all that there was at an earlier look."""
        now, seen = asyncio.get_running_loop().time(), self._unwatched
        if vitals is not None:
            if not seen or seen[-1][1] < vitals.log_entries:
                seen.append((now, vitals.log_entries))
            while seen and seen[0][1] <= vitals.watched_entries:
                seen.popleft()
            if len(seen) > _LOOKS_KEPT:
                del seen[1]
        return now - seen[0][0] if seen else 0.0

    def _behind_for(self, versions: int) -> float:
        """Seconds since the cache was first seen behind; 0 where it is not."""
        now = asyncio.get_running_loop().time()
        if not versions:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        return 0.0 if self._behind_since is None else now - self._behind_since


@dataclass(frozen=True, slots=True)
class _Disk:
    free: int
    size: int
    mark_written_at: float | None


def _disk_of(data_dir: Path) -> _Disk:
    usage = shutil.disk_usage(data_dir)
    try:
        written_at = (data_dir / "checkpoint").stat().st_mtime
    except OSError:
        written_at = None
    return _Disk(usage.free, usage.total, written_at)


def _versions_behind(vitals: Vitals | None, held: RosterVersion | None) -> int:
    if vitals is None:
        return 0
    return max(0, vitals.roster_version - (held.version if held else 0))


def _skew_s(vitals: Vitals | None, asked_at: datetime, now: datetime) -> float:
    """Distance of the server's clock from the time in which it was asked."""
    if vitals is None:
        return 0.0
    early = (asked_at - vitals.clock).total_seconds()
    late = (vitals.clock - now).total_seconds()
    return max(0.0, early, late)


def _months_ahead(vitals: Vitals | None, now: datetime) -> int:
    """-1, 0 or more; months are counted as far as they follow each other."""
    ahead = -1
    month = month_number(now)
    while vitals is not None and month in vitals.months:
        ahead += 1
        month = next_month(month)
    return ahead
