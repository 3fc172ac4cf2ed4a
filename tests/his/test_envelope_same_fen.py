"""Both interfaces give the same fen for the same bill, whatever the bill."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.his.money import signed_fen_of, yuan_of
from settlement.domain.bill import CareType
from tests.his.desk import HisRoom, charge
from tests.settlement.house import bill, caller

CATEGORIES = ("tekun", "dibao", "dibao_bianyuan", "dishouru", "yinbing")
CARE = {"11": CareType.OUTPATIENT, "13": CareType.EMERGENCY,
        "140201": CareType.OUTPATIENT_SPECIAL, "21": CareType.INPATIENT}  # fmt: skip


@st.composite
def _bills(draw: st.DrawFn) -> dict[str, int]:
    parts = [draw(st.integers(0, 3_000_000)) for _ in range(4)]
    parts[3] += 1
    total = sum(parts)
    funds, left = [], parts[3]
    for _ in range(3):
        funds.append(draw(st.integers(0, left)))
        left -= funds[-1]
    owed = total - sum(funds)
    return {
        "self_funded_fen": parts[0], "over_limit_fen": parts[1],
        "pre_selfpay_fen": parts[2], "in_policy_fen": parts[3], "total_fen": total,
        "basic_insurance_fen": funds[0], "serious_illness_fen": funds[1],
        "other_funds_fen": funds[2],
        "personal_account_fen": draw(st.integers(0, owed)),
    }  # fmt: skip


def _national(amounts: dict[str, int], med_type: str, card: str) -> dict[str, Any]:
    funds = sum(
        amounts[name]
        for name in ("basic_insurance_fen", "serious_illness_fen", "other_funds_fen")
    )
    owed = amounts["total_fen"] - funds
    account = amounts["personal_account_fen"]
    return charge(
        card,
        med_type=med_type,
        medfee_sumamt=yuan_of(amounts["total_fen"]),
        fulamt_ownpay_amt=yuan_of(amounts["self_funded_fen"]),
        overlmt_selfpay=yuan_of(amounts["over_limit_fen"]),
        preselfpay_amt=yuan_of(amounts["pre_selfpay_fen"]),
        inscp_scp_amt=yuan_of(amounts["in_policy_fen"]),
        hifp_pay=yuan_of(amounts["basic_insurance_fen"]),
        hifmi_pay=yuan_of(amounts["serious_illness_fen"]),
        oth_pay=yuan_of(amounts["other_funds_fen"]),
        fund_pay_sumamt=yuan_of(funds),
        psn_part_amt=yuan_of(owed),
        acct_pay=yuan_of(account),
        psn_cash_pay=yuan_of(owed - account),
        setldetail=[],
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_quotes_alike(room: HisRoom, data: st.DataObject) -> None:
    """`maf_pay`, the patient's part and cash are those of version 1's decision."""
    category = data.draw(st.sampled_from(CATEGORIES))
    card = f"C{CATEGORIES.index(category):08d}"
    if room.house.gateway.cache.person_of_card(bill(card).card)[0] is None:
        await room.house.enrol(card, category)
    amounts = data.draw(_bills())
    med_type = data.draw(st.sampled_from(sorted(CARE)))
    plain = bill(card, care_type=CARE[med_type], **amounts)
    made = await room.house.gateway.quote(caller(), plain, room.house.when())
    decision = orjson.loads(made.body)
    told = await room.ask("2206", _national(amounts, med_type, card))
    if decision["decision"] == "declined":
        assert (told.infcode, told.code) == (-2, decision["reason"]["code"])
        return
    assert told.infcode == 0, told.message
    fen = {name: signed_fen_of(f"{told.setlinfo[name]}") for name in (
        "maf_pay", "psn_part_amt", "psn_cash_pay", "acct_pay")}  # fmt: skip
    assert fen["maf_pay"] == decision["aid_fen"]
    assert fen["psn_part_amt"] == decision["patient_pays_fen"]
    assert fen["psn_cash_pay"] == decision["cash_fen"]
    assert fen["acct_pay"] == amounts["personal_account_fen"]
    rows = told.output["setldetail"]
    assert sum(signed_fen_of(f"{row['fund_payamt']}") for row in rows) == fen["maf_pay"]
