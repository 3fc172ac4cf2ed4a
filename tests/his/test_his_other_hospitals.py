"""What one hospital holds opens nothing of another's, and uses up nothing of it."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from crypto.keys import SharedSecret
from gateway.limits import Allowance, Allowances, CallClass, Limits, Rate
from settlement.service.parties import NewParty, register_with_secret
from tests.his.desk import dumped, envelope
from tests.his.doors import INSTITUTION, SEALING_KEY, GuardedRoom

OTHER_PARTY, OTHER_INSTITUTION = "HIS-H02", "H99010000002"
_DICTIONARY = {"data": {"type": "PSN_IDET_TYPE"}}
_UNDOING = {"data": {"psn_no": "1", "omsgid": "never-came", "oinfno": "2207"}}
_SIGNING_IN = {"signIn": {"opter_no": "win-03", "mac": "", "ip": ""}}


@pytest.fixture
async def other_key(guarded: GuardedRoom) -> SharedSecret:
    """Of a second hospital, which is registered as the first is."""
    key = SharedSecret.generate(os.urandom)
    await register_with_secret(
        guarded.house.database,
        NewParty(code=OTHER_PARTY, role="facility", name=OTHER_PARTY, level=1),
        key,
        sealing_key=SEALING_KEY,
        random=os.urandom,
        now=guarded.house.gateway.now() - timedelta(minutes=1),
    )
    return key


async def test_session_of_another_hospital_opens_nothing(
    guarded: GuardedRoom, other_key: SharedSecret
) -> None:
    """Whichever institution the envelope names beside it."""
    await guarded.allowed("sign-in")
    await guarded.allowed("sign-in", code=OTHER_PARTY, fixmedins_code=OTHER_INSTITUTION)
    raw = dumped(
        envelope("9001", _SIGNING_IN, fixmedins_code=OTHER_INSTITUTION)
    ).encode()
    told = await guarded.send(raw, guarded.signed(raw, other_key))
    number = told.output["signinoutb"]["sign_no"]

    own = envelope(
        "1901", _DICTIONARY, sign_no=number, fixmedins_code=OTHER_INSTITUTION
    )
    assert (await guarded.send(own)).infcode == 0
    theirs = envelope("1901", _DICTIONARY, sign_no=number, fixmedins_code=INSTITUTION)
    assert (await guarded.send(theirs)).code == "MA-3101"


async def test_session_is_opened_by_the_institutions_own_key(
    guarded: GuardedRoom, other_key: SharedSecret
) -> None:
    """A good signature of somebody else's is nobody's here."""
    await guarded.allowed("sign-in")
    raw = dumped(envelope("9001", _SIGNING_IN)).encode()
    told = await guarded.send(raw, guarded.signed(raw, other_key))
    assert (told.infcode, told.code) == (-2, "MA-3102")


async def test_what_must_be_signed_is_signed_by_the_hospital(
    guarded: GuardedRoom, other_key: SharedSecret
) -> None:
    """Headers of one and a signature of another are no proof."""
    account = await guarded.allowed(must_sign=True)
    raw = dumped(envelope("2601", _UNDOING)).encode()
    wrong = guarded.tif(account) | guarded.signed(raw, other_key)
    assert (await guarded.send(raw, wrong)).code == "MA-3102"
    right = guarded.tif(account) | guarded.signed(raw, guarded.key)
    assert (await guarded.send(raw, right)).infcode == 0


async def test_shared_secret_of_another_profile_signs_no_headers(
    guarded: GuardedRoom,
) -> None:
    """A hospital that agreed to wrap its messages does not send them bare."""
    secrets = {"secret": "not-a-secret-of-anybody", "private": "", "public": ""}
    account = await guarded.allowed("encdata", secrets=secrets, public_key=bytes(64))
    told = await guarded.send(envelope("1901", _DICTIONARY), guarded.tif(account))
    assert (told.infcode, told.code) == (-2, "MA-3102")


@pytest.mark.usefixtures("other_key")
async def test_each_hospital_has_its_own_share(guarded: GuardedRoom) -> None:
    """Who asks too fast is told to wait, and nobody else is."""
    two = {CallClass.DESK: Allowance(rate=Rate(1, 2), at_once=9)}
    guarded.edge.limits = Limits(Allowances(usual=two), clock=lambda: 0)
    first = await guarded.allowed()
    second = await guarded.allowed(code=OTHER_PARTY, fixmedins_code=OTHER_INSTITUTION)
    ask = envelope("1901", _DICTIONARY)
    told = [await guarded.send(ask, guarded.tif(first)) for _ in range(3)]
    assert [(each.infcode, each.code) for each in told] == [
        (0, ""), (0, ""), (-1, "MA-3105"),
    ]  # fmt: skip
    theirs = envelope("1901", _DICTIONARY, fixmedins_code=OTHER_INSTITUTION)
    assert (await guarded.send(theirs, guarded.tif(second))).infcode == 0
