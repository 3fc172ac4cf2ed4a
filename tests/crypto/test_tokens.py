import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.tokens import Tokenizer, normalise_number
from tests.crypto.fixed import secret

TOKENS = Tokenizer(secret("token"))


def test_a_token_is_half_an_hmac_over_its_domain_and_the_number() -> None:
    """The construction is fixed: tokens in the database must stay the same."""
    message = b"medaid/card/v1\0social_security_card\0A12345678"
    expected = hmac.new(secret("token"), message, hashlib.sha256).digest()[:16]

    assert TOKENS.card("social_security_card", "A12345678") == expected


@pytest.mark.parametrize(
    "spelling", ["a12345678", " A1234 5678 ", "Ａ１２３４５６７８", "A1234\u30005678\t"]
)
def test_spellings_of_one_number_give_one_token(spelling: str) -> None:
    """Full width, spaces and lower case do not make another card."""
    assert normalise_number(spelling) == "A12345678"
    assert TOKENS.card("social_security_card", spelling) == TOKENS.card(
        "social_security_card", "A12345678"
    )


def test_a_resident_card_is_the_person() -> None:
    """The token of a resident card equals the person's."""
    assert TOKENS.card("resident_id", "11010519491231002x") == TOKENS.person(
        "11010519491231002X"
    )


def test_the_same_number_in_another_domain_or_under_another_key_differs() -> None:
    """Card kinds, persons, households, purposes and keys never share tokens."""
    number = "110105194912310021"
    other = Tokenizer(secret("another token key"))
    tokens = [
        TOKENS.card("social_security_card", number),
        TOKENS.card("some_later_kind", number),
        TOKENS.person(number),
        TOKENS.household(number),
        TOKENS.digest("visit", number),
        TOKENS.digest("bill", number),
        other.person(number),
    ]

    assert len(set(tokens)) == len(tokens)
    assert {len(token) for token in tokens} == {16}


@given(st.text(), st.text())
def test_texts_are_digested_as_they_are(one: str, two: str) -> None:
    """Two texts share a digest only when they are equal."""
    try:
        one.encode(), two.encode()
    except UnicodeEncodeError:
        return
    same = TOKENS.digest("p", one) == TOKENS.digest("p", two)

    assert same == (one == two)


def test_weak_keys_and_ambiguous_domains_are_refused() -> None:
    """A short key or a zero byte in a domain's name is a programming error."""
    with pytest.raises(ValueError, match="32 bytes"):
        Tokenizer(b"short")
    with pytest.raises(ValueError, match="zero byte"):
        TOKENS.digest("a\0b", "c")


@given(st.binary(min_size=32, max_size=200), st.text())
def test_every_length_of_key_and_text_gives_the_published_hmac(
    key: bytes, text: str
) -> None:
    """Keys above a block are hashed first, texts may need several blocks."""
    message = b"medaid/digest/v1\0purpose\0" + text.encode()

    assert (
        Tokenizer(key).digest("purpose", text)
        == (hmac.new(key, message, hashlib.sha256).digest()[:16])
    )


def test_a_tokenizer_can_be_sent_to_another_process() -> None:
    """It makes the same tokens there."""
    sent = pickle.loads(pickle.dumps(TOKENS))  # noqa: S301 - made in the line

    assert sent.person("110105194912310021") == TOKENS.person("110105194912310021")
