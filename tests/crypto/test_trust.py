import base64
import json
from datetime import date
from typing import Any

import pytest

from crypto.errors import (
    BadSignatureError,
    KeyNotValidError,
    MalformedKeyError,
    SuiteMismatchError,
    UnknownKeyError,
    WeakKeyError,
    WrongRoleError,
)
from crypto.keys import Role
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file
from tests.crypto.fixed import BUREAU_KEY, ORIGIN, RECORD_KEY, ROSTER_KEY, TRUST


def document() -> dict[str, Any]:
    """The JSON of a sound trust file."""
    loaded: dict[str, Any] = json.loads(trust_file(TRUST))
    return loaded


def test_a_trust_file_comes_back() -> None:
    """Keys, roles, suites and windows are read as they were written."""
    trust = Trust(
        ORIGIN,
        [
            TrustedKey(RECORD_KEY.public, date(2026, 1, 1), date(2026, 12, 31)),
            TrustedKey(BUREAU_KEY.public),
        ],
    )
    again = parse_trust_file(trust_file(trust))

    assert trust_file(again) == trust_file(trust)
    assert again.origin == ORIGIN
    assert again.keys[0].not_after == date(2026, 12, 31)
    assert again.keys_of(Role.BUREAU_SEAL)[0].kid == BUREAU_KEY.kid


def test_a_key_is_found_for_its_one_use() -> None:
    """Unknown ids, other roles and other suites are told apart."""
    assert TRUST.key(RECORD_KEY.kid, Role.RECORD_SIGN, "MA1").kid == RECORD_KEY.kid
    with pytest.raises(UnknownKeyError):
        TRUST.key("rs-0000000000000000", Role.RECORD_SIGN)
    with pytest.raises(WrongRoleError):
        TRUST.key(RECORD_KEY.kid, Role.CHECKPOINT_SIGN)
    with pytest.raises(SuiteMismatchError):
        TRUST.key(RECORD_KEY.kid, Role.RECORD_SIGN, "GM1")


def test_the_window_includes_its_first_and_last_day() -> None:
    """The day before and the day after are refused; an open end never is."""
    trusted = TrustedKey(RECORD_KEY.public, date(2026, 1, 1), date(2026, 12, 31))
    for day in (date(2026, 1, 1), date(2026, 12, 31)):
        trusted.require_valid_on(day)
    for day in (date(2025, 12, 31), date(2027, 1, 1)):
        with pytest.raises(KeyNotValidError):
            trusted.require_valid_on(day)
    TrustedKey(RECORD_KEY.public).require_valid_on(date(1900, 1, 1))


def test_a_sealing_key_verifies_nothing() -> None:
    """Only signing keys have signatures."""
    TrustedKey(ROSTER_KEY.public).verify(ROSTER_KEY.sign(b"m"), b"m")
    with pytest.raises(BadSignatureError):
        TrustedKey(BUREAU_KEY.public).verify(bytes(64), b"m")


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\0b"])
def test_an_origin_that_no_checkpoint_can_carry_is_refused(origin: str) -> None:
    """The origin is the checkpoint's key name: no spaces, no plus."""
    with pytest.raises(MalformedKeyError):
        Trust(origin, [])


def test_a_key_listed_twice_is_refused() -> None:
    """Two entries for one id could disagree about the window."""
    with pytest.raises(MalformedKeyError):
        Trust(ORIGIN, [TRUST.keys[0], TRUST.keys[0]])


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": "rs-0000000000000000"},
        {"role": "checkpoint-sign"},
        {"role": "gardener"},
        {"role": None},
        {"suite": "GM1"},
        {"suite": None},
        {"alg": "x25519"},
        {"public_key": "AAAA"},
        {"public_key": "?"},
        {"public_key": 1},
        {"not_before": "20260101"},
        {"not_before": "2026-02-30"},
        {"not_before": 20260101},
        {"not_after": "2026-1-1"},
        {"comment": "x"},
        {"kid": ...},
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(
    changes: dict[str, object],
) -> None:
    """Id, role, suite, algorithm and key of an entry must fit together."""
    file = document()
    entry = {**file["keys"][0], **changes}
    file["keys"][0] = {k: v for k, v in entry.items() if v is not ...}

    with pytest.raises(MalformedKeyError):
        parse_trust_file(json.dumps(file).encode())


@pytest.mark.parametrize(
    "change",
    [{"origin": None}, {"keys": {}}, {"keys": ["x"]}, {"more": 1}, {"origin": ...}],
)
def test_a_trust_file_of_another_form_is_refused(change: dict[str, object]) -> None:
    """Exactly an origin and a list of keys."""
    file = {k: v for k, v in {**document(), **change}.items() if v is not ...}

    with pytest.raises(MalformedKeyError):
        parse_trust_file(json.dumps(file).encode())


def test_a_weak_key_is_not_trusted() -> None:
    """A small-order key in a trust file is refused when the file is read."""
    file = document()
    file["keys"][0]["public_key"] = base64.b64encode(b"\1" + bytes(31)).decode()

    with pytest.raises(WeakKeyError):
        parse_trust_file(json.dumps(file).encode())
