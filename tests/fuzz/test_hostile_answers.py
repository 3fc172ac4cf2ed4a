"""Hostile requests over HTTP: each is answered with a problem, and leaves nothing."""

import asyncio
import itertools
import json
import random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.fuzz import inputs
from tests.fuzz.hostile_bodies import (
    BILL,
    CARD_NUMBER,
    LARGE_BODIES,
    QUOTE,
    SESSION,
    SHAPES,
    Hostile,
    Shape,
    bodies,
    every_refused_value,
    members_of,
    rendered,
)
from tests.fuzz.hostile_requests import (
    SIGNATURE_CHANGES,
    addresses,
    headers,
    signed_headers,
)
from tests.fuzz.oracle import (
    assert_nothing_echoed,
    check_answer,
    check_decision,
    check_names_the_field,
    paths_of,
)
from tests.fuzz.target import Target
from tests.settlement.house import assert_books_clean

_keys = itertools.count(1)
_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large,
          HealthCheck.large_base_example, HealthCheck.filter_too_much)  # fmt: skip


def _many(test: str) -> settings:
    """So many examples, however long they take together."""
    return settings(
        max_examples=inputs.wanted(test),
        deadline=None,
        suppress_health_check=_QUIET,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )


def _key() -> bytes:
    return b"fz-key-%d" % next(_keys)


async def _send(target: Target, sent: Hostile) -> None:
    key = _key()
    if sent.shape is SESSION:
        headers = signed_headers(target.edge, target.key, sent.raw)
        if not sent.refused:
            path = SESSION.path
            got = await target.ask("POST", path, sent.raw, english=False, **headers)
            check_answer(got, english=False)
            return
        _, got = await target.refused("POST", SESSION.path, sent.raw, **headers)
        check_names_the_field(sent, paths_of(got))
        return
    if sent.refused:
        code, got = await target.refused(
            "POST", sent.shape.path, sent.raw, Idempotency_Key=key
        )
        if code == "MA-1105":
            assert paths_of(got) == ["$"]
        else:
            check_names_the_field(sent, paths_of(got))
        return
    await _may_pass(target, sent, key)


async def _may_pass(target: Target, sent: Hostile, key: bytes) -> None:
    """Refused like the others, or answered soundly and the same way twice."""
    before = await target.stored()
    got = await target.ask("POST", sent.shape.path, sent.raw, Idempotency_Key=key)
    if check_answer(got, english=False) != "ok":
        assert await target.stored() == before
        return
    if sent.shape in {BILL, QUOTE}:
        check_decision(got.document, json.loads(sent.raw))
    if sent.shape is BILL:
        again = await target.ask("POST", sent.shape.path, sent.raw, Idempotency_Key=key)
        assert (again.status, again.body) == (got.status, got.body)
        assert again.headers["idempotent-replayed"] == "true"


def test_hostile_body_is_answered_with_its_field(target: Target) -> None:
    """No 5xx, no hang, nothing stored, nothing echoed; code, path and next step."""

    @_many("bodies over HTTP")
    @given(bodies(*(shape for shape in SHAPES if shape is not SESSION)))
    def attack(sent: Hostile) -> None:
        inputs.taken["bodies over HTTP"] += 1
        note(f"{sent.shape.path} {sent.changes} {sent.raw[:2_000]!r}")
        target.run(_send(target, sent))

    attack()
    target.run(assert_books_clean(target.house))
    inputs.report("bodies over HTTP")


def test_every_refused_value_is_answered_with_its_field(target: Target) -> None:
    """The closed lists from end to end, nothing left to chance."""
    for shape in SHAPES:
        for sent in every_refused_value(shape):
            inputs.taken["values over HTTP"] += 1
            target.run(_send(target, sent))

    inputs.report("values over HTTP")


def test_hostile_signed_body_opens_no_session(target: Target) -> None:
    """The signature holds, the body does not: no session, and the nonce is not used."""

    @_many("signatures over HTTP")
    @given(bodies(SESSION), st.sampled_from([None, *SIGNATURE_CHANGES]), st.randoms())
    def attack(sent: Hostile, what: str | None, rng: random.Random) -> None:
        inputs.taken["signatures over HTTP"] += 1
        if what is None:
            target.run(_send(target, sent))
            return
        sound = rendered(members_of(SESSION.sound()))
        headers = signed_headers(target.edge, target.key, sound)
        SIGNATURE_CHANGES[what](headers, rng)
        code, _ = target.run(
            target.refused("POST", SESSION.path, sound, Authorization=None, **headers)
        )
        assert code in {"MA-3102", "MA-3103", "MA-1106", "MA-1107"}, what

    attack()
    inputs.report("signatures over HTTP")


def test_hostile_header_is_refused(target: Target) -> None:
    """A header that cannot be meant is named; what it said does not come back."""

    @_many("headers over HTTP")
    @given(headers(), st.sampled_from([BILL, QUOTE]))
    def attack(case: tuple[str, bytes | None, str], shape: Shape) -> None:
        inputs.taken["headers over HTTP"] += 1
        name, value, code = case
        call = BILL if name == "Idempotency_Key" else shape
        sent = {"Idempotency_Key": _key(), name: value}
        body = rendered(members_of(call.sound()))
        found, got = target.run(target.refused("POST", call.path, body, **sent))
        if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in value or b""):
            assert found == "MA-1107", (name, value)
            return
        assert found == code, (name, value)
        if code != "MA-3101":
            assert paths_of(got) == [name.replace("_", "-")]

    attack()
    inputs.report("headers over HTTP")


def test_hostile_address_is_refused(target: Target) -> None:
    """Paths and queries that name nothing: 404, 405 or 422, in both languages."""

    @_many("addresses over HTTP")
    @given(addresses())
    def attack(case: tuple[str, str]) -> None:
        inputs.taken["addresses over HTTP"] += 1
        method, address = case
        code, _ = target.run(target.refused(method, address))
        assert code in {
            "MA-1102",
            "MA-1107",
            "MA-4101",
            "MA-4105",
            "MA-4106",
            "MA-1109",
        }, case

    attack()
    inputs.report("addresses over HTTP")


@pytest.mark.parametrize("what", LARGE_BODIES)
@pytest.mark.parametrize("shape", [BILL, SESSION], ids=lambda shape: shape.path)
def test_large_body_is_refused_unread(target: Target, what: str, shape: Shape) -> None:
    """10 MB, or 200,000 deep: refused for its size before anybody parses it."""
    body = LARGE_BODIES[what]()

    code, _ = target.run(
        target.refused("POST", shape.path, body, Idempotency_Key=_key())
    )

    assert code == "MA-1105"


def test_body_that_comes_after_its_head_is_no_head(target: Target) -> None:
    """What ends a body is not counted as the head of a request to come."""
    body = b" " * 60_000

    async def two_pieces() -> list[int]:
        host, _, port = target.edge.authority.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        statuses = []
        for _ in range(2):
            head = (
                f"POST {BILL.path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
                "Content-Type: application/json\r\nIdempotency-Key: k\r\n"
                f"Authorization: {target.bearer.decode()}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode())
            await asyncio.sleep(0.05)
            writer.write(body)
            answer = await reader.readuntil(b"\r\n\r\n")
            statuses.append(int(answer.split(b" ")[1]))
            length = answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()
        return statuses

    assert target.run(two_pieces()) == [400, 400]


def test_metrics_of_the_attack_hold_nothing_of_it(target: Target) -> None:
    """Labels are names of calls and codes, never what was sent."""
    target.run(
        target.refused("POST", BILL.path, CARD_NUMBER.encode(), Idempotency_Key=_key())
    )

    assert_nothing_echoed(target.edge.edge.metrics.exposition().decode())


def test_floor_of_all_inputs() -> None:
    """The tests of this folder take 20,000 inputs and more, each at least its own."""
    assert sum(inputs.CI.values()) >= inputs.CI_FLOOR
