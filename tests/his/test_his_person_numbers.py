"""`psn_no` of ours: found again by the gateway, and by one hospital alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crypto.tokens import Tokenizer
from gateway.his.person_numbers import person_number, token_of_number

TOKENS = st.binary(min_size=16, max_size=16)
KEYED = Tokenizer(bytes(range(32)))


@given(TOKENS)
def test_a_number_leads_back_to_the_person(token: bytes) -> None:
    """It fits char(30), is the same every time, and shows nothing of the token."""
    number = person_number(KEYED, "H001", token)
    assert number.startswith("MA")
    assert len(number) == 30
    assert number.isascii()
    assert number.isalnum()
    assert number == person_number(KEYED, "H001", token)
    assert token_of_number(KEYED, "H001", f" {number.lower()} ") == token
    assert token.hex() not in number.lower()


def test_two_hospitals_share_no_number() -> None:
    """Of a thousand persons no number, nor a part that both would begin with, is one.

    Nor is another hospital's number read: one in 4,096 passes for somebody unknown.
    """
    tokens = [KEYED.person(f"{number}") for number in range(1_000)]
    here = [person_number(KEYED, "H001", token) for token in tokens]
    there = [person_number(KEYED, "H002", token) for token in tokens]
    assert not {number[2:10] for number in here} & {number[2:10] for number in there}
    passed = [
        token_of_number(KEYED, "H001", number) for number in there
    ]  # fmt: skip
    assert not set(passed) & set(tokens)
    assert sum(each is not None for each in passed) <= 10


@given(TOKENS, st.integers(2, 29), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_slip_of_the_pen_finds_nobody_else(
    token: bytes, place: int, char: str
) -> None:
    """One character that is wrong: refused, or nobody's token."""
    number = person_number(KEYED, "H001", token)
    wrong = number[:place] + char + number[place + 1 :]
    found = token_of_number(KEYED, "H001", wrong)
    assert (found == token) is (wrong == number)


def test_what_is_no_number_of_ours_is_none() -> None:
    """National numbers, other lengths, other keys."""
    number = person_number(KEYED, "H001", bytes(16))
    other_key = Tokenizer(bytes(32))
    for text in ("", "MA", "99010000000000000000000001", number[:-1], number + "A",
                 number[2:], "MA" + "1" * 28, "MA" + "é" * 28):  # fmt: skip
        assert token_of_number(KEYED, "H001", text) is None
    assert token_of_number(other_key, "H001", number) != bytes(16)
