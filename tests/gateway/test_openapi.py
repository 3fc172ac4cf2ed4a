"""The description of the interface is valid, complete and true."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from gateway.app import HANDLERS
from gateway.calls import CALLS, HIS_CALLS, METRICS_CALL
from gateway.openapi import document
from gateway.openapi_calls import TEXTS
from gateway.openapi_examples import EXAMPLES
from gateway.problems import STATUS
from gateway.wire_models import BillIn
from settlement.domain.bill import Bill
from settlement.domain.his_reasons import (
    HIS_ACCESS_REASONS,
    HIS_REASONS,
    HIS_STATE_REASONS,
)

DOCUMENT = document()
EVERY = (*CALLS, METRICS_CALL)


def test_document_is_valid_openapi() -> None:
    """By the schema of OpenAPI 3.1."""
    validate(DOCUMENT)

    assert DOCUMENT["openapi"].startswith("3.1")


def test_routes_and_documented_operations_are_the_same() -> None:
    """Nothing is served that is not described, nor described and not served."""
    described = {
        (method.upper(), path)
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }

    assert described == {(call.method, call.path) for call in EVERY}
    assert set(TEXTS) == {call.name for call in EVERY}
    # The national envelope is no part of version 1: docs/his/ describes it.
    assert set(HANDLERS) == set(TEXTS) | {call.name for call in HIS_CALLS}


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Every JSON object within a value, itself included."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def test_everything_is_said_in_both_languages() -> None:
    """Each call, parameter and field has a Chinese and an English text."""
    fields = [
        (name, member)
        for schema in objects(DOCUMENT["components"]["schemas"])
        for name, member in schema.get("properties", {}).items()
    ]
    operations = [
        operation
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
    ]
    fields += [(each["name"], each) for op in operations for each in op["parameters"]]
    fields += [
        (op["operationId"], op | {"description": op["summary"]}) for op in operations
    ]

    silent = [
        name
        for name, each in fields
        if not (each.get("x-zh") and each.get("description"))
    ]

    assert len(fields) > 100
    assert silent == []


def test_every_problem_is_possible_somewhere() -> None:
    """Each code with a status is described at a call, or as a fault of a field."""
    at_calls = {code for text in TEXTS.values() for code in text.codes}
    of_fields = {code for code in STATUS if re.fullmatch(r"MA-(11[23]|64\d)\d", code)}

    of_envelope = {
        reason.code
        for reason in (*HIS_REASONS, *HIS_ACCESS_REASONS, *HIS_STATE_REASONS)
    }

    assert set(STATUS) == at_calls | of_fields | of_envelope
    assert at_calls <= set(STATUS)


def test_model_and_domain_have_the_same_bill() -> None:
    """No field of the bill is lost between the wire and the domain."""
    of_envelope = ["national"]

    assert [*BillIn.model_fields, *of_envelope] == list(Bill.__dataclass_fields__)


def test_parameters_of_paths_are_described() -> None:
    """What stands in braces is a path parameter, and nothing else is."""
    for call in EVERY:
        named = {
            each.name for each in TEXTS[call.name].parameters if each.place == "path"
        }

        assert named == set(re.findall(r"{(\w+)}", call.path)), call.name


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_hold_to_their_schemas(name: str) -> None:
    """The examples are what the parser takes and what the models describe."""
    text, example = TEXTS[name], EXAMPLES[name]

    assert text.takes is not None
    assert text.gives is not None
    assert_holds(text.takes, example.request)
    assert_holds(text.gives, example.answer)


def assert_holds(model: type[BaseModel], value: dict[str, Any]) -> None:
    """JSON that the model takes strictly."""
    model.model_validate(value, strict=False)
