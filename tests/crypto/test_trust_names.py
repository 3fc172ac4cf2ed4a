import pytest

from crypto.errors import MalformedKeyError
from crypto.keys import Role, SigningKey
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file
from tests.crypto.fixed import ORIGIN, RECORD_KEY

_OFFICER = SigningKey(b"\1" * 32, Role.PARTY).public
_WITNESS = SigningKey(b"\2" * 32, Role.WITNESS_COSIGN).public


def test_a_partys_key_may_say_whose_it_is() -> None:
    """The code goes into the file and comes out of it; it may be absent."""
    trust = Trust(ORIGIN, [TrustedKey(_OFFICER, name="li")])
    nameless = Trust(ORIGIN, [TrustedKey(_OFFICER)])

    assert [key.name for key in parse_trust_file(trust_file(trust)).keys] == ["li"]
    assert [key.name for key in parse_trust_file(trust_file(nameless)).keys] == [None]
    assert b"name" not in trust_file(nameless)


def test_a_witness_has_a_name_and_a_log_has_none() -> None:
    """Names stand where they mean something, and can be written in a signature."""
    TrustedKey(_WITNESS, name="witness.example")
    with pytest.raises(MalformedKeyError, match="witness's key has a name"):
        TrustedKey(_WITNESS)
    with pytest.raises(MalformedKeyError, match="only keys of witnesses and parties"):
        TrustedKey(RECORD_KEY.public, name="li")
    for name in ("", "a b", "a+b"):
        with pytest.raises(MalformedKeyError, match="spaces or a plus"):
            TrustedKey(_OFFICER, name=name)
