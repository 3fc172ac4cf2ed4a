"""Hospital's list, our ledger and the bureau's records, matched in one pass; pure.

`match` gives the differences, `difference_id` the id under which one stays known.
"""

from settlement.domain.matching.difference import Difference, difference_id
from settlement.domain.matching.items import (
    Amounts,
    BureauItem,
    LedgerItem,
    ListedItem,
    NetState,
    Side,
    Tally,
)
from settlement.domain.matching.kinds import (
    KINDS,
    REPAIRS,
    STATEMENT_FLAT,
    UNCONFIRMED_STATEMENT_CODES,
    Kind,
    KindFacts,
    Owner,
    Repair,
)
from settlement.domain.matching.merge import match
from settlement.domain.matching.recovery import Recovery, recovery_difference

__all__ = [
    "KINDS",
    "REPAIRS",
    "STATEMENT_FLAT",
    "UNCONFIRMED_STATEMENT_CODES",
    "Amounts",
    "BureauItem",
    "Difference",
    "Kind",
    "KindFacts",
    "LedgerItem",
    "ListedItem",
    "NetState",
    "Owner",
    "Recovery",
    "Repair",
    "Side",
    "Tally",
    "difference_id",
    "match",
    "recovery_difference",
]
