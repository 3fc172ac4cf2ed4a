import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import (
    _READER,
    JsonValue,
    b64u_decode,
    parse_json,
    require_b64u,
)
from crypto.errors import CryptoError, EncodingError

_LETTERS = string.ascii_letters + string.digits + "-_+/=. \n"


def refuses(text: bytes) -> bool:
    """Whether the decoder refuses."""
    try:
        b64u_decode(text, what="it")
    except CryptoError:
        return True
    return False


@given(st.text(_LETTERS, max_size=9) | st.binary(max_size=6).map(repr))
def test_what_is_canonical_is_told_without_decoding(text: str) -> None:
    """Looking at the characters refuses what decoding refuses, and nothing else."""
    octets = text.encode()
    try:
        require_b64u(octets, what="it", error=EncodingError)
    except EncodingError:
        assert refuses(octets)
    else:
        assert not refuses(octets)


_VALUES: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def outcome(text: bytes) -> tuple[JsonValue, bool]:
    """The value, and whether it was refused."""
    try:
        return parse_json(text, what="it"), False
    except CryptoError:
        return None, True


@given(_VALUES, st.booleans())
def test_the_fast_reader_reads_what_the_strict_one_reads(
    value: object,
    is_compact: bool,
) -> None:
    """Fast for the shortest spelling, strict for all others: the same in the end."""
    separators = (",", ":") if is_compact else (", ", ": ")
    text = json.dumps(value, separators=separators, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    try:
        expected = (_READER.decode(text.decode("utf-8")), False)
    except ValueError:
        expected = (None, True)

    assert outcome(text) == expected
    assert repr(outcome(text)) == repr(expected)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":9007199254740992}',
        b'{"a":[-9007199254740992]}',
        b'{"a":{"b":1.5}}',
        b"-0",
        b"[1e3]",
        b'"\\ud800"',
        b"[" * 300 + b"]" * 300 + b"x",
    ],
)
def test_what_the_strict_reader_refuses_stays_refused(text: bytes) -> None:
    """Members twice, fractions, what is not exact, half a pair."""
    assert outcome(text) == (None, True)


def test_deep_nesting_is_read_alike() -> None:
    """Deeper than the fast writer goes, not deeper than the strict reader."""
    text = b"[" * 300 + b"]" * 300

    assert outcome(text)[1] is False
