"""What the edge takes as a BILL, and every fault that it names."""

import json
import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import parse_bill
from settlement.domain.bill import Bill, CardKind, CareType, Place
from settlement.domain.errors import RequestRefused
from tests.gateway.bodies import BILL, CARD, REQUIRED, RESIDENT_ID, bill


def faults(raw: bytes, **opaque: Any) -> tuple[str, list[tuple[str, str]]]:
    """The code of the refusal and the faults that it names."""
    with pytest.raises(RequestRefused) as caught:
        parse_bill(raw, **opaque)
    refused = caught.value
    return refused.reason, [(fault.path, fault.reason) for fault in refused.faults]


def test_bill_of_the_contract_is_read_whole() -> None:
    """The example of API.md comes through with every value and type."""
    parsed = parse_bill(bill())

    assert parsed.card.kind is CardKind.SOCIAL_SECURITY_CARD
    assert parsed.card.number == "A12345678"
    assert parsed.care_type is CareType.OUTPATIENT
    assert parsed.service_start == date(2026, 1, 5)
    assert parsed.occurred_at == datetime(2026, 1, 5, 2, 14, 9, tzinfo=UTC)
    assert parsed.diagnoses == ("I10",)
    assert parsed.total_fen == 25000
    assert parsed.place is Place.LOCAL


def test_fields_left_out_get_the_defaults_of_the_contract() -> None:
    """What may be left out may be left out, all at once."""
    needed = {name: BILL[name] for name in REQUIRED}

    parsed = parse_bill(json.dumps(needed).encode())

    assert (parsed.bill_no, parsed.occurred_at, parsed.diagnoses) == (None, None, ())
    assert (parsed.medical_aid_fen, parsed.commercial_fen) == (0, 0)
    assert (parsed.deductible_fen, parsed.expected_aid_fen) == (None, None)


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_field_is_named(name: str) -> None:
    """Each required field that is missing is named by its path."""
    assert faults(bill(**{name: ...})) == ("MA-1102", [(name, "MA-1120")])


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"total_fen": 25000.0}, "total_fen", "MA-1122"),
        ({"total_fen": True}, "total_fen", "MA-1122"),
        ({"total_fen": "25000"}, "total_fen", "MA-1122"),
        ({"total_fen": None}, "total_fen", "MA-1122"),
        ({"deductible_fen": 0.5}, "deductible_fen", "MA-1122"),
        ({"care_type": "dental"}, "care_type", "MA-1123"),
        ({"place": "Local"}, "place", "MA-1123"),
        ({"repeat_reason": "again"}, "repeat_reason", "MA-1123"),
        ({"referred": 1}, "referred", "MA-1128"),
        ({"referred": "true"}, "referred", "MA-1128"),
        ({"service_start": "2026-1-5"}, "service_start", "MA-1124"),
        ({"service_start": "20260105"}, "service_start", "MA-1124"),
        ({"service_start": "1767571200"}, "service_start", "MA-1124"),
        ({"service_start": "2026-02-30"}, "service_start", "MA-1124"),
        ({"service_start": "0001-01-01"}, "service_start", "MA-1124"),
        ({"service_start": "２０２６-01-05"}, "service_start", "MA-1124"),
        ({"service_start": 20260105}, "service_start", "MA-1128"),
        ({"occurred_at": "2026-01-05T02:14:09"}, "occurred_at", "MA-1125"),
        ({"occurred_at": "2026-01-05T10:14:09+08:00"}, "occurred_at", "MA-1125"),
        ({"occurred_at": "2026-01-05T24:14:09Z"}, "occurred_at", "MA-1125"),
        ({"occurred_at": "2026-01-05 02:14:09Z"}, "occurred_at", "MA-1125"),
        ({"visit_no": ""}, "visit_no", "MA-1126"),
        ({"visit_no": "x" * 65}, "visit_no", "MA-1126"),
        ({"visit_no": "张三"}, "visit_no", "MA-1126"),
        ({"visit_no": "a\n"}, "visit_no", "MA-1126"),
        ({"visit_no": 7}, "visit_no", "MA-1128"),
        ({"bill_no": "a b"}, "bill_no", "MA-1126"),
        ({"diagnoses": ["I10", ""]}, "diagnoses[1]", "MA-1126"),
        ({"diagnoses": "I10"}, "diagnoses", "MA-1128"),
        ({"diagnoses": ["I10"] * 65}, "diagnoses", "MA-1126"),
        ({"prescription_days": 367}, "prescription_days", "MA-1130"),
        ({"prescription_days": -1}, "prescription_days", "MA-1130"),
        ({"med_type": "一"}, "med_type", "MA-1126"),
        ({"card": "A12345678"}, "card", "MA-1128"),
        ({"card": {**CARD, "kind": "passport"}}, "card.kind", "MA-1123"),
        ({"card": {**CARD, "number": "12"}}, "card.number", "MA-1126"),
        ({"card": {"kind": "resident_id", "number": "110101199001019980"}},
         "card.number", "MA-1129"),
        ({"card": {**CARD, "pin": 1}}, "card.pin", "MA-1121"),
        ({"extra": 1}, "extra", "MA-1121"),
    ],
)  # fmt: skip
def test_malformed_field_is_named_with_its_reason(
    changes: dict[str, Any], path: str, reason: str
) -> None:
    """One wrong field: its path, and what is wrong with it."""
    assert faults(bill(**changes)) == ("MA-1102", [(path, reason)])


@pytest.mark.parametrize("amount", [-1, 1_000_000_001, 10**30])
def test_amount_out_of_range_has_its_own_code(amount: int) -> None:
    """A range fault of an amount says the range, at the top too."""
    assert faults(bill(total_fen=amount)) == ("MA-1110", [("total_fen", "MA-1110")])


def test_all_faults_come_at_once() -> None:
    """A bill with faults of every kind is answered with all of them."""
    raw = bill(
        total_fen=1.5,
        visit_no=RESIDENT_ID,
        service_end="2026-02-30",
        care_type=...,
        a=1,
    )

    code, found = faults(raw)

    assert code == "MA-1104"
    assert set(found) == {
        ("total_fen", "MA-1122"),
        ("visit_no", "MA-1104"),
        ("service_end", "MA-1124"),
        ("care_type", "MA-1120"),
        ("a", "MA-1121"),
    }


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b'"total_fen": 25000', b'"total_fen": 25000, "total_fen": 25000', "total_fen"),
        (b'"number": "A1', b'"number": "B7654321", "number": "A1', "card.number"),
        # The second name is the same one, written with an escape.
        (b'"bill_no": "1"', b'"bill_no": "1", "bill\\u005fno": "1"', "bill_no"),
    ],
)
def test_field_that_stands_twice_is_refused(old: bytes, new: bytes, path: str) -> None:
    """Duplicate JSON names are a fault: two readers could see two bills."""
    assert faults(bill().replace(old, new)) == ("MA-1102", [(path, "MA-1127")])


def test_colons_and_escapes_in_texts_are_no_duplicates() -> None:
    """The quick proof that nothing stands twice does not misread texts."""
    assert parse_bill(bill(visit_no="a:b:c", bill_no="::")).visit_no == "a:b:c"
    assert parse_bill(bill().replace(b"MZ", b"\\u004d\\u005a")).visit_no[:2] == "MZ"


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        (b"", "$", "MA-1101"),
        (b"{", "$", "MA-1101"),
        (b"{'a': 1}", "$", "MA-1101"),
        (b'{"a": 1,}', "$", "MA-1101"),
        (b'{"a": 1} {"a": 1}', "$", "MA-1101"),
        (b'{"a": 1 "b": 2}', "a", "MA-1101"),
        (b'{"a": [true, fals]}', "a[1]", "MA-1101"),
        (b'{"a": {"b": "\\x"}}', "a.b", "MA-1101"),
        (b'{"total_fen": ', "total_fen", "MA-1101"),
        (b'{"110101199001019984": nul}', "?", "MA-1101"),
        (b"\xef\xbb\xbf{}", "$", "MA-1126"),
        (bill().decode().encode("utf-16"), "$", "MA-1126"),
        (b'{"visit_no": "\xff"}', "visit_no", "MA-1126"),
        (b'{"visit_no": "\xed\xa0\x80"}', "visit_no", "MA-1126"),
        (b'{"visit_no": "\\ud800"}', "visit_no", "MA-1126"),
        (b'{"visit_no": "\\udc00\\ud800"}', "visit_no", "MA-1126"),
        (b'{"visit_no": "\x01"}', "visit_no", "MA-1126"),
        (b'{"card": {"number": "a\nb"}}', "card.number", "MA-1126"),
        (b"[" * 30_000, "[0][0][0][0]", "MA-1101"),
        (b'{"a":' * 30_000, "a.a.a.a", "MA-1101"),
        (b'{"a":[' + b"[" * 200 + b"]" * 200 + b"]}", "a[0][0][0]", "MA-1101"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_called_so_with_its_place(
    raw: bytes, path: str, reason: str
) -> None:
    """Broken JSON, bad UTF-8, lone surrogates and depth: one code, the place named."""
    assert faults(raw) == ("MA-1101", [(path, reason)])


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "0x10", "00012", "+1", ".5", "5.", "1_000", "１"],
)
def test_number_that_json_does_not_know_is_no_json(number: str) -> None:
    """Constants and spellings of other languages: at an amount, what an amount is."""
    raw = bill().replace(b"25000", number.encode())
    other = bill(prescription_days=366).replace(b"366", number.encode())

    assert faults(raw) == ("MA-1101", [("total_fen", "MA-1122")])
    assert faults(other) == ("MA-1101", [("prescription_days", "MA-1101")])


@pytest.mark.parametrize("digits", [4_000, 4_301, 60_000])
def test_huge_integer_is_named_with_the_range(digits: int) -> None:
    """However long: the amount, and between what it must lie."""
    assert faults(bill().replace(b"25000", b"9" * digits)) == (
        "MA-1110",
        [("total_fen", "MA-1110")],
    )
    raw = bill()[:-1] + b', "prescription_days": -' + b"9" * digits + b"}"
    assert faults(raw) == ("MA-1102", [("prescription_days", "MA-1130")])


def test_names_are_counted_in_one_pass() -> None:
    """Eight times the names cost about eight times as much, and not sixty-four.

    Both within one run, the best of some, so that a busy machine counts for both.
    """

    def body_of(names: int) -> bytes:
        many = b",".join(b'"%d":1' % number for number in range(names))
        return b"{" + many + b',"a":1,"a":1}'

    def cost(raw: bytes) -> float:
        begun = time.process_time()
        assert faults(raw)[0] == "MA-1102"
        return time.process_time() - begun

    few, many = body_of(750), body_of(6_000)
    assert min(cost(many) for _ in range(5)) < 24 * min(cost(few) for _ in range(9))


def test_answer_does_not_grow_with_what_a_body_nests() -> None:
    """Paths are cut: a deep body of long names makes no long answer."""
    name = b"x" * 40
    raw = (b'{"%s":' % name) * 150 + b'{"a":1,"a":1}' + b"}" * 150

    with pytest.raises(RequestRefused) as caught:
        parse_bill(raw)

    assert max(len(fault.path) for fault in caught.value.faults) < 150


@pytest.mark.parametrize("raw", [b"null", b"7", b"[]", b'"bill"'])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    """A JSON value of another kind is a fault of the whole body."""
    assert faults(raw) == ("MA-1102", [("$", "MA-1128")])


@pytest.mark.parametrize(
    ("opaque", "path"),
    [
        ({"raw": bill(visit_no="x-A12345678")}, "visit_no"),
        ({"raw": bill(bill_no="a12345678")}, "bill_no"),
        ({"raw": bill(visit_no=f"MZ{RESIDENT_ID}01")}, "visit_no"),
        ({"raw": bill(), "key": f"k-{RESIDENT_ID}"}, "Idempotency-Key"),
        ({"raw": bill(), "operator": "op.A12345678"}, "operator"),
        ({"raw": bill(visit_no="A123-456.78")}, "visit_no"),
        ({"raw": bill(), "key": "k:a-1-2-3-4-5-6-7-8"}, "Idempotency-Key"),
        ({"raw": bill(diagnoses=["I10", "A12345678"])}, "diagnoses[1]"),
        ({"raw": bill(diagnoses=[f"Z/{RESIDENT_ID}"])}, "diagnoses[0]"),
        ({"raw": bill(med_type="11_A12345678")}, "med_type"),
    ],
)
def test_personal_number_in_an_opaque_field_is_refused(
    opaque: dict[str, Any], path: str
) -> None:
    """Card and identity numbers may hide in no number of the hospital's own."""
    assert faults(**opaque) == ("MA-1104", [(path, "MA-1104")])


def test_number_of_a_hospital_may_look_like_an_identity_number() -> None:
    """Facility, date and sequence, set apart, have its shape and are none."""
    apart = f"{RESIDENT_ID[:6]}-{RESIDENT_ID[6:14]}-{RESIDENT_ID[14:]}"

    assert parse_bill(bill(visit_no=apart)).visit_no == apart


def test_card_number_is_named_beside_other_faults() -> None:
    """A bill that is refused anyway still says that the visit's number is a card's."""
    code, found = faults(bill(total_fen=1.5, visit_no="A12345678"))

    assert code == "MA-1104"
    assert ("visit_no", "MA-1104") in found


def test_no_fault_repeats_what_was_sent() -> None:
    """Neither values nor invented names come back: they may be personal."""
    raw = bill(**{RESIDENT_ID: "x", "visit_no": f"{RESIDENT_ID}?", "care_type": "张三"})

    with pytest.raises(RequestRefused) as caught:
        parse_bill(raw)

    told = repr(caught.value.faults)
    assert RESIDENT_ID not in told
    assert "张三" not in told
    assert [fault.path for fault in caught.value.faults if fault.path == "?"]


def test_faults_are_limited() -> None:
    """A body of many unknown fields gets no answer that grows with it."""
    many = {f"f{'x' * number}": 1 for number in range(1, 200)}

    _, found = faults(bill(**many))

    assert len(found) == 50


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*BILL, "x"]) | st.text(), inner, max_size=6),
    max_leaves=20,
))  # fmt: skip
def test_any_json_is_read_or_refused(value: object) -> None:
    """Whatever JSON arrives, the edge reads a bill or refuses; nothing else."""
    try:
        outcome: Bill | str = parse_bill(json.dumps(value).encode())
    except RequestRefused as refused:
        outcome = refused.reason

    assert isinstance(outcome, Bill) or outcome in {
        "MA-1101", "MA-1102", "MA-1104", "MA-1110"
    }  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Whatever bytes arrive, the edge refuses without another exception."""
    with pytest.raises(RequestRefused):
        parse_bill(raw)
