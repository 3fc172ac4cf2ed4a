"""What an answer has to be before a test looks closer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.acceptance.desk import AT, Answer, Desk, new_name
from tests.acceptance.shapes import DECISION, assert_fits

JSON = "application/json"
SETTLED_AT = datetime.fromisoformat(AT)


def approved(answer: Answer) -> Any:
    """The DECISION of an answer that has to be a first approval."""
    assert (answer.status, answer.replayed) == (201, False), answer.body
    document = answer.json()
    assert_fits(document, DECISION)
    assert document["decision"] == "approved"
    return document


def declined(answer: Answer, code: str) -> Any:
    """The DECISION of an answer that has to be a decline for this reason."""
    assert answer.status == 201, answer.body
    document = answer.json()
    assert_fits(document, DECISION)
    assert (document["decision"], document["reason"]["code"]) == ("declined", code)
    assert document["receipt"] is None
    assert document["settlement_id"] is not None
    assert document["aid_fen"] == 0
    return document


async def settled(desk: Desk, sent: dict[str, Any]) -> Any:
    """Settle under a new key; the DECISION."""
    return approved(await desk.settle(new_name(), sent))


def pot(document: Any, name: str = "outpatient") -> Any:
    """One pot of a quota."""
    return next(pot for pot in document["quota"] if pot["pot"] == name)
