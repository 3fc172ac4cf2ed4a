from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement import policies
from settlement.domain.bill import Bill, bill_faults
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.policy import CompiledPack, compile_pack
from tests.policy.oracle import Oracle
from tests.policy.strategies import HISTORIES, UNHURRIED, bills, packs

#: All but the national frame, which is a pattern and decides no bill of these days.
SHIPPED = {
    name: (compile_pack(policies.read(name)), Oracle(policies.read(name)))
    for name in policies.names()
    if name != "national-frame-2021.yaml"
}
SHIPPED_PACKS = st.sampled_from(sorted(SHIPPED))


@st.composite
def pack_and_categories(draw: st.DrawFn) -> tuple[CompiledPack, Oracle, list[str]]:
    """A shipped pack with one to three of its categories, perhaps an unknown one."""
    pack, oracle = SHIPPED[draw(SHIPPED_PACKS)]
    names = [category.id for category in pack.document.categories]
    categories = draw(
        st.lists(st.sampled_from([*names, "unknown"]), min_size=1, max_size=3)
    )
    return pack, oracle, categories


def decide(
    pack: CompiledPack,
    bill: Bill,
    categories: Sequence[str],
    used: Mapping[str, int],
) -> Adjudication:
    """Adjudicate with what was used by pot in the bill's year."""
    year = pack.policy_day(bill).year
    keys = {AccumulatorKey(year, pot): fen for pot, fen in used.items()}
    return pack.adjudicate(bill, categories, keys, None)


def assert_same(
    result: Adjudication,
    oracle: Oracle,
    bill: Bill,
    used: Mapping[str, int],
    categories: Sequence[str],
) -> None:
    """The result is the oracle's, amount by amount."""
    expected = oracle.adjudicate(bill, categories, used)
    tilt = sum(part.amount_fen for part in result.aid if part.kind == "tilt")
    assert result.approved == expected.approved
    assert result.reason == expected.reason
    assert result.base_fen == expected.base * 100
    assert result.aid_fen - tilt == expected.basic * 100
    assert tilt == expected.tilt * 100
    if expected.category is not None:
        assert result.category == expected.category


@given(pack_and_categories(), bills(), HISTORIES)
@settings(UNHURRIED, max_examples=400)
def test_shipped_packs_agree_with_the_oracle(
    chosen: tuple[CompiledPack, Oracle, list[str]], bill: Bill, used: dict[str, int]
) -> None:
    """An independent computation in fractions gives the same fen."""
    pack, oracle, categories = chosen
    result = decide(pack, bill, categories, used)
    assert_same(result, oracle, bill, used, categories)


@given(packs(), st.lists(st.tuples(bills(), HISTORIES), min_size=5, max_size=15))
@settings(UNHURRIED, max_examples=60)
def test_any_pack_agrees_with_the_oracle(
    text: str, visits: list[tuple[Bill, dict[str, int]]]
) -> None:
    """The same for packs with any rates, deductibles, caps, tilts and switches."""
    document = text.encode()
    pack, oracle = compile_pack(document), Oracle(document)
    for bill, used in visits:
        for categories in (["jia"], ["yi"], ["jia", "yi"]):
            result = decide(pack, bill, categories, used)
            assert_same(result, oracle, bill, used, categories)
            assert_bounds(result, bill, used)


def assert_bounds(result: Adjudication, bill: Bill, used: Mapping[str, int]) -> None:
    """The sums that every result must satisfy."""
    owed = bill.owed_fen
    assert 0 <= result.aid_fen <= result.base_fen <= owed
    assert result.aid_fen == sum(part.amount_fen for part in result.aid)
    assert all(part.amount_fen > 0 for part in result.aid)
    assert bill.total_fen == bill.funds_fen + result.aid_fen + result.patient_pays_fen
    account = bill.personal_account_fen
    assert result.cash_fen >= 0
    assert result.account_return_fen >= 0
    assert (
        result.cash_fen + account - result.account_return_fen == result.patient_pays_fen
    )
    for posting in result.postings:
        before = used.get(posting.key.pot, 0)
        assert posting.amount_fen > 0
        if posting.cap_fen is not None:
            assert before + posting.amount_fen <= posting.cap_fen


@given(pack_and_categories(), bills(), HISTORIES)
@settings(UNHURRIED, max_examples=300)
def test_sums_hold_on_every_result(
    chosen: tuple[CompiledPack, Oracle, list[str]], bill: Bill, used: dict[str, int]
) -> None:
    """0 <= aid <= base <= owed; total = funds + aid + patient; caps are kept."""
    pack, _, categories = chosen
    assert bill_faults(bill, today=bill.service_end) == ()
    result = decide(pack, bill, categories, used)
    assert_bounds(result, bill, used)
    posted = {posting.key.pot: posting.amount_fen for posting in result.postings}
    aid_posted = sum(fen for pot, fen in posted.items() if pot != "deductible")
    assert aid_posted == result.aid_fen
    for quota in result.quota:
        assert quota.used_fen == used.get(quota.pot, 0) + posted.get(quota.pot, 0)
        assert quota.year == pack.policy_day(bill).year


@given(pack_and_categories(), bills(), HISTORIES)
@UNHURRIED
def test_the_same_facts_give_the_same_result(
    chosen: tuple[CompiledPack, Oracle, list[str]], bill: Bill, used: dict[str, int]
) -> None:
    """Nothing is remembered between bills, and a second compilation agrees."""
    pack, _, categories = chosen
    fresh = CompiledPack(pack.document)
    assert decide(pack, bill, categories, used) == decide(fresh, bill, categories, used)
    assert decide(pack, bill, categories, used) == decide(pack, bill, categories, used)


@given(pack_and_categories(), bills(), HISTORIES)
@UNHURRIED
def test_only_named_accumulators_are_read_and_posted_to(
    chosen: tuple[CompiledPack, Oracle, list[str]], bill: Bill, used: dict[str, int]
) -> None:
    """What lies outside `accumulator_keys` changes nothing and gets no posting."""
    pack, _, categories = chosen
    keys = pack.accumulator_keys(bill, categories)
    assert list(keys) == sorted(keys, key=lambda key: key.pot)
    assert len(set(keys)) == len(keys)
    year = pack.policy_day(bill).year
    every = {AccumulatorKey(year, pot): fen for pot, fen in used.items()}
    named = {key: fen for key, fen in every.items() if key in keys}
    result = pack.adjudicate(bill, categories, named, None)
    assert result == pack.adjudicate(bill, categories, every, None)
    assert {posting.key for posting in result.postings} <= set(keys)


@given(pack_and_categories(), bills(), HISTORIES)
@UNHURRIED
def test_the_best_identity_wins_and_never_two(
    chosen: tuple[CompiledPack, Oracle, list[str]], bill: Bill, used: dict[str, int]
) -> None:
    """Several identities get the most that one of them gets alone, in any order."""
    pack, _, categories = chosen
    together = decide(pack, bill, categories, used)
    alone = [decide(pack, bill, [category], used) for category in categories]
    assert together.aid_fen == max(result.aid_fen for result in alone)
    turned = decide(pack, bill, categories[::-1], used)
    assert turned == together


@given(pack_and_categories(), bills(), HISTORIES, st.integers(1, 100_000))
@UNHURRIED
def test_more_burden_never_means_less_aid(
    chosen: tuple[CompiledPack, Oracle, list[str]],
    bill: Bill,
    used: dict[str, int],
    more: int,
) -> None:
    """Aid rises with the base, and not by more than the base does."""
    pack, _, categories = chosen
    larger = replace(
        bill, in_policy_fen=bill.in_policy_fen + more, total_fen=bill.total_fen + more
    )
    first = decide(pack, bill, categories, used)
    second = decide(pack, larger, categories, used)
    assert 0 <= second.aid_fen - first.aid_fen <= more


@given(pack_and_categories(), st.lists(bills(), min_size=1, max_size=8), HISTORIES)
@UNHURRIED
def test_taking_postings_back_restores_every_accumulator(
    chosen: tuple[CompiledPack, Oracle, list[str]],
    visits: list[Bill],
    used: dict[str, int],
) -> None:
    """Posting a row of bills and taking them back in any order changes nothing."""
    pack, _, categories = chosen
    totals = {AccumulatorKey(2026, pot): fen for pot, fen in used.items()}
    before = dict(totals)
    posted = []
    for bill in visits:
        result = pack.adjudicate(bill, categories, totals, None)
        for posting in result.postings:
            totals[posting.key] = totals.get(posting.key, 0) + posting.amount_fen
            posted.append(posting)
    for posting in posted:
        totals[posting.key] -= posting.amount_fen
    assert totals == before


@given(pack_and_categories(), st.lists(bills(), min_size=2, max_size=12))
@UNHURRIED
def test_a_year_of_bills_never_exceeds_a_cap(
    chosen: tuple[CompiledPack, Oracle, list[str]], visits: list[Bill]
) -> None:
    """From nothing used, the sum in each pot stays within the category's cap."""
    pack, _, categories = chosen
    totals: dict[AccumulatorKey, int] = {}
    for bill in visits:
        for posting in pack.adjudicate(bill, categories[:1], totals, None).postings:
            totals[posting.key] = totals.get(posting.key, 0) + posting.amount_fen
            assert posting.cap_fen is None or totals[posting.key] <= posting.cap_fen


@given(pack_and_categories(), bills(), HISTORIES)
@UNHURRIED
def test_the_explanation_leads_from_costs_to_what_the_patient_pays(
    chosen: tuple[CompiledPack, Oracle, list[str]], bill: Bill, used: dict[str, int]
) -> None:
    """Each line has both languages and a source; the last says what is left to pay."""
    pack, _, categories = chosen
    result = decide(pack, bill, categories, used)
    lines = result.explanation
    assert all(line.text.zh and line.text.en and line.source for line in lines)
    last = lines[-1]
    assert last.rule == "patient_pays"
    assert (last.input_fen, last.result_fen) == (bill.owed_fen, result.patient_pays_fen)
    chain = [
        line
        for line in lines
        if line.rule in {"base", "deductible", "rate", "visit_cap", "year_cap"}
    ]
    for line, following in pairwise(chain):
        assert line.result_fen == following.input_fen
    for line in lines:
        shown = f"{line.result_fen // 100:,}.{line.result_fen % 100:02d}"
        if line.rule not in {"best_identity", "already_paid", "referral"}:
            assert shown in line.text.zh
            assert shown in line.text.en


@pytest.mark.parametrize("name", SHIPPED)
def test_compiling_again_gives_the_same_reference(name: str) -> None:
    """The hash is that of the exact bytes: one more space is another document."""
    document = policies.read(name)
    assert compile_pack(document).ref == SHIPPED[name][0].ref
    assert compile_pack(document + b"\n").ref.sha256 != SHIPPED[name][0].ref.sha256
