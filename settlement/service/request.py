"""A bill as the gateway remembers it: canonical values that hold no identifier.

The fingerprint of a request is these bytes themselves: equal bytes are the same
content, and where they differ the differing fields can be named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import zip_longest
from typing import Any, Protocol

import orjson

from settlement.domain.bill import Bill, NationalFacts
from settlement.service.ports import ReversalRequest

#: Gives other tokens for tokens, each in its place, and leaves out what is missing.
Turn = Callable[[Sequence[bytes | None]], Sequence[bytes | None]]


class Tokenizer(Protocol):
    """Keyed tokens, 16 bytes each."""

    def card(self, kind: str, number: str) -> bytes:
        """Token of a card; of a resident id it is the person's token."""
        ...

    def digest(self, purpose: str, text: str) -> bytes:
        """Keyed digest of text for one purpose."""
        ...

    def of_today(self, lasting: bytes) -> bytes:
        """The token by which the database knows one of the first epoch."""
        ...

    def lasting(self, token: bytes) -> bytes:
        """The opposite: a token as it was in the first epoch."""
        ...

    def lasting_digest(self, purpose: str, text: str) -> bytes:
        """As `digest`, the same in every epoch."""
        ...


#: Order of the values; the names are those of the request. A field that the
#: interface gains is appended, and its default is stored as null: so a key that was
#: used before, or on a worker of the other release, still compares equal.
BILL_FIELDS = (
    "card", "visit_no", "bill_no", "care_type", "service_start", "service_end",
    "occurred_at", "diagnoses", "referred", "total_fen", "self_funded_fen",
    "over_limit_fen", "pre_selfpay_fen", "in_policy_fen", "basic_insurance_fen",
    "serious_illness_fen", "other_funds_fen", "medical_aid_fen",
    "personal_account_fen", "deductible_fen", "commercial_fen", "charity_fen",
    "prescription_days", "med_type", "place", "repeat_reason", "expected_aid_fen",
    "confirm_reason", "national",
)  # fmt: skip
_NATIONAL = BILL_FIELDS.index("national")
#: Values that are tokens in hexadecimal; the first of `national` is one, too.
_TOKENS = (BILL_FIELDS.index("card"), BILL_FIELDS.index("diagnoses"))
#: The values that tell two bills of one visit apart: dates and amounts.
_SAME_BILL = slice(BILL_FIELDS.index("total_fen"), BILL_FIELDS.index("charity_fen") + 1)
_SERVICE_DATES = slice(
    BILL_FIELDS.index("service_start"), BILL_FIELDS.index("service_end") + 1
)
#: Where, in a visit's identity without bill_no, the personal account would stand.
_OWN_MONEY = 4 + 2 + BILL_FIELDS.index("personal_account_fen") - _SAME_BILL.start
REVERSAL_FIELDS = (
    "reason", "settlement_id", "original_idempotency_key", "card", "psn_no",
)  # fmt: skip


def bill_values(bill: Bill, card_token: bytes, tokenizer: Tokenizer) -> list[Any]:
    """The parsed values with defaults filled in; diagnoses as a keyed digest."""
    diagnoses = " ".join(bill.diagnoses)
    return [
        card_token.hex(),
        bill.visit_no,
        bill.bill_no,
        bill.care_type,
        bill.service_start.isoformat(),
        bill.service_end.isoformat(),
        None if bill.occurred_at is None else bill.occurred_at.isoformat(),
        tokenizer.digest("diagnoses", diagnoses).hex() if diagnoses else "",
        bill.referred,
        bill.total_fen,
        bill.self_funded_fen,
        bill.over_limit_fen,
        bill.pre_selfpay_fen,
        bill.in_policy_fen,
        bill.basic_insurance_fen,
        bill.serious_illness_fen,
        bill.other_funds_fen,
        bill.medical_aid_fen,
        bill.personal_account_fen,
        bill.deductible_fen,
        bill.commercial_fen,
        bill.charity_fen,
        bill.prescription_days,
        bill.med_type,
        bill.place,
        bill.repeat_reason,
        bill.expected_aid_fen,
        bill.confirm_reason,
        None if bill.national is None else _national(bill.national, tokenizer),
    ]


def _national(facts: NationalFacts, tokenizer: Tokenizer) -> list[Any]:
    """The order is read by `sql/his_totals.sql` too."""
    return [
        person_no_digest(facts.psn_no, tokenizer).hex(),
        facts.insutype,
        facts.clr_type,
        facts.clr_optins,
        facts.fund_pay_fen,
        facts.acct_pay_fen,
    ]


def person_no_digest(psn_no: str, tokenizer: Tokenizer) -> bytes:
    """Keyed digest of a hospital's number of a person."""
    return tokenizer.digest("psn_no", psn_no)


def reversal_values(
    request: ReversalRequest, card_token: bytes | None, psn_digest: bytes | None
) -> list[Any]:
    """The parsed values of a reversal."""
    return [
        request.reason,
        request.settlement_id,
        request.original_key,
        None if card_token is None else card_token.hex(),
        None if psn_digest is None else psn_digest.hex(),
    ]


def bill_with_tokens(values: Sequence[Any], turn: Turn) -> list[Any]:
    """A bill's values with other tokens: of card, diagnoses and person's number."""
    renewed = list(values)
    places = [place for place in _TOKENS if place < len(renewed)]
    national = renewed[_NATIONAL] if len(renewed) > _NATIONAL else None
    texts = [renewed[place] for place in places]
    turned = _turned([*texts, national[0] if national else None], turn)
    for place, text in zip(places, turned, strict=False):
        renewed[place] = text
    if national:
        renewed[_NATIONAL] = [turned[-1], *national[1:]]
    return renewed


def reversal_with_tokens(values: Sequence[Any], turn: Turn) -> list[Any]:
    """A reversal's values with other tokens: of card and person's number."""
    first = REVERSAL_FIELDS.index("card")
    return [*values[:first], *_turned(values[first:], turn)]


def _turned(texts: Sequence[str | None], turn: Turn) -> list[str | None]:
    turned = turn([bytes.fromhex(text) if text else None for text in texts])
    return [
        text if token is None else token.hex()
        for text, token in zip(texts, turned, strict=True)
    ]


def canonical(values: list[Any]) -> bytes:
    """One byte string for one content."""
    return orjson.dumps(values)


def differing(stored: bytes, sent: bytes, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the fields in which two canonical requests differ.

    A field that one of them does not know counts as left out; one that this release
    does not know, and that was given, is called `(unknown field)`.
    """
    old, new = orjson.loads(stored or b"[]"), orjson.loads(sent)
    pairs = zip_longest(names, old, new)
    return tuple(
        name or "(unknown field)" for name, before, after in pairs if before != after
    )


def card_token_of(stored: bytes) -> bytes | None:
    """The token of the card that a stored settle request came with."""
    values = orjson.loads(stored or b"[]")
    return bytes.fromhex(values[0]) if values else None


def psn_digest_of(stored: bytes) -> bytes | None:
    """The digest of the person's number that a stored settle request came with."""
    values = orjson.loads(stored or b"[]")
    national = values[_NATIONAL] if len(values) > _NATIONAL else None
    return bytes.fromhex(national[0]) if national else None


def same_bill(stored: bytes, sent: bytes) -> bool:
    """Whether dates and amounts of two bills are the same."""
    old, new = orjson.loads(stored or b"[]"), orjson.loads(sent)
    return bool(
        old[_SAME_BILL] == new[_SAME_BILL]
        and old[_SERVICE_DATES] == new[_SERVICE_DATES]
    )


def visit_identity(facility_id: int, person: bytes, values: list[Any]) -> bytes:
    """What may be in force only once: facility, person, visit_no and bill_no.

    Without a bill_no, dates and amounts belong to the identity, but not what the
    patient pays from their own account. Person, not card.
    """
    visit_no, bill_no = values[1], values[2]
    content = [facility_id, person.hex(), visit_no, bill_no]
    if bill_no is None:
        content += [*values[_SERVICE_DATES], *values[_SAME_BILL]]
        content[_OWN_MONEY] = None
    return blake2b(orjson.dumps(content), digest_size=16).digest()
