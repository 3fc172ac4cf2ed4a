"""Problem documents: every code, both languages."""

import json

import pytest

from gateway.problems import STATUS, prefers_english, problem
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.domain.reasons import REASONS

#: Decided by rule: a stored answer with status 201, never a problem.
DECISIONS = {code for code in REASONS if code.startswith("MA-2") and code not in STATUS}
#: Of opening, signing and closing months, which only commands do.
OF_MONTHS = {
    "MA-4202", "MA-4203", "MA-4205", "MA-4206", "MA-4207", "MA-4208", "MA-4209",
    "MA-4210", "MA-4211", "MA-4214", "MA-4220",
}  # fmt: skip
#: Of hospitals' lists, which come by a call: all but a file larger than it takes.
OF_LISTS = {code for code in REASONS if "MA-63" <= code < "MA-65"} - {"MA-6302"}
#: Of roster files, which come by a call: the same file again is no problem there.
OF_ROSTERS = {code for code in REASONS if "MA-61" <= code < "MA-62"} - {"MA-6110"}
#: Of policy packs, proofs and commands: never on the wire.
ELSEWHERE = (
    OF_MONTHS | {code for code in REASONS if code >= "MA-6"} - OF_LISTS - OF_ROSTERS
)


def test_every_reason_has_one_place() -> None:
    """A code is a problem with a status, a decision, or of commands; none is lost."""
    assert set(STATUS) | DECISIONS | ELSEWHERE == set(REASONS)
    assert not set(STATUS) & ELSEWHERE


@pytest.mark.parametrize("english", [False, True])
@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_problem_is_rendered(code: str, english: bool) -> None:
    """Code, sentence, next step and retry advice come from the list of reasons."""
    status, body, after_s = problem(RequestRefused(code), english=english)
    document = json.loads(body)
    reason = REASONS[code]

    assert status == document["status"] == STATUS[code]
    assert document["code"] == code
    assert document["title"] == (reason.text.en if english else reason.text.zh)
    assert document["next_step"] == (
        reason.next_step.en if english else reason.next_step.zh
    )
    assert document["retry"] == {
        "allowed": reason.retry_allowed,
        "after_s": after_s,
        "same_key": reason.same_key,
    }
    assert document["type"] == f"/docs#{code}"
    assert document["title"].isascii() == english
    assert "fields" not in document


@pytest.mark.parametrize("code", [c for c, status in STATUS.items() if status == 503])
def test_not_now_says_when(code: str) -> None:
    """Whoever is told to come back is told when, and that the key stays the same."""
    _, body, after_s = problem(RequestRefused(code), english=True)

    assert after_s is not None
    assert json.loads(body)["retry"]["same_key"] is True


def test_time_of_the_refusal_wins() -> None:
    """A refusal that knows when to try again says so."""
    assert problem(RequestRefused("MA-5101", retry_after_s=7), english=True)[2] == 7


def test_fields_are_listed_with_their_own_sentences() -> None:
    """Each fault has path, code and message in the same language."""
    refused = RequestRefused(
        "MA-1102",
        faults=(BillFault("visit_no", "MA-1120"), BillFault("a.b", "MA-1121")),
    )

    document = json.loads(problem(refused, english=False)[1])

    assert document["fields"] == [
        {"path": "visit_no", "code": "MA-1120", "message": "缺少必填字段。"},
        {"path": "a.b", "code": "MA-1121", "message": "未知字段。"},
    ]
    assert "visit_no" in document["detail"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("prescription_days", ("允许 0 至 366。", "From 0 to 366.")),
        ("limit", ("允许 1 至 100。", "From 1 to 100.")),
        ("Medaid-Deadline-Ms", ("允许 1 至 600000。", "From 1 to 600000.")),
        ("x", ("", "")),
    ],
)
def test_number_out_of_range_is_told_the_range(
    path: str, said: tuple[str, str]
) -> None:
    """Whoever must correct a number learns what it may be, in both languages."""
    refused = RequestRefused("MA-1102", faults=(BillFault(path, "MA-1130"),))

    for english, words in enumerate(said):
        body = json.loads(problem(refused, english=bool(english))[1])
        text = REASONS["MA-1130"].text
        plain = text.en if english else text.zh

        between = " " if english and words else ""
        assert body["fields"][0]["message"] == plain + between + words


def test_unknown_code_tells_nothing() -> None:
    """A code that is no problem is answered as an internal error without detail."""
    refused = RequestRefused("MA-2000", faults=(BillFault("x", "MA-1120"),))

    status, body, _ = problem(refused, english=True)

    assert status == 500
    assert json.loads(body)["code"] == "MA-5107"
    assert b'"x"' not in body


@pytest.mark.parametrize(
    ("header", "english"),
    [
        (None, False),
        ("", False),
        ("*", False),
        ("fr", False),
        ("zh-CN,zh;q=0.9,en;q=0.8", False),
        ("en", True),
        ("EN-us", True),
        ("en;q=0.5, zh;q=0.4", True),
        ("en, zh", False),
        ("en;q=x", False),
        ("en;q=2", False),
        (";;,=", False),
    ],
)
def test_language_is_chosen_by_weight(header: str | None, english: bool) -> None:
    """Chinese unless English is clearly preferred."""
    assert prefers_english(header) is english
