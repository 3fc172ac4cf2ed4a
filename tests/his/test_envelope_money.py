"""The platform's amounts: added up, compared, and aid found wherever it stands."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from gateway.his.json_body import Number
from gateway.his.money import AmountFault, fen_of, signed_fen_of, yuan_of
from gateway.his.numbers import key_of, msgid_of, setl_id_of, settlement_id_of
from tests.his.desk import HisRoom, charge

CARD = "C00000001"
IDENTITY = "11010519491231002X"
PRINTED = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30
)


@drawn(st.integers(-(10**12), 10**12))
def test_fen_to_yuan_and_back(fen: int) -> None:
    """Exact for every amount, as text and as a number."""
    text = yuan_of(fen)
    assert signed_fen_of(text) == signed_fen_of(Number(text.encode())) == fen
    assert text.rpartition(".")[2].isdigit()
    assert len(text.rpartition(".")[2]) == 2


def test_every_place_is_worth_what_it_is() -> None:
    """Ten tenths and a hundred hundredths, as text and as numbers."""
    for fen in range(100):
        texts = [f"3.{fen:02d}"] + ([f"3.{fen // 10}"] if fen % 10 == 0 else [])
        for text in texts:
            assert fen_of(text) == fen_of(Number(text.encode())) == 300 + fen


@drawn(st.integers(0, 99_999_999), st.integers(0, 2), st.integers(0, 3))
def test_every_number_of_places(digits: int, places: int, zeros: int) -> None:
    """As text and as a number, with as many places as are said, and zeros behind."""
    exact = Decimal(digits).scaleb(-places)
    text = f"{exact:f}" + ("0" * zeros if places else "")
    expected = int(exact * 100)
    assert fen_of(text) == expected
    assert fen_of(Number(text.encode()) if places else digits) == expected


@pytest.mark.parametrize(
    ("value", "fen"),
    [("1", 100), (2, 200), ("1.5", 150), (" 1.50 ", 150), (Number(b"1.5000"), 150),
     ("0", 0), ("7.", 700), (Number(b"1E+2"), 10_000), ("12.340000", 1_234),
     (Number(b"0.5"), 50), (Number(b"-0.0"), 0), ("9999999.99", 999_999_999),
     ("10000000.00", 1_000_000_000)],
)  # fmt: skip
def test_ways_to_write_an_amount(value: object, fen: int) -> None:
    """Numbers, text, and the four places of older systems where they are zeros."""
    assert fen_of(value) == fen


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, "", "1.005", "1,5", "１", "1e2", "-1", "+1", ".5", [], {},
     "１.00", "1.²0", "1.0.0", Number(b"1.005"), Number(b"-0.01"), Number(b"1e400"),
     Number(b"1e-400"), Number(b"1e99999999999999999999"), 10**30],
)  # fmt: skip
def test_what_is_no_amount(value: object) -> None:
    """A float is none, whoever made it."""
    with pytest.raises(AmountFault):
        fen_of(value)


@drawn(st.binary(min_size=16, max_size=16))
def test_settlement_ids_fit_into_30_characters(identity: bytes) -> None:
    """And come back as they were."""
    setl_id = setl_id_of(identity.hex())
    assert len(setl_id) <= 30
    assert settlement_id_of(setl_id) == identity.hex()


@drawn(PRINTED)
def test_every_printed_msgid_has_a_key_of_its_own(msgid: str) -> None:
    """At most 64 characters that a key may hold, and back."""
    key = key_of(msgid)
    assert key is not None
    assert len(key) <= 64
    assert msgid_of(key) == msgid


AID_PAID: list[tuple[str, dict[str, Any]]] = [
    ("maf_pay", {"maf_pay": "20", "hifp_pay": "140"}),
    ("a row 610100", {"oth_pay": 20, "hifp_pay": 140, "setldetail": [
        {"fund_pay_type": "610100", "fund_payamt": 20}]}),
    ("a row 610101", {"oth_pay": 20, "hifp_pay": 140, "setldetail": [
        {"fund_pay_type": 610101, "fund_payamt": "20.00"}]}),
    ("another fund's row", {"oth_pay": 20, "hifp_pay": 140, "setldetail": [
        {"fund_pay_type": "999997", "setl_proc_info": "610101", "fund_payamt": 20}]}),
]  # fmt: skip


async def test_aid_that_was_paid_is_not_paid_again(room: HisRoom) -> None:
    """Whichever of the three places it stands in."""
    token = await room.house.enrol(CARD)
    for name, changes in AID_PAID:
        told = await room.ask("2207", charge(CARD, **changes))
        assert (told.infcode, told.code) == (-2, "MA-2201"), (name, told.message)
    assert await room.house.used(token) == 0


async def test_fund_sum_keeps_the_provinces_convention(room: HisRoom) -> None:
    """Guangdong counts the account in, Hunan does not: aid is added to what came."""
    await room.house.enrol(CARD)
    for fund_sum, expected in (("160", "217.60"), ("170", "227.60")):
        given = charge(CARD, fund_pay_sumamt=fund_sum, acct_pay=10, psn_cash_pay=80)
        told = await room.ask("2206", given)
        assert told.setlinfo["fund_pay_sumamt"] == Decimal(expected)
        assert told.setlinfo["acct_pay"] == Decimal("10.00")
        assert told.setlinfo["psn_cash_pay"] == Decimal("22.40")


async def test_account_that_has_paid_too_much_is_told(room: HisRoom) -> None:
    """The account's money is the patient's: what is left over goes back."""
    await room.house.enrol(CARD)
    told = await room.ask("2206", charge(CARD, acct_pay=90, psn_cash_pay=0))
    assert told.setlinfo["psn_cash_pay"] == 0
    assert "57.60" in told.body["warn_msg"]


async def test_what_the_hospital_bears_is_not_the_patients(room: HisRoom) -> None:
    """Of 90 left by the funds the hospital bears 40."""
    await room.house.enrol(CARD)
    given = charge(CARD, hosp_part_amt=40, psn_part_amt=50, psn_cash_pay=50)
    told = await room.ask("2206", given)
    assert told.infcode == 0, told.message
    # In policy 232, less 160 and 40: aid is 80 percent of 32.
    assert told.setlinfo["maf_pay"] == Decimal("25.60")


async def test_shared_account_is_the_patients_own_money(room: HisRoom) -> None:
    """A relative's account pays as one's own does."""
    await room.house.enrol(CARD)
    given = charge(CARD, acct_mulaid_pay=30, psn_cash_pay=60)
    told = await room.ask("2206", given)
    assert told.infcode == 0, told.message
    assert told.setlinfo["psn_cash_pay"] == Decimal("2.40")


async def test_behind_an_e_voucher_stands_the_platforms_certno(room: HisRoom) -> None:
    """Its token means nothing to us; who it is, the platform has said."""
    await room.house.enrol("C00000009", person=IDENTITY)
    given = charge(mdtrt_cert_type="01", mdtrt_cert_no="token")
    given["setlinfo"] |= {"certno": IDENTITY.lower(), "psn_cert_type": "01"}
    told = await room.ask("2206", given)
    assert told.infcode == 0, told.message


async def test_patient_from_elsewhere(room: HisRoom) -> None:
    """Of another pooling area: filed, since the platform has settled; ours may say."""
    await room.house.enrol(CARD)
    given = charge(CARD, med_type="21")
    assert (await room.ask("2206", given, insuplc_admdvs="330106")).infcode == 0
    given = charge(CARD, med_type="21", medaid={"place": "unfiled"})
    told = await room.ask("2206", given, insuplc_admdvs="330106")
    assert (told.infcode, told.code) == (-2, "MA-2206")


@pytest.mark.parametrize(
    ("here", "home", "is_local"),
    [("110101", "110105", True), ("310115", "310200", True), ("330106", "330110", True),
     ("330106", "330206", False), ("110101", "130105", False)],
)  # fmt: skip
async def test_one_pooling_area(
    room: HisRoom, here: str, home: str, *, is_local: bool
) -> None:
    """Two digits name a municipality, four another area; elsewhere is as referred."""
    await room.house.enrol(CARD)
    given = charge(CARD, med_type="21", medaid={"referred": "0"})
    told = await room.ask("2206", given, mdtrtarea_admvs=here, insuplc_admdvs=home)
    assert (told.infcode, told.code) == ((-2, "MA-2206") if is_local else (0, ""))


async def test_second_bill_and_expected_aid(room: HisRoom) -> None:
    """What version 1 asks and the national interface does not stands in `medaid`."""
    await room.house.enrol(CARD)
    first = charge(CARD)
    await room.ask("2207", first)
    second = charge(CARD, medfee_sumamt="251.00", fulamt_ownpay_amt="11",
                    psn_part_amt="91", psn_cash_pay="91")  # fmt: skip
    for node in ("data", "setlinfo"):
        second[node]["mdtrt_id"] = first["data"]["mdtrt_id"]
    told = await room.ask("2207", second)
    assert (told.infcode, told.code) == (-2, "MA-2203")
    told = await room.ask("2207", second | {"medaid": {"repeat_reason": "second_bill"}})
    assert told.infcode == 0, told.message
    told = await room.ask("2207", charge(CARD, medaid={"expected_aid": "57.59"}))
    assert (told.infcode, told.code) == (-2, "MA-2204")


async def test_nobody_on_the_roster_is_told_what_to_do(room: HisRoom) -> None:
    """Final, in Chinese, with the next step."""
    told = await room.ask("2207", charge("C99999999"))
    assert (told.infcode, told.code) == (-1, "MA-2104")
    await room.house.enrol(CARD)
    told = await room.ask("2207", charge("C99999999"))
    assert (told.infcode, told.code) == (-2, "MA-2101")
    assert "受理中心" in told.message


@pytest.mark.parametrize(
    "name",
    [
        "medfee_sumamt", "fulamt_ownpay_amt", "inscp_scp_amt", "hifp_pay", "maf_pay",
        "oth_pay", "psn_part_amt", "psn_cash_pay", "acct_pay",
    ],
)  # fmt: skip
async def test_amount_that_cannot_be_read_is_its_own_fault_alone(
    room: HisRoom, name: str
) -> None:
    """Half a fen is compared with nothing: no other field is called wrong for it."""
    given = charge(CARD)
    given["setlinfo"][name] = "250.005"
    told = await room.ask("2206", given)
    assert told.infcode == -2
    assert f"input.setlinfo.{name}：金额须以元为单位" in told.message
    assert told.message.count("input.") == 1, told.message


@pytest.mark.parametrize("name", ["medfee_sumamt", "fulamt_ownpay_amt"])
async def test_amount_of_data_that_cannot_be_read_is_its_own_fault_alone(
    room: HisRoom, name: str
) -> None:
    """The same of what the hospital says itself."""
    given = charge(CARD)
    given["data"][name] = "250.005"
    told = await room.ask("2206", given)
    assert f"input.data.{name}：金额须以元为单位" in told.message
    assert told.message.count("input.") == 1, told.message


async def test_aid_of_a_row_that_cannot_be_read_is_its_own_fault_alone(
    room: HisRoom,
) -> None:
    """Aid in half a fen does not make the totals wrong as well."""
    given = charge(CARD)
    given["setldetail"] = [{"fund_pay_type": "610100", "fund_payamt": "1.005"}]
    told = await room.ask("2206", given)
    assert "input.setldetail[0].fund_payamt" in told.message
    assert told.message.count("input.") == 1, told.message
