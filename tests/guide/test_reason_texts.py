"""What a cashier reads: short, in plain Chinese, and never a dead end."""

import re

import pytest

from gateway.openapi_examples import EXAMPLES
from gateway.problems import STATUS
from settlement.domain.reasons import REASONS, Reason

#: The ranges of the desk; files and months are read by bureau, operator and IT.
AT_THE_DESK = [
    reason
    for code, reason in REASONS.items()
    if code < "MA-6" and not code.startswith("MA-42")
]
BY_RULE = [reason for reason in AT_THE_DESK if reason.code.startswith("MA-2")]
#: One line of a billing terminal, in full-width characters.
LINE = 40
#: `err_msg` of the national interface, which a HIS shows as it stands.
ERR_MSG_BYTES = 200
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]*[A-Za-z0-9]|[A-Za-z]")
#: How a value is to be written is told by one.
_EXAMPLES = {"T02", "Z"}
#: What whoever reads about a file has to find in it, or to type.
_NAMES_IN_FILES = {
    "SHA-256", "UTF-8", "encoding gb18030", "Content-Type", "charset", "gb18030",
    "GB 11643", "YAML", "YYYY-MM-DD", "action", "upsert", "remove",
    "as_of", "max-refused", "medaid policy check", "zip", "CSV", "XLSX", "GBK",
    "GB18030", "medaid serve", "medaid party list", "medaid reconcile open",
    "medaid reconcile match", "medaid reconcile status", "medaid reconcile resolve",
}  # fmt: skip
#: A decline that ends the matter at the desk, and what the patient can still do.
_STILL_OPEN = re.compile("受理中心|首次|新开一笔|稍候")
_PLACEHOLDER = re.compile(r"[{}%<>]|\.\.\.|…|XX")
_BLAME = re.compile("您的错|错误操作|非法|违规|拒绝|禁止")


def _codes(reasons: list[Reason]) -> list[str]:
    return [reason.code for reason in reasons]


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_every_text_is_whole_and_in_both_languages(reason: Reason) -> None:
    """Chinese is Chinese, English is ASCII, and neither has a gap to be filled."""
    for text in (reason.text, reason.next_step):
        assert re.search(r"[\u4e00-\u9fff]{2}", text.zh)
        assert text.en.isascii()
        assert text.en[0].isupper() or text.en.startswith("as_of")
        assert not _PLACEHOLDER.search(text.zh.replace("100%", ""))
        assert not re.search(r"[{}<>]|\.\.\.|XX", text.en)
        assert "  " not in text.zh + text.en
        assert not re.search(r"[,;:?!()]", text.zh.replace("02:14:09", ""))


@pytest.mark.parametrize("reason", AT_THE_DESK, ids=_codes(AT_THE_DESK))
def test_reason_fits_the_places_that_show_it(reason: Reason) -> None:
    """A line for why, two for what to do, and `err_msg` for code and both."""
    assert len(reason.text.zh) <= LINE
    assert len(reason.next_step.zh) <= 2 * LINE
    shown = f"[{reason.code}] {reason.text.zh}{reason.next_step.zh}"
    assert len(shown.encode("gb18030")) <= ERR_MSG_BYTES


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_chinese_has_no_latin_jargon(reason: Reason) -> None:
    """At the desk no Latin word at all; elsewhere the names that stand in a file."""
    names = _EXAMPLES if reason in AT_THE_DESK else _NAMES_IN_FILES
    for text in (reason.text.zh, reason.next_step.zh):
        assert set(_LATIN.findall(text)) <= names


@pytest.mark.parametrize("reason", AT_THE_DESK, ids=_codes(AT_THE_DESK))
def test_reason_blames_nobody_and_names_whom_to_ask(reason: Reason) -> None:
    """No administrator without a name: IT department, staff on duty, centre."""
    for text in (reason.text, reason.next_step):
        assert not _BLAME.search(text.zh)
        assert "管理员" not in text.zh
        assert "administrator" not in text.en
    if "联系" in reason.next_step.zh:
        assert "联系结算网关值班人员" in reason.next_step.zh


@pytest.mark.parametrize("reason", BY_RULE, ids=_codes(BY_RULE))
def test_no_decision_sends_a_patient_away_without_a_way_on(reason: Reason) -> None:
    """Aid denied is never the end: collect, and where to ask; or correct and settle."""
    if reason.code in ("MA-2000", "MA-2100", "MA-2105"):
        assert not _STILL_OPEN.search(reason.next_step.zh)
        return
    assert _STILL_OPEN.search(reason.next_step.zh)


@pytest.mark.parametrize("reason", AT_THE_DESK, ids=_codes(AT_THE_DESK))
def test_the_words_agree_with_the_retry_advice(reason: Reason) -> None:
    """原单重试 is promised where the same key may be used, 新开一笔 where a new one."""
    step = reason.next_step.zh
    if "不要新开一笔" in step or ("重试" in step and reason.code in STATUS):
        assert reason.same_key or "原单重试结算" in step or reason.code == "MA-4101"
    if "新开一笔" in step.replace("不要新开一笔", ""):
        assert not reason.same_key


def test_unknown_is_never_called_failed() -> None:
    """MA-5103 and MA-5107 promise nothing; every other error says what happened."""
    assert "未知" in REASONS["MA-5103"].text.zh
    assert "未知" in REASONS["MA-5107"].text.zh
    open_ended = [r.code for r in AT_THE_DESK if "未知" in r.text.zh]
    assert open_ended == ["MA-1121", "MA-5103", "MA-5107"]


def test_examples_of_the_interface_speak_as_the_program_does() -> None:
    """What `/docs` shows of a reason is what a gateway says."""
    shown = [
        (reason["code"], reason["text"], example.answer["next_step"])
        for example in EXAMPLES.values()
        if (reason := example.answer.get("reason")) is not None
    ]

    assert len(shown) >= 3
    assert shown == [
        (
            code,
            {"zh": REASONS[code].text.zh, "en": REASONS[code].text.en},
            {"zh": REASONS[code].next_step.zh, "en": REASONS[code].next_step.en},
        )
        for code, _, _ in shown
    ]
