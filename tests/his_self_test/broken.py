"""Promises, each broken by a middleware, and the lines that must turn red."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from gateway.his.money import fen_of, yuan_of
from tests.his_self_test.spoilers import Document, Passing

Hook = Callable[[Passing], None]


def of(infno: str, change: Hook) -> Hook:
    """Of one transaction alone."""

    def hook(passing: Passing) -> None:
        if passing.infno == infno:
            change(passing)

    return hook


def _drop(name: str) -> Hook:
    return lambda p: (p.answer.pop(name, None), None)[1]


def _restore(name: str, value: Any) -> Hook:
    return lambda p: (p.body.setdefault(name, value), None)[1]


def _slow_clock(p: Passing) -> None:
    p.answer["respond_time"] = "20200101000000000"


def _refuse_unknown_field(p: Passing) -> None:
    if "serv_code" in p.body:
        p.canned = {"infcode": -2, "err_msg": "[MA-1102] 多余。", "output": {}}


def _spell(p: Passing) -> None:
    if (place := p.body.pop("mdtrtarea_admdvs", None)) is not None:
        p.body["mdtrtarea_admvs"] = place


def _one_address(p: Passing) -> None:
    p.path = "/his"


def _take(p: Passing) -> None:
    p.answer |= {"infcode": 0, "err_msg": ""}


def _take_unknown(p: Passing) -> None:
    if p.data.get("type") == "SELF_TEST_NONE":
        _take(p)


def _recode(p: Passing) -> None:
    # What a middleware does that knows UTF-8 alone, and passes the header on.
    p.encoding = "utf-8"


def _declare_gbk(p: Passing) -> None:
    p.declared = "gbk"


def _drop_list(p: Passing) -> None:
    if isinstance(p.body.get("exp_content"), list):
        del p.body["exp_content"]


def _drop_text(p: Passing) -> None:
    if isinstance(p.body.get("exp_content"), str):
        del p.body["exp_content"]


def _nobody(p: Passing) -> None:
    p.answer["output"]["idetinfo"] = []


def _empty_list(p: Passing) -> None:
    p.answer["output"]["list"] = []


def _no_aid_rows(p: Passing) -> None:
    if p.info:
        p.answer["output"]["setldetail"] = p.answer["output"]["setldetail"][:1]


def _move(info: Document, fen: int) -> None:
    for name, sign in (
        ("maf_pay", 1), ("fund_pay_sumamt", 1), ("psn_part_amt", -1),
        ("psn_cash_pay", -1),
    ):  # fmt: skip
        info[name] = yuan_of(fen_of(str(info[name])) + sign * fen)


def _a_fen_too_much(p: Passing) -> None:
    if p.info:
        _move(p.info, 1)
        row = p.answer["output"]["setldetail"][-1]
        row["fund_payamt"] = p.info["maf_pay"]


def _setl_id_of_a_quote(p: Passing) -> None:
    if p.info:
        p.info["setl_id"] = "N1"


def _another_answer_again(p: Passing) -> None:
    if p.seen.count(str(p.body["msgid"])) == 2 and p.info:
        _move(p.info, 1)


def _another_batch(p: Passing) -> None:
    first = p.seen.visits.setdefault(p.data["mdtrt_id"], str(p.body["msgid"]))
    if first != p.body["msgid"]:
        p.data["chrg_bchno"] = "2"


def _another_msgid(p: Passing) -> None:
    msgid, content = str(p.body["msgid"]), json.dumps(p.body["input"], default=str)
    if p.seen.contents.setdefault(msgid, content) != content:
        p.body["msgid"] = "X" + msgid[1:]


def _hide_aid(p: Passing) -> None:
    info = p.body["input"]["setlinfo"]
    if info["maf_pay"] != "0.00":
        _move(info, -1_000)
        del p.body["input"]["setldetail"][1:]


def _no_infcode(p: Passing) -> None:
    if p.data.get("setl_id") == "A" * 26:
        p.answer["infcode"] = "成功"


def _try_again(p: Passing) -> None:
    if p.data.get("setl_id") == "A" * 26:
        p.answer["infcode"] = -1


def _other_amount(p: Passing) -> None:
    if p.info.get("refd_setl_flag") == "0" and p.data.get("setl_id"):
        _move(p.info, 1)


def _not_by_msgid(p: Passing) -> None:
    if p.data.get("medins_setl_id"):
        p.refuse()


def _no_misprint(p: Passing) -> None:
    p.info.pop("pdn_cash_pay", None)


def _positive(p: Passing) -> None:
    for name in ("maf_pay", "psn_cash_pay", "pdn_cash_pay"):
        if name in p.info:
            p.info[name] = str(p.info[name]).lstrip("-")


def _once_alone(p: Passing) -> None:
    key = p.infno + str(p.data.get("setl_id") or p.data.get("omsgid"))
    if p.seen.count(key) > 1:
        p.refuse()


def _hide_cancelled(p: Passing) -> None:
    if p.data.get("setl_id") in p.seen.cancelled and p.info:
        p.info["refd_setl_flag"] = "0"


def _old_answer(p: Passing) -> None:
    if "MA-4111" in p.answer["err_msg"]:
        p.answer = p.seen.settled[str(p.body["msgid"])]


def _forget_stops(p: Passing) -> None:
    if p.data["omsgid"] not in p.seen.settled:
        p.canned = {"infcode": 0, "err_msg": "", "output": {}}


def _forget_reversals(p: Passing) -> None:
    if p.data["omsgid"] in p.seen.settled:
        p.canned = {"infcode": 0, "err_msg": "", "output": {}}


def _told(result: str) -> Hook:
    def hook(p: Passing) -> None:
        p.answer["output"]["stmtinfo"]["stmt_rslt"] = result

    return hook


def _file_of(rows: Callable[[list[str]], list[str]]) -> Hook:
    """Changes the lines of the file of differences."""

    def hook(p: Passing) -> None:
        packed = base64.b64decode(p.answer["output"]["out"])
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            lines = archive.read("result.txt").decode().splitlines()
        changed = io.BytesIO()
        with zipfile.ZipFile(changed, "w") as archive:
            archive.writestr("result.txt", "".join(f"{x}\n" for x in rows(lines)))
        p.answer["output"]["out"] = base64.b64encode(changed.getvalue()).decode()

    return hook


def _one_more(lines: list[str]) -> list[str]:
    return [*lines, "P\tV\tS\tM\t000103"]


def _no_msgid(lines: list[str]) -> list[str]:
    columns = (line.split("\t") for line in lines)
    return ["\t".join([*each[:3], "null", *each[4:]]) for each in columns]


def _take_any_file(p: Passing) -> None:
    if p.answer["infcode"] == -2:
        p.answer |= {"infcode": 0, "err_msg": ""}


def _refuse_at_the_end(p: Passing) -> None:
    if p.infno == "3201":
        p.seen.count("3201")
    if p.infno in {"2208", "2601"} and p.seen.counts.get("3201"):
        p.canned = {"infcode": -2, "err_msg": "[MA-4101] 没有。", "output": {}}


#: What names the settlements that stand.
_STANDING = {"files.flat", "files.amount", "files.left-out"}
#: Name, red lines, what is done to the message, what to the answer.
READING: dict[str, tuple[set[str], Hook | None, Hook | None]] = {
    "a field is lost": ({"connection.envelope"}, None, _drop("refmsg_time")),
    "its clock is wrong": ({"clock.skew"}, None, _slow_clock),
    "unknown fields are refused": (
        {"envelope.unknown-field"}, _refuse_unknown_field, None),
    "gives an infno": ({"envelope.no-infno"}, _restore("infno", "1901"), None),
    "gives a msgid": ({"envelope.no-msgid"}, _restore("msgid", "M1"), None),
    "gives an input": (
        {"envelope.no-input"},
        _restore("input", {"data": {"type": "FUND_PAY_TYPE"}}), None),
    "corrects the spelling": ({"envelope.misspelt"}, _spell, None),
    "one address for all": ({"envelope.address"}, _one_address, None),
    "takes every transaction": (
        {"envelope.unknown-transaction"}, None, of("9999", _take)),
    "answers UTF-8 to GBK": ({"envelope.gbk"}, None, of("9999", _recode)),
    "declares GBK": (
        {"envelope.utf-8", "envelope.unknown-transaction"}, None,
        of("9999", _declare_gbk)),
    "flattens": ({"envelope.nested"}, _drop_list, None),
    "cuts": ({"envelope.huge"}, _drop_text, None),
    "knows nobody": ({"person.card"}, None, of("1101", _nobody)),
    "has every dictionary": (
        {"dictionaries.unknown"}, None, of("1901", _take_unknown)),
    "an empty dictionary": ({"dictionaries.funds"}, None, of("1901", _empty_list)),
    "aid without a row": ({"quote.adds-up"}, None, of("2206", _no_aid_rows)),
    "settles a quote": ({"quote.repeatable"}, None, of("2206", _setl_id_of_a_quote)),
}  # fmt: skip
WRITING: dict[str, tuple[set[str], Hook | None, Hook | None]] = {
    "quotes a fen too much": ({"settle.same-fen"}, None, of("2206", _a_fen_too_much)),
    "settles without a row": ({"settle.adds-up"}, None, of("2207", _no_aid_rows)),
    "answers otherwise again": (
        {"settle.repeated"}, None, of("2207", _another_answer_again)),
    "settles twice": ({"settle.other-msgid"}, of("2207", _another_batch), None),
    "believes every msgid": ({"settle.changed"}, of("2207", _another_msgid), None),
    "hides aid": ({"settle.aid-paid"}, of("2207", _hide_aid), None),
    "infcode is a word": ({"look-up.none"}, None, of("5203", _no_infcode)),
    "infcode says again": ({"look-up.none"}, None, of("5203", _try_again)),
    "looks up another sum": ({"look-up.setl-id"}, None, of("5203", _other_amount)),
    "knows no msgid": ({"look-up.msgid"}, None, of("5203", _not_by_msgid)),
    "spells pdn right": ({"cancel.negative"}, None, of("2208", _no_misprint)),
    "gives back twice": ({"cancel.negative"}, None, of("2208", _positive)),
    "cancels once alone": ({"cancel.repeated"}, None, of("2208", _once_alone)),
    "tells no cancellation": ({"cancel.shown"}, None, of("5203", _hide_cancelled)),
    "prints an old slip": ({"cancel.final"}, None, of("2207", _old_answer)),
    "forgets stops": ({"reverse.first"}, of("2601", _forget_stops), None),
    "forgets reversals": (
        {"reverse.settled", "reverse.repeated", "reconcile.flat", *_STANDING},
        of("2601", _forget_reversals), None),
    "reverses once alone": ({"reverse.repeated"}, None, of("2601", _once_alone)),
    "is never flat": ({"reconcile.flat"}, None, of("3201", _told("000103"))),
    "is always flat": ({"reconcile.differs"}, None, of("3201", _told("000000"))),
    "lists what agrees": (
        _STANDING, None, of("9102", _file_of(_one_more))),
    "loses the differences": (
        {"files.amount", "files.left-out"}, None,
        of("9102", _file_of(lambda _: []))),
    "loses the msgid": (
        {"files.left-out"}, None, of("9102", _file_of(_no_msgid))),
    "takes any file": ({"files.no-file"}, None, of("9101", _take_any_file)),
    "lets nothing be undone": ({"undo.all"}, _refuse_at_the_end, None),
}  # fmt: skip
