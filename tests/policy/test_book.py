from datetime import UTC, date, datetime

import pytest

from settlement import policies
from settlement.domain.bill import CareType
from settlement.domain.decision import AccumulatorKey
from settlement.domain.errors import InvariantBrokenError, RequestRefused
from settlement.domain.policy import (
    CompiledPack,
    PolicyBook,
    PolicyError,
    compile_pack,
)
from tests.policy.small_pack import small_pack
from tests.policy.strategies import bill_of

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 3, 1, tzinfo=UTC)


def version(name: str, begins: str, ends: str = "open") -> CompiledPack:
    """A version of the small pack in force between two days."""
    return compile_pack(
        small_pack(
            version=f"'{name}'", in_force=f"{{from: {begins}, to: {ends}, source: s}}"
        ).replace("on: 2026-01-05", f"on: {begins}").encode()
    )  # fmt: skip


OLD = version("1", "2020-01-01", "2025-12-31")
NEW = version("2", "2026-01-01")
CORRECTED = version("3", "2026-01-01")


def test_the_day_before_and_the_day_of_a_change() -> None:
    """The version in force on the bill's day decides, not the one of settling."""
    book = PolicyBook([(OLD, EARLY), (NEW, EARLY)])
    assert book.in_force(bill_of(on=date(2025, 12, 31)), LATE) is OLD
    assert book.in_force(bill_of(on=date(2026, 1, 1)), LATE) is NEW
    assert book.in_force_on(date(2025, 12, 31), LATE) is OLD
    assert book.in_force_on(date(2026, 1, 1), LATE) is NEW


def test_inpatient_care_goes_by_its_end_and_others_by_their_start() -> None:
    """A stay over the change falls under the new version, a visit under the old."""
    book = PolicyBook([(NEW, EARLY), (OLD, EARLY)])
    over = {"service_start": date(2025, 12, 20), "service_end": date(2026, 1, 2)}
    assert book.in_force(bill_of(care_type=CareType.INPATIENT, **over), LATE) is NEW
    assert book.in_force(bill_of(care_type=CareType.OUTPATIENT, **over), LATE) is OLD


def test_of_two_in_force_the_latest_known_at_the_instant_decides() -> None:
    """A correction counts from the instant on which it was known, not before."""
    known = datetime(2026, 2, 1, 8, tzinfo=UTC)
    book = PolicyBook([(NEW, EARLY), (CORRECTED, known)])
    before = datetime(2026, 2, 1, 7, 59, 59, tzinfo=UTC)
    bill = bill_of(on=date(2026, 1, 10))
    assert book.in_force(bill, before) is NEW
    assert book.in_force(bill, known) is CORRECTED
    assert book.packs == (CORRECTED, NEW)


@pytest.mark.parametrize(
    ("day", "known_at", "code"),
    [
        pytest.param(date(2019, 12, 31), LATE, "MA-1117", id="before the first"),
        pytest.param(
            date(2026, 1, 1), datetime(2019, 1, 1, tzinfo=UTC), "MA-5106", id="unknown"
        ),
    ],
)
def test_no_policy_in_force_is_a_fault(
    day: date, known_at: datetime, code: str
) -> None:
    """A day before the first version is the bill's fault; else the operator's."""
    book = PolicyBook([(OLD, EARLY), (NEW, EARLY)])
    with pytest.raises(RequestRefused, match=code) as refused:
        book.in_force(bill_of(on=day), known_at)
    with pytest.raises(RequestRefused, match=code):
        book.in_force_on(day, known_at)
    named = ["service_start"] if code == "MA-1117" else []
    assert [fault.path for fault in refused.value.faults] == named


def test_an_empty_book_refuses_everything() -> None:
    """No pack is no default pack."""
    with pytest.raises(RequestRefused, match="MA-5106"):
        PolicyBook([]).in_force(bill_of(), LATE)


def test_packs_of_two_schemes_do_not_stand_side_by_side() -> None:
    """Otherwise the newer scheme would decide the other one's bills."""
    shipped = [compile_pack(policies.read(name)) for name in policies.names()]
    with pytest.raises(PolicyError, match="MA-7018"):
        PolicyBook([(pack, EARLY) for pack in shipped])


def test_one_version_has_one_document() -> None:
    """Two texts under one version could not be told apart in a record."""
    other = compile_pack(small_pack(jurisdiction="'990102'").encode())
    same = compile_pack(small_pack().encode())
    with pytest.raises(PolicyError, match="MA-7018"):
        PolicyBook([(same, EARLY), (other, EARLY)])
    assert PolicyBook([(same, EARLY), (same, LATE)]).packs == (same, same)


def test_spellings_are_looked_up_in_every_version() -> None:
    """A roster may spell a category as an older version does."""
    book = PolicyBook([(OLD, EARLY), (NEW, EARLY)])
    assert book.canonical_category(" 乙等") == "yi"
    assert book.canonical_category("丙") is None


def test_the_quota_of_eligibility_is_that_of_the_best_category() -> None:
    """Pots of the category with the highest benefits, with what is left of them."""
    pack = compile_pack(policies.read("demo-district.yaml"))
    day = date(2026, 5, 1)
    used = {AccumulatorKey(2026, "outpatient"): 700_000}
    assert pack.quota_keys(["yinbing", "dibao"], day) == (
        AccumulatorKey(2026, "outpatient"),
        AccumulatorKey(2026, "inpatient"),
        AccumulatorKey(2026, "tilt"),
    )
    quota = {pot.pot: pot for pot in pack.quota(["yinbing", "dibao"], day, used)}
    assert quota["outpatient"].cap_fen == 600_000
    assert quota["outpatient"].remaining_fen == 0
    assert quota["inpatient"].remaining_fen == 10_000_000
    assert [pot.pot for pot in pack.quota(["yinbing"], day, {})] == [
        "inpatient",
        "tilt",
    ]
    [first, _] = pack.quota(["tekun"], day, used)
    assert (first.cap_fen, first.remaining_fen) == (None, None)


def test_categories_that_the_pack_does_not_know_get_nothing() -> None:
    """A person of another scheme's category: approved, no aid, nothing touched."""
    pack = compile_pack(policies.read("beijing-2023.yaml"))
    day = date(2026, 5, 1)
    for categories in (["guer"], [], ["guer", "fanpin"]):
        assert pack.best_category(categories) is None
        assert pack.quota(categories, day, {}) == ()
        assert pack.quota_keys(categories, day) == ()
        assert pack.accumulator_keys(bill_of(), categories) == ()
        result = pack.adjudicate(bill_of(), categories, {}, 1)
        assert (result.approved, result.reason) == (True, "MA-2004")
        assert (result.category, result.aid_fen, result.postings) == (None, 0, ())
        assert result.quota == ()


def test_category_texts_are_for_people() -> None:
    """Both languages; an unknown id stands for itself instead of failing."""
    pack = compile_pack(policies.read("demo-district.yaml"))
    assert pack.category_text("dibao")[0] == "最低生活保障对象"
    assert "dibao" in pack.category_text("dibao")[1]
    assert pack.category_text("nobody") == ("nobody", "nobody")


FILING = compile_pack(
    small_pack(filing_limit="{value: 30天, source: s}").encode()
)  # fmt: skip


def test_a_bill_within_the_filing_limit_is_settled() -> None:
    """The last day counts as in time."""
    result = FILING.adjudicate(
        bill_of(on=date(2026, 1, 1)), ["jia"], {}, None, settled_on=date(2026, 1, 31)
    )
    assert (result.approved, result.aid_fen) == (True, 8000)


def test_a_bill_after_the_filing_limit_is_declined() -> None:
    """One day later it is too late, and the explanation says so."""
    result = FILING.adjudicate(
        bill_of(on=date(2026, 1, 1)), ["jia"], {}, None, settled_on=date(2026, 2, 1)
    )
    assert (result.approved, result.reason) == (False, "MA-2207")
    assert result.explanation[0].rule == "filing_limit"
    assert "30" in result.explanation[0].text.en


def test_a_filing_limit_is_never_skipped_for_want_of_the_day() -> None:
    """A caller that does not say when it settles crashes instead of approving."""
    with pytest.raises(InvariantBrokenError):
        FILING.adjudicate(bill_of(), ["jia"], {}, None)


def test_a_sentence_that_a_cashier_can_read_out() -> None:
    """The rate's line names category, care, rate and both amounts."""
    pack = compile_pack(policies.read("demo-district.yaml"))
    result = pack.adjudicate(
        bill_of(in_policy_fen=8000, basic_insurance_fen=1600), ["dibao"], {}, None
    )
    [line] = [line for line in result.explanation if line.rule == "rate"]
    assert line.text.zh == "低保门诊救助 80%：64.00 元 → 51.20 元"
    assert line.text.en == "Dibao outpatient aid 80 %: 64.00 -> 51.20 yuan"
    assert (line.input_fen, line.result_fen) == (6400, 5120)
    assert line.source == "示范医救〔2000〕1号（虚构） 第五条第二款"


def test_a_cap_without_a_limit_has_no_sentence_but_is_counted() -> None:
    """What an uncapped category gets is posted all the same, with no cap."""
    pack = compile_pack(policies.read("beijing-2023.yaml"))
    result = pack.adjudicate(bill_of(), ["tekun"], {}, None)
    assert [line.rule for line in result.explanation] == [
        "base",
        "rate",
        "patient_pays",
    ]
    [posting] = result.postings
    assert (posting.amount_fen, posting.cap_fen) == (10_000, None)


def test_the_yearly_deductible_is_a_running_total_of_the_person() -> None:
    """It is read, posted with its own limit and named in the sentence."""
    pack = compile_pack(policies.read("demo-district.yaml"))
    bill = bill_of(care_type=CareType.OUTPATIENT_SPECIAL, in_policy_fen=50_000)
    key = AccumulatorKey(2026, "deductible")
    assert pack.accumulator_keys(bill, ["dishouru"]) == (
        key,
        AccumulatorKey(2026, "inpatient"),
        AccumulatorKey(2026, "outpatient"),
    )
    assert key not in pack.accumulator_keys(bill, ["dibao"])
    assert key in pack.accumulator_keys(bill, ["dibao", "dishouru"])
    result = pack.adjudicate(bill, ["dishouru"], {key: 70_000}, None)
    [counted, paid] = result.postings
    assert (counted.key, counted.amount_fen, counted.cap_fen) == (key, 30_000, 100_000)
    assert (paid.key.pot, paid.amount_fen, paid.cap_fen) == (
        "inpatient",
        12_000,
        5_000_000,
    )
    assert result.explanation[1].text.zh == (
        "年度起付标准 1,000.00 元，此前已计 700.00 元：500.00 元 → 200.00 元"
    )


def test_the_sentence_of_a_cap_says_what_was_used_before() -> None:
    """Cap, used before, what the bill would get and what is left for it."""
    pack = compile_pack(policies.read("demo-district.yaml"))
    used = {AccumulatorKey(2026, "outpatient"): 599_000}
    result = pack.adjudicate(bill_of(), ["dibao"], used, None)
    assert result.explanation[3].text.zh == (
        "门诊年度救助限额 6,000.00 元，此前已用 5,990.00 元：80.00 元 → 10.00 元"
    )
    assert result.explanation[3].text.en == (
        "Yearly cap (outpatient) 6,000.00, used before 5,990.00: 80.00 -> 10.00 yuan"
    )
