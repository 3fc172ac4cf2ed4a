import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import (
    b64,
    b64_decode,
    b64u,
    b64u_decode,
    canonical_json,
    parse_json,
    parse_object,
)
from crypto.errors import EncodingError, MalformedRecordError


@given(st.binary())
def test_base64url_is_that_of_rfc_7515_and_comes_back(octets: bytes) -> None:
    """Encoding agrees with the standard library, and decoding undoes it."""
    expected = base64.urlsafe_b64encode(octets).rstrip(b"=")

    assert b64u(octets) == expected
    assert b64u_decode(expected, what="x") == octets


@given(st.binary(max_size=6) | st.text("AZaz09-_+/=! \n", max_size=6).map(str.encode))
def test_base64url_has_one_spelling(text: bytes) -> None:
    """Whatever decodes encodes to the very same text."""
    try:
        octets = b64u_decode(text, what="x")
    except EncodingError:
        return

    assert b64u(octets) == text


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AA==",
        b"AA=",
        b"AB",
        b"AAB",
        b"+A",
        b"/A",
        b"A A",
        b"AA\n",
        b"A!",
        b"\xff",
    ],
)
def test_base64url_of_another_spelling_is_refused(text: bytes) -> None:
    """Padding, trailing bits, foreign characters and half quanta are refused."""
    with pytest.raises(MalformedRecordError):
        b64u_decode(text, what="x", error=MalformedRecordError)


@given(st.binary())
def test_base64_comes_back(octets: bytes) -> None:
    """Standard base64 agrees with the standard library, and decoding undoes it."""
    assert b64(octets) == base64.b64encode(octets).decode()
    assert b64_decode(b64(octets), what="x") == octets


@given(st.text("AQZaz09-_+/==== \n", max_size=9) | st.text(max_size=5))
def test_base64_has_one_spelling(text: str) -> None:
    """Whatever decodes encodes to the very same text."""
    try:
        octets = b64_decode(text, what="x")
    except EncodingError:
        return

    assert b64(octets) == text


@pytest.mark.parametrize(
    "text",
    [
        "AAAA=",
        "AAAA====",
        "====",
        "=",
        "A",
        "AA",
        "AB==",
        "AA==\n",
        "A-==",
        "é",
        "A A=",
    ],
)
def test_base64_of_another_spelling_is_refused(text: str) -> None:
    """Missing padding, trailing bits and foreign characters are refused."""
    with pytest.raises(EncodingError):
        b64_decode(text, what="x")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'[{"a":{"b":1,"b":1}}]',
        b"1.0",
        b"1e3",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"-0",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b"",
        b"{",
        b"1 2",
        b'"\n"',
        b"[" * 100_000,
    ],
)
def test_json_that_readers_may_disagree_on_is_refused(text: bytes) -> None:
    """What another reader could see otherwise is refused, each with our error."""
    with pytest.raises(EncodingError):
        parse_json(text, what="x")


def test_json_of_plain_values_is_read() -> None:
    """Integers to 2**53 - 1, escapes, nesting and booleans are read as they are."""
    text = b'{"a":[1,-9007199254740991,true,null],"b":"\\u6551\\ud83d\\ude00"}'

    assert parse_json(text, what="x") == {
        "a": [1, -(2**53 - 1), True, None],
        "b": "救😀",
    }


def test_an_object_is_asked_for_and_a_list_refused() -> None:
    """`parse_object` gives objects only."""
    assert parse_object(b'{"a":1}', what="x") == {"a": 1}
    with pytest.raises(EncodingError, match="x is not a JSON object"):
        parse_object(b"[]", what="x")


def test_canonical_json_sorts_and_refuses_what_it_cannot_write() -> None:
    """Members are sorted by UTF-16 units; lone surrogates and floats are refused."""
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert canonical_json([1, "a"]) == b'[1,"a"]'
    with pytest.raises(EncodingError):
        canonical_json({"a": "\ud800"})
    with pytest.raises(EncodingError):
        canonical_json({"a": 2**53})
