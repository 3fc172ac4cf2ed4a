"""Who may come in: sessions, revocation, roles, signed settlements."""

import asyncio
import os
from datetime import timedelta

import pytest

from crypto.keys import Role, SharedSecret, SigningKey
from gateway.background import running_beside
from settlement.service.access import Sessions, token_hash
from settlement.service.parties import revoke
from settlement.store.access import AccessStore
from settlement.store.database import Database
from tests.gateway.bodies import bill
from tests.gateway.desk import (
    START,
    ControlledUseCases,
    RunningEdge,
    register,
    running_edge,
)

ASK = (
    b'{"card":{"kind":"social_security_card","number":"A12345678"},'
    b'"service_date":"2026-01-05"}'
)


async def eligibility(edge: RunningEdge, bearer: str) -> int:
    """The status of an eligibility call."""
    status, _, _ = await edge.ask("POST", "/v1/eligibility", ASK, Authorization=bearer)
    return status


async def ended(edge: RunningEdge, bearer: str, *, within_s: float) -> None:
    """Ask until the token is refused; fails when it still works after that time."""
    async with asyncio.timeout(within_s):
        while await eligibility(edge, bearer) != 401:  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.02)


async def test_signed_request_opens_a_session(
    running: RunningEdge, database: Database
) -> None:
    """201 with token, party and end; the caller is bound to party, key, operator."""
    key = await register(database, "H001")

    status, document = await running.sign_in(key, "win-07")
    bearer = f"Bearer {document['token']}"

    assert status == 201
    assert document["party"] == "H001"
    assert document["expires_at"] == "2026-01-05T14:00:00.000Z"
    assert await eligibility(running, bearer) == 200
    caller = running.use_cases.caller
    assert (caller.party_code, caller.key_id, caller.operator) == (
        "H001",
        key.kid,
        "win-07",
    )
    assert (caller.facility_level, caller.subdistrict) == (1, "110101001")


async def test_ed25519_party_signs_in(running: RunningEdge, database: Database) -> None:
    """A public key works like a secret."""
    own = SigningKey.generate(Role.PARTY, os.urandom)
    key = await register(database, "aud", "auditor", key=own)

    status, document = await running.sign_in(key)

    assert (status, document["party"]) == (201, "aud")


async def test_nonce_counts_once_for_all_workers(
    running: RunningEdge, database: Database
) -> None:
    """A request replayed to another worker on the same database is refused."""
    key = await register(database, "H001")
    async with running_edge(database, ControlledUseCases()) as other:
        first, _ = await running.sign_in(key, nonce="nonce-0001")
        again, document = await other.sign_in(key, nonce="nonce-0001")

    assert first == 201
    assert (again, document["code"]) == (401, "MA-3103")


@pytest.mark.parametrize("seconds", [-61, 61, 3600])
async def test_request_of_another_minute_is_refused(
    running: RunningEdge, database: Database, seconds: int
) -> None:
    """`created` lies within 60 seconds of now, either way."""
    key = await register(database, "H001")
    created = START + timedelta(seconds=seconds)

    status, document = await running.sign_in(key, created=created)

    assert (status, document["code"]) == (401, "MA-3103")


async def test_bad_signatures_are_refused(
    running: RunningEdge, database: Database
) -> None:
    """Another secret, an unknown key, a changed body, no signature at all."""
    key = await register(database, "H001")
    forged = SharedSecret(key.kid, bytes(32))
    unknown = SharedSecret.generate(os.urandom)
    body = b'{"operator":"win-03"}'
    headers = running.signed(key, "/v1/sessions", body)

    for wrong in (forged, unknown):
        status, document = await running.sign_in(wrong)
        assert (status, document["code"]) == (401, "MA-3102")
    for changed, sent in ((b'{"operator":"win-04"}', headers), (body, {})):
        status, document, answered = await running.ask(
            "POST", "/v1/sessions", changed, **sent
        )
        assert (status, document["code"]) == (401, "MA-3102")
        assert answered["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "bearer",
    [
        None,
        "",
        "Bearer",
        "Bearer " + "A" * 43,
        "Bearer " + "A" * 42,
        "Basic " + "A" * 43,
        "Bearer " + "é" * 43,
    ],
)
async def test_without_a_token_nobody_comes_in(
    running: RunningEdge, bearer: str | None
) -> None:
    """Missing, malformed and unknown tokens have one answer."""
    headers = {} if bearer is None else {"Authorization": bearer}

    status, document, _ = await running.ask("POST", "/v1/eligibility", ASK, **headers)

    assert (status, document["code"]) == (401, "MA-3101")
    assert running.use_cases.seen == []


async def test_session_ends_after_twelve_hours(
    running: RunningEdge, database: Database
) -> None:
    """Also where a worker remembers it."""
    bearer = await running.bearer(await register(database, "H001"))
    assert await eligibility(running, bearer) == 200

    running.use_cases.now.forward(hours=12)

    assert await eligibility(running, bearer) == 401


async def test_revocation_ends_sessions_on_every_worker(
    running: RunningEdge, database: Database
) -> None:
    """Within a second, although each worker remembers the session."""
    key = await register(database, "H001")
    other_key = await register(database, "H002")
    bearer = await running.bearer(key)
    other_bearer = await running.bearer(other_key)
    async with running_edge(database, ControlledUseCases()) as other:
        assert await eligibility(running, bearer) == 200
        assert await eligibility(other, bearer) == 200

        await revoke(database, key.kid, now=START)
        await ended(running, bearer, within_s=1)
        await ended(other, bearer, within_s=1)
        status, document = await other.sign_in(key)

        assert (status, document["code"]) == (401, "MA-3102")
        assert await eligibility(other, other_bearer) == 200


async def test_revocation_is_noticed_without_notification(
    database: Database, use_cases: ControlledUseCases
) -> None:
    """Polling finds a change whose notification was lost."""
    key = await register(database, "H001")
    async with running_edge(database, use_cases) as edge:
        bearer = await edge.bearer(key)
        assert await eligibility(edge, bearer) == 200
        await database.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )

        await revoke(database, key.kid, now=START)

        await ended(edge, bearer, within_s=2)


@pytest.mark.parametrize("begun", [True, False])
async def test_memory_begins_with_the_version_that_stands(
    running: RunningEdge, database: Database, *, begun: bool
) -> None:
    """The first poll forgets nothing that was looked up of that same version."""
    key = await register(database, "H001")
    bearer = await running.bearer(key)
    store = CountedPolls(database)
    sessions = Sessions(store, random=os.urandom)
    if begun:
        await sessions.begin()
    await sessions.look_up(token_hash(bearer.removeprefix("Bearer ")), START)

    forgotten = asyncio.Event()
    watch = sessions.watch(lambda: START, on_change=forgotten.set)
    async with running_beside(watch, name="access"):
        await store.polled(3)
        assert (sessions.count, forgotten.is_set()) == (int(begun), not begun)

        await revoke(database, key.kid, now=START)
        async with asyncio.timeout(10):
            await forgotten.wait()

    assert sessions.count == 0


class CountedPolls(AccessStore):
    """Counts how often the version was asked for."""

    def __init__(self, database: Database) -> None:
        """Nobody asked yet."""
        super().__init__(database)
        self._asked = 0
        self._more = asyncio.Condition()

    async def version(self) -> int:
        """The version, and one more asked for it."""
        version = await super().version()
        async with self._more:
            self._asked += 1
            self._more.notify_all()
        return version

    async def polled(self, times: int) -> None:
        """Wait until it was asked for so often."""
        async with asyncio.timeout(10), self._more:
            await self._more.wait_for(lambda: self._asked >= times)


async def test_tokens_and_secrets_are_not_in_the_database(
    running: RunningEdge, database: Database
) -> None:
    """Who reads the tables can neither call nor sign."""
    key = await register(database, "H001")
    assert isinstance(key, SharedSecret)
    bearer = await running.bearer(key)

    rows = await database.pool.fetch(
        "SELECT s.token_hash, k.sealed_secret FROM session s JOIN party_key k"
        " USING (key_id)"
    )

    stored = b"".join(rows[0])
    assert bearer.removeprefix("Bearer ").encode() not in stored
    assert key.secret_bytes() not in stored


@pytest.mark.parametrize("role", ["bureau", "officer", "auditor"])
async def test_only_facilities_settle(
    running: RunningEdge, database: Database, role: str
) -> None:
    """Eligibility, quotes, settlements and reversals are a facility's alone."""
    bearer = await running.bearer(await register(database, "other", role))
    reversal = b'{"settlement_id":"s-1","reason":"refund"}'

    for path, body in (
        ("/v1/eligibility", ASK),
        ("/v1/quotes", bill()),
        ("/v1/settlements", bill()),
        ("/v1/reversals", reversal),
    ):
        status, document, _ = await running.ask(
            "POST", path, body, Authorization=bearer, Idempotency_Key="k-1"
        )
        assert (status, document["code"]) == (403, "MA-3104")
    status, _, _ = await running.ask("GET", "/v1/settlements/s-1", Authorization=bearer)
    assert status == 200
    assert [call[0] for call in running.use_cases.seen] == ["by_id"]


async def settle(
    edge: RunningEdge, bearer: str, headers: dict[str, str]
) -> tuple[int, str]:
    """Status and code of a settle request."""
    status, document, _ = await edge.ask(
        "POST", "/v1/settlements", bill(), Authorization=bearer, **headers
    )
    return status, document.get("code", "")


async def test_facility_set_to_sign_must_sign_each_settlement(
    running: RunningEdge, database: Database
) -> None:
    """Signed by the session's key, over the idempotency key, each nonce once."""
    key = await register(database, "H001", must_sign=True)
    other = await register(database, "H002")
    bearer = await running.bearer(key)
    path = "/v1/settlements"
    good = running.signed(key, path, bill(), idempotency_key="k-1")
    without_key = running.signed(key, path, bill()) | {"Idempotency-Key": "k-1"}
    foreign = running.signed(other, path, bill(), idempotency_key="k-1")

    assert await settle(running, bearer, {"Idempotency_Key": "k-1"}) == (401, "MA-3102")
    assert await settle(running, bearer, without_key) == (401, "MA-3102")
    assert await settle(running, bearer, foreign) == (401, "MA-3102")
    assert await settle(running, bearer, good | {"idempotency-key": "k-2"}) == (
        401,
        "MA-3102",
    )
    assert running.use_cases.seen == []
    assert await settle(running, bearer, good) == (200, "")
    assert await settle(running, bearer, good) == (401, "MA-3103")


async def test_old_nonces_and_sessions_are_forgotten(
    running: RunningEdge, database: Database
) -> None:
    """What can never be accepted again does not fill the tables."""
    await running.bearer(await register(database, "H001"))
    store = AccessStore(database)

    await store.prune(nonces_before=START, sessions_before=START)
    kept = await database.pool.fetchrow(
        "SELECT (SELECT count(*) FROM nonce), (SELECT count(*) FROM session)"
    )
    later = START + timedelta(hours=13)
    await store.prune(nonces_before=later, sessions_before=later)
    gone = await database.pool.fetchrow(
        "SELECT (SELECT count(*) FROM nonce), (SELECT count(*) FROM session)"
    )

    assert (tuple(kept or ()), tuple(gone or ())) == ((1, 1), (0, 0))
