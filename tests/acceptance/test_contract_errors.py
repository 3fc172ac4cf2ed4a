"""What is refused without a decision: statuses, codes, languages, what to do next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.acceptance.desk import DAY, JSON, Answer, Desk, bill, card, new_name
from tests.acceptance.sandbox import Sandbox
from tests.acceptance.shapes import PROBLEM, TEXT, assert_fits, misfits
from tests.roster.bureau import card_number, id_number

PROBLEM_TYPE = "application/problem+json"
BY_ID = {"settlement_id": "0" * 32}


def problem(answer: Answer, status: int, code: str) -> Any:
    """The problem document of an answer that has to be one."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == PROBLEM_TYPE
    document = answer.json()
    assert_fits(document, PROBLEM)
    assert document["code"] == code
    return document


def paths(document: Any) -> set[str]:
    """The fields at fault."""
    for field in document["fields"]:
        assert field.keys() >= {"path", "message"}
    return {field["path"] for field in document["fields"]}


async def nothing_is_kept(desk: Desk, key: str) -> None:
    """A malformed request is not kept: its key is as good as new."""
    answer = await desk.get(f"/v1/settlements?idempotency_key={key}")
    problem(answer, 404, "MA-4101")


@pytest.mark.parametrize(
    ("language", "is_english"),
    [
        (None, False),
        ("zh-CN", False),
        ("en", True),
        ("en-GB,en;q=0.9,zh;q=0.5", True),
        ("zh-CN,zh;q=0.9,en;q=0.8", False),
        ("fr", False),
        ("*", False),
    ],
)
async def test_language(desk: Desk, language: str | None, is_english: bool) -> None:
    """Chinese unless English is preferred; code and fields are the same."""
    headers = {} if language is None else {"Accept_Language": language}
    sent = bill(1) | {"colour": "red"}

    answer = await desk.settle(new_name(), sent, **headers)

    document = problem(answer, 422, "MA-1102")
    shape = TEXT["en" if is_english else "zh"]
    texts = [document["title"], document["next_step"], document["fields"][0]["message"]]
    assert [misfits(text, shape, "") for text in texts] == [[], [], []]
    assert answer.headers["Content-Language"] == ("en" if is_english else "zh-CN")
    assert paths(document) == {"colour"}


@pytest.mark.parametrize(
    "key",
    ["", " ", "k" * 65, "a b", "schlüssel", "a/b", "键", 'k"', "k,k"],
    ids=ascii,
)
@pytest.mark.parametrize("path", ["/v1/settlements", "/v1/reversals"])
async def test_malformed_key(desk: Desk, path: str, key: str) -> None:
    """A key is 1 to 64 letters, digits and . _ : - and nothing else."""
    answer = await desk.ask("POST", path, bill(1), Idempotency_Key=key)

    problem(answer, 400, "MA-1103")


@pytest.mark.parametrize("path", ["/v1/settlements", "/v1/reversals"])
async def test_missing_key(desk: Desk, path: str) -> None:
    """Without a key nothing is settled or reversed."""
    problem(await desk.ask("POST", path, bill(1)), 400, "MA-1103")


async def test_longest_key(desk: Desk, sandbox: Sandbox) -> None:
    """Every permitted character and length."""
    key = f"{new_name()}:._-AZaz09".ljust(64, "x")

    assert (await desk.settle(key, bill(sandbox.dibao()))).status == 201


async def test_every_fault_is_named_at_once(desk: Desk) -> None:
    """One answer lists all that is wrong, each with its place."""
    key = new_name()
    sent = bill(1, total_fen="25000", referred=1, service_end="2026-1-5", colour="red")
    sent["card"] = {"kind": "library_card", "number": card_number(1), "pin": "1"}
    del sent["in_policy_fen"]

    document = problem(await desk.settle(key, sent), 422, "MA-1102")

    assert paths(document) == {
        "total_fen",
        "referred",
        "service_end",
        "colour",
        "card.kind",
        "card.pin",
        "in_policy_fen",
    }
    await nothing_is_kept(desk, key)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"total_fen": 25_001}, "MA-1113", "total_fen"),
        ({"basic_insurance_fen": 25_001}, "MA-1114", "basic_insurance_fen"),
        ({"personal_account_fen": 9_001}, "MA-1115", "personal_account_fen"),
        ({"total_fen": -1}, "MA-1110", "total_fen"),
        ({"service_start": "2026-01-06"}, "MA-1111", "service_end"),
        (
            {"service_start": "2026-01-06", "service_end": "2026-01-06"},
            "MA-1112",
            "service_end",
        ),
        ({"total_fen": 250.5}, "MA-1122", "total_fen"),
        ({"total_fen": True}, "MA-1122", "total_fen"),
        ({"care_type": "dental"}, "MA-1123", "care_type"),
        ({"service_start": "2026-02-30"}, "MA-1124", "service_start"),
        ({"occurred_at": "2026-01-05 02:14:09"}, "MA-1125", "occurred_at"),
        ({"occurred_at": "2026-01-05T10:14:09+08:00"}, "MA-1125", "occurred_at"),
        ({"visit_no": "就诊一"}, "MA-1126", "visit_no"),
        ({"repeat_reason": "again"}, "MA-1123", "repeat_reason"),
        ({"place": "abroad"}, "MA-1123", "place"),
    ],
    ids=str,
)
async def test_impossible_bill(
    desk: Desk, changes: dict[str, Any], code: str, field: str
) -> None:
    """422 that names the field, for settling and quoting alike; nothing is kept."""
    key, sent = new_name(), bill(1, **changes)

    for answer in (await desk.settle(key, sent), await desk.quote(sent)):
        assert answer.status == 422, answer.body
        document = problem(answer, 422, answer.code)
        named = {f["path"]: f.get("code") for f in document["fields"]}
        assert field in named
        assert code in {answer.code, named[field]}
    await nothing_is_kept(desk, key)


@pytest.mark.parametrize("name", ["visit_no", "bill_no"])
async def test_no_card_number_in_an_internal_number(
    desk: Desk, sandbox: Sandbox, name: str
) -> None:
    """A card or identity number is refused, and the answer does not repeat it."""
    person = sandbox.dibao()
    for secret in (card_number(person), id_number(7)):
        sent = bill(person, **{name: f"MZ-{secret}"})

        answer = await desk.settle(new_name(), sent)

        document = answer.json()
        assert (answer.status, paths(document)) == (422, {name})
        assert secret.encode() not in answer.body


async def test_no_identity_number_in_a_key(desk: Desk, sandbox: Sandbox) -> None:
    """A key is stored in clear for ever."""
    key = f"k-{id_number(7)}"

    answer = await desk.settle(key, bill(sandbox.dibao()))

    assert paths(problem(answer, 422, "MA-1104")) == {"Idempotency-Key"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "MA-1101"),
        (b"{", 400, "MA-1101"),
        (b"\xff", 400, "MA-1101"),
        (b"[]", 422, "MA-1102"),
        (b"null", 422, "MA-1102"),
        (b'{"total_fen": NaN}', 400, "MA-1101"),
    ],
    ids=repr,
)
async def test_body_that_is_no_bill(
    desk: Desk, body: bytes, status: int, code: str
) -> None:
    """Said as it is: no JSON, or JSON of something else; never a server's error."""
    answer = await desk.ask("POST", "/v1/settlements", body, Idempotency_Key=new_name())

    problem(answer, status, code)


async def test_field_that_stands_twice(desk: Desk) -> None:
    """Nobody must guess which of two amounts was meant."""
    text = b'{"card": {"kind": "resident_id", "number": "x"}, "service_date": "%s"'
    body = text % DAY.encode() + b', "service_date": "2026-01-04"}'

    answer = await desk.ask("POST", "/v1/eligibility", body)

    assert "service_date" in paths(problem(answer, 422, answer.code))


async def test_body_that_is_too_large(desk: Desk) -> None:
    """A bill is not that long."""
    sent = bill(1, diagnoses=["I10"] * 40_000)

    answer = await desk.ask("POST", "/v1/settlements", sent, Idempotency_Key=new_name())

    problem(answer, 413, "MA-1105")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
async def test_other_content_type(desk: Desk, content_type: str) -> None:
    """JSON in UTF-8 is spoken here."""
    headers = {
        "Authorization": f"Bearer {await desk.token()}",
        "Content-Type": content_type,
        "Idempotency-Key": new_name(),
    }

    answer = await desk.raw("POST", "/v1/settlements", b"{}", headers)

    problem(answer, 415, "MA-1106")


async def test_content_type_with_its_charset(desk: Desk, sandbox: Sandbox) -> None:
    """What many systems write is understood."""
    sent = {"card": card(sandbox.dibao()), "service_date": DAY}

    answer = await desk.ask(
        "POST", "/v1/eligibility", sent, Content_Type=f"{JSON}; charset=utf-8"
    )

    assert answer.status == 200


async def test_unknown_address_and_method(desk: Desk) -> None:
    """404 and 405, the latter with what is allowed."""
    unknown = await desk.raw("GET", "/v1/nothing")
    refused = await desk.raw("DELETE", "/v1/settlements")

    problem(unknown, 404, "MA-4105")
    problem(refused, 405, "MA-4106")
    assert refused.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?visit_no=a&idempotency_key=b",
        "?card=T00000001",
        "?visit_no=",
        "?visit_no=a&visit_no=b",
    ],
)
async def test_look_up_by_something_else(desk: Desk, query: str) -> None:
    """Exactly one of key and visit, and never a card in an address."""
    answer = await desk.get(f"/v1/settlements{query}")

    assert answer.status == 422, answer.body
    assert b"T00000001" not in answer.body


@pytest.mark.parametrize(
    ("order", "code", "field"),
    [
        ({}, "MA-1102", "settlement_id"),
        (BY_ID | {"original_idempotency_key": "k"}, "MA-1102", "settlement_id"),
        ({"original_idempotency_key": "k"}, "MA-1102", "card"),
        (BY_ID | {"card": card(1)}, "MA-1102", "card"),
        (BY_ID | {"reason": "because"}, "MA-1102", "reason"),
        (BY_ID | {"amount_fen": 5}, "MA-1102", "amount_fen"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else None,
)
async def test_malformed_reversal(
    desk: Desk, order: dict[str, Any], code: str, field: str
) -> None:
    """One of the two forms, one of three reasons, the full amount."""
    answer = await desk.reverse(new_name(), {"reason": "refund"} | order)

    assert paths(problem(answer, 422, code)) == {field}


@pytest.mark.parametrize("at", ["yesterday", "2026-01-05", "2026-01-05T02:14:09", ""])
async def test_malformed_sandbox_time(desk: Desk, at: str) -> None:
    """An instant in UTC, or 400."""
    answer = await desk.settle(new_name(), bill(1), Medaid_Sandbox_Time=at)

    problem(answer, 400, "MA-1107")


@pytest.mark.parametrize("value", ["soon", "0", "-1", "1.5", "", "9999999999"])
async def test_malformed_deadline(desk: Desk, value: str) -> None:
    """Milliseconds as digits, or 400."""
    answer = await desk.settle(new_name(), bill(1), Medaid_Deadline_Ms=value)

    problem(answer, 400, "MA-1107")


async def test_deadline_that_passes(desk: Desk, sandbox: Sandbox) -> None:
    """Not begun by then: 503, nothing stored, the same key settles later."""
    late: list[tuple[str, Any]] = []
    for _ in range(20):
        person = sandbox.tekun()
        crowd = [(new_name(), bill(person)) for _ in range(60)]
        answers = await asyncio.gather(
            *(desk.settle(key, sent, Medaid_Deadline_Ms="1") for key, sent in crowd)
        )
        for (key, sent), answer in zip(crowd, answers, strict=True):
            if answer.status != 201:
                document = problem(answer, 503, "MA-5102")
                assert document["retry"]["allowed"] is True
                assert document["retry"]["same_key"] is True
                assert int(answer.headers["Retry-After"]) >= 1
                late.append((key, sent))
        if late:
            break

    assert late, "no deadline of a millisecond ever passed"
    for key, sent in late[:5]:
        await nothing_is_kept(desk, key)
        again = await desk.settle(key, sent)
        assert (again.status, again.replayed) == (201, False)
        assert again.json()["decision"] == "approved"


async def test_header_names_the_pause(desk: Desk) -> None:
    """`retry.after_s` and Retry-After are one number, where a retry can help."""
    refused = await desk.raw("GET", "/v1/nothing")

    assert refused.json()["retry"] == {
        "allowed": False,
        "after_s": None,
        "same_key": False,
    }
    assert "Retry-After" not in refused.headers
