"""Codes are stable and ordered; each has both languages and a next step."""

import re

import pytest

from settlement.domain import reasons
from settlement.domain.reasons import REASONS, reason
from tests.support.sources import python_files, read_text

_CODE = re.compile(r"\bMA-\d{4}\b")


def test_codes_rise_in_the_order_of_the_list() -> None:
    """One ordered list: a code's place says what kind of reason it is."""
    assert list(REASONS) == sorted(REASONS)
    assert all(re.fullmatch(r"MA-[1-9]\d{3}", code) for code in REASONS)


@pytest.mark.parametrize("code", REASONS)
def test_reason_speaks_to_people_in_both_languages(code: str) -> None:
    """A sentence and what to do now, in Chinese and in English."""
    found = reason(code)

    assert found.code == code
    for text in (found.text, found.next_step):
        assert re.search(r"[\u4e00-\u9fff]", text.zh)
        assert re.search(r"[A-Za-z]", text.en)
        assert text.zh.endswith("。")
        assert text.en.endswith(".")


def test_same_key_is_promised_only_where_a_retry_is() -> None:
    """A key may be used again only where the answer says to try again."""
    assert [r.code for r in REASONS.values() if r.same_key > r.retry_allowed] == []


def test_code_cannot_be_given_twice() -> None:
    """A second reason under an old code would change what old answers mean."""
    with pytest.raises(ValueError, match="MA-2101 stands twice"):
        reasons._reasons(reason("MA-2101"), reason("MA-2101"))


def test_unknown_code_is_a_mistake_of_ours() -> None:
    """No code is made up on the way."""
    with pytest.raises(KeyError):
        reason("MA-0000")


def test_every_code_that_the_program_names_is_listed() -> None:
    """A code in the source without a sentence would fail at the desk.

    crypto knows no reasons: its errors carry their codes and sentences themselves.
    """
    of_crypto = {
        code
        for path in python_files("crypto")
        for code in _CODE.findall(read_text(path) or "")
    }
    unlisted = {
        f"{path}: {code}"
        for path in python_files("gateway", "settlement", "eligibility_cache")
        for code in _CODE.findall(read_text(path) or "")
        if code not in REASONS and code not in of_crypto
    }

    assert unlisted == set()
