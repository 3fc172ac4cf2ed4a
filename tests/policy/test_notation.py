"""Rules back in the words of a decree, for tables and comparisons."""

import pytest

from settlement.domain.bill import CareType
from settlement.domain.policy import compile_pack
from settlement.domain.policy.notation import rate_words, tilt_words
from tests.policy.small_pack import cell

_LEVELS = "levels: {未定级: 1%, 一级: 3%, 二级: 2%, 三级: 不享受}"

_BANDS = (
    "[{from: 0元, to: 9元, rate: 1%}, "
    "{from: 9元, to: 20.50元, rate: 2%}, {from: 20.50元, to: 不限, rate: 3%}]"
)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("value: 80%", "80%"),
        ("value: {referred: 80%, unreferred: 不享受}", "转诊80%、未转诊不享受"),
        (f"value: {{{_LEVELS}}}", "未定级1%，一级3%，二级2%，三级不享受"),
        (
            f"per: 每年, bands: {_BANDS}",
            "分段按年累计：9元以下（含） 1%；9元至20.50元（含） 2%；20.50元以上 3%",
        ),
    ],
)
def test_a_rate_is_worded_as_short_as_it_is_unambiguous(
    written: str, words: str
) -> None:
    """One number, by referral, by level, or band by band."""
    pack = compile_pack(cell("rates", written).encode()).document
    rate = pack.benefits["jia", CareType.OUTPATIENT].rate.value
    assert rate_words(rate) == words


def test_a_tilt_of_the_year_says_so() -> None:
    """Threshold, rate, cap and whether a referral is needed."""
    terms = "threshold: 5元, rate: 1%, year_cap: 不限, referral: 不要求, per: 每年"
    pack = compile_pack(cell("tilt", terms).encode()).document
    tilt = pack.benefits["jia", CareType.OUTPATIENT].tilt.value
    assert tilt_words(pack, tilt) == "年度剩余负担超过5元部分的1%，每年不限"
