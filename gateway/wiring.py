"""Build the gateway from its parts: the only module that knows every class."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crypto.checkpoint import CheckpointSigner
from crypto.sealer import Sealer
from eligibility_cache.follower import Follower
from eligibility_cache.resident import HeldInMemory
from eligibility_cache.store import EligibilityCache
from gateway.alerts import Alerts
from gateway.background import nobody_told, running_beside
from gateway.keyfiles import KeyFileFault
from gateway.mark_file import CheckpointMark
from gateway.reconciliation import Reconciliation
from gateway.render import JsonRenderer
from gateway.roster_awaited import has_the_roster
from gateway.roster_build import build_elsewhere
from gateway.roster_intake import RosterIntake
from settlement.domain.bill import Card
from settlement.domain.calendar import next_month
from settlement.domain.errors import FatalError
from settlement.service.ask_statistics import AskStatistics
from settlement.service.claims import month_number
from settlement.service.desk import Desk
from settlement.service.eligibility import CheckEligibility, QuotaReader
from settlement.service.freshness import Freshness, FreshnessLimits
from settlement.service.health import Health
from settlement.service.identities import Identities
from settlement.service.log import LogReader
from settlement.service.logbook import Logbook
from settlement.service.lookups import Lookups
from settlement.service.policy_shelf import PolicyShelf, follow_packs
from settlement.service.publish import Publisher
from settlement.service.quote import Quote
from settlement.service.reverse import Reverse
from settlement.service.sequencer import Sequencer, SequencerLimits, running
from settlement.service.settle import Settle
from settlement.service.watch.shelf import follow_rules, read_rules_shelf
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.head import ensure_head
from settlement.store.line import Line
from settlement.store.log_nodes import LogNodes
from settlement.store.months import Months
from settlement.store.policies import read_packs
from settlement.store.roster_feed import RosterFeed
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from crypto.tokens import Tokenizer
    from gateway.keyfiles import GatewayKeys
    from settlement.domain.bill import Bill
    from settlement.service.aid_statistics import StatisticsQuery
    from settlement.service.findings import Finding
    from settlement.service.ports import Answer, Caller, ReversalRequest, When
    from settlement.store.database import Database

_log = logging.getLogger(__name__)

#: Keys that one facility may stop on a day before their settlement arrives.
TOMBSTONES_PER_DAY = 100
#: Batches under way at once: one decides, one is posted and committed.
_LINES = 2
_MONTHS_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """What is set for one worker."""

    sequencer: SequencerLimits = field(default_factory=SequencerLimits)
    freshness: FreshnessLimits = field(default_factory=FreshnessLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Every use case, ready to call; handlers need nothing else.

    All calls raise `settlement.domain.errors.RequestRefused` with a reason code.
    """

    database: Database
    sandbox: bool
    now: Callable[[], datetime]
    """The wall clock, aware, UTC; the only one."""
    settle_use_case: Settle
    reverse_use_case: Reverse
    quote_use_case: Quote
    eligibility_use_case: CheckEligibility
    identities: Identities
    lookups: Lookups
    statistics_use_case: AskStatistics
    reconciliation: Reconciliation
    roster: RosterIntake
    alerts: Alerts
    log: LogReader
    health: Health
    sequencer: Sequencer
    """For metrics: what waits, how large batches are."""
    cache: EligibilityCache
    follower: Follower
    freshness: Freshness
    publisher: Publisher
    lines: Sequence[Line]
    published_keys: Mapping[str, Any]
    """The body of `GET /v1/keys`."""

    def require_room(self) -> None:
        """Refuse at once what would be refused after it was read: too much waits."""
        self.sequencer.require_room()

    async def settle(self, caller: Caller, key: str, bill: Bill, when: When) -> Answer:
        """Settle the bill under the key, exactly once; 201 with the DECISION."""
        return await self.settle_use_case(caller, key, bill, when)

    async def reverse(
        self, caller: Caller, key: str, request: ReversalRequest, when: When
    ) -> Answer:
        """Undo a settlement, or stop one that has not arrived yet; 201."""
        return await self.reverse_use_case(caller, key, request, when)

    async def quote(self, caller: Caller, bill: Bill, when: When) -> Answer:
        """What the bill would get now; binds nobody, writes nothing; 200."""
        return await self.quote_use_case(caller, bill, when)

    async def eligibility(
        self,
        caller: Caller,
        card: Card,
        service_date: date,
        when: When,
        *,
        with_quota: bool = True,
    ) -> Answer:
        """What the cache says of a card on a day, with the quota; 200."""
        return await self.eligibility_use_case(
            caller, card, service_date, when, with_quota=with_quota
        )

    async def settlement_by_id(self, caller: Caller, settlement_id: str) -> Answer:
        """One settlement that the caller may see; MA-4101 otherwise."""
        return await self.lookups.by_id(caller, settlement_id)

    async def settlement_by_key(self, caller: Caller, key: str) -> Answer:
        """The facility's settlement under a key; MA-4101 means not yet."""
        return await self.lookups.by_key(caller, key)

    async def settlements_by_visit(self, caller: Caller, visit_no: str) -> Answer:
        """The facility's settlements of a visit, newest first, as `items`."""
        return await self.lookups.by_visit(caller, visit_no)

    async def search(self, caller: Caller, query: Mapping[str, Any]) -> Answer:
        """Settlements that match; personal data stays in the body, not the URL.

        `query`: `card` (a `Card`), `visit_no`, `idempotency_key`, `service_from`,
        `service_to` (dates), `state`, `limit`; all optional.
        """
        return await self.lookups.search(caller, query)

    async def record(self, caller: Caller, settlement_id: str) -> bytes:
        """The signed, sealed record of a settlement or reversal."""
        return await self.lookups.record(caller, settlement_id)

    async def proof(self, caller: Caller, settlement_id: str) -> str:
        """Inclusion against the latest checkpoint (C2SP tlog-proof)."""
        index = await self.lookups.log_index(caller, settlement_id)
        return await self.log.proof(index)

    async def statistics(self, caller: Caller, query: StatisticsQuery) -> Answer:
        """Citizens, visits and aid by month, as far as the caller may see them; 200."""
        return await self.statistics_use_case(caller, query)

    async def checkpoint(self) -> bytes:
        """The latest published checkpoint (C2SP signed note)."""
        return await self.log.checkpoint()

    async def tile(self, path: str) -> bytes | None:
        """A tile of the log (C2SP tlog-tiles); `None` where there is none."""
        return await self.log.tile(path)

    async def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the gateway now."""
        return (await self.health.look()).findings

    async def not_ready(self) -> list[str]:
        """Why the gateway cannot settle now; empty when it can."""
        return [found.text.en for found in await self.findings() if found.stops]

    def keys(self) -> Mapping[str, Any]:
        """Public keys with their roles."""
        return self.published_keys


def wall_clock() -> datetime:
    """The instant now, aware, UTC: the gateway's only clock."""
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def open_gateway(
    *,
    data_dir: Path,
    database: Database,
    keys: GatewayKeys,
    origin: str,
    sandbox: bool,
    published_keys: Mapping[str, Any],
    limits: GatewayLimits | None = None,
    on_fault: Callable[[], None] = nobody_told,
) -> AsyncIterator[Gateway]:
    """One worker's gateway, ready to settle; drained when the block ends.

    Raises `FatalError` where the database does not extend what this machine has
    seen, and `PolicyError` for a pack that does not compile.
    """
    limits = limits or GatewayLimits()
    freshness = Freshness(limits.freshness, asyncio.get_running_loop().time)
    renderer = JsonRenderer(freshness.limits)
    logbook = Logbook(CheckpointSigner(origin, keys.checkpoint_sign))
    nodes = LogNodes(database)
    publisher = Publisher(CheckpointMark(data_dir / "checkpoint"))

    async def check_log() -> None:
        await publisher.check(lambda: ensure_head(database, logbook.empty()), nodes)

    months = Months(database)
    with _starting():
        await check_log()
        await publisher.begin(nodes, origin)
        shelf = PolicyShelf(await read_packs(database), sandbox=sandbox)
        await months.ensure(_this_month_and_next(wall_clock()))
        alert_rules = await read_rules_shelf(database)
        tokenizer = await _tokenizer(keys, database)
    cache = EligibilityCache(data_dir / "cache", tokenizer)
    desk = Desk(
        renderer=renderer,
        sealer=Sealer(keys.record_sign, keys.bureau_seal),
        logbook=logbook,
        random=os.urandom,
        guard=publisher.guard,
        tombstones_per_day=TOMBSTONES_PER_DAY,
        lasting=tokenizer.lasting,
        alert_rules=alert_rules,
    )
    lines = [Line(database, check_log) for _ in range(_LINES)]
    sequencer = Sequencer(desk, lines, publisher, months, limits.sequencer)
    follower = Follower(
        RosterFeed(database), cache, build_elsewhere(database.dsn), HeldInMemory()
    )
    gateway = Gateway(
        database=database,
        sandbox=sandbox,
        now=wall_clock,
        settle_use_case=Settle(
            cache=cache,
            book=shelf,
            tokenizer=tokenizer,
            sequencer=sequencer,
            database=database,
            random=os.urandom,
            freshness=freshness,
        ),
        reverse_use_case=Reverse(
            cache=cache,
            tokenizer=tokenizer,
            sequencer=sequencer,
            random=os.urandom,
        ),
        quote_use_case=Quote(
            cache=cache,
            book=shelf,
            database=database,
            renderer=renderer,
            alert_rules=alert_rules,
            freshness=freshness,
        ),
        eligibility_use_case=CheckEligibility(
            cache=cache,
            book=shelf,
            quotas=QuotaReader(database),
            renderer=renderer,
            freshness=freshness,
        ),
        identities=Identities(cache, shelf, tokenizer, freshness, database),
        lookups=Lookups(database, tokenizer),
        statistics_use_case=AskStatistics(database, renderer),
        reconciliation=Reconciliation(database, data_dir),
        roster=RosterIntake(database, data_dir, wall_clock),
        alerts=Alerts(database, wall_clock),
        log=LogReader(nodes, publisher.guard_from_now),
        health=Health(
            database=database,
            sequencer=sequencer,
            publisher=publisher,
            shelf=shelf,
            cache=cache,
            data_dir=data_dir,
            now=wall_clock,
            freshness=freshness,
        ),
        freshness=freshness,
        sequencer=sequencer,
        cache=cache,
        follower=follower,
        publisher=publisher,
        lines=lines,
        published_keys=published_keys,
    )
    try:
        async with (
            running_beside(follower.run(), name="follower", on_fault=on_fault),
            running_beside(
                follow_packs(shelf, database), name="packs", on_fault=on_fault
            ),
            running_beside(
                follow_rules(alert_rules, database), name="rules", on_fault=on_fault
            ),
            running_beside(gateway.alerts.hub.run(), name="streams", on_fault=on_fault),
            running_beside(_keep_months(months), name="months"),
            running_beside(
                publisher.watch(nodes, sequencer.stop), name="watch", on_fault=on_fault
            ),
            running(sequencer),
        ):
            await follower.looked_once()
            with _starting():
                if await has_the_roster(database, cache):
                    freshness.confirm()
            yield gateway
    finally:
        await gateway.health.close()
        await publisher.close()
        cache.close()


async def _tokenizer(keys: GatewayKeys, database: Database) -> Tokenizer:
    """Of the epoch that the database is in, to which this process then keeps."""
    try:
        return keys.tokenizer(await database.hold_to_token_epoch())
    except KeyFileFault as fault:
        raise FatalError(str(fault)) from fault


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Say in one sentence that the database went away while the gateway started."""
    try:
        with our_errors():
            yield
    except (StoreUnavailableError, BatchConflictError, BatchRefusedError) as error:
        raise FatalError(
            f"PostgreSQL went away while the gateway started ({error}); start it again"
        ) from error


def _this_month_and_next(now: datetime) -> set[int]:
    """So that no settlement at midnight waits for a partition."""
    this = month_number(now)
    return {this, next_month(this)}


async def _keep_months(months: Months) -> None:
    """Make the next month's partitions long before its first settlement."""
    while True:
        try:
            await months.ensure(_this_month_and_next(wall_clock()))
        except (StoreUnavailableError, BatchConflictError) as error:
            _log.warning("months.not_made", extra={"fault": type(error).__name__})
        await asyncio.sleep(_MONTHS_EVERY_S)
