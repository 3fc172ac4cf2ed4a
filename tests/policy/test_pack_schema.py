"""The JSON Schema for editors: as wide as the reader, and never narrower."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import (  # type: ignore[import-untyped]  # comes without types
    Draft202012Validator,
)

from gateway.cli.main import main
from settlement import policies
from settlement.domain.policy import PolicyError, compile_pack
from settlement.domain.policy.reading import read_document
from tests.policy.small_pack import SMALL, small_pack
from tests.policy.strategies import UNHURRIED, packs
from tests.policy.test_loader_contradictions import CONTRADICTIONS
from tests.policy.test_loader_faults import FIELD_FAULTS
from tests.policy.test_loader_yaml import UNSAFE

VALIDATOR = Draft202012Validator(json.loads(policies.read_schema()))


def as_editor(text: str) -> Any:
    """The document as a schema sees it: texts, lists and groups."""
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # texts alone


def errors(text: str) -> list[str]:
    """What the schema says of a document."""
    return [error.message for error in VALIDATOR.iter_errors(as_editor(text))]


def test_the_schema_is_one_of_its_draft() -> None:
    """Editors can read it, and the command prints its exact bytes."""
    Draft202012Validator.check_schema(VALIDATOR.schema)
    printed = CliRunner().invoke(main, ["policy", "schema"])
    assert printed.output.encode() == policies.read_schema()
    helped = CliRunner().invoke(main, ["policy", "schema", "--help"])
    assert "Example: medaid policy schema" in helped.output


@pytest.mark.parametrize("name", policies.names())
def test_shipped_packs_follow_the_schema(name: str) -> None:
    """No editor marks a shipped pack."""
    assert errors(policies.read(name).decode()) == []


@given(packs())
@settings(UNHURRIED, max_examples=25)
def test_small_packs_follow_the_schema(text: str) -> None:
    """Nor any pack of the property tests."""
    assert errors(text) == []


#: Faults of single fields that only whoever reads the whole document can see.
BEYOND = {
    "bad day": False,
    "day that is none": False,
    "end before begin": True,
    "unknown source": True,
    "unknown instrument": True,
    "unknown pot": True,
    "rate of 0 %": True,
    "cap of nothing": True,
    "deductible of nothing": True,
    "tilt cap": True,
    "endless text": True,
    "source that nothing names": True,
    "row missing": True,
    "case of an unknown category": True,
    "case with unknown pot": True,
    "case whose bill cannot be": True,
    "case that ends before it begins": True,
}


@pytest.mark.parametrize(
    ("what", "text"),
    [pytest.param(what, text, id=what) for what, text, *_ in FIELD_FAULTS],
)
def test_faults_of_structure_are_seen_while_typing(what: str, text: str) -> None:
    """All but those that need the whole document."""
    assert (errors(text) == []) == BEYOND.get(what, False)


def test_contradictions_are_beyond_a_schema() -> None:
    """Of values that are each in order it can only miss a list that is empty."""
    seen = {what for what, text, *_ in CONTRADICTIONS if errors(text)}
    assert seen == {"no alias"}


def test_unsafe_yaml_is_beyond_a_schema() -> None:
    """An editor's schema speaks of values, the reader alone of how they are written."""
    seen = set()
    for what, text, *_ in UNSAFE:
        try:
            if errors(text):
                seen.add(what)
        except (yaml.YAMLError, RecursionError):
            continue
    assert {"later format", "no format", "a list"} <= seen
    assert "duplicate key" not in seen


@cache
def places() -> list[tuple[int, int]]:
    """Where each value of the small pack begins and ends in its text."""
    return [match.span(1) for match in re.finditer(r": ([^\s{},\[\]]+)", SMALL)]


VALUES = st.sampled_from(
    ["80%", "100.0001%", "0.8", "8000元", "每年1元", "不限", "不享受", "无", "是",
     "open", "s", "{}", "[]", "2026-02-31", "service_end", "要求", "-1元", "''",
     "上年收入的10%", "{a: b}", "[80%]", "calendar_year", "每年02-30起", "jia"]
)  # fmt: skip


def mutants() -> Iterator[str]:
    """Every line of the small pack left out once."""
    lines = SMALL.splitlines(keepends=True)
    for number in range(len(lines)):
        yield "".join(lines[:number] + lines[number + 1 :])


def is_refused(text: str) -> bool:
    """Whether the reader refuses the document."""
    try:
        compile_pack(text.encode())
    except PolicyError:
        return True
    return False


def is_marked(text: str) -> bool:
    """Whether the schema does; what is no YAML is marked by any editor."""
    try:
        return errors(text) != []
    except yaml.YAMLError:
        return True


def test_a_line_left_out_is_never_marked_where_the_reader_passes() -> None:
    """What the schema refuses the reader refuses too, for each line of a pack."""
    marked = 0
    for text in mutants():
        if is_marked(text):
            marked += 1
            assert is_refused(text)
    assert marked > 60


@given(st.integers(0, 10_000), VALUES)
@settings(UNHURRIED, max_examples=300)
def test_what_the_schema_refuses_the_reader_refuses(place: int, value: str) -> None:
    """The same for any value in any place."""
    begins, ends = places()[place % len(places())]
    text = SMALL[:begins] + value + SMALL[ends:]
    if is_marked(text):
        assert is_refused(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"rates": "per: 每年, bands: [{from: 0元, to: 1元, rate: 1%}, "
                  "{from: 1元, to: 不限, rate: {levels: {未定级: 1%, 一级: 1%, "
                  "二级: {referred: 2%, unreferred: 1%}, 三级: 不享受}}}]"},
        {"rates": "value: {referred: 80%, unreferred: 不享受}"},
        {"tilt": "threshold: 0元, bands: [{from: 0元, to: 不限, rate: 5%}], "
                 "year_cap: 不限, referral: 不要求, per: 每年"},
    ],
)  # fmt: skip
def test_every_form_of_a_rate_follows_the_schema(changes: dict[str, str]) -> None:
    """Bands, levels and referral, on a rate and on a tilt."""
    text = small_pack({(t, "jia", "outpatient"): v for t, v in changes.items()})
    assert read_document(text.encode()).id == "small"
    assert errors(text) == []


@pytest.mark.parametrize("year", ["上年", "本年"])
@pytest.mark.parametrize("rest", ["", "，取整到元"])
def test_every_form_of_a_share_follows_the_schema(year: str, rest: str) -> None:
    """Of last year's figure or this year's, to the fen or to the yuan."""
    share = f"{year}收入的2.5%{rest}"
    terms = f"threshold: {share}, rate: 5%, year_cap: {share}, referral: 要求"
    text = small_pack(
        {
            ("deductibles", "jia", "outpatient"): f"value: 每次{share}",
            ("visit_caps", "jia", "outpatient"): f"value: {share}",
            ("year_caps", "jia", "outpatient"): f"value: {share}",
            ("tilt", "jia", "outpatient"): terms,
        }
    ).replace(
        "pots:\n",
        "indicators:\n  i: {title: {zh: 收入, en: i}, "
        "values: {'2025': {value: 1元, source: s}}}\npots:\n",
    )
    assert read_document(text.encode()).id == "small"
    assert errors(text) == []
