"""How much one caller may ask: so many calls a second, so many at the same time.

A limit is there so that one hospital's runaway loop cannot lock another hospital's
cashier out (OWASP API4:2023). Each worker counts for itself (docs/adr/0028). A
refused call takes nothing, so that whoever waits as told is let in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.peer import address_of
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from settlement.service.ports import Caller

_NS = 1_000_000_000
#: Addresses that are remembered; above it those that owe nothing are forgotten.
ADDRESSES_KEPT = 8_192
#: Nothing is known of when a place becomes free; a call lasts less than this.
_PLACE_AFTER_S = 1
TOO_MANY_A_SECOND = "MA-3105"
TOO_MANY_AT_ONCE = "MA-3106"


class CallClass(StrEnum):
    """Calls that share a limit. A `StrEnum`, because others are slow to hash."""

    DESK = "desk"
    MONEY = "money"
    LOOKUP = "lookup"
    EXPORT = "export"
    STREAM = "stream"
    PUBLIC = "public"
    PROBE = "probe"
    SIGN_IN = "sign_in"
    FREE = "free"
    """Costs less than a refusal, and a load balancer must not lose it."""


#: Every call by its name.
CLASS_OF: Mapping[str, CallClass] = {
    "open_session": CallClass.SIGN_IN,
    "eligibility": CallClass.DESK,
    "quote": CallClass.DESK,
    "settle": CallClass.MONEY,
    "reverse": CallClass.MONEY,
    "find_settlements": CallClass.LOOKUP,
    "settlement": CallClass.LOOKUP,
    "search": CallClass.LOOKUP,
    "record": CallClass.EXPORT,
    "proof": CallClass.EXPORT,
    "statistics": CallClass.EXPORT,
    "reconcile_totals": CallClass.EXPORT,
    "reconcile_list": CallClass.EXPORT,
    "reconcile_month": CallClass.EXPORT,
    "reconcile_differences": CallClass.EXPORT,
    "reconcile_statement": CallClass.EXPORT,
    "take_roster_file": CallClass.EXPORT,
    "roster_file": CallClass.LOOKUP,
    "roster_refused": CallClass.EXPORT,
    "alerts": CallClass.LOOKUP,
    "alert_stream": CallClass.STREAM,
    "alert": CallClass.LOOKUP,
    "alert_cases": CallClass.LOOKUP,
    "alert_case": CallClass.LOOKUP,
    "assign_case": CallClass.LOOKUP,
    "confirm_case": CallClass.LOOKUP,
    "dismiss_case": CallClass.LOOKUP,
    # Its class is that of the transaction that the body names.
    "his": CallClass.FREE,
    "his_path": CallClass.FREE,
    "his_service": CallClass.FREE,
    "his_platform": CallClass.FREE,
    "checkpoint": CallClass.PUBLIC,
    "tile": CallClass.PUBLIC,
    "keys": CallClass.PUBLIC,
    "openapi": CallClass.PUBLIC,
    "docs": CallClass.PUBLIC,
    "metrics": CallClass.PUBLIC,
    "readyz": CallClass.PROBE,
    "healthz": CallClass.FREE,
}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second in the long run, and `burst` of them at once."""

    per_s: int
    """0: no limit."""
    burst: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one party may ask of one class of calls."""

    rate: Rate
    at_once: int
    """Calls under way at the same time."""


#: More than can ever be under way.
_ANY_NUMBER = 1 << 62
NO_RATE = Rate(0, 1)
_NO_LIMIT = Allowance(NO_RATE, _ANY_NUMBER)
PARTY_CLASSES = (
    CallClass.DESK,
    CallClass.MONEY,
    CallClass.LOOKUP,
    CallClass.EXPORT,
    CallClass.STREAM,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """What everybody may ask; classes left out have no limit."""

    usual: Mapping[CallClass, Allowance] = field(default_factory=dict)
    """For each party."""
    of_party: Mapping[str, Mapping[CallClass, Allowance]] = field(default_factory=dict)
    """For the parties with these codes, in place of the usual."""
    of_address: Mapping[CallClass, Rate] = field(default_factory=dict)
    """For each address, of calls that need no token."""


class Bucket:
    """A token bucket as one integer: when it will be full again (GCRA).

    Nanoseconds of a clock that never goes back. Taking, and finding it empty, cost
    the same.
    """

    __slots__ = ("_interval_ns", "_room_ns", "full_at_ns")

    def __init__(self, rate: Rate) -> None:
        """A full bucket."""
        self._interval_ns = _NS // rate.per_s if rate.per_s else 0
        self._room_ns = self._interval_ns * (rate.burst - 1)
        self.full_at_ns = 0

    def take(self, now_ns: int) -> int:
        """Take one token: 0; or nothing: nanoseconds until there is one."""
        full_at_ns = self.full_at_ns
        if full_at_ns < now_ns:  # noqa: PLR1730  # max() costs three times as much
            full_at_ns = now_ns
        wait_ns = full_at_ns - now_ns - self._room_ns
        if wait_ns > 0:
            return wait_ns
        self.full_at_ns = full_at_ns + self._interval_ns
        return 0

    def give_back(self) -> None:
        """Put a token back that was taken for nothing."""
        self.full_at_ns -= self._interval_ns


class Buckets:
    """One bucket for each name, in bounded memory.

    Where names come from outside, somebody may send ever new ones: then full buckets
    are forgotten first and the oldest after them, so that nobody is refused because
    of another's names.
    """

    def __init__(self, rate: Rate, *, most: int = ADDRESSES_KEPT) -> None:
        """Every bucket is full."""
        self._rate = rate
        self._most = most
        self._by_name: dict[str, Bucket] = {}
        self.refused = 0
        """Takings refused so far."""

    def __len__(self) -> int:
        """Buckets remembered."""
        return len(self._by_name)

    def take(self, name: str, now_ns: int) -> None:
        """Take one of this name's tokens; raises MA-3105 where there is none."""
        if not self._rate.per_s:
            return
        bucket = self._by_name.get(name)
        if bucket is None:
            if len(self._by_name) >= self._most:
                self._forget(now_ns)
            bucket = self._by_name[name] = Bucket(self._rate)
        wait_ns = bucket.take(now_ns)
        if wait_ns:
            self.refused += 1
            raise RequestRefused(TOO_MANY_A_SECOND, retry_after_s=seconds_of(wait_ns))

    def give_back(self, name: str) -> None:
        """Put a token of this name back."""
        bucket = self._by_name.get(name)
        if bucket is not None:
            bucket.give_back()

    def _forget(self, now_ns: int) -> None:
        owing = [item for item in self._by_name.items() if item[1].full_at_ns > now_ns]
        self._by_name = dict(owing[-(self._most // 2) :])


def seconds_of(wait_ns: int) -> int:
    """Whole seconds after which the wait is over, as `Retry-After` counts."""
    return -(-wait_ns // _NS)


class Lane:
    """One party's calls of one class: its bucket, and how many are under way."""

    __slots__ = ("_at_once", "_bucket", "under_way")

    def __init__(self, allowance: Allowance) -> None:
        """Nothing is under way."""
        self._bucket = Bucket(allowance.rate)
        self._at_once = allowance.at_once
        self.under_way = 0

    def enter(self, now_ns: int) -> None:
        """Take a place and a token, or neither; raises MA-3105 and MA-3106."""
        if self.under_way >= self._at_once:
            raise RequestRefused(TOO_MANY_AT_ONCE, retry_after_s=_PLACE_AFTER_S)
        wait_ns = self._bucket.take(now_ns)
        if wait_ns:
            raise RequestRefused(TOO_MANY_A_SECOND, retry_after_s=seconds_of(wait_ns))
        self.under_way += 1


class Turn:
    """One request on its way: which class it is of, and the place that it holds."""

    __slots__ = ("_lane", "call_class")

    def __init__(self, call_class: CallClass = CallClass.FREE) -> None:
        """No place is held."""
        self.call_class = call_class
        self._lane: Lane | None = None

    def enter(self, lane: Lane, now_ns: int) -> None:
        """Take a place; raises as `Lane.enter`."""
        lane.enter(now_ns)
        self._lane = lane

    def leave(self) -> None:
        """Give the place back, if one is held."""
        lane = self._lane
        if lane is not None:
            lane.under_way -= 1
            self._lane = None


#: Where a request keeps its turn.
TURN = web.RequestKey("turn", Turn)


class Limits:
    """What each caller still may ask of this worker."""

    def __init__(
        self,
        allowances: Allowances,
        *,
        clock: Callable[[], int],
        behind_proxy: bool = False,
    ) -> None:
        """`clock` gives nanoseconds and never goes back."""
        self._allowances = allowances
        self._clock = clock
        self._behind_proxy = behind_proxy
        self._lanes: dict[int, dict[CallClass, Lane]] = {}
        self.of_address = {
            call_class: Buckets(rate)
            for call_class, rate in allowances.of_address.items()
        }

    def turn(self, call: str, request: web.BaseRequest) -> Turn:
        """Begin a request of this call; raises MA-3105 for the caller's address."""
        call_class = CLASS_OF[call]
        buckets = self.of_address.get(call_class)
        if buckets is not None:
            address = address_of(request, behind_proxy=self._behind_proxy)
            buckets.take(address, self._clock())
        return Turn(call_class)

    def admit(self, turn: Turn, caller: Caller) -> None:
        """Give the caller's request a place; raises MA-3105 and MA-3106."""
        lanes = self._lanes.get(caller.party_id)
        if lanes is None:
            lanes = self._lanes[caller.party_id] = self._lanes_of(caller.party_code)
        turn.enter(lanes[turn.call_class], self._clock())

    def _lanes_of(self, code: str) -> dict[CallClass, Lane]:
        """Parties are registered by the operator: their number is bounded."""
        own = self._allowances.of_party.get(code, self._allowances.usual)
        return {each: Lane(own.get(each, _NO_LIMIT)) for each in PARTY_CLASSES}

    def under_way(self) -> dict[CallClass, int]:
        """Calls of parties under way now, by class; for metrics."""
        return {
            each: sum(lanes[each].under_way for lanes in self._lanes.values())
            for each in PARTY_CLASSES
        }


def no_limits() -> Limits:
    """Limits that nobody meets."""
    return Limits(Allowances(), clock=lambda: 0)
