"""Aid that confirmed alert cases ask back, as the hospitals' statements name it.

The money is in the month's sums until the hospital has reversed the settlement, so
whoever pays reads beside the total what is asked back of it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from crypto.errors import CryptoError, MalformedPackageError
from gateway.month_package import layout
from gateway.month_package.opened import Package
from settlement.domain.matching.kinds import Kind

_ID = re.compile("[0-9a-f]{32}")
_STATES = frozenset({"resolved", "carried_over"})
_LISTS = ("differences", "carried_in")


class AskedBack(NamedTuple):
    """One settlement whose aid is asked back, by a signed statement."""

    facility: str
    settlement_id: str
    aid_fen: int
    state: str
    """`resolved`, or `carried_over` into later months."""


def asked_back(package: Package, facility: str) -> list[AskedBack]:
    """What a hospital's statement says is asked back; of none that cannot be read.

    Raises `MalformedPackageError` where its differences do not have their form.
    """
    try:
        document = package.document(layout.statement_name(facility))
    except CryptoError:
        return []  # Said before.
    try:
        listed = [each for name in _LISTS for each in document[name]]
        found = [each for each in listed if each["kind"] == Kind.RECOVERY_ORDERED]
        return [_read(facility, each) for each in found]
    except (KeyError, TypeError, ValueError):
        raise MalformedPackageError(
            "its differences do not have their members"
        ) from None


def _read(facility: str, stated: dict[str, Any]) -> AskedBack:
    identity, aid_fen = stated["settlement_id"], stated["aid_fen"]["gateway"]
    state = stated["state"]
    if not _ID.fullmatch(identity) or type(aid_fen) is not int or state not in _STATES:
        raise ValueError
    return AskedBack(facility, identity, aid_fen, state)
