"""A stored settlement's bill, by the names of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from settlement.service.request import BILL_FIELDS

if TYPE_CHECKING:
    from settlement.store.his import StoredCharge


class StoredNational(NamedTuple):
    """National facts as they are kept; of a bill of version 1 they are empty."""

    psn_digest: str = ""
    insutype: str = ""
    clr_type: str = ""
    clr_optins: str = ""
    fund_pay_fen: int = 0
    acct_pay_fen: int = 0


def stored_bill(stored: StoredCharge) -> dict[str, Any]:
    """The canonical values by name; fields of later releases are `None`."""
    values = orjson.loads(stored.request)
    return dict.fromkeys(BILL_FIELDS) | dict(zip(BILL_FIELDS, values, strict=False))


def stored_national(bill: dict[str, Any]) -> StoredNational:
    """The bill's national facts."""
    return StoredNational(*(bill["national"] or ()))
