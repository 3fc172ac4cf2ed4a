"""A whole gateway in one process for tests: real PostgreSQL, cache, keys and log."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from crypto.keys import OpeningKey, Role, SigningKey
from crypto.tokens import Tokenizer
from crypto.trust import Trust, TrustedKey
from eligibility_cache.store import key_check
from gateway.keyfiles import GatewayKeys
from gateway.wiring import Gateway, GatewayLimits, open_gateway
from settlement.domain.bill import Bill, Card, CardKind, CareType
from settlement.service.books import Means, check_books
from settlement.service.freshness import FreshnessLimits
from settlement.service.ports import Answer, Caller, ReversalRequest, When
from settlement.service.sequencer import SequencerLimits
from settlement.store.database import Database
from settlement.store.policies import install

DEMO_PACK = (
    Path(__file__).resolve().parents[2]
    / "settlement" / "policies" / "demo-district.yaml"
)  # fmt: skip
ORIGIN = "medaid.test/log"
#: The instant at which tests settle unless they say otherwise.
NOW = datetime(2026, 1, 5, 2, 14, 9, tzinfo=UTC)
_numbers = itertools.count(1)


def make_keys() -> tuple[GatewayKeys, OpeningKey]:
    """Fresh keys of a gateway and of its bureau."""
    opening = OpeningKey.generate(os.urandom)
    keys = GatewayKeys(
        record_sign=SigningKey.generate(Role.RECORD_SIGN, os.urandom),
        checkpoint_sign=SigningKey.generate(Role.CHECKPOINT_SIGN, os.urandom),
        token_key=os.urandom(32),
        party_secret_key=os.urandom(32),
        bureau_seal=opening.public,
    )
    return keys, opening


def caller(number: int = 1, level: int = 2) -> Caller:
    """A facility."""
    return Caller(
        party_id=number,
        party_code=f"H{number:03d}",
        role="facility",
        operator="op-1",
        key_id="key-1",
        facility_level=level,
        subdistrict="990101001",
    )


def bill(number: str = "C00000001", **changes: Any) -> Bill:
    """A sound outpatient bill of 250 yuan; in policy 232, insurers paid 160."""
    plain = Bill(
        card=Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=number),
        visit_no=f"MZ-{next(_numbers)}",
        bill_no="1",
        care_type=CareType.OUTPATIENT,
        service_start=date(2026, 1, 5),
        service_end=date(2026, 1, 5),
        referred=True,
        total_fen=25_000,
        self_funded_fen=1_000,
        over_limit_fen=0,
        pre_selfpay_fen=800,
        in_policy_fen=23_200,
        basic_insurance_fen=16_000,
        serious_illness_fen=0,
        other_funds_fen=0,
    )
    return replace(plain, **changes)


def new_key() -> str:
    """An idempotency key that no test has used."""
    return f"key-{next(_numbers)}"


@dataclass
class House:
    """One worker's gateway with what a test needs to look behind it."""

    gateway: Gateway
    keys: GatewayKeys
    opening: OpeningKey
    trust: Trust
    tokenizer: Tokenizer
    database: Database
    now: datetime = NOW
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    def when(self, settled_at: datetime | None = None, seconds: float = 30) -> When:
        """The instants of a request."""
        return When(
            settled_at=settled_at or self.now,
            sandbox=True,
            deadline=asyncio.get_running_loop().time() + seconds,
        )

    async def settle(
        self, bill_: Bill, key: str | None = None, facility: int = 1, **at: Any
    ) -> Answer:
        """Settle one bill."""
        return await self.gateway.settle(
            caller(facility), key or new_key(), bill_, self.when(**at)
        )

    async def reverse(
        self, key: str | None = None, facility: int = 1, **order: Any
    ) -> Answer:
        """Reverse by id or by key."""
        request = ReversalRequest(reason=order.pop("reason", "refund"), **order)
        return await self.gateway.reverse(
            caller(facility), key or new_key(), request, self.when()
        )

    async def enrol(
        self,
        number: str,
        category: str = "dibao",
        valid_from: date = date(2020, 1, 1),
        valid_to: date | None = None,
        person: str | None = None,
        resident_id: str | None = None,
    ) -> bytes:
        """Put one window of one person onto the roster and wait for the cache."""
        cards = [self.tokenizer.card("social_security_card", number)]
        if resident_id is not None:
            cards.append(self.tokenizer.card("resident_id", resident_id))
        token = self.tokenizer.person(person or f"person-{number}")
        async with self.database.pool.acquire() as connection, connection.transaction():
            version = await connection.fetchval(
                "UPDATE roster_head SET version = version + 1, as_of = $1,"
                " last_change = last_change + 1, key_check = $2 RETURNING version",
                NOW - timedelta(days=1),
                key_check(self.tokenizer),
            )
            await connection.execute(
                "INSERT INTO roster_window VALUES ($1, $2, $3, $4, $5, $6, $7)",
                token, category, valid_from, valid_to, "990101001", b"", version,
            )  # fmt: skip
            await connection.executemany(
                "INSERT INTO roster_card VALUES ($1, $2) ON CONFLICT DO NOTHING",
                [(card, token) for card in cards],
            )
            await connection.execute(
                "INSERT INTO roster_change SELECT last_change, $1, version"
                " FROM roster_head",
                token,
            )
            await connection.execute("NOTIFY roster_change")
        await self.follow(version)
        return token

    async def follow(self, version: int) -> None:
        """Wait until the cache holds the version."""
        async with asyncio.timeout(20):
            while True:
                # A look-up shows the version; `refresh` belongs to the follower.
                self.gateway.cache.person_of_card(bill().card)
                held = self.gateway.cache.roster_version()
                if held is not None and held.version >= version:
                    return
                await asyncio.sleep(0.02)

    async def used(
        self, token: bytes, pot: str = "outpatient", year: int = 2026
    ) -> int:
        """Fen used of a pot."""
        async with self.database.pool.acquire() as connection:
            used: int | None = await connection.fetchval(
                "SELECT used_fen FROM accumulator"
                " WHERE person = $1 AND year = $2 AND pot = $3",
                token, year, pot,
            )  # fmt: skip
        return used or 0


def body(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer."""
    parsed: dict[str, Any] = json.loads(answer.body)
    return parsed


@asynccontextmanager
async def open_house(
    database: Database,
    data_dir: Path,
    keys: tuple[GatewayKeys, OpeningKey] | None = None,
    limits: SequencerLimits | None = None,
    freshness: FreshnessLimits | None = None,
) -> AsyncIterator[House]:
    """Open a worker; several may share a database and a data folder."""
    gateway_keys, opening = keys or make_keys()
    data_dir.mkdir(parents=True, exist_ok=True)
    async with database.pool.acquire() as connection:
        await install(connection, DEMO_PACK.read_bytes())
    trust = Trust(
        ORIGIN,
        [
            TrustedKey(key)
            for key in (
                gateway_keys.record_sign.public,
                gateway_keys.checkpoint_sign.public,
                gateway_keys.bureau_seal,
            )
        ],
    )
    async with open_gateway(
        data_dir=data_dir,
        database=database,
        keys=gateway_keys,
        origin=ORIGIN,
        sandbox=True,
        published_keys={},
        limits=GatewayLimits(
            sequencer=limits or SequencerLimits(),
            freshness=freshness or FreshnessLimits(),
        ),
    ) as gateway:
        yield House(
            gateway,
            gateway_keys,
            opening,
            trust,
            gateway_keys.tokenizer(await database.hold_to_token_epoch()),
            database,
        )


async def assert_books_clean(house: House) -> None:
    """Every invariant holds over everything stored."""
    means = Means(bureau_key=house.opening, tokenizer=house.tokenizer)
    report = await check_books(house.database, house.trust, means=means)
    assert report.violations == []
