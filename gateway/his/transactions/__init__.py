"""Every transaction, by its number."""

from __future__ import annotations

from gateway.his.asked import Transaction
from gateway.his.transactions import (
    alerts,
    dictionaries,
    files,
    lookups,
    persons,
    reversals,
    sessions,
    settlements,
    statements,
)
from gateway.limits import CallClass

TRANSACTIONS: dict[str, Transaction] = {
    each.infno: each
    for each in (
        Transaction("1101", "人员信息获取", CallClass.DESK, persons.person),
        Transaction("1901", "字典查询", CallClass.DESK, dictionaries.dictionary),
        Transaction("2206", "门诊预结算", CallClass.DESK, settlements.quote),
        Transaction("2207", "门诊结算", CallClass.MONEY, settlements.settle),
        Transaction("2208", "门诊结算撤销", CallClass.MONEY, reversals.cancel),
        Transaction("2601", "冲正", CallClass.MONEY, reversals.reverse),
        Transaction("3101", "明细审核事前", CallClass.DESK, alerts.alerts),
        Transaction("3102", "明细审核事中", CallClass.DESK, alerts.alerts),
        Transaction("3201", "对总账", CallClass.LOOKUP, statements.totals),
        Transaction("3202", "对明细账", CallClass.LOOKUP, statements.details),
        Transaction("5203", "结算信息查询", CallClass.LOOKUP, lookups.settlement),
        Transaction("5206", "年度累计查询", CallClass.LOOKUP, persons.year_to_date),
        Transaction("9001", "签到", CallClass.DESK, sessions.sign_in),
        Transaction("9002", "签退", CallClass.DESK, sessions.sign_out),
        Transaction("9101", "文件上传", CallClass.LOOKUP, files.upload),
        Transaction("9102", "文件下载", CallClass.LOOKUP, files.download),
    )
}
