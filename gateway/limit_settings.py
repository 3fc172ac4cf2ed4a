"""The limits as settings: names, bounds, defaults (docs/operations.md says why these).

Each worker counts for itself, as it has a pool and connections of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.attempts import Attempts
from gateway.limits import PARTY_CLASSES, Allowance, Allowances, CallClass, Limits, Rate

if TYPE_CHECKING:
    from gateway.config import ServeSettings

_NS = 1_000_000_000
PerSecond = Annotated[int, Field(ge=0, le=1_000_000)] | None
"""0: no limit. `None`: the default, which in a sandbox is no limit."""
Burst = Annotated[int, Field(ge=1, le=1_000_000)] | None
AtOnce = Annotated[int, Field(ge=1, le=100_000)] | None
Seconds = Annotated[int, Field(ge=1, le=3_600)]

#: Far above a big hospital's busiest minute, far below what a worker can do.
DEFAULTS = {
    "desk_per_s": 300,
    "desk_burst": 1_000,
    "desk_at_once": 500,
    "money_per_s": 200,
    "money_burst": 1_000,
    "money_at_once": 500,
    "lookup_per_s": 200,
    "lookup_burst": 1_000,
    "lookup_at_once": 64,
    "export_per_s": 100,
    "export_burst": 500,
    "export_at_once": 64,
    "stream_per_s": 10,
    "stream_burst": 100,
    "stream_at_once": 200,
    "session_per_s": 5,
    "session_burst": 1_000,
    "failed_per_s": 20,
    "failed_burst": 1_000,
    "public_per_s": 100,
    "public_burst": 1_000,
    "probe_per_s": 20,
    "probe_burst": 100,
}


class PartyLimits(BaseModel):
    """What one party may ask of one worker; `None`: what all others may."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    desk_per_s: PerSecond = None
    desk_burst: Burst = None
    desk_at_once: AtOnce = None
    money_per_s: PerSecond = None
    money_burst: Burst = None
    money_at_once: AtOnce = None
    lookup_per_s: PerSecond = None
    lookup_burst: Burst = None
    lookup_at_once: AtOnce = None
    export_per_s: PerSecond = None
    export_burst: Burst = None
    export_at_once: AtOnce = None
    stream_per_s: PerSecond = None
    stream_burst: Burst = None
    stream_at_once: AtOnce = None


class LimitSettings(PartyLimits):
    """All limits of one worker."""

    session_per_s: PerSecond = None
    """Sessions opened with one key."""
    session_burst: Burst = None
    failed_per_s: PerSecond = None
    """Unknown tokens and bad signatures from one address."""
    failed_burst: Burst = None
    public_per_s: PerSecond = None
    """Calls that need no token, from one address."""
    public_burst: Burst = None
    probe_per_s: PerSecond = None
    """`/readyz` from one address."""
    probe_burst: Burst = None
    parties: Mapping[str, PartyLimits] = Field(default_factory=dict)
    """Other limits for the parties with these codes."""
    connections: Annotated[int, Field(ge=16, le=100_000)] = 4_096
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 2_048
    """Not counted behind a proxy: there all callers have its address."""
    head_s: Seconds = 10
    """For a request's head to arrive, and for a TLS handshake."""
    body_s: Seconds = 10
    """For a request's body to arrive."""
    idle_s: Seconds = 75
    """A terminal's connection outlives a cashier's pause."""
    write_s: Seconds = 20
    """For a caller to read our answer."""


class Allowed:
    """The settings as they are in force: the sandbox has defaults of its own."""

    def __init__(self, settings: ServeSettings, *, sandbox: bool) -> None:
        """Time is the running loop's."""
        self._settings = settings
        self._sandbox = sandbox
        loop = asyncio.get_running_loop()
        self._clock = lambda: int(loop.time() * _NS)

    def limits(self) -> Limits:
        """What each caller may ask."""
        usual = self._values()
        allowances = Allowances(
            usual=usual.of_party(),
            of_party={
                code: self._values(own).of_party()
                for code, own in self._settings.parties.items()
            },
            of_address={
                each: usual.rate(each.value)
                for each in (CallClass.PUBLIC, CallClass.PROBE)
            },
        )
        return Limits(
            allowances, clock=self._clock, behind_proxy=self._settings.behind_proxy
        )

    def attempts(self) -> Attempts:
        """What callers may try before it is known who they are."""
        values = self._values()
        return Attempts(
            failed=values.rate("failed"),
            sessions=values.rate("session"),
            clock=self._clock,
            behind_proxy=self._settings.behind_proxy,
        )

    def _values(self, own: PartyLimits | None = None) -> _Values:
        return _Values(self._settings, own, sandbox=self._sandbox)


class _Values:
    """A party's own value, else the setting, else the default."""

    def __init__(
        self, settings: LimitSettings, own: PartyLimits | None, *, sandbox: bool
    ) -> None:
        self._given = {name: getattr(settings, name) for name in DEFAULTS}
        if own is not None:
            self._given |= own.model_dump(exclude_none=True)
        self._sandbox = sandbox

    def _of(self, name: str) -> int:
        given: int | None = self._given[name]
        if given is not None:
            return given
        # Demo, replay and benchmarks ask as one party what a whole city asks.
        if self._sandbox and name.endswith("_per_s"):
            return 0
        return DEFAULTS[name]

    def rate(self, name: str) -> Rate:
        return Rate(self._of(f"{name}_per_s"), self._of(f"{name}_burst"))

    def of_party(self) -> dict[CallClass, Allowance]:
        return {
            each: Allowance(self.rate(each.value), self._of(f"{each.value}_at_once"))
            for each in PARTY_CLASSES
        }
