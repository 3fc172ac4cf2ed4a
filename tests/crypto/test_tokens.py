import hashlib
import hmac
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.tokens import EpochCipher, Retokening, Tokenizer, normalise_number
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


EPOCHS = [None, EpochCipher(b"2" * 32), EpochCipher(b"3" * 32)]


def test_an_epoch_enciphers_as_published() -> None:
    """AES-256 of one block: FIPS 197, appendix C.3."""
    cipher = EpochCipher(bytes(range(32)))
    block = bytes.fromhex("00112233445566778899aabbccddeeff")

    assert cipher.conceal(block).hex() == "8ea2b7ca516745bfeafc49904b496089"
    assert cipher.reveal(cipher.conceal(block)) == block
    with pytest.raises(ValueError, match="32 bytes"):
        EpochCipher(bytes(16))


def test_tokens_of_two_epochs_have_nothing_in_common() -> None:
    """But what lasts: from it today's token is made, and the other way."""
    number = "110105194912310021"
    makers = [Tokenizer(b"k" * 32, epoch) for epoch in EPOCHS]
    tokens = [
        token
        for maker in makers
        for token in (
            maker.person(number),
            maker.card("social_security_card", number),
            maker.household(number),
            maker.digest("visit", number),
        )
    ]

    assert len(set(tokens)) == len(tokens)
    assert len({maker.lasting(maker.person(number)) for maker in makers}) == 1
    assert len({maker.lasting_digest("p", number) for maker in makers}) == 1
    for maker in makers:
        assert maker.of_today(makers[0].person(number)) == maker.person(number)
        sent = pickle.loads(pickle.dumps(maker))  # noqa: S301 - made in the line
        assert sent.person(number) == maker.person(number)


@given(st.lists(st.none() | st.just(b"") | st.binary(min_size=16, max_size=16)))
def test_renewed_tokens_are_those_that_the_next_epoch_makes(
    lasting: list[bytes | None],
) -> None:
    """Each in its place, nothing where nothing was; two never become one."""
    for before, after in pairwise(EPOCHS):
        assert after is not None
        stored = [
            token and (before.conceal(token) if before else token) for token in lasting
        ]

        turned = Retokening(before, after).all(stored)

        assert turned == [token and after.conceal(token) for token in lasting]
        assert len(set(turned)) == len(set(lasting))


def test_what_is_no_token_is_not_turned() -> None:
    """Nothing is cut or filled up to a block."""
    after = EpochCipher(b"2" * 32)

    for wrong in (bytes(15), bytes(17), bytes(32)):
        with pytest.raises(ValueError, match="16 bytes"):
            Retokening(None, after).all([bytes(16), wrong])
