"""Every transaction, by its number."""

from __future__ import annotations

from gateway.his.asked import Transaction
from gateway.his.transactions import reversals, settlements
from gateway.limits import CallClass

TRANSACTIONS: dict[str, Transaction] = {
    each.infno: each
    for each in (
        Transaction("2206", "门诊预结算", CallClass.DESK, settlements.quote),
        Transaction("2207", "门诊结算", CallClass.MONEY, settlements.settle),
        Transaction("2208", "门诊结算撤销", CallClass.MONEY, reversals.cancel),
        Transaction("2601", "冲正", CallClass.MONEY, reversals.reverse),
    )
}
