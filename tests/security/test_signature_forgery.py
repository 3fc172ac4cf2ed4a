"""A hospital that must sign each settlement: what a thief of its token can still do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from crypto.encoding import b64
from crypto.http_signature import content_digest
from crypto.keys import Role, SharedSecret, SigningKey
from settlement.store.access import AccessStore
from settlement.store.database import Database
from tests.gateway.bodies import bill
from tests.gateway.desk import (
    START,
    ControlledUseCases,
    Key,
    RunningEdge,
    register,
    running_edge,
)

PATH = "/v1/settlements"
#: y = 0 and y = 1 (order 4 and 1) and the point of order 2, as encoded.
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
]
Headers = dict[str, str]


def party_key(alg: str) -> SigningKey | None:
    """A key pair of the party's own, or `None` where the gateway makes a secret."""
    if alg == "ed25519":
        return SigningKey.generate(Role.PARTY, os.urandom)
    return None


def changed(name: str, old: str, new: str) -> Callable[[Headers], Headers]:
    """Replace a piece of one header."""

    def change(headers: Headers) -> Headers:
        assert old in headers[name], headers[name]
        return headers | {name: headers[name].replace(old, new)}

    return change


def without(name: str) -> Callable[[Headers], Headers]:
    """Leave one header out."""
    return lambda headers: {k: v for k, v in headers.items() if k != name}


def added(**more: str) -> Callable[[Headers], Headers]:
    """Add headers, or replace them."""
    return lambda headers: headers | {k.replace("_", "-"): v for k, v in more.items()}


_INPUT = "Signature-Input"
#: What is done to a sound signed settlement, by what it is called.
ALTERED: dict[str, Callable[[Headers], Headers]] = {
    "another idempotency key": added(**{"idempotency-key": "k-2"}),
    "no signature": without("Signature"),
    "no input": without(_INPUT),
    "no digest": without("Content-Digest"),
    "digest of another body": added(**{"Content-Digest": content_digest(b"{}")}),
    "digest by another hash": changed("Content-Digest", "sha-256", "sha-512"),
    "another authority": added(Host="elsewhere.example"),
    "another content type": added(Content_Type="application/json;charset=utf-8"),
    "component left out": changed(_INPUT, ' "content-digest"', ""),
    "key left out": changed(_INPUT, ' "idempotency-key"', ""),
    "component twice": changed(_INPUT, '"@path"', '"@path" "@path"'),
    "unknown component": changed(_INPUT, '"@path"', '"@path" "x-y"'),
    "component of the answer": changed(_INPUT, '"@path"', '"@path";req'),
    "later": changed(_INPUT, "created=17", "created=18"),
    "another nonce": changed(_INPUT, 'nonce="', 'nonce="0'),
    "another tag": changed(_INPUT, 'tag="medaid"', 'tag="other"'),
    "no tag": changed(_INPUT, ';tag="medaid"', ""),
    "unknown parameter": changed(_INPUT, ";tag=", ";expires=1;tag="),
    "alg of the other kind": changed(_INPUT, ";tag=", ';alg="ed25519-or-hmac";tag='),
    "alg none": changed(_INPUT, ";tag=", ';alg="none";tag='),
    "unknown alg": changed(_INPUT, ";tag=", ';alg="rsa-pss-sha512";tag='),
    "another label": lambda headers: (
        changed(_INPUT, "sig1=", "sig2=")(headers)
        | changed("Signature", "sig1=", "sig2=")(headers)
    ),
    "two signatures": lambda headers: (
        headers | {"Signature": headers["Signature"] + ", " + headers["Signature"]}
    ),
    "empty signature": added(Signature="sig1=::"),
    "signature of zeros": added(Signature=f"sig1=:{b64(bytes(64))}:"),
    "short signature": added(Signature=f"sig1=:{b64(bytes(31))}:"),
}


async def signing_hospital(
    edge: RunningEdge, database: Database, alg: str
) -> tuple[Key, str]:
    """A hospital that must sign, and the token of its session."""
    key = await register(database, "H001", must_sign=True, key=party_key(alg))
    return key, await edge.bearer(key)


async def settle(
    edge: RunningEdge, bearer: str, headers: Headers, body: bytes | None = None
) -> tuple[int, str]:
    """Status and code of a settlement with exactly these headers."""
    status, document, _ = await edge.ask(
        "POST", PATH, bill() if body is None else body, Authorization=bearer, **headers
    )
    return status, document.get("code", "")


@pytest.mark.parametrize("alg", ["hmac-sha256", "ed25519"])
async def test_no_alteration_passes(database: Database, alg: str) -> None:
    """Each piece is covered; what is refused uses no nonce up; the sound one passes."""
    use_cases = ControlledUseCases()
    async with running_edge(database, use_cases) as edge:
        key, bearer = await signing_hospital(edge, database, alg)
        sound = edge.signed(key, PATH, bill(), idempotency_key="k-1")
        for name, alter in ALTERED.items():
            refused = await settle(edge, bearer, alter(sound))
            assert refused == (401, "MA-3102"), name
        assert await settle(edge, bearer, sound, bill(total_fen=25_001)) == (
            401,
            "MA-3102",
        )
        assert use_cases.seen == []
        assert await settle(edge, bearer, sound) == (200, "")


async def test_same_signature_settles_once(database: Database) -> None:
    """Also for a reversal, and at a second worker."""
    async with running_edge(database, ControlledUseCases()) as edge:
        key, bearer = await signing_hospital(edge, database, "ed25519")
        sound = edge.signed(key, PATH, bill(), idempotency_key="k-1")
        assert await settle(edge, bearer, sound) == (200, "")
        async with running_edge(database, ControlledUseCases()) as other:
            moved = sound | {"Host": edge.authority}
            assert await settle(other, bearer, moved) == (401, "MA-3103")
        order = (
            b'{"settlement_id":"00000000000000000000000000000000","reason":"refund"}'
        )
        path = "/v1/reversals"
        signed = edge.signed(key, path, order, idempotency_key="k-1")
        statuses = [
            (await edge.ask("POST", path, order, Authorization=bearer, **signed))[0]
            for _ in range(2)
        ]

    assert statuses == [200, 401]


async def test_signature_of_settling_reverses_nothing(database: Database) -> None:
    """A signature is for one address: it cannot be carried to another call."""
    use_cases = ControlledUseCases()
    async with running_edge(database, use_cases) as edge:
        key, bearer = await signing_hospital(edge, database, "hmac-sha256")
        order = (
            b'{"settlement_id":"00000000000000000000000000000000","reason":"refund"}'
        )
        signed = edge.signed(key, PATH, order, idempotency_key="k-1")
        status, _, _ = await edge.ask(
            "POST", "/v1/reversals", order, Authorization=bearer, **signed
        )

    assert status == 401
    assert use_cases.seen == []


async def test_own_signature_on_anothers_session(database: Database) -> None:
    """A second key of the same hospital does not sign for the first one's session."""
    async with running_edge(database, ControlledUseCases()) as edge:
        _, bearer = await signing_hospital(edge, database, "hmac-sha256")
        second = await register(database, "H001", must_sign=True)
        stranger = await register(database, "H002")
        for key in (second, stranger):
            signed = edge.signed(key, PATH, bill(), idempotency_key="k-1")
            assert await settle(edge, bearer, signed) == (401, "MA-3102")


async def test_public_key_is_no_shared_secret(database: Database) -> None:
    """Whoever knows the public key cannot sign with it as if it were a secret."""
    own = SigningKey.generate(Role.PARTY, os.urandom)
    async with running_edge(database, ControlledUseCases()) as edge:
        await register(database, "H001", key=own)
        forged = SharedSecret(own.kid, own.public.public_bytes)
        assert (await edge.sign_in(forged))[0] == 401
        assert (await edge.sign_in(own))[0] == 201


@pytest.mark.parametrize("public", SMALL_ORDER, ids=lambda each: each.hex()[:8])
async def test_weak_key_written_into_the_table_opens_nothing(
    database: Database, public: bytes
) -> None:
    """A database administrator cannot plant a key that accepts any signature."""
    own = SigningKey.generate(Role.PARTY, os.urandom)
    async with running_edge(database, ControlledUseCases()) as edge:
        await register(database, "H001", key=own)
        await database.pool.execute("UPDATE party_key SET public_key = $1", public)
        status, problem = await edge.sign_in(own)

    assert (status, problem["code"]) == (401, "MA-3102")


async def test_key_moved_to_another_party_opens_nothing(database: Database) -> None:
    """A sealed secret is bound to its key id; another row's does not open."""
    async with running_edge(database, ControlledUseCases()) as edge:
        own = await register(database, "H001")
        other = await register(database, "H002")
        await database.pool.execute(
            "UPDATE party_key SET sealed_secret ="
            " (SELECT sealed_secret FROM party_key WHERE key_id = $1)"
            " WHERE key_id = $2",
            own.kid,
            other.kid,
        )
        status, problem = await edge.sign_in(other)

    assert (status, problem["code"]) == (503, "MA-5104")


async def test_key_that_is_not_valid_yet(database: Database) -> None:
    """`not_before` lies after the worker's clock."""
    async with running_edge(database, ControlledUseCases()) as edge:
        key = await register(database, "H001")
        edge.use_cases.now.forward(hours=-1)
        status, problem = await edge.sign_in(key)

    assert (status, problem["code"]) == (401, "MA-3102")


async def test_a_clock_that_runs_ahead_forgets_no_nonce(database: Database) -> None:
    """Nonces are forgotten by the database's clock too, for the others' sake."""
    async with running_edge(database, ControlledUseCases()) as edge:
        key = await register(database, "H001")
        assert (await edge.sign_in(key, nonce="nonce-0001"))[0] == 201
        await database.pool.execute("UPDATE nonce SET seen_at = now()")
        far = START.replace(year=2100)
        await AccessStore(database).prune(nonces_before=far, sessions_before=START)
        again, problem = await edge.sign_in(key, nonce="nonce-0001")

    assert (again, problem["code"]) == (401, "MA-3103")
