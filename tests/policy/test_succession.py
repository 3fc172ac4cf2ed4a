"""Versions of one scheme: which one decides is never in doubt, and no day is lost."""

from datetime import UTC, datetime

import pytest

from settlement.domain.policy import (
    CompiledPack,
    PolicyBook,
    PolicyError,
    compile_pack,
)
from settlement.domain.policy.succession import refuse_gaps
from tests.policy.small_pack import small_pack

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
LATE = datetime(2020, 6, 1, tzinfo=UTC)


def version(number: int, begins: str, ends: str) -> CompiledPack:
    """One version of the small scheme; its worked case lies before all of them."""
    text = small_pack(
        version=f"'{number}'", in_force=f"{{from: {begins}, to: {ends}, source: s}}"
    )
    text = text.replace("on: 2026-01-05", "on: 1990-01-05")
    return compile_pack(text.replace("{in_force: 是}", "{in_force: 否}").encode())


FIRST = version(1, "2020-01-01", "2020-12-31")


@pytest.mark.parametrize("other", ["2020-12-31", "2021-12-31", "open"])
def test_two_versions_of_one_day_and_one_instant_are_refused(other: str) -> None:
    """Nothing would say which of them decides."""
    with pytest.raises(PolicyError) as caught:
        PolicyBook([(FIRST, EARLY), (version(2, "2020-01-01", other), EARLY)])
    [fault] = caught.value.faults
    assert fault.code == "MA-7018"
    assert "small@1 与 small@2" in fault.text.zh
    assert "2020-01-01" in fault.text.en


def test_an_overlap_is_decided_by_what_was_known_last() -> None:
    """A correction from the same day, and a successor before the end, are in order."""
    PolicyBook([(FIRST, EARLY), (version(2, "2020-01-01", "open"), LATE)])
    PolicyBook([(FIRST, EARLY), (version(2, "2020-07-01", "open"), EARLY)])
    PolicyBook([(FIRST, EARLY), (FIRST, EARLY)])


@pytest.mark.parametrize(
    ("packs", "gap"),
    [
        ([("2021-01-02", "open")], "2021-01-01 至 2021-01-01"),
        ([("2021-03-01", "2021-12-31")], "2021-01-01 至 2021-02-28"),
        ([("2020-02-01", "2020-03-01"), ("2021-01-02", "open")],
         "2021-01-01 至 2021-01-01"),
    ],
)  # fmt: skip
def test_days_without_any_version_are_named(
    packs: list[tuple[str, str]], gap: str
) -> None:
    """The first and the last day that nobody thought of, and the version after them."""
    others = [version(number, *days) for number, days in enumerate(packs, start=2)]
    with pytest.raises(PolicyError) as caught:
        refuse_gaps([*others, FIRST])
    [fault] = caught.value.faults
    assert (fault.code, fault.field) == ("MA-7012", "in_force.from")
    assert gap in fault.text.zh
    assert f"small@{len(packs) + 1}" in fault.text.en


@pytest.mark.parametrize(
    "days",
    [("2021-01-01", "open"), ("2020-07-01", "open"), ("2019-01-01", "2019-12-31"),
     ("2019-01-01", "open")],
)  # fmt: skip
def test_versions_that_follow_each_other_are_in_order(days: tuple[str, str]) -> None:
    """The day after, an overlap, and one that begins before."""
    refuse_gaps([FIRST, version(2, *days)])
    refuse_gaps([FIRST])
    refuse_gaps([])


def test_nothing_follows_an_open_end_with_a_gap() -> None:
    """What has no end leaves no day out, whatever comes later."""
    refuse_gaps([version(1, "2020-01-01", "open"), version(2, "2030-01-01", "open")])
