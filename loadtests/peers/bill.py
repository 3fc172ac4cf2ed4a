"""The BILL of API.md as a pydantic model, strict, and as the domain's value."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Request
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from gateway.identity import check_digit_holds, holds_identity
from settlement.domain.bill import (
    MAX_AMOUNT_FEN,
    Bill,
    BillFault,
    Card,
    CardKind,
    CareType,
    ConfirmReason,
    Place,
    RepeatReason,
    bill_faults,
)
from settlement.domain.errors import RequestRefused

_Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{1,64}$")]
_Diagnosis = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+*/_-]{1,40}$")]
_MedType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}$")]
_CardNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{6,32}$")]
_Fen = Annotated[int, Field(ge=0, le=MAX_AMOUNT_FEN)]


class _Strict(BaseModel):
    """No coercion, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class CardIn(_Strict):
    """The card as read at the desk."""

    kind: CardKind
    number: _CardNumber


class BillIn(_Strict):
    """The bill as the insurers left it. Amounts in fen."""

    card: CardIn
    visit_no: _Code
    bill_no: _Code | None = None
    care_type: CareType
    service_start: date
    service_end: date
    occurred_at: AwareDatetime | None = None
    diagnoses: Annotated[tuple[_Diagnosis, ...], Field(max_length=64)] = ()
    referred: bool
    total_fen: _Fen
    self_funded_fen: _Fen
    over_limit_fen: _Fen
    pre_selfpay_fen: _Fen
    in_policy_fen: _Fen
    basic_insurance_fen: _Fen
    serious_illness_fen: _Fen
    other_funds_fen: _Fen
    medical_aid_fen: _Fen = 0
    personal_account_fen: _Fen
    deductible_fen: _Fen | None = None
    commercial_fen: _Fen = 0
    charity_fen: _Fen = 0
    prescription_days: Annotated[int, Field(ge=0, le=366)] | None = None
    med_type: _MedType | None = None
    place: Place = Place.LOCAL
    repeat_reason: RepeatReason | None = None
    expected_aid_fen: _Fen | None = None
    confirm_reason: ConfirmReason | None = None


async def read_bill(request: Request) -> Bill:
    """The body as a bill: a dependency. Raises MA-1102 for what is none.

    From the bytes in one step: FastAPI's own way by a dictionary takes twice as long,
    and cannot be strict about enumerations and days.
    """
    try:
        parsed = BillIn.model_validate_json(await request.body())
    except ValidationError as invalid:
        raise RequestRefused("MA-1102", faults=_faults(invalid)) from None
    number = parsed.card.number.upper()
    if parsed.card.kind is CardKind.RESIDENT_ID and not check_digit_holds(number):
        fault = BillFault("card.number", "MA-1129")
        raise RequestRefused("MA-1102", faults=(fault,))
    card = Card(kind=parsed.card.kind, number=number)
    return Bill(**parsed.__dict__ | {"card": card})


def _faults(invalid: ValidationError) -> tuple[BillFault, ...]:
    """Which fields, and no value of any."""
    return tuple(
        BillFault(".".join(map(str, error["loc"])), "MA-1126")
        for error in invalid.errors(include_url=False, include_input=False)
    )


def check_bill(bill: Bill, *, key: str, operator: str, today: date) -> None:
    """Raise `RequestRefused` for a bill that cannot be, or that names a person."""
    opaque = {
        "visit_no": bill.visit_no,
        "bill_no": bill.bill_no,
        "med_type": bill.med_type,
        "Idempotency-Key": key,
        "operator": operator,
        **{f"diagnoses[{at}]": code for at, code in enumerate(bill.diagnoses)},
    }
    hidden = tuple(
        BillFault(path, "MA-1104")
        for path, text in opaque.items()
        if text is not None and holds_identity(text, bill.card.number, today)
    )
    faults = hidden or bill_faults(bill, today=today)
    if faults:
        raise RequestRefused(faults[0].reason, faults=faults)
