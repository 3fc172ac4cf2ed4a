"""What the guide shows is what the gateway does, and it leaves nothing out."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from crypto.http_signature import HttpRequest, sign_request
from crypto.keys import SharedSecret
from gateway.calls import CALLS
from gateway.problems import STATUS
from settlement.domain.reasons import REASONS, Reason
from tests.acceptance.hand_made import Reply, call
from tests.guide import page
from tests.guide.conftest import Reader
from tests.support.sources import functions, python_files

#: Other on each sandbox, or as long as a page; the guide's text stands for it.
VOLATILE = {
    "settlement_id", "reversal_id", "token", "expires_at", "household", "as_of",
    "age_s", "quota_as_of", "version", "sha256", "record", "origin", "index",
    "tree_size", "path", "checkpoint",
}  # fmt: skip
#: What can reach a HIS: as an error, or as the reason of a decision.
AT_THE_DESK = {
    code: reason
    for code, reason in REASONS.items()
    if (code in STATUS or code.startswith("MA-2")) and not code.startswith("MA-61")
}
_AGAIN = {408, 409, 429, 500, 503}


class Play:
    """Sends the guide's requests in order, as its reader does."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.terminal = reader.terminal()
        #: What a sandbox makes anew, by what the guide prints for it.
        self.real: dict[str, str] = {}

    def send(self, request: page.Request) -> Reply:
        """One request, with the ids that this sandbox has given."""
        body = request.body
        for printed, real in self.real.items():
            body = body.replace(printed, real)
        headers = self.terminal._headers | request.headers
        return call(
            self.reader.url + request.path, body.encode() if body else None, headers
        )

    def compare(self, shown: Any, got: Any, path: str, *, whole: bool) -> None:
        """The guide's answer against the real one, member by member."""
        if isinstance(shown, dict):
            assert isinstance(got, dict), path
            assert shown.keys() == got.keys() if whole else shown.keys() <= got.keys()
            for name, value in shown.items():
                self._member(name, value, got[name], f"{path}.{name}", whole=whole)
        elif isinstance(shown, list):
            assert len(shown) == len(got), path
            for number, (one, other) in enumerate(zip(shown, got, strict=True)):
                self.compare(one, other, f"{path}[{number}]", whole=whole)
        else:
            assert shown == got, path

    def _member(self, name: str, shown: Any, got: Any, at: str, *, whole: bool) -> None:
        is_field = ".fields[" in at
        if name in VOLATILE and not (is_field or isinstance(shown, dict | None)):
            assert type(shown) is type(got), at
            if isinstance(shown, str) and name.endswith("_id"):
                assert self.real.setdefault(shown, got) == got, at
        else:
            self.compare(shown, got, at, whole=whole)


def test_requests_of_the_guide_get_its_answers(reader: Reader) -> None:
    """Every request, in order; whole answers whole, parts as far as they go."""
    play = Play(reader)
    answers = page.answers()
    for request in page.requests():
        reply = play.send(request)
        kind, shown = answers.pop(request.name)
        got = json.loads(reply.body)

        assert reply.status == _status_of(request), (request.name, reply.body)
        play.compare(shown, got, request.name, whole=kind == "answer")

    # The one answer without a request that could be sent twice.
    assert answers.keys() == {"session"}
    assert answers["session"][1].keys() == {"token", "party", "expires_at"}


def _status_of(request: page.Request) -> int:
    if request.name == "error":
        return 422
    return 201 if "Idempotency-Key" in request.headers else 200


def test_settle_of_the_guide_is_replayed(reader: Reader) -> None:
    """The same request again: same bytes, marked."""
    play = Play(reader)
    settle = next(r for r in page.requests() if r.name == "settle")

    first, again = play.send(settle), play.send(settle)

    assert first.body == again.body
    assert again.headers["Idempotent-Replayed"] == "true"


def test_every_fence_is_one_that_a_test_reads() -> None:
    """No example escapes: JSON and HTTP by name, text and shell by theirs."""
    kinds = {(language, name.partition(":")[0]) for language, name, _ in page.fences()}

    assert kinds == {
        ("http", "send"), ("json", "answer"), ("json", "part"),
        ("text", "base"), ("text", "headers"), ("sh", ""),
    }  # fmt: skip


def test_signature_of_the_guide() -> None:
    """Base and headers follow from the secret, the nonce and the time it names."""
    secret = b"medaid-guide-example-not-a-secret"
    assert base64.b64encode(secret).decode() in page.text()
    request = HttpRequest(
        "POST",
        "gateway.example",
        "/v1/sessions",
        {"content-type": "application/json"},
        b'{"operator":"win-03"}',
    )
    signed = sign_request(
        request,
        SharedSecret("pt-example", secret),
        created=1_767_578_400,
        nonce="guide-nonce-0001",
    )
    parameters = signed["Signature-Input"].removeprefix("sig1=")
    base = (
        '"@method": POST\n"@authority": gateway.example\n"@path": /v1/sessions\n'
        '"content-type": application/json\n'
        f'"content-digest": {signed["Content-Digest"]}\n'
        f'"@signature-params": {parameters}'
    )

    assert page.fence("base") == base
    assert page.fence("headers") == "\n".join(
        f"{name}: {signed[name]}"
        for name in ("Content-Digest", "Signature-Input", "Signature")
    )


def test_every_call_is_in_the_table() -> None:
    """No call more and none less; what no HIS may ask stands on other pages."""
    others = ("/v1/alert", "/v1/roster")
    calls = [call for call in CALLS if not call.path.startswith(others)]
    rows = page.table("| call | for | who | writes | may be repeated |")

    assert [row[0].strip("`") for row in rows] == [
        f"{each.method} {each.path}"
        for each in sorted(calls, key=lambda each: _row_of(rows, each.path))
    ]
    assert len(rows) == len(calls)


def _row_of(rows: list[list[str]], path: str) -> int:
    names = [row[0].strip("`").partition(" ")[2] for row in rows]
    return names.index(path)


CODES = page.table("| code | status | meaning | do | what the cashier sees |")


def test_every_code_is_in_the_table_in_order() -> None:
    """A code that can reach a HIS stands there, and no other does."""
    assert [row[0] for row in CODES] == list(AT_THE_DESK), "add these rows:\n" + (
        "\n".join(
            row_of(r) for c, r in AT_THE_DESK.items() if f"| {c} " not in page.text()
        )
    )


@pytest.mark.parametrize("row", CODES, ids=lambda row: str(row[0]))
def test_row_of_a_code_is_right(row: list[str]) -> None:
    """Status, meaning, what to do, and the very words that the cashier sees."""
    assert "| " + " | ".join(row) + " |" == row_of(REASONS[row[0]])


def row_of(reason: Reason) -> str:
    """The table's row for a reason."""
    status = str(STATUS.get(reason.code, "*decision*"))
    seen = reason.text.zh + reason.next_step.zh
    return f"| {reason.code} | {status} | {reason.text.en} | {_do(reason)} | {seen} |"


def _do(reason: Reason) -> str:
    """What a program does: it follows from status and retry advice alone."""
    status = STATUS.get(reason.code)
    if not reason.retry_allowed:
        return "stop" if status else "done"
    if not reason.same_key:
        return "new key"
    if status == 401:
        return "sign in, again"
    return "again" if status is None or status in _AGAIN else "correct"


def test_every_passing_status_is_in_the_decision_table() -> None:
    """Whatever says "again" is a row of what to do with unknown outcomes."""
    told = " ".join(row[0] for row in page.table("| what you see | settled? | do |"))
    for code, status in STATUS.items():
        if status in (500, 503):
            assert code in told
        if status in _AGAIN or status in (400, 401, 413, 415, 431):
            assert str(status) in told


def test_items_of_acceptance_are_run_by_tests() -> None:
    """Each names a test that exists, so that a vendor does what we do."""
    names = {
        function.name.rpartition(".")[2]
        for path in python_files("tests")
        for function in functions(path)
    }
    rows = page.table("| no. | do | expect | our test |")

    assert [row[0] for row in rows] == [str(n + 1) for n in range(len(rows))]
    assert len(rows) >= 20
    missing = {
        name for row in rows for name in re.findall(r"`(test_\w+)`", row[3])
    } - names
    assert missing == set()
    assert all("`test_" in row[3] for row in rows)


def test_guide_is_read_in_twenty_minutes() -> None:
    """Prose and tables at a slow reader's pace: the code table is looked up."""
    prose = re.sub(r"(?ms)^```.*?^```", "", page.text())
    prose = "\n".join(line for line in prose.splitlines() if "| MA-" not in line)

    assert len(re.findall(r"[A-Za-z]{2,}", prose)) <= 3_000


STAY = {
    "card": {"kind": "social_security_card", "number": "F000000095"},
    "visit_no": "ZY20251230-0001", "bill_no": "1", "care_type": "inpatient",
    "service_start": "2025-12-30", "service_end": "2026-01-03", "referred": True,
    "total_fen": 100_000, "self_funded_fen": 0, "over_limit_fen": 0,
    "pre_selfpay_fen": 0, "in_policy_fen": 100_000, "basic_insurance_fen": 60_000,
    "serious_illness_fen": 0, "other_funds_fen": 0, "personal_account_fen": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("care_type", "start", "end", "year"),
    [
        ("inpatient", "2025-12-30", "2026-01-03", 2026),
        ("inpatient", "2025-12-28", "2025-12-31", 2025),
        ("outpatient", "2025-12-31", "2026-01-03", 2025),
    ],
)
def test_stay_over_the_turn_of_the_year(
    reader: Reader, care_type: str, start: str, end: str, year: int
) -> None:
    """A stay draws on the year of discharge, all other care on that of its start."""
    bill = STAY | {"care_type": care_type, "service_start": start, "service_end": end}

    quote = json.loads(reader.terminal().post("/v1/quotes", bill).body)

    used = {pot["year"] for pot in quote["quota"] if pot["used_fen"] > 0}
    assert quote["aid_fen"] > 0
    assert used == {year}
