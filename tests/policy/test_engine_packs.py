"""Whole packs at random against the oracle, and what must hold of any of them."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from settlement.domain.bill import bill_faults
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.policy import CompiledPack, compile_pack
from tests.policy.oracle import Oracle
from tests.policy.random_packs import CATEGORIES, whole_packs
from tests.policy.strategies import UNHURRIED, Visit, visits

#: A pack is large and takes long to read, which says nothing about the engine. What
#: fails is shown at once: making it smaller takes minutes, and the slow run does it.
LARGE = settings(
    UNHURRIED,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MANY = st.lists(visits(), min_size=10, max_size=20)
IDENTITIES = (*((name,) for name in CATEGORIES), CATEGORIES, ("yi", "unknown"))


def decide(
    pack: CompiledPack, visit: Visit, categories: tuple[str, ...]
) -> Adjudication:
    """What the engine makes of the visit."""
    year = pack.year_of(pack.policy_day(visit.bill))
    used = {AccumulatorKey(year, pot): fen for pot, fen in visit.used.items()}
    return pack.adjudicate(
        visit.bill, categories, used, visit.level, settled_on=visit.settled_on
    )


def assert_oracle_agrees(
    result: Adjudication, oracle: Oracle, visit: Visit, categories: tuple[str, ...]
) -> None:
    """Every amount, what is posted, the reason, and who gives."""
    expected = oracle.adjudicate(
        visit.bill, categories, visit.used, visit.level, visit.settled_on
    )
    parts = dict(result.aid)
    posted = {posting.key: posting.amount_fen for posting in result.postings}
    year = oracle.year(visit.bill)
    assert (result.approved, result.reason) == (expected.approved, expected.reason)
    assert result.base_fen == expected.base * 100
    assert parts.get("basic", 0) == expected.basic * 100
    assert parts.get("tilt", 0) == expected.tilt * 100
    assert posted == {
        AccumulatorKey(year, pot): amount * 100
        for pot, amount in expected.posted.items()
    }
    if expected.category is not None:
        assert result.category == expected.category


def agree(text: str, drawn: list[Visit]) -> None:
    """Engine and oracle say the same, at the desk and on application."""
    document = text.encode()
    desk = compile_pack(document)
    for on_application in (False, True):
        oracle = Oracle(document, on_application=on_application)
        pack = desk.applications if on_application else desk
        for visit in drawn:
            if not pack.covers(pack.policy_day(visit.bill)):
                continue
            for categories in IDENTITIES:
                result = decide(pack, visit, categories)
                assert_oracle_agrees(result, oracle, visit, categories)


@given(whole_packs(), MANY)
@settings(LARGE, max_examples=40)
def test_any_pack_agrees_with_the_oracle_to_the_fen(
    text: str, drawn: list[Visit]
) -> None:
    """Levels, referral, bands, shares, nested pots, own bases, tilt: some 6,000."""
    agree(text, drawn)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@given(whole_packs(), MANY)
@settings(LARGE, max_examples=3_000, phases=list(Phase))
def test_any_pack_agrees_with_the_oracle_for_long(
    text: str, drawn: list[Visit]
) -> None:
    """The same for some 450,000 decisions."""
    agree(text, drawn)


def _texts(result: Adjudication) -> list[tuple[str, str, str]]:
    return [(line.text.zh, line.text.en, line.source) for line in result.explanation]


def assert_sums(result: Adjudication, visit: Visit) -> None:
    """0 <= aid <= base <= owed; total = funds + aid + patient; caps are kept."""
    bill = visit.bill
    assert 0 <= result.aid_fen <= result.base_fen <= bill.owed_fen
    assert bill.total_fen == bill.funds_fen + result.aid_fen + result.patient_pays_fen
    assert result.aid_fen == sum(part.amount_fen for part in result.aid)
    assert all(part.amount_fen > 0 for part in result.aid)
    back = bill.personal_account_fen - result.account_return_fen
    assert result.cash_fen + back == result.patient_pays_fen
    assert min(result.cash_fen, result.account_return_fen) == 0
    posted = {posting.key.pot: posting for posting in result.postings}
    assert len(posted) == len(result.postings)
    for pot, posting in posted.items():
        assert posting.amount_fen > 0
        if posting.cap_fen is not None:
            assert visit.used.get(pot, 0) + posting.amount_fen <= posting.cap_fen
    for quota in result.quota:
        added = posted[quota.pot].amount_fen if quota.pot in posted else 0
        assert quota.used_fen == visit.used.get(quota.pot, 0) + added


def assert_chained(result: Adjudication, visit: Visit) -> None:
    """Each line takes up what the one before left, in both languages, with a source.

    The tilt takes up what the basic aid leaves of the base; the last line is what the
    patient pays of what was owed.
    """
    lines = result.explanation
    assert all(all(texts) for texts in _texts(result))
    main = [line for line in lines if line.rule in _MAIN]
    for line, following in pairwise(main):
        assert line.result_fen == following.input_fen
    tilt = [line for line in lines if line.rule in ("tilt", "tilt_cap")]
    for line, following in pairwise(tilt):
        assert line.result_fen == following.input_fen
    parts = dict(result.aid)
    if result.postings or result.aid:
        assert main[0].rule == "base"
        assert main[-1].result_fen == parts.get("basic", 0)
    if tilt:
        assert tilt[0].input_fen == main[0].result_fen - parts.get("basic", 0)
        assert tilt[-1].result_fen == parts.get("tilt", 0)
    for line in lines:
        if line.rule == "best_identity":
            said = (line.input_fen, line.result_fen, line.also_fen)
            assert said == (result.base_fen, result.aid_fen, 0)
    last = lines[-1]
    assert (last.rule, last.result_fen) == ("patient_pays", result.patient_pays_fen)
    assert (last.input_fen, last.also_fen) == (visit.bill.owed_fen, result.aid_fen)


_MAIN = ("base", "deductible", "rate", "visit_cap", "year_cap")


@given(whole_packs(), MANY)
@settings(LARGE, max_examples=20)
def test_sums_and_sentences_hold_for_any_pack(text: str, drawn: list[Visit]) -> None:
    """What every settlement owes to the patient and to the books; nothing is random."""
    pack = compile_pack(text.encode())
    fresh = compile_pack(text.encode())
    for visit in drawn:
        assert bill_faults(visit.bill, today=visit.settled_on) == ()
        if not pack.covers(pack.policy_day(visit.bill)):
            continue
        for categories in IDENTITIES:
            result = decide(pack, visit, categories)
            assert_sums(result, visit)
            assert_chained(result, visit)
            read = {key.pot for key in pack.accumulator_keys(visit.bill, categories)}
            assert {posting.key.pot for posting in result.postings} <= read
            known = replace(
                visit, used={pot: visit.used.get(pot, 0) for pot in read}
            )  # fmt: skip
            assert decide(pack, known, categories).aid_fen == result.aid_fen
            again = decide(fresh, visit, categories)
            assert (again.aid, again.postings) == (result.aid, result.postings)
            assert _texts(again) == _texts(result)


@given(whole_packs(), MANY)
@settings(LARGE, max_examples=15)
def test_the_best_identity_wins_and_never_two(text: str, drawn: list[Visit]) -> None:
    """Several get what the best of them gets alone, and post that and no more."""
    pack = compile_pack(text.encode())
    names = tuple(category.id for category in pack.document.categories)
    for visit in drawn:
        if not pack.covers(pack.policy_day(visit.bill)):
            continue
        together = decide(pack, visit, names)
        alone = {name: decide(pack, visit, (name,)) for name in names}
        assert together.aid_fen == max(result.aid_fen for result in alone.values())
        assert decide(pack, visit, names[::-1]) == together
        if together.category is not None and together.postings:
            winner = alone[together.category]
            assert (together.aid, together.postings) == (winner.aid, winner.postings)
            assert together.reason == winner.reason


@given(whole_packs(), MANY, st.integers(1, 50_000))
@settings(LARGE, max_examples=15)
def test_aid_rises_with_the_costs_and_never_faster(
    text: str, drawn: list[Visit], more: int
) -> None:
    """More in-policy costs on the bill: more aid or the same, for any identities."""
    pack = compile_pack(text.encode())
    for visit in drawn:
        if not pack.covers(pack.policy_day(visit.bill)):
            continue
        for categories in IDENTITIES:
            first = decide(pack, visit, categories).aid_fen
            for step in (1, more):
                fen = visit.bill.in_policy_fen + step
                total_fen = visit.bill.total_fen + step
                bill = replace(visit.bill, in_policy_fen=fen, total_fen=total_fen)
                aid_fen = decide(pack, replace(visit, bill=bill), categories).aid_fen
                assert 0 <= aid_fen - first <= step
