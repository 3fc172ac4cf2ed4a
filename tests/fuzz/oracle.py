"""What every answer must hold to, whatever was sent."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.problems import STATUS
from settlement.domain.reasons import REASONS
from tests.fuzz.hostile_bodies import CARD_NUMBER, Hostile
from tests.fuzz.hostile_values import CANARY, OTHER_RESIDENT_ID

#: Nothing is slower: a hang ends here, with room for a machine that others use.
HANG_S = 20.0
#: What was sent in clear, as it would be recognised in any spelling.
PLANTED = (CANARY, CARD_NUMBER, OTHER_RESIDENT_ID, "张三")
_PROBLEM = "application/problem+json"
#: Of a request whose head is no HTTP or too long.
_BEFORE_THE_HEAD = frozenset({"MA-1107", "MA-1109"})
_HAN = re.compile(r"[\u4e00-\u9fff]")
#: A field may be said to be missing under the name of the other way of naming it.
_EITHER_OF = {"original_idempotency_key": "settlement_id"}


@dataclass(frozen=True, slots=True)
class Got:
    """One answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def document(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)


def check_answer(got: Got, *, english: bool) -> str:
    """Check one answer; returns its code, or `ok` for a success."""
    assert_nothing_echoed(got.body.decode(errors="replace"))
    for name, value in got.headers.items():
        assert_nothing_echoed(f"{name}: {value}")
    assert got.headers.get("content-length") == str(len(got.body))
    if got.status < 400:
        assert got.status in {200, 201}
        return "ok"
    return _check_problem(got, english=english)


def _check_problem(got: Got, *, english: bool) -> str:
    problem = got.document
    code = problem["code"]
    reason = REASONS[code]
    assert got.headers["content-type"] == _PROBLEM
    assert got.status == STATUS[code] == problem["status"], code
    # Nothing but a passing server explains a 5xx, and here none passes.
    assert got.status < 500, code
    if code in _BEFORE_THE_HEAD and "fields" not in problem:
        # Nobody has read yet which language is wanted.
        english = got.headers["content-language"] == "en"
    assert got.headers["content-language"] == ("en" if english else "zh-CN")
    for sentence in (problem["title"], problem["detail"], problem["next_step"]):
        assert sentence
        assert bool(_HAN.search(sentence)) is not english, sentence
    retry = problem["retry"]
    assert retry["allowed"] is reason.retry_allowed
    assert retry["same_key"] is reason.same_key
    assert got.headers.get("retry-after") == (
        None if retry["after_s"] is None else str(retry["after_s"])
    )
    for field in problem.get("fields", ()):
        assert field["path"]
        assert len(field["path"]) <= 120
        assert field["code"] in REASONS
        assert bool(_HAN.search(field["message"])) is not english
    assert len(got.body) < 40_000
    return str(code)


def paths_of(got: Got) -> list[str]:
    """The fields that a problem names."""
    return [field["path"] for field in got.document.get("fields", ())]


def check_names_the_field(sent: Hostile, paths: Iterable[str]) -> None:
    """A body with one wrong field is answered with that field, nothing vaguer."""
    paths = list(paths)
    assert paths, "a malformed body is answered without a path"
    if len(sent.changes) != 1 or sent.changes[0].path is None:
        return
    wanted = sent.changes[0].path
    assert any(
        re.match(re.escape(name) + r"($|[.\[])", path)
        for path in paths
        for name in (wanted, _EITHER_OF.get(wanted, wanted))
    ), (sent.changes, paths)


def plain(text: str) -> str:
    """Text without what hides a number from a search: width, case, separators."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s._:/\u200b-]", "", folded)


_PLAIN = tuple(plain(each) for each in PLANTED)


def assert_nothing_echoed(text: str) -> None:
    """No planted value stands in the text, however spelled."""
    searched = plain(text)
    for value in _PLAIN:
        assert value not in searched, "what was sent came back"


def check_decision(decision: Mapping[str, Any], bill: Mapping[str, Any]) -> None:
    """A mutated bill that is still sound: its amounts obey API.md's equations."""
    funds = sum(
        bill.get(name, 0)
        for name in (
            "basic_insurance_fen",
            "serious_illness_fen",
            "other_funds_fen",
            "medical_aid_fen",
        )
    )
    total, account = bill["total_fen"], bill["personal_account_fen"]
    parts = (
        bill["self_funded_fen"]
        + bill["over_limit_fen"]
        + bill["pre_selfpay_fen"]
        + bill["in_policy_fen"]
    )
    owed = total - funds
    assert total == parts > 0
    assert owed >= account
    aid, pays = decision["aid_fen"], decision["patient_pays_fen"]
    if decision["duplicate_of"] is None:
        assert total == funds + aid + pays
        assert 0 <= aid <= decision["aidable_base_fen"] <= owed
        assert aid == sum(part["amount_fen"] for part in decision["aid"])
    assert decision["cash_fen"] == max(0, pays - account)
    assert decision["account_return_fen"] == max(0, account - pays)
