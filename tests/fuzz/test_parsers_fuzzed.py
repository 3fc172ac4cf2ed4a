"""Parsers of bytes from outside: a value or their own exception, and soon."""

import gzip
import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from eligibility_cache.roster_file import RosterFile
from gateway.replay.visits import VisitFileError, read_visits
from settlement.domain.bill import bill_faults
from settlement.domain.errors import RequestRefused
from settlement.domain.policy.faults import PolicyError
from settlement.domain.policy.tree import read_tree
from settlement.domain.roster import RefusedRow, RosterRefusedError
from tests.fuzz import inputs
from tests.fuzz.hostile_bodies import (
    BILL,
    ELIGIBILITY,
    QUOTE,
    REVERSAL,
    SEARCH,
    SESSION,
    SHAPES,
    STATISTICS,
    TOTALS,
    Hostile,
    bodies,
)
from tests.fuzz.mutation import TOKENS, mutated
from tests.fuzz.oracle import assert_nothing_echoed, check_names_the_field
from tests.fuzz.parsers import BY_NAME, PARSERS, TODAY, Parser
from tests.roster.bureau import CATEGORIES, TOKENIZER, row

#: No input of a few kilobytes takes longer, on a machine that others use too.
_SLOW_S = 5.0
_CRASHES = Path(__file__).with_name("crashes")
_WIRE = {
    BILL: "bill", QUOTE: "bill", ELIGIBILITY: "eligibility", REVERSAL: "reversal",
    SEARCH: "search", SESSION: "session", STATISTICS: "statistics",
    TOTALS: "totals",
}  # fmt: skip


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )


def _timely(parser: Parser, raw: bytes) -> bool:
    begun = time.perf_counter()
    held = parser.check(raw)
    assert time.perf_counter() - begun < _SLOW_S
    return held


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_seeds_are_read(parser: Parser) -> None:
    """What mutation starts from is sound, or the fuzzing would see the door alone."""
    assert parser.check(parser.seeds()[0])


def test_hostile_body_names_its_field() -> None:
    """Every fault that reading finds has its path; nothing that was sent is in it."""

    @_settings(inputs.wanted("bodies"))
    @given(bodies(*SHAPES))
    def attack(sent: Hostile) -> None:
        inputs.taken["bodies"] += 1
        note(f"{sent.changes} {sent.raw[:2_000]!r}")
        parser = BY_NAME[_WIRE[sent.shape]]
        begun = time.perf_counter()
        try:
            value = parser.parse(sent.raw)
        except RequestRefused as refused:
            assert_nothing_echoed(repr(refused.faults))
            check_names_the_field(sent, [fault.path for fault in refused.faults])
        else:
            is_late = any(change.what == "future" for change in sent.changes)
            is_summed = sent.shape in {BILL, QUOTE} and bill_faults(value, today=TODAY)
            assert not sent.refused or is_late or is_summed
        assert time.perf_counter() - begun < _SLOW_S

    attack()
    inputs.report("bodies")


def test_bytes_are_read_or_refused() -> None:
    """No other exception, no hang; what is written is read as the same."""
    seeds = {parser.name: parser.seeds() for parser in PARSERS}
    weighted = [parser for parser in PARSERS for _ in range(parser.weight)]

    @_settings(inputs.wanted("parsers"))
    @given(st.sampled_from(weighted), st.randoms(use_true_random=False))
    def attack(parser: Parser, rng: random.Random) -> None:
        inputs.taken["parsers"] += 1
        raw = mutated(seeds[parser.name], TOKENS, random.Random(rng.getrandbits(64)))
        note(f"{parser.name}: {raw!r}")
        _timely(parser, raw)

    attack()
    inputs.report("parsers")


@pytest.mark.parametrize(
    "path", sorted(_CRASHES.glob("*/*")), ids=lambda path: path.name
)
def test_input_that_once_broke_a_parser_is_read_or_refused(path: Path) -> None:
    """Found by `make fuzz`: the folder's name is the parser's."""
    _timely(BY_NAME[path.parent.name.replace("-", " ")], path.read_bytes())


@pytest.mark.parametrize(
    "instant",
    [
        b"9999-12-31T23:00:00-12:00", b"9999-12-31T23:59:59Z", b"9999-12-31",
        b"0001-01-01T00:00:00", b"0001-01-01T00:00:00+14:00", b"0001-01-01",
        b"0000-01-01", b"2009-03-02T00:00:00+23:59:59.999999", b"2009-02-29",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [b"2009-03-02", b"2009-03-04T10:00:00+08:00"])
def test_visit_at_the_end_of_time_is_passed_on(instant: bytes, place: bytes) -> None:
    """Its date is the gateway's to refuse; the file is read on."""
    parser = BY_NAME["visits"]

    assert parser.parse(parser.seeds()[0].replace(place, instant)) == 1


def _peak_of(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _bomb(path: Path, head: bytes, filling: bytes, size: int) -> Path:
    path.write_bytes(gzip.compress(head + filling * (size // len(filling))))
    return path


@pytest.mark.parametrize("filling", [b"0", b'"', b","], ids=repr)
def test_gzip_bomb_needs_little_memory(tmp_path: Path, filling: bytes) -> None:
    """A roster that is one endless line: read piece by piece, each refused."""
    head = ",".join(row(1)).encode() + b"\n"
    path = _bomb(tmp_path / "roster.csv.gz", head, filling, 16 << 20)
    refused: list[bool] = []

    def read() -> None:
        found = RosterFile(path).rows(TOKENIZER, CATEGORIES)
        refused.extend(isinstance(each, RefusedRow) for each in found)

    assert _peak_of(read) < 16 << 20
    assert refused
    assert all(refused)


@pytest.mark.parametrize("filling", [b"0", b'"', b",", b'"x'], ids=repr)
def test_endless_line_of_visits_is_refused(tmp_path: Path, filling: bytes) -> None:
    """It is refused before it fills the memory."""
    head = BY_NAME["visits"].seeds()[0]
    path = _bomb(tmp_path / "visits.csv.gz", head, filling, 16 << 20)

    def read() -> None:
        with pytest.raises(VisitFileError):
            list(read_visits(path))

    assert _peak_of(read) < 4 << 20


@pytest.mark.parametrize("filling", [b"\n", b'"\n', b'""\n'], ids=repr)
def test_bomb_of_short_lines_takes_no_longer_than_it_is(
    tmp_path: Path, filling: bytes
) -> None:
    """Twice as many lines take twice as long, not four times."""
    head = ",".join(row(1)).encode() + b"\n"

    def seconds(size: int) -> float:
        path = _bomb(tmp_path / "roster.csv.gz", head, filling, size)
        begun = time.process_time()
        for _ in RosterFile(path).rows(TOKENIZER, CATEGORIES):
            pass
        return time.process_time() - begun

    assert seconds(1 << 20) < 8 * seconds(1 << 18) + 0.5


@pytest.mark.parametrize("cut", [1, 10, 11, 30, -1, -4, -8])
def test_truncated_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    """A file that ends early is not taken for a shorter one."""
    whole = gzip.compress(BY_NAME["roster"].seeds()[0] * 50, mtime=0)
    path = tmp_path / "roster.csv.gz"
    path.write_bytes(whole[:cut])

    with pytest.raises(RosterRefusedError):
        list(RosterFile(path).rows(TOKENIZER, CATEGORIES))


@pytest.mark.parametrize(
    "bomb",
    [
        b"a: &a [x]\nb: &b [" + b"*a," * 99 + b"]\nc: [" + b"*b," * 99 + b"]\n",
        b"a: &a {<<: *a}\n",
        b"a: " + b"[" * 100_000,
        b"a: " + b"{a: " * 50_000,
        b"- " * 100_000,
        b"? " * 100_000,
        b"a: !!python/object/apply:os.system ['true']\n",
        b"a: " + b'"' + b"x\n" * 200_000,
        b"\t" * 400_000,
        b"a: |\n" + b" x\n" * 200_000,
        b"#" * 500_000,
    ],
    ids=lambda bomb: repr(bomb[:16]),
)
def test_policy_bomb_is_refused_at_once(bomb: bytes) -> None:
    """Aliases are not expanded, depth and size are limited, tags are refused."""
    begun = time.perf_counter()

    with pytest.raises(PolicyError):
        read_tree(bomb)

    assert time.perf_counter() - begun < _SLOW_S
