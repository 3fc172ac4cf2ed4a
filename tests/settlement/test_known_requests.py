"""A key used under another release of the interface is still the same key."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.tokens import Tokenizer
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer
from settlement.service.request import BILL_FIELDS, bill_values, canonical
from settlement.service.settling import known_key
from settlement.store.rows import StoredAnswer
from tests.settlement.house import bill, make_keys


def _values() -> list[Any]:
    keys, _ = make_keys()
    return bill_values(bill(), bytes(16), Tokenizer(keys.token_key))


def _known(stored: list[Any], sent: list[Any]) -> Answer | Exception:
    answer = StoredAnswer(bytes(16), canonical(stored), b"{", b"", b"}")
    return known_key(canonical(sent), answer, BILL_FIELDS)


def test_every_value_has_a_name() -> None:
    """The list of names and the list of values are as long as each other."""
    assert len(_values()) == len(BILL_FIELDS)


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        pytest.param([], [], id="same release"),
        pytest.param([], [None], id="stored before the field existed"),
        pytest.param([None, None], [], id="stored by a worker of the next release"),
    ],
)
def test_a_left_out_field_of_another_release_is_no_difference(
    stored: list[Any], sent: list[Any]
) -> None:
    """Equal content: the stored answer."""
    values = _values()

    known = _known(values + stored, values + sent)

    assert isinstance(known, Answer)
    assert known.replayed


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        pytest.param([], [7], id="given now"),
        pytest.param([7], [], id="given then"),
        pytest.param([7], [8], id="another value"),
    ],
)
def test_a_given_field_of_another_release_is_a_difference(
    stored: list[Any], sent: list[Any]
) -> None:
    """Other content: refused, and never taken for the same."""
    values = _values()

    known = _known(values + stored, values + sent)

    assert isinstance(known, RequestRefused)
    assert known.reason == "MA-4103"
    assert [fault.path for fault in known.faults] == ["(unknown field)"]


def test_known_fields_are_named() -> None:
    """A difference in a field that both know is named."""
    values = _values()
    changed = [*values]
    changed[BILL_FIELDS.index("total_fen")] += 1

    known = _known(values, [*changed, None])

    assert isinstance(known, RequestRefused)
    assert [fault.path for fault in known.faults] == ["total_fen"]
