"""Rules as a decree words them, for tables and comparisons: back from values."""

from __future__ import annotations

from settlement.domain.money import percent_text, yuan_text
from settlement.domain.policy.document import (
    LEVELS,
    Amount,
    Band,
    Cap,
    Deductible,
    PackDocument,
    Rate,
    Tilt,
)

NOT_COVERED = "不享受"
NO_LIMIT = "不限"
NONE = "无"
LEVEL_NAMES = {0: "未定级", 1: "一级", 2: "二级", 3: "三级"}


def amount_words(pack: PackDocument, amount: Amount) -> str:
    """`8,000元`, `64.50元`, or `上年居民人均可支配收入的10%`."""
    if isinstance(amount, int):
        return f"{yuan_text(amount).removesuffix('.00')}元"
    year = "上年" if amount.years_back else "本年"
    title = pack.indicators[amount.indicator].title.zh
    to_yuan = "，取整到元" if amount.whole_yuan else ""
    return f"{year}{title}的{percent_text(amount.rate_ppm)}%{to_yuan}"


def limit_words(pack: PackDocument, amount: Amount | None) -> str:
    """The same for a cap: 不限 where there is none."""
    return NO_LIMIT if amount is None else amount_words(pack, amount)


def cap_words(pack: PackDocument, cap: Cap) -> str:
    """A cell of a table of caps."""
    return limit_words(pack, cap.amount) if cap.covered else NOT_COVERED


def deductible_words(pack: PackDocument, deductible: Deductible | None) -> str:
    """`每年1,000元`, `每次300元` or 无."""
    if deductible is None:
        return NONE
    period = "每年" if deductible.yearly else "每次"
    return f"{period}{amount_words(pack, deductible.amount)}"


def rate_words(rate: Rate | None) -> str:
    """`80%`, `一级90%，二级85%…`, or bands one after the other."""
    if rate is None:
        return NOT_COVERED
    if len(rate.bands) == 1:
        return _graded_words(rate.bands[0])
    period = "按年累计" if rate.yearly else ""
    bands = "；".join(f"{_edges(band)} {_graded_words(band)}" for band in rate.bands)
    return f"分段{period}：{bands}"


def tilt_words(pack: PackDocument, tilt: Tilt | None) -> str:
    """Threshold, rate, yearly cap and referral in one sentence."""
    if tilt is None:
        return NOT_COVERED
    burden = "年度剩余负担" if tilt.yearly else "剩余负担"
    referral = "，须转诊" if tilt.needs_referral else ""
    return (
        f"{burden}超过{amount_words(pack, tilt.threshold)}部分的"
        f"{rate_words(tilt.rate)}，每年{limit_words(pack, tilt.year_cap)}{referral}"
    )


def _edges(band: Band) -> str:
    if band.to_fen is None:
        return f"{_yuan(band.from_fen)}以上"
    if band.from_fen == 0:
        return f"{_yuan(band.to_fen)}以下（含）"
    return f"{_yuan(band.from_fen)}至{_yuan(band.to_fen)}（含）"


def _yuan(fen: int) -> str:
    return f"{yuan_text(fen).removesuffix('.00')}元"


def _graded_words(band: Band) -> str:
    """One rate, or by level, or by referral, as short as it is unambiguous."""
    by_level = [(LEVEL_NAMES[level], _referral_words(band, level)) for level in LEVELS]
    if len({words for _, words in by_level}) == 1:
        return by_level[0][1]
    return "，".join(f"{name}{words}" for name, words in by_level)


def _referral_words(band: Band, level: int) -> str:
    referred, unreferred = band.rates[level, True], band.rates[level, False]
    if referred == unreferred:
        return _percent(referred)
    return f"转诊{_percent(referred)}、未转诊{_percent(unreferred)}"


def _percent(rate_ppm: int) -> str:
    return f"{percent_text(rate_ppm)}%" if rate_ppm else NOT_COVERED
