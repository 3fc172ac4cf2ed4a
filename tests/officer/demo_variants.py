"""The demo district's pack with numbers changed, as a correction would be written."""

from __future__ import annotations

from tests.settlement.house import DEMO_PACK

_CASE = """\
cases:
  - name: 施行当日适用
    given: {categories: [dibao], care: outpatient, on: 2000-01-01, in_policy: 1元}
    expect: {in_force: 是}
"""


def demo_variant(*swaps: tuple[str, str], version: str = "2000.9") -> bytes:
    """The demo pack under another version; each text must occur, and goes once."""
    text = DEMO_PACK.read_text("utf-8")
    text = text[: text.index("\ncases:")] + "\n" + _CASE
    for old, new in (("version: '2000.1'", f"version: '{version}'"), *swaps):
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


#: 低保门诊 90 % in place of 80 %.
HIGHER_RATE = (
    "  dibao:\n    outpatient: {value: 80%, source: rate_dibao}",
    "  dibao:\n    outpatient: {value: 90%, source: rate_dibao}",
)
#: 低保门诊 100 yuan a year in place of 6,000.
LOWER_CAP = (
    "    outpatient: {value: 6000元, source: year_cap}",
    "    outpatient: {value: 100元, source: year_cap}",
)
#: Inpatient care without the demand of a referral.
NO_REFERRAL = (
    "    referral: {value: 要求, source: referral}",
    "    referral: {value: 不要求, source: referral}",
)
