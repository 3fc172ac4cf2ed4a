"""Hostile bodies in the national envelope: an envelope back, and nothing stored."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from gateway.calls import HIS_CALLS
from gateway.his.desk import HisDesk
from gateway.his.transactions import TRANSACTIONS
from settlement.domain.reasons import REASONS
from tests.fuzz import inputs
from tests.fuzz.hostile_bodies import CARD_NUMBER, LARGE_BODIES, WHOLE
from tests.fuzz.hostile_values import CANARY, OTHER_RESIDENT_ID, REFUSED
from tests.fuzz.mutation import TOKENS, mutated
from tests.fuzz.oracle import Got, assert_nothing_echoed
from tests.fuzz.target import Target
from tests.his.desk import BelievingDoor, charge, dumped, envelope, shelf_of
from tests.settlement.house import assert_books_clean

#: Every address that speaks it, each of its habits once.
_ADDRESSES = tuple(call.path.replace("{path}", "x/y") for call in HIS_CALLS)
_VALUES = tuple(dict.fromkeys(value for kind in REFUSED.values() for value in kind))
_NUMBERS = sorted(TRANSACTIONS)
_HOLE = "hole-that-is-filled"


def _sound(infno: str) -> dict[str, Any]:
    """An envelope with everything that any transaction reads; no name is in it."""
    given = charge(CARD_NUMBER)
    given["setlinfo"]["psn_name"] = "x"
    given["data"] |= {
        "setl_id": "x", "omsgid": "x", "oinfno": "2207", "begndate": "2026-01-05",
        "enddate": "2026-01-05", "type": "fund_pay_type", "setl_ym": "202601",
    }  # fmt: skip
    given["signIn"] = {"opter_no": "w1", "mac": "x", "ip": "127.0.0.1"}
    given["signOut"] = {"sign_no": "x", "opter_no": "w1"}
    return envelope(infno, given)


def _places(body: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every member of the body, at any depth."""
    inner = body.items() if isinstance(body, dict) else enumerate(body)
    for name, value in inner:
        yield (*above, name)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, name))


def _with(body: dict[str, Any], place: tuple[Any, ...], value: bytes) -> bytes:
    """The body with these bytes at this place, whatever they are."""
    *above, name = place
    node: Any = body
    for step in above:
        node = node[step]
    node[name] = _HOLE
    return dumped(body).encode().replace(f'"{_HOLE}"'.encode(), value, 1)


def _raw(rng: random.Random) -> bytes:
    """A sound envelope in which something is not."""
    body = _sound(rng.choice(_NUMBERS))
    what = rng.random()
    if what < 0.6:
        place = rng.choice(list(_places(body)))
        return _with(body, place, rng.choice(_VALUES))
    sound = dumped(body).encode()
    if what < 0.8:
        return WHOLE[rng.choice(list(WHOLE))](sound, rng)
    return mutated([sound], TOKENS, rng)


def _check(got: Got) -> int:
    """HTTP 200 with an envelope, or a 4xx; what is refused shows nothing of it."""
    assert got.status < 500
    if got.status >= 400:
        assert_nothing_echoed(got.body.decode())
        assert got.document["code"] in REASONS
        return -2
    assert got.status == 200
    told = got.document
    infcode = int(told["infcode"])
    assert infcode in {0, -1, -2}
    assert len(told["err_msg"]) <= 200
    if infcode == 0:
        # Gives back what the platform has said, verbatim.
        return 0
    code = told["err_msg"][1:8]
    assert code in REASONS
    # Nothing passes here, so nothing is to be tried again.
    assert infcode == -2, told["err_msg"]
    assert_nothing_echoed(told["err_msg"])
    return -2


async def _send(target: Target, address: str, raw: bytes) -> None:
    before = await target.stored()
    got = await target.ask("POST", address, raw, Authorization=None)
    if _check(got) != 0:
        assert await target.stored() == before, "a refusal left something behind"


@pytest.fixture(scope="module")
def his(target: Target) -> Target:
    """The target, with the envelope's desk open to everybody."""
    target.edge.edge.his = HisDesk(BelievingDoor(), shelf_of(target.edge.edge.gateway))
    return target


def test_hostile_envelope_is_answered_as_one(his: Target) -> None:
    """No 5xx, no hang, nothing stored, nothing logged, whatever was sent where."""

    @settings(
        max_examples=inputs.wanted("envelopes over HTTP"),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(st.sampled_from(_ADDRESSES), st.randoms(use_true_random=False))
    def attack(address: str, rng: random.Random) -> None:
        inputs.taken["envelopes over HTTP"] += 1
        raw = _raw(random.Random(rng.getrandbits(64)))
        note(f"{address} {raw[:2_000]!r}")
        his.run(_send(his, address, raw))

    attack()
    his.run(assert_books_clean(his.house))
    inputs.report("envelopes over HTTP")


@pytest.mark.parametrize("what", LARGE_BODIES)
def test_large_envelope_is_refused_unread(his: Target, what: str) -> None:
    """10 MB, or 200,000 deep: MA-1105 before anybody parses it."""
    got = his.run(his.ask("POST", "/his", LARGE_BODIES[what](), Authorization=None))

    assert (got.status, got.document["infcode"]) == (200, -2)
    assert got.document["err_msg"].startswith("[MA-1105]")


@pytest.mark.parametrize("address", _ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_address_of_the_envelope_takes_posts_alone(
    his: Target, address: str, method: str
) -> None:
    """Nothing is looked up by an address, and nothing is done by opening one."""
    code, _ = his.run(his.refused(method, address))

    assert code == "MA-4106"


def test_what_the_envelope_hides_is_not_counted_by_name(his: Target) -> None:
    """Labels are numbers of transactions that there are, or `unknown`."""
    body = _sound("2207") | {"infno": CANARY, "msgid": OTHER_RESIDENT_ID}
    got = his.run(
        his.ask("POST", f"/his/{CANARY}", json.dumps(body).encode(), Authorization=None)
    )

    assert _check(got) == -2
    assert_nothing_echoed(his.edge.edge.metrics.exposition().decode())
