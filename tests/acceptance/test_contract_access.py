"""Who may ask: sessions by signature, tokens, roles, and the end of a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import orjson
import pytest

from crypto.keys import SharedSecret, SigningKey
from tests.acceptance.conftest import Running
from tests.acceptance.desk import Answer, Desk, bill, card, new_name
from tests.acceptance.sandbox import Sandbox
from tests.acceptance.shapes import INSTANT, PROBLEM, assert_fits

#: Method, path and whether the call takes a body, of all that need a token.
PROTECTED = [
    ("POST", "/v1/eligibility"),
    ("POST", "/v1/quotes"),
    ("POST", "/v1/settlements"),
    ("GET", f"/v1/settlements/{'0' * 32}"),
    ("GET", "/v1/settlements?idempotency_key=k"),
    ("GET", "/v1/settlements?visit_no=v"),
    ("POST", "/v1/settlements/search"),
    ("POST", "/v1/reversals"),
    ("POST", "/v1/statistics"),
    ("POST", "/v1/reconciliation/totals"),
    ("POST", "/v1/reconciliation/2026-01/list"),
    ("GET", "/v1/reconciliation/2026-01"),
    ("GET", "/v1/reconciliation/2026-01/differences"),
    ("GET", "/v1/reconciliation/2026-01/statement"),
    ("GET", "/v1/alerts"),
    ("GET", "/v1/alerts/stream"),
    ("GET", f"/v1/alerts/{'0' * 32}"),
    ("GET", "/v1/alert-cases"),
    ("GET", f"/v1/alert-cases/{'0' * 32}"),
    ("POST", f"/v1/alert-cases/{'0' * 32}/assign"),
    ("POST", f"/v1/alert-cases/{'0' * 32}/confirm"),
    ("POST", f"/v1/alert-cases/{'0' * 32}/dismiss"),
    ("GET", f"/v1/settlements/{'0' * 32}/record"),
    ("GET", f"/v1/settlements/{'0' * 32}/proof"),
]
PUBLIC = [
    "/healthz",
    "/readyz",
    "/v1/keys",
    "/v1/log/checkpoint",
    "/openapi.json",
    "/docs",
]


def refused(answer: Answer, code: str, status: int = 401) -> None:
    """An answer that has to be this refusal."""
    assert (answer.status, answer.code) == (status, code), answer.body
    assert_fits(answer.json(), PROBLEM)


@pytest.mark.parametrize("code", ["H001", "H004", "B001"])
async def test_session(desk_of: Callable[[str], Desk], code: str) -> None:
    """A signed request opens a session, by shared secret or by key pair."""
    desk = desk_of(code)

    answer = await desk.send(desk.signed_session())

    document = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json")
    assert_fits(document, {"token": str, "party": str, "expires_at": INSTANT})
    assert document["party"] == code
    expires = datetime.fromisoformat(document["expires_at"])
    assert timedelta() < expires - datetime.now(UTC) <= timedelta(hours=12)


async def test_keys_are_of_the_kinds_that_were_asked_for(sandbox: Sandbox) -> None:
    """HMAC unless the operator says ed25519."""
    assert isinstance(sandbox.keys["H001"], SharedSecret)
    assert isinstance(sandbox.keys["H004"], SigningKey)


async def test_nonce_counts_once(desk: Desk, running: Running) -> None:
    """A copied request opens nothing, on whichever worker it arrives."""
    call = desk.signed_session()
    assert (await desk.send(call)).status == 201

    for _ in range(6):
        async with aiohttp.ClientSession() as http:
            other = Desk(http, running.gateway.url, desk.key)
            refused(await other.send(call), "MA-3103")


async def test_nonce_at_the_same_instant(desk: Desk) -> None:
    """Of eight copies at once one is accepted."""
    call = desk.signed_session()

    answers = await asyncio.gather(*(desk.send(call) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [201] + [401] * 7


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_clock_window(desk: Desk, seconds: int) -> None:
    """60 seconds either way, and not more."""
    within = await desk.send(
        desk.signed_session(created=int(time.time()) + seconds // 3)
    )
    outside = await desk.send(desk.signed_session(created=int(time.time()) + seconds))

    assert within.status == 201
    assert outside.status == 401
    assert_fits(outside.json(), PROBLEM)


async def test_what_is_signed_cannot_be_changed(desk: Desk) -> None:
    """Body, digest, authority, path, key id and parameters are all covered."""
    call = desk.signed_session()
    body = orjson.dumps({"operator": "win-99"})
    signed_input = call.headers["Signature-Input"]

    tampered = [
        await desk.raw("POST", call.path, body, call.headers),
        await desk.send(call, Host="elsewhere.example"),
        await desk.send(call, Signature="sig1=:AAAA:"),
        await desk.send(
            call, **{"Signature-Input": signed_input.replace('tag="medaid"', 'tag="x"')}
        ),
        await desk.send(
            call, **{"Signature-Input": signed_input.replace(' "content-digest"', "")}
        ),
        await desk.send(
            call,
            **{"Signature-Input": signed_input.replace(desk.key.kid, "pt-unknown")},
        ),
    ]

    assert [answer.status for answer in tampered] == [401] * len(tampered)
    # None of them has used the nonce up.
    assert (await desk.send(call)).status == 201


@pytest.mark.parametrize("header", ["Signature", "Signature-Input", "Content-Digest"])
async def test_unsigned_session(desk: Desk, header: str) -> None:
    """Each part of the signature has to be there."""
    call = desk.signed_session()
    headers = {k: v for k, v in call.headers.items() if k != header}

    refused(await desk.raw("POST", call.path, call.body, headers), "MA-3102")


async def test_signature_of_another_call(desk: Desk) -> None:
    """A signature for one address opens nothing at another."""
    call = desk.signed("/v1/settlements", orjson.dumps({"operator": "win-1"}))

    refused(await desk.raw("POST", "/v1/sessions", call.body, call.headers), "MA-3102")


@pytest.mark.parametrize("operator", ["", "x" * 33, "王收费员", "win 1", None, 3])
async def test_operator_is_an_opaque_id(desk: Desk, operator: object) -> None:
    """1 to 32 of letters, digits and . _ - and no name."""
    body = orjson.dumps({"operator": operator})

    answer = await desk.send(desk.signed_session(body))

    assert answer.status == 422
    assert answer.json()["fields"][0]["path"] == "operator"


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer ", "Bearer " + "A" * 43, "Basic dTpw", "A" * 43]
)
async def test_without_token(
    desk: Desk, method: str, path: str, authorization: str | None
) -> None:
    """401 before anything else is looked at."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    if authorization is not None:
        headers["Authorization"] = authorization
    body = b"{}" if method == "POST" else None

    answer = await desk.raw(method, path, body, headers)

    refused(answer, "MA-3101")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_calls_need_no_token(desk: Desk, path: str) -> None:
    """And are not disturbed by a wrong one."""
    plain = await desk.raw("GET", path)
    wrong = await desk.raw("GET", path, None, {"Authorization": "Bearer x"})

    assert (plain.status, wrong.status) == (200, 200)


async def test_bureau_may_not_settle(bureau: Desk, sandbox: Sandbox) -> None:
    """Only a hospital asks, quotes, settles and reverses."""
    person = sandbox.dibao()
    order = {"settlement_id": "0" * 32, "reason": "refund"}

    refused(await bureau.settle(new_name(), bill(person)), "MA-3104", 403)
    refused(await bureau.reverse(new_name(), order), "MA-3104", 403)
    refused(await bureau.quote(bill(person)), "MA-3104", 403)
    refused(await bureau.eligibility(person), "MA-3104", 403)


async def test_bureau_sees_every_facility(
    bureau: Desk, desk: Desk, desk_of: Callable[[str], Desk], sandbox: Sandbox
) -> None:
    """By person, over all hospitals."""
    person = sandbox.dibao()
    ids = {
        (await each.settle(new_name(), bill(person))).json()["settlement_id"]
        for each in (desk, desk_of("H002"))
    }

    wanted = {"card": card(person)}
    found = await bureau.ask("POST", "/v1/settlements/search", wanted, at=None)

    assert {item["settlement_id"] for item in found.json()["items"]} == ids


async def test_facility_that_must_sign(
    desk_of: Callable[[str], Desk], sandbox: Sandbox
) -> None:
    """Its settlements carry a signature that covers the idempotency key."""
    desk, key = desk_of("H003"), new_name()
    sent = orjson.dumps(bill(sandbox.dibao()))
    authorised = {
        "Authorization": f"Bearer {await desk.token()}",
        "Medaid-Sandbox-Time": "2026-01-05T02:14:09Z",
    }
    path = "/v1/settlements"
    signed = desk.signed(path, sent, key=key)
    key_not_covered = desk.signed(path, sent)
    other_key = {"idempotency-key": new_name()}

    refused(await desk.settle(key, sent), "MA-3102")
    refused(
        await desk.send(key_not_covered, **authorised | {"idempotency-key": key}),
        "MA-3102",
    )
    refused(await desk.send(signed, **authorised | other_key), "MA-3102")
    answer = await desk.send(signed, **authorised)
    refused(await desk.send(signed, **authorised), "MA-3103")
    again = await desk.send(desk.signed(path, sent, key=key), **authorised)

    assert (answer.status, answer.json()["decision"]) == (201, "approved")
    assert (again.replayed, again.body) == (True, answer.body)


async def test_revoked_key_ends_its_sessions(
    running: Running, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """On every worker, and it opens no more; the facility's other key goes on."""
    await asyncio.to_thread(sandbox.add_party, "H009")
    first = sandbox.keys["H009"]
    (sandbox.data_dir.parent / "H009.key.json").unlink()
    await asyncio.to_thread(sandbox.add_party, "H009")
    url = running.gateway.url
    old, new = Desk(http, url, first), Desk(http, url, sandbox.keys["H009"])
    path = "/v1/settlements?visit_no=v"
    assert (await old.get(path)).status == 200

    await asyncio.to_thread(sandbox.command, "party", "revoke-key", first.kid)

    for _ in range(8):
        async with asyncio.timeout(20), aiohttp.ClientSession() as fresh:
            desk = Desk(fresh, url, first, old.tokens)
            while (await desk.get(path)).status != 401:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.02)
    refused(await old.get(path), "MA-3101")
    refused(await old.send(old.signed_session()), "MA-3102")
    assert (await new.get(path)).status == 200
